use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use flagstone_artifact::ImageId;
use flagstone_disk::{BootCounter, BootEntry};
use flagstone_payload::FileTarget;

use super::error::UpdateError;

/// What a kernel image is called until it is complete; the loader looks at `*.efi` alone.
const UNFINISHED: &str = "flagstone.new";

/// The kernel images of one system on a mounted EFI system partition. Those of others, and all that
/// people put there, stay.
#[derive(Clone, Debug)]
pub struct Entries {
    folder: PathBuf,
    prefix: String,
}

impl Entries {
    /// Looks at a mounted EFI system partition.
    pub fn of(esp: &Path, id: &ImageId) -> Self {
        Self { folder: esp.join("EFI/Linux"), prefix: format!("{id}_") }
    }

    /// Lists them, in the order of their names.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn list(&self) -> Result<Vec<BootEntry>, UpdateError> {
        let failed = |source| self.failed("read", source);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let name = name.to_str().and_then(|name| name.parse::<BootEntry>().ok());
            names.extend(name.filter(|name| name.stem.starts_with(&self.prefix)));
        }
        names.sort();
        Ok(names)
    }

    /// Finds the one with this stem.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn find(&self, stem: &str) -> Result<Option<BootEntry>, UpdateError> {
        Ok(self.list()?.into_iter().find(|name| name.stem == stem))
    }

    /// Opens the kernel image with this stem.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn open(&self, stem: &str) -> Result<File, UpdateError> {
        let name = self.find(stem)?.map(|name| name.to_string()).unwrap_or_default();
        File::open(self.folder.join(name)).map_err(|source| self.failed("read", source))
    }

    /// Removes all but one; durable when it returns.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn keep_only(&self, stem: &str) -> Result<(), UpdateError> {
        for name in self.list()?.iter().filter(|name| name.stem != stem) {
            let path = self.folder.join(name.to_string());
            fs::remove_file(path).map_err(|source| self.failed("clean", source))?;
        }
        self.sync()
    }

    /// Removes what an update left unfinished; durable when it returns.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn forget_unfinished(&self) -> Result<(), UpdateError> {
        match fs::remove_file(self.folder.join(UNFINISHED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("clean", error));
            }
            _ => {}
        }
        self.sync()
    }

    /// Begins a new kernel image, or goes on with an unfinished one, in a file that the loader does not see. A
    /// partition without room for all of it is found here, before anything of it is written.
    ///
    /// # Errors
    /// [`UpdateError::EspFull`], [`UpdateError::Esp`].
    pub fn begin(&self, bytes: u64) -> Result<FileTarget, UpdateError> {
        let failed = |source| self.failed("write to", source);
        let free = rustix::fs::statvfs(&self.folder).map_err(|error| failed(error.into()))?;
        let path = self.folder.join(UNFINISHED);
        let present = path.metadata().map_or(0, |metadata| metadata.len());
        let free_bytes = free.f_bavail.saturating_mul(free.f_frsize).saturating_add(present);
        // Of the clusters, one may be needed for the folder.
        let needed_bytes = bytes.next_multiple_of(free.f_frsize.max(1)) + free.f_frsize;
        if free_bytes < needed_bytes {
            return Err(UpdateError::EspFull { free_bytes, needed_bytes });
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        FileTarget::new(file.map_err(failed)?).map_err(failed)
    }

    /// Gives a new kernel image, which is complete and durable, its name: from here on the loader
    /// tries it, at most so often.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn finish(&self, stem: &str, tries: u32) -> Result<(), UpdateError> {
        let counter = Some(BootCounter { left: tries, done: 0 });
        self.rename(UNFINISHED, &BootEntry { stem: stem.to_owned(), counter })
    }

    /// Makes the loader pass over an entry.
    ///
    /// # Errors
    /// [`UpdateError::Esp`].
    pub fn give_up(&self, name: &BootEntry) -> Result<(), UpdateError> {
        let done = name.counter.map_or(0, |counter| counter.done).max(1);
        let counter = Some(BootCounter { left: 0, done });
        self.rename(&name.to_string(), &BootEntry { stem: name.stem.clone(), counter })
    }

    fn rename(&self, from: &str, to: &BootEntry) -> Result<(), UpdateError> {
        let (from, to) = (self.folder.join(from), self.folder.join(to.to_string()));
        fs::rename(from, to).map_err(|source| self.failed("rename a file of", source))?;
        self.sync()
    }

    fn sync(&self) -> Result<(), UpdateError> {
        let synced = File::open(&self.folder).and_then(|folder| {
            folder.sync_all()?;
            rustix::fs::syncfs(&folder)?;
            Ok(())
        });
        synced.map_err(|source| self.failed("write to", source))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> UpdateError {
        UpdateError::Esp { action, folder: self.folder.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use flagstone_payload::Target as _;

    use super::*;

    fn esp(names: &[&str]) -> (tempfile::TempDir, Entries) {
        let dir = tempfile::tempdir().unwrap();
        let entries = Entries::of(dir.path(), &"base".parse().unwrap());
        fs::create_dir_all(&entries.folder).unwrap();
        for name in names {
            fs::write(entries.folder.join(name), name).unwrap();
        }
        (dir, entries)
    }

    fn names(entries: &Entries) -> Vec<String> {
        let names = fs::read_dir(&entries.folder).unwrap();
        let mut names: Vec<_> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_is_ours_and_of_no_use_is_removed() {
        let (_dir, entries) = esp(&[
            "base_0.1.efi",
            "base_0.2+0-3.efi",
            "base_0.3+3.efi",
            "flagstone.new",
            "other_1.efi",
            "base_0.2.efi.orig",
            "basement_1.efi",
        ]);
        entries.keep_only("base_0.1").unwrap();
        assert!(names(&entries).contains(&UNFINISHED.to_owned()));
        entries.forget_unfinished().unwrap();
        entries.forget_unfinished().unwrap();
        assert_eq!(
            names(&entries),
            ["base_0.1.efi", "base_0.2.efi.orig", "basement_1.efi", "other_1.efi"]
        );
    }

    #[test]
    fn a_kernel_image_is_seen_when_it_is_complete() {
        let (_dir, entries) = esp(&["base_0.1.efi"]);
        let mut target = entries.begin(4).unwrap();
        target.write_at(0, b"data").unwrap();
        assert_eq!(entries.list().unwrap().len(), 1);
        // It is as it was left.
        let mut target = entries.begin(4).unwrap();
        target.write_at(3, b"e").unwrap();
        entries.finish("base_0.2", 3).unwrap();
        let found = entries.find("base_0.2").unwrap().unwrap();
        assert_eq!(found.to_string(), "base_0.2+3.efi");
        assert_eq!(fs::read(entries.folder.join("base_0.2+3.efi")).unwrap(), b"date");
        entries.give_up(&found).unwrap();
        assert_eq!(names(&entries), ["base_0.1.efi", "base_0.2+0-1.efi"]);
    }

    #[test]
    fn a_partition_without_room_is_found_before_it_is_written() {
        let (_dir, entries) = esp(&[]);
        let error = entries.begin(1 << 60).unwrap_err();
        assert!(matches!(error, UpdateError::EspFull { .. }), "{error}");
        assert!(names(&entries).is_empty());
    }
}
