use flagstone_tree::{ContentError, TreeError, TreePath};

use crate::Missing;

/// Why bytes cannot be read as an ELF object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The bytes do not start like one.
    #[error("not an ELF object")]
    NotElf,
    /// A header or table contradicts the file.
    #[error("the ELF object is malformed: {0}")]
    Malformed(&'static str),
    /// Its bytes cannot be had.
    #[error("the object cannot be read")]
    Content(#[source] ContentError),
    /// A note about libraries opened at run time is not what the specification says.
    #[error("the .note.dlopen entry is not valid")]
    DlopenNote(#[source] serde_json::Error),
}

/// Why the files that some programs need cannot be told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClosureError {
    /// Something that a program needs is not in the tree.
    #[error("{}", missing_text(.0))]
    Missing(Vec<Missing>),
    /// A file that should run cannot be understood.
    #[error("failed to read /{path}")]
    Elf {
        /// The file.
        path: TreePath,
        /// What is wrong with it.
        #[source]
        source: ElfError,
    },
    /// A path in the tree does not lead to a file.
    #[error("failed to look up a file to copy")]
    Tree(#[source] TreeError),
}

impl ClosureError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(missing) => missing
                .first()
                .map(|first| format!("add the package that ships {} to the recipe", first.name)),
            _ => None,
        }
    }
}

fn missing_text(missing: &[Missing]) -> String {
    let each: Vec<String> = missing
        .iter()
        .map(|one| {
            let why = one.priority.map(|priority| format!("{priority} by "));
            format!("{} ({}/{})", one.name, why.as_deref().unwrap_or("needed by "), one.needed_by)
        })
        .collect();
    format!("the image lacks {}", each.join(", "))
}

/// Why an index cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The tree refused a look-up or an edit.
    #[error("failed to use the tree")]
    Tree(#[source] TreeError),
    /// No modules are installed for this kernel.
    #[error("no kernel modules in /usr/lib/modules/{0}")]
    NoKernel(String),
    /// A module's compression cannot be undone.
    #[error("failed to decompress /{path}")]
    Decompress {
        /// The module.
        path: TreePath,
        /// What the decompressor says.
        #[source]
        source: std::io::Error,
    },
    /// A module is not the object it should be.
    #[error("failed to read the module /{path}")]
    Module {
        /// The module.
        path: TreePath,
        /// What is wrong with it.
        #[source]
        source: ElfError,
    },
    /// A library is not the object it should be.
    #[error("failed to read the library /{path}")]
    Library {
        /// The library.
        path: TreePath,
        /// What is wrong with it.
        #[source]
        source: ElfError,
    },
    /// Two files hold the same module.
    #[error("/{first} and /{second} are the same module")]
    DuplicateModule {
        /// The one met first.
        first: TreePath,
        /// The other.
        second: TreePath,
    },
    /// Modules need each other in a circle.
    #[error("kernel modules depend on each other in a circle: {}", .0.join(", "))]
    ModuleCycle(Vec<String>),
    /// No module and no alias has this name.
    #[error("kernel {kernel} has no module named {name:?}")]
    UnknownModule {
        /// The name asked for.
        name: String,
        /// The kernel's version.
        kernel: String,
        /// The known name that is most like it.
        nearest: Option<String>,
    },
    /// The kernel's index format takes ASCII only.
    #[error("the module {module} has a name or an alias that is not ASCII: {text:?}")]
    NotAscii {
        /// The module.
        module: String,
        /// The text, lossily as UTF-8.
        text: String,
    },
    /// An index would outgrow its format's offsets.
    #[error("{0} is too large for its format")]
    TooLarge(&'static str),
}

impl IndexError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownModule { nearest: Some(nearest), .. } => {
                Some(format!("did you mean {nearest:?}?"))
            }
            Self::NoKernel(_) => Some("add a kernel package to the recipe".into()),
            _ => None,
        }
    }
}

impl From<TreeError> for IndexError {
    fn from(source: TreeError) -> Self {
        Self::Tree(source)
    }
}
