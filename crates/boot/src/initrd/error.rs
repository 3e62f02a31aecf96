use flagstone_index::{ClosureError, IndexError};
use flagstone_tree::TreeError;

use crate::UkiError;

/// Why an initrd cannot be assembled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitrdError {
    /// A line of a content list makes no sense.
    #[error("line {line} of the initrd's content list: expected {expected}, found {found:?}")]
    List {
        /// The line, from 1.
        line: usize,
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// The list asks for something that the tree does not have.
    #[error("the initrd needs {what}, which no package of the image brings")]
    Absent {
        /// The item, as the list writes it.
        what: String,
        /// Why it was not found.
        #[source]
        source: TreeError,
    },
    /// A line of passwd or group is not there.
    #[error("the initrd needs the {kind} {name}, which the image does not have")]
    NoAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What a program needs is not in the tree.
    #[error("failed to find what the initrd's programs need")]
    Closure(#[source] ClosureError),
    /// The kernel's modules cannot be read.
    #[error("failed to choose the initrd's kernel modules")]
    Modules(#[source] IndexError),
    /// systemd's stub for addons cannot be used.
    #[error("failed to make a template for kernel arguments")]
    Addon(#[source] UkiError),
    /// The initrd's own tree cannot be edited as planned.
    #[error("failed to lay out the initrd")]
    Tree(#[source] TreeError),
}

impl InitrdError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Absent { .. } | Self::Closure(_) => {
                Some("add the package that brings it to the recipe's packages".to_owned())
            }
            Self::Modules(source) => source.hint(),
            _ => None,
        }
    }
}
