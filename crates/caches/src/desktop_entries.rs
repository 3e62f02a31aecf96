//! `mimeinfo.cache`: which programs open which MIME types.

use std::collections::{BTreeMap, BTreeSet};

use flagstone_tree::Tree;

use crate::{Caches, files, key_file};

const DIRECTORY: &str = "usr/share/applications";
const TOOL: &str = "usr/bin/update-desktop-database";

/// How deep folders are followed; links may lead in circles.
const MAX_DEPTH: usize = 16;

/// The kinds of media that the tool takes types of.
const MEDIA: [&str; 13] = [
    "application",
    "audio",
    "chemical",
    "font",
    "image",
    "inode",
    "message",
    "model",
    "multipart",
    "text",
    "video",
    "x-content",
    "x-scheme-handler",
];

/// Types that it takes though their media are unknown: one in wide use, and one program's old ones.
const EXCEPTIONS: [&str; 13] = [
    "misc/ultravox",
    "flv-application/octet-stream",
    "zz-application/zz-winassoc-123",
    "zz-application/zz-winassoc-cab",
    "zz-application/zz-winassoc-cdr",
    "zz-application/zz-winassoc-doc",
    "zz-application/zz-winassoc-hlp",
    "zz-application/zz-winassoc-ini",
    "zz-application/zz-winassoc-lwp",
    "zz-application/zz-winassoc-lzh",
    "zz-application/zz-winassoc-mdb",
    "zz-application/zz-winassoc-uu",
    "zz-application/zz-winassoc-xls",
];

/// Makes the cache, as `update-desktop-database` of desktop-file-utils 0.28 does.
///
/// Entries in a folder are named after it: `kde/a.desktop` is `kde-a.desktop`.
pub(crate) fn update(tree: &Tree) -> Caches {
    let mut caches = Caches::default();
    if !files::is_file(tree, TOOL) || !files::is_directory(tree, DIRECTORY) {
        return caches;
    }
    let mut entries = Entries { tree, caches: &mut caches, by_type: BTreeMap::new() };
    entries.read_directory(DIRECTORY, "", MAX_DEPTH);
    let mut cache = "[MIME Cache]\n".to_owned();
    for (mime_type, names) in std::mem::take(&mut entries.by_type) {
        let names: String = names.into_iter().flat_map(|name| [name, ";".to_owned()]).collect();
        cache.extend([&mime_type, "=", &names, "\n"]);
    }
    caches.add(format!("{DIRECTORY}/mimeinfo.cache"), cache);
    caches
}

struct Entries<'a> {
    tree: &'a Tree,
    caches: &'a mut Caches,
    by_type: BTreeMap<String, BTreeSet<String>>,
}

impl Entries<'_> {
    fn read_directory(&mut self, directory: &str, prefix: &str, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for name in files::names(self.tree, directory) {
            let path = format!("{directory}/{name}");
            if files::is_directory(self.tree, &path) {
                self.read_directory(&path, &format!("{prefix}{name}-"), depth);
            } else if name.ends_with(".desktop") {
                match files::text(self.tree, &path).and_then(|text| mime_types(&text)) {
                    Ok(types) => self.add(&format!("{prefix}{name}"), &path, types),
                    Err(reason) => {
                        self.caches.note(format!("/{path} is left out of MIME types: {reason}"));
                    }
                }
            }
        }
    }

    fn add(&mut self, name: &str, path: &str, types: Vec<String>) {
        for mime_type in types {
            let mime_type = mime_type.trim_end_matches(crate::is_blank);
            if is_valid(mime_type) {
                self.by_type.entry(mime_type.to_owned()).or_default().insert(name.to_owned());
            } else {
                self.caches.note(format!("/{path}: {mime_type:?} is no MIME type"));
            }
        }
    }
}

/// Returns the types that an entry names; none if it is hidden.
fn mime_types(text: &str) -> Result<Vec<String>, &'static str> {
    let groups = key_file::parse(text, false).ok_or("it is no desktop entry")?;
    let entry = groups.iter().find(|group| group.name == "Desktop Entry");
    let Some(entry) = entry else { return Ok(Vec::new()) };
    if entry.get("Hidden").is_some_and(key_file::boolean) {
        return Ok(Vec::new());
    }
    let types = entry.get("MimeType").unwrap_or_default();
    key_file::strings(types, ';').ok_or("its MimeType has an escape without meaning")
}

/// Tells whether the tool takes a type: of known media, or private ones (RFC 2045, 5.1).
fn is_valid(mime_type: &str) -> bool {
    let Some((media, subtype)) = mime_type.split_once('/') else { return false };
    let is_token = |text: &str| text.bytes().all(is_token_byte);
    let is_private = media.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let is_known = MEDIA.contains(&media) || (is_private && is_token(media));
    !subtype.is_empty() && is_token(subtype) && (is_known || EXCEPTIONS.contains(&mime_type))
}

fn is_token_byte(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::ToolVersions;
    use crate::judge::{Root, is_present};

    #[test]
    fn media_are_known_private_or_exceptions() {
        for good in ["text/plain", "x-foo/bar", "X-A/b", "misc/ultravox", "x-scheme-handler/http"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["text", "text/", "text/a b", "foo/bar", "example/x", "a/b/c", "x-(/a", ""] {
            assert!(!is_valid(bad), "{bad}");
        }
    }

    #[test]
    fn the_tool_makes_the_same_cache() {
        if !is_present("update-desktop-database", "--help") {
            return;
        }
        let root = Root::new(TOOL);
        let entry = |name: &str, text: &str| root.file(&format!("{DIRECTORY}/{name}"), text);
        entry(
            "b.desktop",
            "[Desktop Entry]\nName=B\nMimeType=text/plain;image/png ;x-a/b;text/plain\n",
        );
        entry(
            "a.desktop",
            "# c\n[Desktop Entry]\nMimeType[de]=a/b\nMimeType = text/plain\n[Desktop Action x]\nMimeType=text/x\n",
        );
        entry("hidden.desktop", "[Desktop Entry]\nHidden=true\nMimeType=text/plain;\n");
        entry(
            "shown.desktop",
            "[Desktop Entry]\nHidden=no\nMimeType=foo/bar;text;text/;x-b/\\;;misc/ultravox\n",
        );
        entry("escape.desktop", "[Desktop Entry]\nMimeType=text/\\q;\n");
        entry("none.desktop", "[Desktop Entry]\nName=x\n");
        entry("broken.desktop", "MimeType=text/plain\n");
        entry("other.txt", "[Desktop Entry]\nMimeType=text/plain\n");
        entry("kde/a.desktop", "[Desktop Entry]\r\nMimeType=text/plain;\r\n");
        entry("kde/deep/b.desktop", "[Desktop Entry]\nMimeType=image/png;\n");
        root.link(&format!("{DIRECTORY}/link.desktop"), "a.desktop");
        let mut judge = Command::new("update-desktop-database");
        let caches = root.compare(&ToolVersions::default(), judge.arg(root.path(DIRECTORY)));
        assert_eq!(caches.notes().len(), 6, "{:#?}", caches.notes());
    }
}
