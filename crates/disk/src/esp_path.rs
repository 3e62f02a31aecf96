use std::fmt;
use std::str::FromStr;

use crate::FatError;

/// The longest name, in characters (Microsoft's FAT specification, section 7).
const NAME_MAX: usize = 255;
/// The longest path, in characters: 260 with the slash at its start (the same).
const PATH_MAX: usize = 259;

/// A path on the EFI system partition: names joined by slashes, without a leading slash.
///
/// Names are printable ASCII without `" * : < > ? \ |`, and end in neither a dot nor a space:
/// every firmware and loader reads those alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EspPath(String);

impl EspPath {
    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the names from the top down.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for EspPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EspPath {
    type Err = FatError;

    fn from_str(text: &str) -> Result<Self, FatError> {
        let error = |rule| FatError::Path { path: text.chars().take(300).collect(), rule };
        if text.len() > PATH_MAX {
            return Err(error("it is longer than 259 characters"));
        }
        for name in text.split('/') {
            check_name(name).map_err(error)?;
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("a name is empty"),
        _ if name.len() > NAME_MAX => Err("a name is longer than 255 characters"),
        _ if !name.bytes().all(|b| matches!(b, b' '..=b'~')) => {
            Err("a name has other characters than printable ASCII")
        }
        _ if name.contains(['"', '*', ':', '<', '>', '?', '\\', '|']) => {
            Err("a name has one of \" * : < > ? \\ |")
        }
        _ if name.ends_with(['.', ' ']) => Err("a name ends in a dot or a space"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_every_firmware_reads_are_paths() {
        let long = "a".repeat(256);
        for bad in
            ["", "/EFI", "EFI/", "EFI//x", ".", "..", "EFI/..", "a:b", "a*", "é", "a ", &long]
        {
            assert!(bad.parse::<EspPath>().is_err(), "{bad:?}");
        }
        for good in ["EFI/BOOT/BOOTX64.EFI", "loader/loader.conf", "EFI/Linux/base_1~rc1+3-0.efi"] {
            assert_eq!(good.parse::<EspPath>().unwrap().as_str(), good);
        }
    }
}
