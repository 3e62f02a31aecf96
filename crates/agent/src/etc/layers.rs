use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::difference::{Aspect, EtcChange, EtcDiff, EtcEntry, EtcKind};
use super::error::EtcError;
use super::overlay::Attributes;

/// Compares the upper layer of an /etc with its defaults. Neither is written to, and no link is followed.
///
/// # Errors
/// [`EtcError::Read`], [`EtcError::Attribute`].
pub fn compare(defaults: &Path, upper: &Path, attributes: Attributes) -> Result<EtcDiff, EtcError> {
    let mut walk = Walk { defaults, upper, attributes, diff: EtcDiff::default() };
    // What lies above it and what it hides is asked of every folder but the top one, which the mount is made of.
    let mut folders = vec![Folder { path: PathBuf::new(), below: Below::Seen }];
    while let Some(folder) = folders.pop() {
        walk.folder(&folder, &mut folders)?;
    }
    walk.diff.sort();
    Ok(walk.diff)
}

/// What there is of the defaults below a folder of the upper layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Nothing.
    Nothing,
    /// A folder that shows through.
    Seen,
    /// A folder that is hidden: what the upper one does not have, too, is gone.
    Hidden,
}

/// A folder of the upper layer.
struct Folder {
    /// Relative to both layers.
    path: PathBuf,
    below: Below,
}

struct Walk<'a> {
    defaults: &'a Path,
    upper: &'a Path,
    attributes: Attributes,
    diff: EtcDiff,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, next: &mut Vec<Folder>) -> Result<(), EtcError> {
        let upper = names(&self.upper.join(&folder.path))?;
        for name in &upper {
            self.entry(folder.path.join(name), folder.below, next)?;
        }
        if folder.below == Below::Hidden {
            let defaults = names(&self.defaults.join(&folder.path))?;
            for name in defaults.difference(&upper) {
                let path = folder.path.join(name);
                let metadata = metadata(&self.defaults.join(&path))?;
                self.diff.removed.push(entry(&path, &metadata));
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        path: PathBuf,
        below: Below,
        next: &mut Vec<Folder>,
    ) -> Result<(), EtcError> {
        let (upper, default) = (self.upper.join(&path), self.defaults.join(&path));
        let machine = metadata(&upper)?;
        let default_metadata = match below {
            Below::Nothing => None,
            Below::Seen | Below::Hidden => found(&default)?,
        };
        if self.attributes.is_whiteout(&upper, &machine)? {
            self.diff.removed.extend(default_metadata.map(|metadata| entry(&path, &metadata)));
            return Ok(());
        }
        self.attributes.check(&upper)?;
        let Some(default_metadata) = default_metadata else {
            self.diff.added.push(entry(&path, &machine));
            if machine.is_dir() {
                next.push(Folder { path, below: Below::Nothing });
            }
            return Ok(());
        };
        let differs = aspects((&default, &default_metadata), (&upper, &machine))?;
        if !differs.is_empty() {
            self.diff.changed.push(EtcChange {
                path: shown(&path),
                differs,
                default: EtcKind::of(&default_metadata),
                machine: EtcKind::of(&machine),
            });
        } else if !machine.is_dir() {
            self.diff.same.push(entry(&path, &machine));
        }
        if machine.is_dir() {
            let below = if !default_metadata.is_dir() {
                Below::Nothing
            } else if below == Below::Hidden || self.attributes.is_opaque(&upper)? {
                Below::Hidden
            } else {
                Below::Seen
            };
            next.push(Folder { path, below });
        }
        Ok(())
    }
}

/// Returns in what two inodes differ.
fn aspects(
    default: (&Path, &Metadata),
    machine: (&Path, &Metadata),
) -> Result<Vec<Aspect>, EtcError> {
    let (d, m) = (default.1, machine.1);
    let mut differs = Vec::new();
    if d.file_type() != m.file_type() {
        differs.push(Aspect::Kind);
    } else if d.is_file() {
        if d.len() != m.len() || !same_bytes(default.0, machine.0)? {
            differs.push(Aspect::Content);
        }
    } else if d.is_symlink() {
        if target(default.0)? != target(machine.0)? {
            differs.push(Aspect::Target);
        }
    } else if d.rdev() != m.rdev() {
        differs.push(Aspect::Content);
    }
    // The permissions of a link mean nothing.
    if !(d.is_symlink() || m.is_symlink()) && (d.mode() ^ m.mode()) & 0o7777 != 0 {
        differs.push(Aspect::Mode);
    }
    if (d.uid(), d.gid()) != (m.uid(), m.gid()) {
        differs.push(Aspect::Owner);
    }
    Ok(differs)
}

fn same_bytes(a: &Path, b: &Path) -> Result<bool, EtcError> {
    let open = |path: &Path| File::open(path).map_err(failed(path));
    let (mut left, mut right) = (open(a)?, open(b)?);
    let (mut of_left, mut of_right) = (Vec::new(), Vec::new());
    loop {
        for (file, piece, path) in [(&mut left, &mut of_left, a), (&mut right, &mut of_right, b)] {
            piece.clear();
            file.take(1 << 16).read_to_end(piece).map_err(failed(path))?;
        }
        if of_left != of_right {
            return Ok(false);
        }
        if of_left.is_empty() {
            return Ok(true);
        }
    }
}

fn target(path: &Path) -> Result<PathBuf, EtcError> {
    fs::read_link(path).map_err(failed(path))
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>, EtcError> {
    let entries = fs::read_dir(folder).map_err(failed(folder))?;
    entries.map(|entry| Ok(entry.map_err(failed(folder))?.file_name())).collect()
}

fn metadata(path: &Path) -> Result<Metadata, EtcError> {
    fs::symlink_metadata(path).map_err(failed(path))
}

fn found(path: &Path) -> Result<Option<Metadata>, EtcError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path)(error)),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> EtcError {
    let path = path.to_owned();
    move |source| EtcError::Read { path: path.clone(), source }
}

fn entry(path: &Path, metadata: &Metadata) -> EtcEntry {
    EtcEntry { path: shown(path), kind: EtcKind::of(metadata) }
}

/// Writes a path as people read it: control characters and what is no UTF-8 as `\xNN`.
fn shown(path: &Path) -> String {
    let mut text = "/etc/".to_owned();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() {
                text.extend(char.to_string().bytes().map(|byte| format!("\\x{byte:02x}")));
            } else {
                text.push(char);
            }
        }
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}
