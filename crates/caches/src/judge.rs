//! Independent tools that judge in tests, and the folders they work on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::{Caches, ToolVersions};

const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

/// Tells whether a tool is there. A test whose judge is missing says so and passes, unless
/// `FLAGSTONE_REQUIRE_JUDGES=1` asks for all of them.
pub(crate) fn is_present(tool: &str, argument: &str) -> bool {
    if Command::new(tool).arg(argument).output().is_ok_and(|out| out.status.success()) {
        return true;
    }
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "{tool} is missing");
    println!("skipped: {tool} is missing");
    false
}

/// A root directory with what a test puts there, for the tool and for Flagstone alike.
pub(crate) struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    /// Creates a root that has a tool, which is not run from there.
    pub(crate) fn new(tool: &str) -> Self {
        let root = Self { folder: tempfile::tempdir().unwrap() };
        root.file(tool, "");
        root
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(path)).unwrap();
    }

    /// Copies the files of this machine's directory whose names end so; none if it is missing.
    pub(crate) fn copy(&self, directory: &str, suffixes: &[&str]) {
        for path in files(&Path::new("/").join(directory)) {
            let name = path.to_str().unwrap();
            if suffixes.iter().any(|suffix| name.ends_with(suffix)) {
                self.file(name.strip_prefix('/').unwrap(), fs::read(&path).unwrap());
            }
        }
    }

    /// Makes the caches from what is there now, runs the judge, and compares: the judge must add the
    /// same files with the same bytes.
    pub(crate) fn compare(&self, tools: &ToolVersions, judge: &mut Command) -> Caches {
        let caches = Caches::make(&self.tree(), tools).unwrap();
        let before: BTreeSet<PathBuf> = files(self.folder.path()).into_iter().collect();
        let Output { status, stderr, .. } = judge.output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        let theirs: BTreeSet<PathBuf> =
            files(self.folder.path()).into_iter().filter(|path| !before.contains(path)).collect();
        let ours: BTreeSet<PathBuf> = caches.files().iter().map(|(p, _)| self.path(p)).collect();
        assert_eq!(ours, theirs);
        for (path, bytes) in caches.files() {
            let theirs = fs::read(self.path(path)).unwrap();
            if theirs != bytes[..] {
                let at = theirs.iter().zip(bytes).position(|(a, b)| a != b);
                let at = at.unwrap_or(theirs.len().min(bytes.len()));
                let around = |bytes: &[u8]| {
                    let end = bytes.len().min(at + 60);
                    String::from_utf8_lossy(&bytes[at.saturating_sub(60)..end]).into_owned()
                };
                panic!(
                    "{path} differs at {at}: {:?}, expected {:?}",
                    around(bytes),
                    around(&theirs)
                );
            }
        }
        caches
    }

    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new(META);
        for path in files(self.folder.path()) {
            let name = path.strip_prefix(self.folder.path()).unwrap().to_str().unwrap();
            let inode = if path.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                Inode::symlink(META.mtime, target.to_str().unwrap().as_bytes().to_vec())
            } else {
                Inode::file(META, fs::read(&path).unwrap())
            };
            tree.put(name, META, inode).unwrap();
        }
        tree
    }
}

/// Returns all files and links below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}
