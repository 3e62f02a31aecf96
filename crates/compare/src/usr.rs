use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use flagstone_image::ReadError;
use flagstone_image::erofs::read::{Image, Node, NodeKind, ReadAt as _};
use rayon::prelude::*;

use crate::CompareError;
use crate::window::Window;

/// The longest file that is digested, far above any of a /usr: holes make a file of any length fit a
/// small image.
const FILE_MAX: u64 = 4 << 30;

/// How many files one thread takes at once; few enough for all threads to have work.
const FILES_AT_ONCE: usize = 128;

/// The longest path that Linux takes.
const PATH_MAX: usize = 4096;

/// Where the magic number of EROFS stands, and what it is.
const EROFS_AT: u64 = 1024;
pub(crate) const EROFS_MAGIC: [u8; 4] = [0xe2, 0xe1, 0xf5, 0xe0];

const ZEROS: [u8; 4096] = [0; 4096];

/// What became of reading one file.
pub(crate) type Digested = Result<Sha256Digest, ReadError>;

/// The content of /usr, as an image has it.
#[derive(Debug)]
pub(crate) struct Usr {
    pub(crate) image: Image<Window>,
    window: Window,
    path: PathBuf,
}

impl Usr {
    /// Opens an image; `path` is the file that holds it.
    pub(crate) fn open(window: Window, path: &Path) -> Result<Self, CompareError> {
        let error = |source| CompareError::Usr { path: path.to_owned(), source };
        check_length(&window, path)?;
        let image = Image::open(window.clone()).map_err(error)?;
        // What follows in a partition is no part of the image.
        let window = window.part(0, image.size_bytes()).unwrap_or(window);
        Ok(Self { image, window, path: path.to_owned() })
    }

    /// Returns the bytes of the image, and nothing that follows them in a partition.
    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// Returns the error of an inode that a path led to.
    pub(crate) fn error(&self, inside: &[u8]) -> impl FnOnce(ReadError) -> CompareError + '_ {
        let inside = show(inside);
        move |source| CompareError::Inside { path: self.path.clone(), inside, source }
    }

    /// Finds a path below /usr, without following links.
    pub(crate) fn find(&self, inside: &str) -> Result<Option<Node>, CompareError> {
        let error = |source| self.error(inside.as_bytes())(source);
        let mut node = self.image.root().map_err(error)?;
        for name in inside.split('/') {
            if node.kind != NodeKind::Directory {
                return Ok(None);
            }
            let entries = self.image.entries(&node).map_err(error)?;
            let found = entries.iter().find(|entry| entry.name.as_bytes() == name.as_bytes());
            let Some(entry) = found else { return Ok(None) };
            node = self.image.node(entry.nid).map_err(error)?;
        }
        Ok(Some(node))
    }

    /// Returns the names in a folder; none if it is not there.
    pub(crate) fn names(&self, inside: &str) -> Result<Vec<String>, CompareError> {
        let folder = self.find(inside)?.filter(|node| node.kind == NodeKind::Directory);
        let Some(folder) = folder else { return Ok(Vec::new()) };
        let entries = self.image.entries(&folder).map_err(self.error(inside.as_bytes()))?;
        Ok(entries.iter().map(|entry| show(entry.name.as_bytes())).collect())
    }

    /// Adds every path in a folder, and whether it is a folder, to a list; none if it is not there.
    pub(crate) fn list(
        &self,
        inside: &str,
        paths: &mut BTreeMap<String, bool>,
    ) -> Result<(), CompareError> {
        let mut folders: Vec<(String, Node)> =
            self.find(inside)?.into_iter().map(|node| (inside.to_owned(), node)).collect();
        while let Some((path, folder)) = folders.pop() {
            if folder.kind != NodeKind::Directory {
                continue;
            }
            let error = |source| self.error(path.as_bytes())(source);
            for entry in self.image.entries(&folder).map_err(error)? {
                let node = self.image.node(entry.nid).map_err(error)?;
                let below = format!("{path}/{}", show(entry.name.as_bytes()));
                let is_folder = node.kind == NodeKind::Directory;
                // A damaged image may have a folder within itself.
                if paths.insert(below.clone(), is_folder).is_none()
                    && is_folder
                    && below.len() < PATH_MAX
                {
                    folders.push((below, node));
                }
            }
        }
        Ok(())
    }

    /// Returns the text of a file, if it is there and has at most `limit` bytes.
    pub(crate) fn text(&self, inside: &str, limit: u64) -> Result<Option<String>, CompareError> {
        let found = self.find(inside)?;
        let file = found.filter(|node| node.kind == NodeKind::File && node.size <= limit);
        let Some(file) = file else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(file.size).unwrap_or_default()];
        let read = self.image.read(&file, 0..file.size, &mut |offset, data| {
            let at = usize::try_from(offset).unwrap_or(usize::MAX);
            if let Some(place) = bytes.get_mut(at..at.saturating_add(data.len())) {
                place.copy_from_slice(data);
            }
            Ok(())
        });
        read.map_err(self.error(inside.as_bytes()))?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Digests files, each inode once, in parallel, in the order in which they are read fastest.
    pub(crate) fn digests(&self, files: &[&Node]) -> BTreeMap<u64, Digested> {
        let by_nid: BTreeMap<u64, &Node> = files.iter().map(|file| (file.nid, *file)).collect();
        let mut order: Vec<(u64, &Node)> = by_nid
            .into_values()
            .map(|file| (self.image.reading_order(file).unwrap_or_default(), file))
            .collect();
        order.sort_by_key(|(rank, file)| (*rank, file.nid));
        let digest = |part: &[(u64, &Node)]| -> Vec<(u64, Digested)> {
            // Each thread keeps the cluster that it decompressed last.
            match Image::open(self.window.clone()) {
                Ok(image) => {
                    part.iter().map(|(_, file)| (file.nid, digest(&image, file))).collect()
                }
                Err(_) => part.iter().map(|(_, f)| (f.nid, digest(&self.image, f))).collect(),
            }
        };
        order.par_chunks(FILES_AT_ONCE).flat_map_iter(digest).collect()
    }
}

/// Refuses an image that is shorter than it says (`magic`, `blocks` in `struct erofs_super_block`).
fn check_length(window: &Window, path: &Path) -> Result<(), CompareError> {
    let mut fields = [0; 40];
    if window.read_exact_at(&mut fields, EROFS_AT).is_err() || !fields.starts_with(&EROFS_MAGIC) {
        // Whoever opens it says so.
        return Ok(());
    }
    let blocks = u32::from_le_bytes([fields[36], fields[37], fields[38], fields[39]]);
    let expected = u64::from(blocks) * 4096;
    if expected <= window.size() {
        return Ok(());
    }
    Err(CompareError::Unfit {
        path: path.to_owned(),
        place: "the usr image".to_owned(),
        expected: format!("{expected} bytes"),
        found: window.size().to_string(),
        hint: "the image is cut off: copy it again, or build it again",
    })
}

/// Digests one file, holes as the zeros that they read as.
fn digest(image: &Image<Window>, file: &Node) -> Digested {
    if file.size > FILE_MAX {
        return Err(ReadError::TooLarge { limit: FILE_MAX });
    }
    let mut hasher = Sha256Hasher::new();
    let mut at = 0;
    image.read(file, 0..file.size, &mut |offset, data| {
        zeros(&mut hasher, offset.saturating_sub(at));
        hasher.update(data);
        at = offset + data.len() as u64;
        Ok(())
    })?;
    zeros(&mut hasher, file.size.saturating_sub(at));
    Ok(hasher.finish())
}

fn zeros(hasher: &mut Sha256Hasher, mut count: u64) {
    while count > 0 {
        let part = count.min(ZEROS.len() as u64);
        hasher.update(&ZEROS[..usize::try_from(part).unwrap_or(ZEROS.len())]);
        count -= part;
    }
}

/// Returns a path or name as text; bytes that are no UTF-8, and control characters, as `\xNN`.
pub(crate) fn show(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut buffer = [0; 4];
                escape(&mut text, character.encode_utf8(&mut buffer).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str("\\x");
        text.extend(
            [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
        );
    }
}

/// Returns where two windows differ first; `None` if they are equal.
pub(crate) fn first_difference(old: &Window, new: &Window) -> Result<Option<u64>, std::io::Error> {
    const PART: u64 = 1 << 20;
    let shared = old.size().min(new.size());
    let parts = shared.div_ceil(PART);
    let found = (0..parts).into_par_iter().map(|part| -> Result<Option<u64>, std::io::Error> {
        let start = part * PART;
        let length = usize::try_from(PART.min(shared - start)).unwrap_or_default();
        let (mut a, mut b) = (vec![0; length], vec![0; length]);
        old.read_exact_at(&mut a, start)?;
        new.read_exact_at(&mut b, start)?;
        if a == b {
            return Ok(None);
        }
        let at = a.iter().zip(&b).position(|(a, b)| a != b).unwrap_or_default();
        Ok(Some(start + at as u64))
    });
    let found = found.find_first(|found| !matches!(found, Ok(None)));
    match found {
        Some(found) => found,
        None if old.size() != new.size() => Ok(Some(shared)),
        None => Ok(None),
    }
}
