//! System extensions go with one release, so the next one needs its own.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use flagstone_artifact::{ImageName, Sha256Hasher};
use flagstone_fetch::Transport;
use flagstone_repository::{Repository, RepositoryError, TargetLocation};

use super::error::UpdateError;
use crate::durable;
use crate::{Download, ImageSource, Location, Patience, Progress};

/// Where a machine keeps extensions, below its root.
const FOLDER: &str = "var/lib/extensions";

/// What ends the name of an extension's file.
const ENDING: &str = ".sysext.raw";

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// The extensions of a machine. Their files are named after the release they go with, as its other artefacts are:
/// `edge_1.0_x86-64.docker.sysext.raw`. Files with other names are somebody else's.
#[derive(Clone, Debug)]
pub struct Extensions {
    folder: PathBuf,
}

/// An extension that the next release needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededExtension {
    /// Its file's name.
    pub name: String,
    /// Where it is, and what it must be.
    pub location: TargetLocation,
}

impl Extensions {
    /// Names the extensions of the machine whose root this is.
    pub fn of(root: &Path) -> Self {
        Self { folder: root.join(FOLDER) }
    }

    /// Returns what the extensions of a release are called: `docker`.
    ///
    /// # Errors
    /// [`UpdateError::Read`].
    pub fn ids(&self, image: &ImageName) -> Result<Vec<String>, UpdateError> {
        let prefix = format!("{image}.");
        let names = self.names()?;
        let ids = names.iter().filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix(ENDING));
        Ok(ids.filter(|id| !id.is_empty()).map(str::to_owned).collect())
    }

    /// Returns which of those that `running` has are not there for `next`.
    ///
    /// # Errors
    /// [`UpdateError::Read`].
    pub fn missing(
        &self,
        running: &ImageName,
        next: &ImageName,
    ) -> Result<Vec<String>, UpdateError> {
        let mut ids = self.ids(running)?;
        let there = self.ids(next)?;
        ids.retain(|id| !there.contains(id));
        Ok(ids)
    }

    /// Finds in the repository what [`Self::missing`] names.
    ///
    /// # Errors
    /// [`UpdateError::NoExtension`] for one that nobody published; [`UpdateError::Read`], [`UpdateError::Repository`].
    pub(crate) fn find(
        &self,
        running: &ImageName,
        next: &ImageName,
        repository: &Repository<'_>,
    ) -> Result<Vec<NeededExtension>, UpdateError> {
        let find = |id: String| {
            let name = format!("{next}.{id}{ENDING}");
            match repository.target(&name) {
                Ok(location) => Ok(NeededExtension { name, location }),
                Err(RepositoryError::NotFound { .. }) => {
                    Err(UpdateError::NoExtension { id, version: next.version.clone() })
                }
                Err(source) => Err(UpdateError::Repository { source }),
            }
        };
        self.missing(running, next)?.into_iter().map(find).collect()
    }

    /// Brings an extension; its file has its name only when every byte is what the repository said.
    ///
    /// # Errors
    /// [`UpdateError::Fetch`], [`UpdateError::ExtensionDiffers`], [`UpdateError::State`].
    pub fn bring(
        &self,
        needed: &NeededExtension,
        transport: &dyn Transport,
        progress: &dyn Progress,
    ) -> Result<(), UpdateError> {
        let NeededExtension { name, location: TargetLocation { url, size_bytes, sha256 } } = needed;
        let path = self.folder.join(name);
        let state = |source| UpdateError::State { path: path.clone(), source };
        let location = Location::Url(url.clone());
        let fetch = |source| UpdateError::Fetch { source };
        let mut source =
            Download::open(&location, transport, Patience::default(), progress).map_err(fetch)?;
        let differs = || UpdateError::ExtensionDiffers { name: name.clone() };
        if source.len_bytes() != *size_bytes {
            return Err(differs());
        }
        let mut failed = None;
        let mut hasher = Sha256Hasher::new();
        let mut piece = vec![0; PIECE];
        let mut write = |file: &mut File| -> io::Result<()> {
            loop {
                let count = source.fill(&mut piece).map_err(|error| {
                    failed = Some(fetch(error));
                    io::Error::other("the download failed")
                })?;
                if count == 0 {
                    break;
                }
                hasher.update(&piece[..count]);
                file.write_all(&piece[..count])?;
            }
            if std::mem::take(&mut hasher).finish() != *sha256 {
                failed = Some(differs());
                return Err(io::ErrorKind::InvalidData.into());
            }
            Ok(())
        };
        let written = durable::replace(&path, &mut write);
        if written.is_err() {
            // Half of it is of no use, and in the way of what needs room.
            let _ = fs::remove_file(durable::new_path(&path));
        }
        match (written, failed) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(source), None) => Err(state(source)),
        }
    }

    /// Removes the extensions of releases of the same image that are neither of the two.
    ///
    /// # Errors
    /// [`UpdateError::Read`], [`UpdateError::State`].
    pub fn keep_only(&self, running: &ImageName, next: &ImageName) -> Result<(), UpdateError> {
        let own = format!("{}_", running.id);
        let kept = [format!("{running}."), format!("{next}.")];
        for name in self.names()? {
            let is_old = name.starts_with(&own)
                && name.trim_end_matches(".new").ends_with(ENDING)
                && !kept.iter().any(|kept| name.starts_with(kept));
            if is_old {
                let path = self.folder.join(&name);
                fs::remove_file(&path).map_err(|source| UpdateError::State { path, source })?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, UpdateError> {
        let read = |source| UpdateError::Read { path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(read)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(read)?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use flagstone_artifact::{Architecture, Sha256Digest};
    use flagstone_fetch::{AnyTransport, HttpTransport};

    use super::*;
    use crate::Silent;

    fn image(version: &str) -> ImageName {
        let (id, version) = ("edge".parse().unwrap(), version.parse().unwrap());
        ImageName { id, version, architecture: Architecture::X86_64 }
    }

    fn machine(files: &[&str]) -> (tempfile::TempDir, Extensions) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        for name in files {
            fs::write(folder.join(name), "x").unwrap();
        }
        let extensions = Extensions::of(root.path());
        (root, extensions)
    }

    #[test]
    fn those_of_this_release_have_to_be_there_for_the_next() {
        let (_root, extensions) = machine(&[
            "edge_1_x86-64.docker.sysext.raw",
            "edge_1_x86-64.tools.sysext.raw",
            "edge_2_x86-64.tools.sysext.raw",
            "edge_10_x86-64.other.sysext.raw",
            "edge_1_x86-64..sysext.raw",
            "edge_1_x86-64.half.sysext.raw.new",
            "theirs.raw",
        ]);
        assert_eq!(extensions.ids(&image("1")).unwrap(), ["docker", "tools"]);
        assert_eq!(extensions.missing(&image("1"), &image("2")).unwrap(), ["docker"]);
        assert_eq!(extensions.missing(&image("3"), &image("4")).unwrap(), [""; 0]);
        let (root, _) = machine(&[]);
        fs::remove_dir(root.path().join(FOLDER)).unwrap();
        assert_eq!(Extensions::of(root.path()).ids(&image("1")).unwrap(), [""; 0]);
    }

    #[test]
    fn what_neither_release_needs_goes_and_what_is_others_stays() {
        let (_root, extensions) = machine(&[
            "base_0_x86-64.docker.sysext.raw",
            "edge_0_x86-64.docker.sysext.raw",
            "edge_0_x86-64.docker.sysext.raw.new",
            "edge_1_x86-64.docker.sysext.raw",
            "edge_2_x86-64.docker.sysext.raw",
            "edge_notes.txt",
            "theirs.raw",
        ]);
        extensions.keep_only(&image("1"), &image("2")).unwrap();
        assert_eq!(
            extensions.names().unwrap(),
            [
                "base_0_x86-64.docker.sysext.raw",
                "edge_1_x86-64.docker.sysext.raw",
                "edge_2_x86-64.docker.sysext.raw",
                "edge_notes.txt",
                "theirs.raw",
            ]
        );
    }

    #[test]
    fn only_what_the_repository_said_gets_its_name() {
        let (root, extensions) = machine(&[]);
        let content = vec![7; 3 * PIECE / 2];
        let source = root.path().join("source");
        fs::write(&source, &content).unwrap();
        let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
        let needed = |size: u64, content: &[u8]| NeededExtension {
            name: "edge_2_x86-64.docker.sysext.raw".to_owned(),
            location: TargetLocation {
                url: format!("file://{}", source.display()).parse().unwrap(),
                size_bytes: size,
                sha256: Sha256Digest::of(content),
            },
        };
        let size = content.len() as u64;
        for bad in [needed(size, b"other"), needed(size - 1, &content), needed(size + 1, &content)]
        {
            let error = extensions.bring(&bad, &transport, &Silent).unwrap_err();
            assert!(matches!(error, UpdateError::ExtensionDiffers { .. }), "{error}");
            assert_eq!(extensions.names().unwrap(), [""; 0]);
        }
        let good = needed(size, &content);
        extensions.bring(&good, &transport, &Silent).unwrap();
        assert_eq!(fs::read(root.path().join(FOLDER).join(&good.name)).unwrap(), content);
        fs::remove_file(&source).unwrap();
        let error = extensions.bring(&good, &transport, &Silent).unwrap_err();
        assert!(matches!(error, UpdateError::Fetch { .. }), "{error}");
    }
}
