use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a judge is, administrators' folders included; `None`, said so, if it is missing.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{name} is missing");
        eprintln!("skipped: {name} is missing");
    }
    found
}

/// Runs a command and returns what it printed; panics with it unless it succeeds.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

/// Checks an image with `fsck.erofs`, if there is one.
///
/// Version 1.5 exits with 0 whatever it finds, so its words count.
pub(crate) fn fsck(image: &Path) {
    if let Some(fsck) = find("fsck.erofs") {
        let text = run(Command::new(fsck).arg("-d3").arg(image));
        assert!(text.contains("No errors found") && !text.contains("<E>"), "{text}");
    }
}

/// Finds `fsck.erofs` if it knows what compressed images are made of: zstd since version 1.8.
pub(crate) fn find_new_fsck() -> Option<PathBuf> {
    let fsck = find("fsck.erofs")?;
    let text = run(Command::new(&fsck).arg("-V"));
    let version =
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let numbers: Vec<u32> = version.unwrap().split('.').flat_map(str::parse).collect();
    if numbers.as_slice() < [1, 8].as_slice() {
        eprintln!("skipped: fsck.erofs is older than 1.8: {text}");
        return None;
    }
    Some(fsck)
}

/// Checks an image, compressed data too, with `fsck.erofs`, if there is one that can.
pub(crate) fn fsck_compressed(image: &Path) {
    if let Some(fsck) = find_new_fsck() {
        let text = run(Command::new(fsck).args(["-d3", "--extract"]).arg(image));
        assert!(text.contains("No errors found") && !text.contains("<E>"), "{text}");
    }
}

/// Tells whether the running kernel reads zstd in EROFS; otherwise says so.
pub(crate) fn kernel_knows_zstd() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let numbers: Vec<u32> = release.split(['.', '-']).map_while(|n| n.parse().ok()).collect();
    let config = std::fs::read_to_string(format!("/boot/config-{release}")).unwrap_or_default();
    let left_out = !config.is_empty() && !config.contains("CONFIG_EROFS_FS_ZIP_ZSTD=y");
    let knows = numbers.as_slice() >= [6, 10].as_slice() && !left_out;
    if !knows {
        eprintln!("skipped: the kernel {release} has no zstd in EROFS");
    }
    knows
}

/// An image mounted by the kernel, until it is dropped.
pub(crate) struct Mount {
    dir: tempfile::TempDir,
}

impl Mount {
    /// Mounts an EROFS image read-only; `None`, said so, where that is not possible.
    pub(crate) fn new(image: &Path) -> Option<Self> {
        let kernel = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let able = rustix::process::geteuid().is_root()
            && Path::new("/dev/loop-control").exists()
            && kernel.lines().any(|line| line.trim().ends_with("erofs"));
        if !able {
            eprintln!("skipped: a kernel mount needs root, a loop device and a kernel with erofs");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        run(Command::new(find("mount")?)
            .args(["-t", "erofs", "-o", "loop,ro"])
            .arg(image)
            .arg(dir.path()));
        Some(Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.dir.path()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("failed to unmount {}", self.dir.path().display());
        }
    }
}
