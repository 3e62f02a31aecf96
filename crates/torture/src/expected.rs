use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flagstone_artifact::{ImageName, Sha256Digest};

use crate::TortureError;

/// One release, as the build that made it left it.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub image: ImageName,
    /// The root hash of its /usr.
    pub root_hash: Sha256Digest,
    pub(crate) uki: Sha256Digest,
    pub(crate) usr: Vec<u8>,
    pub(crate) verity: Vec<u8>,
}

/// The two releases that a disk may boot.
#[derive(Debug)]
pub struct Expected {
    /// What it boots before.
    pub old: Version,
    /// What it boots afterwards.
    pub new: Version,
}

impl Version {
    /// Reads the images of a release from the folder of its build.
    ///
    /// # Errors
    /// [`TortureError::Read`].
    pub fn read(
        folder: &Path,
        image: ImageName,
        root_hash: Sha256Digest,
    ) -> Result<Self, TortureError> {
        let read = |suffix: &str| read(&folder.join(format!("{image}.{suffix}")));
        let (usr, verity) = (read("usr.erofs")?, read("usr.verity")?);
        let uki = Sha256Digest::of(&read("efi")?);
        Ok(Self { image, root_hash, uki, usr, verity })
    }

    /// Returns the name of its entry, without counter and suffix.
    pub fn stem(&self) -> String {
        self.image.usr_label()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TortureError> {
    let read = || {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    };
    read().map_err(|source| TortureError::Read { path: path.to_owned(), source })
}
