use std::fmt;

/// A step of a build, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Reading what the archives offer.
    Index,
    /// Choosing packages.
    Resolve,
    /// Fetching packages.
    Fetch,
    /// Looking through maintainer scripts.
    Scripts,
    /// Making the system that an extension goes with.
    Base,
    /// Decompressing packages.
    Unpack,
    /// Merging packages into one tree.
    Merge,
    /// Doing what maintainer scripts would have done.
    Finish,
    /// Running the recipe's commands inside the tree.
    Run,
    /// Writing /usr and its hash tree, and the initrd beside it.
    Image,
    /// Writing an extension.
    Extension,
    /// Making the kernel image.
    Uki,
    /// Writing the disk, and taking the artefacts' digests.
    Disk,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "reading the package indices",
            Self::Resolve => "choosing packages",
            Self::Fetch => "fetching packages",
            Self::Scripts => "looking through maintainer scripts",
            Self::Base => "making the system of the base",
            Self::Unpack => "unpacking packages",
            Self::Merge => "merging packages",
            Self::Finish => "finishing the system",
            Self::Run => "running the recipe's commands",
            Self::Image => "writing /usr, its hash tree and the initrd",
            Self::Extension => "writing the extension and its hash tree",
            Self::Uki => "making the kernel image",
            Self::Disk => "writing the disk, taking digests",
        })
    }
}

/// Hears what a build does.
pub trait Progress: flagstone_fetch::Progress {
    /// A step begins; the one before has ended.
    fn stage(&self, stage: Stage) {
        let _ = stage;
    }

    /// Something that a person may want to know, and that stops nothing.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Hears nothing.
impl Progress for () {}
