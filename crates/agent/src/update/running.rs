use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Architecture, ImageId, ImageName, ImageVersion, Sha256Digest};

use super::error::UpdateError;

/// What runs on this machine, and from which disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Id, version and architecture.
    pub image: ImageName,
    /// The root hash of /usr, which the kernel checks every block against.
    pub root_hash: Sha256Digest,
    /// The kernel's name of the disk that holds the slots: `vda`.
    pub disk: String,
}

const OS_RELEASE: &str = "usr/lib/os-release";
const COMMAND_LINE: &str = "proc/cmdline";

impl Running {
    /// Finds out, below a root folder.
    ///
    /// # Errors
    /// [`UpdateError::NoDisk`] if /usr does not come from partitions, [`UpdateError::System`],
    /// [`UpdateError::Read`].
    pub fn find(root: &Path) -> Result<Self, UpdateError> {
        let image = image(&root.join(OS_RELEASE))?;
        let path = root.join(COMMAND_LINE);
        let disk = disk(root)?;
        let line = read(&path)?;
        let hash = line.split_whitespace().find_map(|word| word.strip_prefix("usrhash="));
        let root_hash = hash.and_then(|hash| hash.parse().ok());
        let root_hash = root_hash.ok_or(UpdateError::System { path, rule: "it has usrhash=" })?;
        Ok(Self { image, root_hash, disk })
    }

    /// Returns the name of its entry for the loader, without counter and suffix.
    pub fn stem(&self) -> String {
        self.image.usr_label()
    }
}

/// Returns what this machine is called, below a root folder: `/etc/machine-id`.
///
/// # Errors
/// [`UpdateError::Read`].
pub fn machine_id(root: &Path) -> Result<String, UpdateError> {
    Ok(read(&root.join("etc/machine-id"))?.trim().to_owned())
}

/// Returns the kernel's name for this boot, below a root folder.
///
/// # Errors
/// [`UpdateError::Read`].
pub fn boot_id(root: &Path) -> Result<String, UpdateError> {
    Ok(read(&root.join("proc/sys/kernel/random/boot_id"))?.trim().to_owned())
}

fn image(path: &Path) -> Result<ImageName, UpdateError> {
    let text = read(path)?;
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"'))
    };
    let wrong = |rule| UpdateError::System { path: path.to_owned(), rule };
    let id = field("IMAGE_ID").and_then(|text| text.parse::<ImageId>().ok());
    let version = field("IMAGE_VERSION").and_then(|text| text.parse::<ImageVersion>().ok());
    let architecture =
        if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };
    Ok(ImageName {
        id: id.ok_or(wrong("it has IMAGE_ID="))?,
        version: version.ok_or(wrong("it has IMAGE_VERSION="))?,
        architecture,
    })
}

/// Finds the disk below the verity device called `usr`.
fn disk(root: &Path) -> Result<String, UpdateError> {
    let block = root.join("sys/class/block");
    for device in folder(&block)? {
        if fs::read_to_string(device.join("dm/name")).is_ok_and(|name| name.trim() == "usr") {
            for slave in folder(&device.join("slaves"))? {
                let slave = fs::canonicalize(&slave)
                    .map_err(|source| UpdateError::Read { path: slave, source })?;
                let whole = slave.parent().and_then(Path::file_name);
                if slave.join("partition").exists()
                    && let Some(name) = whole
                {
                    return Ok(name.to_string_lossy().into_owned());
                }
            }
        }
    }
    Err(UpdateError::NoDisk)
}

/// Returns the kernel's name of a partition of a disk.
pub(super) fn partition(root: &Path, disk: &str, number: u32) -> Result<String, UpdateError> {
    let path = root.join("sys/class/block").join(disk);
    for part in folder(&path)? {
        let of = fs::read_to_string(part.join("partition"));
        if of.is_ok_and(|text| text.trim() == number.to_string()) {
            let name = part.file_name().unwrap_or_default();
            return Ok(name.to_string_lossy().into_owned());
        }
    }
    Err(UpdateError::Open { number, source: io::ErrorKind::NotFound.into() })
}

/// Lists a folder, sorted.
fn folder(path: &Path) -> Result<Vec<PathBuf>, UpdateError> {
    let failed = |source| UpdateError::Read { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(failed)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, UpdateError> {
    fs::read_to_string(path).map_err(|source| UpdateError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A machine whose /usr is on the third and fourth partition of a disk.
    fn machine() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        put(root, OS_RELEASE, "ID=debian\nIMAGE_ID=base\nIMAGE_VERSION=\"0.1\"\n");
        let hash = Sha256Digest::of(b"usr");
        put(root, COMMAND_LINE, &format!("quiet usrhash={hash} rw\n"));
        for (number, name) in [(3, "vda3"), (4, "vda4")] {
            put(root, &format!("sys/devices/vda/{name}/partition"), &format!("{number}\n"));
        }
        put(root, "sys/devices/dm-0/dm/name", "usr\n");
        put(root, "sys/devices/dm-0/slaves/.keep", "");
        fs::remove_file(root.join("sys/devices/dm-0/slaves/.keep")).unwrap();
        for name in ["vda3", "vda4"] {
            let target = format!("../../vda/{name}");
            symlink(target, root.join("sys/devices/dm-0/slaves").join(name)).unwrap();
        }
        fs::create_dir_all(root.join("sys/class/block")).unwrap();
        for name in ["dm-0", "vda"] {
            let target = format!("../../devices/{name}");
            symlink(target, root.join("sys/class/block").join(name)).unwrap();
        }
        dir
    }

    #[test]
    fn a_machine_says_what_it_runs_and_from_where() {
        let dir = machine();
        let running = Running::find(dir.path()).unwrap();
        assert_eq!((running.stem().as_str(), running.disk.as_str()), ("base_0.1", "vda"));
        assert_eq!(running.root_hash, Sha256Digest::of(b"usr"));
        assert_eq!(partition(dir.path(), "vda", 4).unwrap(), "vda4");
        assert!(matches!(
            partition(dir.path(), "vda", 5),
            Err(UpdateError::Open { number: 5, .. })
        ));
    }

    #[test]
    fn a_machine_that_runs_from_memory_has_no_disk() {
        let dir = machine();
        for name in ["vda3", "vda4"] {
            fs::remove_file(dir.path().join(format!("sys/devices/vda/{name}/partition"))).unwrap();
        }
        assert!(matches!(Running::find(dir.path()), Err(UpdateError::NoDisk)));
        put(dir.path(), "sys/devices/dm-0/dm/name", "root\n");
        assert!(matches!(Running::find(dir.path()), Err(UpdateError::NoDisk)));
    }

    #[test]
    fn a_system_that_is_none_of_ours_is_named() {
        let dir = machine();
        put(dir.path(), OS_RELEASE, "ID=debian\n");
        let error = Running::find(dir.path()).unwrap_err().to_string();
        assert!(error.contains("IMAGE_ID="), "{error}");
        let dir = machine();
        put(dir.path(), COMMAND_LINE, "usrhash=12\n");
        assert!(matches!(Running::find(dir.path()), Err(UpdateError::System { .. })));
    }
}
