//! What overlayfs keeps in its upper layer besides files.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::lgetxattr;
use rustix::io::Errno;

use super::error::EtcError;

/// Under which names an overlay keeps its attributes: a mount option of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributes {
    /// `trusted.overlay.*`, as the machine's own /etc has them.
    Trusted,
    /// `user.overlay.*`, as mounts with `userxattr` have them.
    User,
}

/// What would lead to other places of the lower layer, or to contents that are not here.
const NOT_UNDERSTOOD: [&str; 2] = ["redirect", "metacopy"];

impl Attributes {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.",
            Self::User => "user.overlay.",
        }
    }

    /// Tells whether a name of the upper layer says that the lower one's is gone: a character device with the
    /// number 0, or an empty file with an attribute.
    pub(crate) fn is_whiteout(self, path: &Path, metadata: &Metadata) -> Result<bool, EtcError> {
        let kind = metadata.file_type();
        if kind.is_char_device() {
            return Ok(metadata.rdev() == 0);
        }
        let may_be = kind.is_file() && metadata.len() == 0;
        Ok(may_be && self.value(path, "whiteout")?.is_some())
    }

    /// Tells whether a folder of the upper layer hides all that the lower one's holds.
    pub(crate) fn is_opaque(self, path: &Path) -> Result<bool, EtcError> {
        Ok(self.value(path, "opaque")?.as_deref() == Some(b"y"))
    }

    /// Refuses what is not understood.
    pub(crate) fn check(self, path: &Path) -> Result<(), EtcError> {
        for name in NOT_UNDERSTOOD {
            if self.value(path, name)?.is_some() {
                let name = format!("{}{name}", self.prefix());
                return Err(EtcError::Attribute { path: path.to_owned(), name });
            }
        }
        Ok(())
    }

    /// Returns the beginning of an attribute's value: no one that matters here is longer.
    fn value(self, path: &Path, name: &str) -> Result<Option<Vec<u8>>, EtcError> {
        let mut value = [0; 16];
        match lgetxattr(path, format!("{}{name}", self.prefix()), &mut value) {
            Ok(length) => Ok(Some(value[..length.min(value.len())].to_vec())),
            Err(Errno::RANGE) => Ok(Some(value.to_vec())),
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(error) => Err(EtcError::Read { path: path.to_owned(), source: error.into() }),
        }
    }
}
