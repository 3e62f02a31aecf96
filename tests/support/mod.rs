//! What the tests of the whole program share: building a shipped recipe.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program under test.
pub(crate) const FLAGSTONE: &str = env!("CARGO_BIN_EXE_flagstone");

/// A folder for one test, which goes when the test has passed.
pub(crate) struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

impl Deref for Scratch {
    type Target = PathBuf;

    fn deref(&self) -> &PathBuf {
        &self.0
    }
}

impl AsRef<Path> for Scratch {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// A folder for one test, emptied.
pub(crate) fn scratch(name: &str) -> Scratch {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    Scratch(dir)
}

/// Locks a shipped recipe anew and builds it below `dir`; returns the disk image.
pub(crate) fn build(recipe: &str, dir: &Path) -> PathBuf {
    build_with(recipe, &[], dir)
}

/// Builds a shipped recipe without compression, so that older erofs-utils read its /usr.
pub(crate) fn build_uncompressed(recipe: &str, dir: &Path) -> PathBuf {
    let text = format!("extends = \"{recipe}\"\n[usr]\ncompression = \"none\"\n");
    fs::write(dir.join("uncompressed.toml"), text).unwrap();
    build("uncompressed.toml", dir)
}

/// Does what [`build`] does, with more arguments.
pub(crate) fn build_with(recipe: &str, arguments: &[&str], dir: &Path) -> PathBuf {
    let status = Command::new(FLAGSTONE)
        .args(["build", recipe])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "flagstone build {recipe} ended with {status}");
    artifact(&dir.join("out"), ".raw")
}

/// Returns the artefact whose name ends so.
pub(crate) fn artifact(out: &Path, suffix: &str) -> PathBuf {
    let names = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.to_str().unwrap().ends_with(suffix)).unwrap()
}
