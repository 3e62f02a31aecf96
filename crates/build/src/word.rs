//! One crate's words as another's: the recipe and Debian's formats know nothing of each other.

use std::str::FromStr;

use flagstone_debian::ArchiveId;
use flagstone_recipe::Archive;

use crate::BuildError;

/// Turns one crate's word into another's; both grammars are Debian's.
pub(crate) fn word<T: FromStr>(text: &str) -> Result<T, BuildError> {
    text.parse().map_err(|_| BuildError::Word(text.to_owned()))
}

/// Turns an archive's name in recipes and locks into what the archives' reader calls it.
pub(crate) fn archive_id(archive: &Archive) -> Result<ArchiveId, BuildError> {
    Ok(match archive {
        Archive::Main => ArchiveId::Main,
        Archive::Security => ArchiveId::Security,
        Archive::Repository(name) => ArchiveId::Repository(word(name.as_str())?),
        Archive::Local => ArchiveId::Local,
    })
}

/// The reverse of [`archive_id`].
pub(crate) fn archive(id: &ArchiveId) -> Result<Archive, BuildError> {
    word(id.name())
}
