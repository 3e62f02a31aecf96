//! What the judges' tests share: running tools, and inputs to run them on.

#[path = "../../examples/support/directory.rs"]
mod directory;
mod module_object;

pub(crate) use directory::load;
pub(crate) use module_object::ModuleObject;

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds a tool of this machine. A missing one skips the test, unless judges are required.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists());
    if found.is_none() {
        skip(&format!("{name} is missing"));
    }
    found
}

/// Finds the root of an unpacked Debian system to compare with its own tools; see `judges.rs`.
pub(crate) fn trixie_root() -> Option<PathBuf> {
    let root = std::env::var_os("FLAGSTONE_TRIXIE_ROOT").map(PathBuf::from);
    if root.is_none() {
        println!("skipped: FLAGSTONE_TRIXIE_ROOT names no unpacked system");
    }
    root
}

fn skip(why: &str) {
    assert!(
        std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_none_or(|value| value != "1"),
        "{why}, and judges are required"
    );
    println!("skipped: {why}");
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns a command that runs a program of another root, as root or as an ordinary user.
pub(crate) fn chroot(root: &Path, program: &str) -> Command {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new(if is_root { "chroot" } else { "unshare" });
    if !is_root {
        command.args(["--map-root-user", "chroot"]);
    }
    command.arg(root).arg(program);
    command
}

/// Writes a file, with the directories above it.
pub(crate) fn write(path: &Path, data: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, data).unwrap();
}

/// Makes the links of a merged `/usr`.
pub(crate) fn merge_usr(root: &Path) {
    for dir in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(dir)).unwrap();
        symlink(Path::new("usr").join(dir), root.join(dir)).unwrap();
    }
}

/// Copies a tool of this machine and its libraries into a root.
pub(crate) fn install(tool: &Path, root: &Path) {
    let listed = Command::new("ldd").arg(tool).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.map(Path::new).chain([tool]) {
        let to = root.join(path.strip_prefix("/").unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(path, to).unwrap();
    }
}

/// Asserts that two files are equal, without printing them.
pub(crate) fn assert_same(name: &str, ours: &[u8], theirs: &[u8]) {
    if ours != theirs {
        let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        panic!("{name}: {} and {} bytes differ from byte {at} on", ours.len(), theirs.len());
    }
}
