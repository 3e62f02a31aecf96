use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::InstallError;

/// What a machine says about its disks, below a root folder: `sys` and `proc`.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// What is known about a disk that may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFacts {
    /// The kernel's name for it: `sda`.
    pub name: String,
    /// What its maker calls it, if that is known.
    pub model: Option<String>,
    /// How many partitions it has.
    pub partitions: usize,
}

/// A disk or one of its partitions.
struct Member {
    name: String,
    /// `major:minor`.
    number: String,
    folder: PathBuf,
}

impl Machine {
    /// Looks below a folder, `/` for the machine that this runs on.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Checks that a block device is a whole disk that nothing uses.
    ///
    /// # Errors
    /// [`InstallError::NotWholeDisk`], [`InstallError::ReadOnly`], [`InstallError::InUse`],
    /// [`InstallError::RunningRoot`], and [`InstallError::Inspect`] if the kernel does not say.
    pub fn check(
        &self,
        disk: &Path,
        (major, minor): (u32, u32),
    ) -> Result<DiskFacts, InstallError> {
        let link = self.root.join(format!("sys/dev/block/{major}:{minor}"));
        let folder = fs::canonicalize(&link).map_err(|source| inspect(&link, source))?;
        let name = name_of(&folder);
        if folder.join("partition").exists() {
            let whole = folder.parent().map(name_of).unwrap_or_default();
            let reason = format!("it is a partition of {whole}");
            return Err(InstallError::NotWholeDisk { disk: disk.to_owned(), reason });
        }
        let mapped = read(&folder.join("dm/uuid"))?;
        if mapped.is_some_and(|uuid| !uuid.starts_with("mpath-")) {
            let reason = "it is a mapped device".to_owned();
            return Err(InstallError::NotWholeDisk { disk: disk.to_owned(), reason });
        }
        if read(&folder.join("ro"))?.is_some_and(|flag| flag.trim() == "1") {
            return Err(InstallError::ReadOnly { disk: disk.to_owned() });
        }
        let members = members(&folder)?;
        self.check_mounts(disk, &members)?;
        self.check_swaps(disk, &members)?;
        check_holders(disk, &members)?;
        let model = read(&folder.join("device/model"))?;
        let model = model.map(|model| model.trim().to_owned()).filter(|model| !model.is_empty());
        Ok(DiskFacts { name, model, partitions: members.len() - 1 })
    }

    /// Reads `/proc/self/mountinfo` (its manual page is `proc_pid_mountinfo(5)`).
    fn check_mounts(&self, disk: &Path, members: &[Member]) -> Result<(), InstallError> {
        let path = self.root.join("proc/self/mountinfo");
        let table = read(&path)?.ok_or_else(|| inspect(&path, io::ErrorKind::NotFound.into()))?;
        let mut found = None;
        for line in table.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            let [_, _, number, _, point, ..] = fields[..] else { continue };
            // The source stands behind the separator; the number is none of the disk's for Btrfs.
            let dash = fields.iter().position(|field| *field == "-");
            let source = dash.and_then(|dash| fields.get(dash + 2)).copied().unwrap_or_default();
            let member = members.iter().find(|m| m.number == number || m.is_at(source));
            if let Some(member) = member {
                if point == "/" {
                    return Err(InstallError::RunningRoot { disk: disk.to_owned() });
                }
                let point = point.replace("\\040", " ");
                found.get_or_insert(format!("{} is mounted at {point}", member.name));
            }
        }
        in_use(disk, found)
    }

    /// Reads `/proc/swaps`: a path, blanks, other columns.
    fn check_swaps(&self, disk: &Path, members: &[Member]) -> Result<(), InstallError> {
        let table = read(&self.root.join("proc/swaps"))?.unwrap_or_default();
        let mut paths = table.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        let member = paths.find_map(|path| members.iter().find(|m| m.is_at(path)));
        in_use(disk, member.map(|member| format!("{} is swap space", member.name)))
    }
}

impl Member {
    fn is_at(&self, path: &str) -> bool {
        path.strip_prefix("/dev/") == Some(&self.name)
            || (path.starts_with("/dev/")
                && fs::canonicalize(path)
                    .is_ok_and(|path| path == Path::new("/dev").join(&self.name)))
    }
}

/// Returns the disk and its partitions.
fn members(folder: &Path) -> Result<Vec<Member>, InstallError> {
    let member = |folder: PathBuf| {
        let number = read(&folder.join("dev"))?.unwrap_or_default().trim().to_owned();
        Ok(Member { name: name_of(&folder), number, folder })
    };
    let mut members = vec![member(folder.to_owned())?];
    for entry in fs::read_dir(folder).map_err(|source| inspect(folder, source))? {
        let path = entry.map_err(|source| inspect(folder, source))?.path();
        if path.join("partition").exists() {
            members.push(member(path)?);
        }
    }
    members[1..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

fn check_holders(disk: &Path, members: &[Member]) -> Result<(), InstallError> {
    for member in members {
        let folder = member.folder.join("holders");
        let mut entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(inspect(&folder, source)),
        };
        if let Some(entry) = entries.next() {
            let holder = entry.map_err(|source| inspect(&folder, source))?.path();
            let reason = format!("{} is held by {}", member.name, name_of(&holder));
            return in_use(disk, Some(reason));
        }
    }
    Ok(())
}

fn in_use(disk: &Path, reason: Option<String>) -> Result<(), InstallError> {
    match reason {
        None => Ok(()),
        Some(reason) => Err(InstallError::InUse { disk: disk.to_owned(), reason }),
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads a file of the kernel's; `None` if there is none.
fn read(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::read(path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(inspect(path, source)),
    }
}

fn inspect(path: &Path, source: io::Error) -> InstallError {
    InstallError::Inspect { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A machine with one disk of two partitions.
    struct Fixture {
        dir: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            let fixture = Self { dir: tempfile::tempdir().unwrap() };
            for (path, text) in [
                ("sys/devices/sda/dev", "8:0\n"),
                ("sys/devices/sda/ro", "0\n"),
                ("sys/devices/sda/device/model", "Model 1   \n"),
                ("sys/devices/sda/sda1/dev", "8:1\n"),
                ("sys/devices/sda/sda1/partition", "1\n"),
                ("sys/devices/sda/sda2/dev", "8:2\n"),
                ("sys/devices/sda/sda2/partition", "2\n"),
                ("sys/devices/dm-0/dm/uuid", "CRYPT-LUKS2-x\n"),
                ("sys/devices/dm-1/dm/uuid", "mpath-3600\n"),
                ("proc/self/mountinfo", "22 1 9:9 / / rw - ext4 /dev/vda1 rw\n"),
                ("proc/swaps", "Filename Type\n"),
            ] {
                fixture.put(path, text);
            }
            fs::create_dir_all(fixture.path("sys/dev/block")).unwrap();
            for (number, target) in [
                ("8:0", "../../devices/sda"),
                ("8:1", "../../devices/sda/sda1"),
                ("253:0", "../../devices/dm-0"),
                ("253:1", "../../devices/dm-1"),
            ] {
                symlink(target, fixture.path("sys/dev/block").join(number)).unwrap();
            }
            fixture
        }

        fn path(&self, path: &str) -> PathBuf {
            self.dir.path().join(path)
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn check(&self, number: (u32, u32)) -> Result<DiskFacts, InstallError> {
            Machine::at(self.dir.path()).check(Path::new("/dev/sda"), number)
        }
    }

    #[test]
    fn an_idle_disk_is_described() {
        let facts = Fixture::new().check((8, 0)).unwrap();
        let model = Some("Model 1".to_owned());
        assert_eq!(facts, DiskFacts { name: "sda".to_owned(), model, partitions: 2 });
        assert!(Fixture::new().check((253, 1)).is_ok(), "several paths to one disk");
    }

    #[test]
    fn parts_and_mapped_devices_are_no_whole_disks() {
        for number in [(8, 1), (253, 0)] {
            let error = Fixture::new().check(number).unwrap_err();
            assert!(matches!(error, InstallError::NotWholeDisk { .. }), "{error}");
        }
        let error = Fixture::new().check((8, 99)).unwrap_err();
        assert!(matches!(error, InstallError::Inspect { .. }), "{error}");
    }

    #[test]
    fn a_disk_in_use_is_refused_by_what_uses_it() {
        for (path, text, expected) in [
            ("sys/devices/sda/ro", "1\n", "read-only"),
            (
                "proc/self/mountinfo",
                "1 1 8:2 / /a\\040b rw - ext4 x rw\n",
                "sda2 is mounted at /a b",
            ),
            (
                "proc/self/mountinfo",
                "1 1 0:9 / /c rw shared:1 - btrfs /dev/sda1 rw\n",
                "sda1 is mounted",
            ),
            ("proc/self/mountinfo", "1 1 8:0 / /d rw - vfat x rw\n", "sda is mounted at /d"),
            (
                "proc/self/mountinfo",
                "1 1 8:1 / /e rw - a b c\n1 1 8:2 / / rw - a b c\n",
                "running system",
            ),
            ("proc/swaps", "Filename\n/dev/sda1   partition 1 0 -2\n", "sda1 is swap space"),
            ("sys/devices/sda/holders/md0/x", "", "sda is held by md0"),
            ("sys/devices/sda/sda2/holders/dm-3/x", "", "sda2 is held by dm-3"),
        ] {
            let fixture = Fixture::new();
            fixture.put(path, text);
            let error = fixture.check((8, 0)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // Another disk whose name starts alike is another disk.
        let fixture = Fixture::new();
        fixture.put("proc/swaps", "Filename\n/dev/sdaa1 partition 1 0 -2\n");
        assert!(fixture.check((8, 0)).is_ok());
    }

    #[test]
    fn a_machine_that_does_not_say_what_is_mounted_is_not_trusted() {
        let fixture = Fixture::new();
        fs::remove_file(fixture.path("proc/self/mountinfo")).unwrap();
        assert!(matches!(fixture.check((8, 0)), Err(InstallError::Inspect { .. })));
    }
}
