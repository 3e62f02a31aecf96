//! `icon-theme.cache`: which icons a theme has, in which of its folders.

use std::collections::BTreeMap;

use flagstone_tree::Tree;
use rayon::prelude::*;

use crate::glib_table::GlibTable;
use crate::{CacheError, Caches, files};

const THEMES: &str = "usr/share/icons";
const TOOL: &str = "usr/bin/gtk-update-icon-cache";

const MAJOR_VERSION: u16 = 1;
const MINOR_VERSION: u16 = 0;
/// Where the table of names starts, after versions and offsets.
const TABLE_OFFSET: u32 = 12;
const NONE: u32 = u32::MAX;

/// How deep folders are followed; links may lead in circles.
const MAX_DEPTH: usize = 16;

/// The flag that an icon has attached data, of which no version of GTK reads any since 3.14.
const HAS_ICON_FILE: u16 = 8;
const SUFFIXES: [(&str, u16); 4] =
    [(".png", 4), (".svg", 2), (".xpm", 1), (".icon", HAS_ICON_FILE)];

/// Sizes of hash tables, each about half as large again as the one before (`gprimes.c`).
const PRIMES: [u32; 34] = [
    11, 19, 37, 73, 109, 163, 251, 367, 557, 823, 1237, 1861, 2777, 4177, 6247, 9371, 14_057,
    21_089, 31_627, 47_431, 71_143, 106_721, 160_073, 240_101, 360_163, 540_217, 810_343,
    1_215_497, 1_823_231, 2_734_867, 4_102_283, 6_153_409, 9_230_113, 13_845_163,
];

/// Makes the cache of each theme that has an `index.theme`, as `gtk-update-icon-cache` of GTK 4.18
/// does: names and folders alone, without the images.
///
/// GTK ignores a cache that is older than its theme's folder, so the folder must not be younger than
/// the build's date.
pub(crate) fn update(tree: &Tree) -> Result<Caches, CacheError> {
    if !files::is_file(tree, TOOL) {
        return Ok(Caches::default());
    }
    let themes = files::names(tree, THEMES).into_par_iter().map(|theme| update_theme(tree, &theme));
    let mut all = Caches::default();
    for caches in themes.collect::<Result<Vec<_>, _>>()? {
        all.append(caches);
    }
    Ok(all)
}

fn update_theme(tree: &Tree, theme: &str) -> Result<Caches, CacheError> {
    let mut caches = Caches::default();
    let directory = format!("{THEMES}/{theme}");
    if !files::is_file(tree, &format!("{directory}/index.theme")) {
        return Ok(caches);
    }
    let mut icons = Icons::new(tree, &directory);
    icons.scan("", MAX_DEPTH);
    if let Some(name) = icons.unfit_name() {
        caches.note(format!("/{directory} has no cache, since it cannot hold {name:?}"));
    } else if icons.by_name.len() > 0 {
        let cache = icons.to_bytes().ok_or(CacheError::TooLarge { path: THEMES })?;
        caches.add(format!("{directory}/icon-theme.cache"), cache);
    }
    Ok(caches)
}

/// The files of one icon in one folder.
#[derive(Clone, Copy, Debug)]
struct Image {
    folder: u16,
    flags: u16,
}

struct Icons<'a> {
    tree: &'a Tree,
    theme: &'a str,
    folders: Vec<String>,
    /// The images of each name, those of the folder that was scanned last at the end.
    by_name: GlibTable<Vec<Image>>,
}

impl<'a> Icons<'a> {
    fn new(tree: &'a Tree, theme: &'a str) -> Self {
        Self { tree, theme, folders: Vec::new(), by_name: GlibTable::new() }
    }

    /// Returns a name that readers do not take: they want printable ASCII, and no kilobyte of it.
    fn unfit_name(&self) -> Option<&str> {
        let names = self.by_name.iter().map(|(name, _)| name);
        let mut all = names.chain(self.folders.iter().map(String::as_str));
        all.find(|name| name.len() > 1023 || !name.bytes().all(|byte| byte.is_ascii_graphic()))
    }

    fn scan(&mut self, folder: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let directory = format!("{}/{folder}", self.theme);
        let mut images: GlibTable<Image> = GlibTable::new();
        let mut index = None;
        for name in files::names(self.tree, directory.trim_end_matches('/')) {
            let below = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let path = format!("{}/{below}", self.theme);
            if files::is_directory(self.tree, &path) {
                self.scan(&below, depth);
                continue;
            }
            let suffix = SUFFIXES.iter().find(|(suffix, _)| name.ends_with(suffix));
            let Some((suffix, flag)) = suffix else { continue };
            if folder.is_empty() || !files::is_file(self.tree, &path) {
                continue;
            }
            let stem = &name[..name.len() - suffix.len()];
            if let Some(image) = images.get_mut(stem) {
                image.flags |= flag;
                continue;
            }
            let index = *index.get_or_insert_with(|| {
                self.folders.push(folder.to_owned());
                u16::try_from(self.folders.len() - 1).unwrap_or(u16::MAX)
            });
            images.insert(stem, Image { folder: index, flags: *flag });
        }
        for (name, image) in images.into_entries() {
            if image.flags == HAS_ICON_FILE {
                continue;
            }
            match self.by_name.get_mut(&name) {
                Some(known) => known.push(image),
                None => self.by_name.insert(&name, vec![image]),
            }
        }
    }

    /// Returns the cache, big-endian; `None` if its offsets cannot tell its length.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let third = u32::try_from(self.by_name.len() / 3).ok()?;
        let size = PRIMES.iter().copied().find(|&prime| prime > third).unwrap_or(PRIMES[33]);
        let mut buckets = vec![Vec::new(); size as usize];
        for entry in self.by_name.iter() {
            buckets[(name_hash(entry.0) % size) as usize].push(entry);
        }
        let mut out = Vec::new();
        out.extend(MAJOR_VERSION.to_be_bytes());
        out.extend(MINOR_VERSION.to_be_bytes());
        out.extend(TABLE_OFFSET.to_be_bytes());
        out.extend([0; 4]);
        out.extend(size.to_be_bytes());
        let heads = out.len();
        out.resize(heads + 4 * buckets.len(), 0);
        let mut strings = BTreeMap::new();
        for (index, bucket) in buckets.into_iter().enumerate() {
            let head = if bucket.is_empty() { NONE } else { offset(&out)? };
            let slot = heads + 4 * index;
            out[slot..slot + 4].copy_from_slice(&head.to_be_bytes());
            let last = bucket.len().wrapping_sub(1);
            for (place, (name, images)) in bucket.into_iter().rev().enumerate() {
                append_icon(&mut out, name, images, place == last, &mut strings)?;
            }
        }
        let folders = offset(&out)?;
        out[8..12].copy_from_slice(&folders.to_be_bytes());
        self.append_folders(&mut out, &mut strings)?;
        Some(out)
    }

    fn append_folders(&self, out: &mut Vec<u8>, strings: &mut BTreeMap<String, u32>) -> Option<()> {
        let count = u32::try_from(self.folders.len()).ok()?;
        out.extend(count.to_be_bytes());
        let mut text = Vec::new();
        let start = out.len() + 4 * self.folders.len();
        for folder in &self.folders {
            let at = if let Some(&at) = strings.get(folder) {
                at
            } else {
                let at = u32::try_from(start + text.len()).ok()?;
                append_string(&mut text, folder);
                strings.insert(folder.clone(), at);
                at
            };
            out.extend(at.to_be_bytes());
        }
        out.extend(text);
        Some(())
    }
}

/// Appends an entry: where the next of its bucket is, its name, and its images.
fn append_icon(
    out: &mut Vec<u8>,
    name: &str,
    images: &[Image],
    is_last: bool,
    strings: &mut BTreeMap<String, u32>,
) -> Option<()> {
    let start = out.len();
    let mut text = Vec::new();
    append_string(&mut text, name);
    let name_at = u32::try_from(start + 12).ok()?;
    let list_at = u32::try_from(start + 12 + text.len()).ok()?;
    let end = u32::try_from(start + 16 + text.len() + 8 * images.len()).ok()?;
    strings.insert(name.to_owned(), name_at);
    for number in [if is_last { NONE } else { end }, name_at, list_at] {
        out.extend(number.to_be_bytes());
    }
    out.extend(text);
    out.extend(u32::try_from(images.len()).ok()?.to_be_bytes());
    for image in images.iter().rev() {
        out.extend(image.folder.to_be_bytes());
        out.extend(image.flags.to_be_bytes());
        // No image data.
        out.extend([0; 4]);
    }
    Some(())
}

fn append_string(out: &mut Vec<u8>, text: &str) {
    out.extend(text.as_bytes());
    out.resize((out.len() + 1).next_multiple_of(4), 0);
}

fn offset(out: &[u8]) -> Option<u32> {
    u32::try_from(out.len()).ok()
}

/// Hashes a name as GTK does: by 31, over signed bytes.
fn name_hash(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        hash.wrapping_mul(31).wrapping_add_signed(i32::from(byte.cast_signed()))
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ToolVersions;
    use crate::judge::{Root, is_present};

    #[test]
    fn the_tool_makes_the_same_cache() {
        if !is_present("gtk-update-icon-cache", "--help") {
            return;
        }
        let root = Root::new(TOOL);
        let theme = format!("{THEMES}/own");
        let add = |name: &str| root.file(&format!("{theme}/{name}"), "");
        add("index.theme");
        add("top.png");
        for size in ["16x16", "48x48", "scalable"] {
            for number in 0..200 {
                let suffix = ["png", "svg", "xpm"][number % 3];
                add(&format!("{size}/apps/icon-{}.{suffix}", number * size.len() % 171));
            }
            add(&format!("{size}/apps/both.png"));
            add(&format!("{size}/apps/both.svg"));
            add(&format!("{size}/readme.txt"));
            let data = "[Icon Data]\nDisplayName=Lone\n";
            root.file(&format!("{theme}/{size}/lone.icon"), data);
        }
        add("16x16/a.png");
        add("16x16/b.symbolic.png");
        // A name that is a folder's, too.
        add("scalable/actions/16x16.svg");
        root.link(&format!("{theme}/16x16/link.png"), "a.png");
        root.link(&format!("{theme}/16x16/dangling.png"), "gone.png");
        root.link(&format!("{theme}/32x32"), "16x16");
        root.file(&format!("{THEMES}/no-theme/16x16/a.png"), "");
        root.file(&format!("{THEMES}/empty/index.theme"), "");
        let mut judge = Command::new("gtk-update-icon-cache");
        let judge = judge.args(["--force", "--quiet"]).arg(root.path(&theme));
        root.compare(&ToolVersions::default(), judge);
    }

    #[test]
    fn a_theme_with_a_name_that_readers_refuse_has_no_cache() {
        let root = Root::new(TOOL);
        root.file(&format!("{THEMES}/a/index.theme"), "");
        root.file(&format!("{THEMES}/a/16x16/\u{fc}.png"), "");
        let caches = Caches::make(&root.tree(), &ToolVersions::default()).unwrap();
        assert!(caches.files().is_empty());
        assert_eq!(caches.notes().len(), 1);
    }
}
