use std::fmt::Display;

use flagstone_artifact::{Architecture, ImageId, ImageName, ImageVersion, Sha256Digest};
use flagstone_disk::slot_identifiers;

/// Tells whether systemd-sysupdate takes a version for one: up to 257 at least it passes over those with `~` or
/// `^`, without a word.
pub fn takes_version(version: &ImageVersion) -> bool {
    !version.as_str().contains(['~', '^'])
}

/// One of the files that a release has for systemd-sysupdate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The hash tree of /usr.
    Verity,
    /// The image of /usr.
    Usr,
    /// The unified kernel image.
    Uki,
}

impl Part {
    /// All of them, in the order in which they are installed: from the kernel image on the loader tries the
    /// release.
    pub const ALL: [Self; 3] = [Self::Verity, Self::Usr, Self::Uki];

    /// Returns what ends the names of both the build's artefact and the published file, with the dot.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Verity => ".usr.verity",
            Self::Usr => ".usr.erofs",
            Self::Uki => ".efi",
        }
    }

    /// Returns the name under which a release has it in a folder: `<id>_<version>_<architecture>.efi`, and for
    /// what goes into a partition `<id>_<version>_<architecture>_<identifier>.usr.erofs`. The identifier is the
    /// one that the partition gets, a half of the root hash.
    pub fn file_name(self, image: &ImageName, root_hash: &Sha256Digest) -> String {
        let (usr, verity) = slot_identifiers(root_hash);
        let identifier = if self == Self::Usr { usr } else { verity };
        self.name(&image.id, &image.version, image.architecture, &identifier)
    }

    /// Returns the pattern (sysupdate.d(5), "Match Patterns") that takes version and identifier from such a
    /// name. A version has no `_`, so it ends where the architecture begins.
    pub(crate) fn pattern(self, id: &ImageId, architecture: Architecture) -> String {
        self.name(id, &"@v", architecture, &"@u")
    }

    fn name(
        self,
        id: &ImageId,
        version: &dyn Display,
        architecture: Architecture,
        identifier: &dyn Display,
    ) -> String {
        let suffix = self.suffix();
        match self {
            Self::Uki => format!("{id}_{version}_{architecture}{suffix}"),
            Self::Verity | Self::Usr => {
                format!("{id}_{version}_{architecture}_{identifier}{suffix}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_the_identifiers_of_the_slot() {
        let image = ImageName {
            id: "base".parse().unwrap(),
            version: "1.2-rc1".parse().unwrap(),
            architecture: Architecture::X86_64,
        };
        let hash = "00112233445566778899aabbccddeeff0123456789abcdef0011223344556677";
        let hash = hash.parse().unwrap();
        let names = Part::ALL.map(|part| part.file_name(&image, &hash));
        assert_eq!(
            names,
            [
                "base_1.2-rc1_x86-64_01234567-89ab-cdef-0011-223344556677.usr.verity",
                "base_1.2-rc1_x86-64_00112233-4455-6677-8899-aabbccddeeff.usr.erofs",
                "base_1.2-rc1_x86-64.efi",
            ]
        );
        assert!(takes_version(&image.version));
        let pattern = Part::Usr.pattern(&image.id, Architecture::Arm64);
        assert_eq!(pattern, "base_@v_arm64_@u.usr.erofs");
    }
}
