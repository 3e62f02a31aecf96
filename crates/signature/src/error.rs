use std::io;
use std::path::PathBuf;

use crate::{KeyId, Purpose};

/// What can be wrong with keys and signatures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A text is not in the format of the file it should be.
    #[error("line {line} of {what} is wrong: {rule}")]
    Format {
        /// What was read: "a public key".
        what: &'static str,
        /// The line, from 1.
        line: usize,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A file is longer than any of its kind.
    #[error("{what} has at most {limit} bytes")]
    TooLong {
        /// What was read.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// 32 bytes that are no point of the curve, or one that would let anybody sign.
    #[error("the key cannot be used: {0}")]
    WeakKey(&'static str),
    /// The identifier in a file is not that of the key in it.
    #[error("the file names key {written}, but holds key {actual}")]
    WrongId {
        /// What the file says.
        written: KeyId,
        /// What the key is.
        actual: KeyId,
    },
    /// One key is in a set twice, or two keys have one identifier.
    #[error("key {0} is there twice")]
    Duplicate(KeyId),
    /// A set has no key that may be counted.
    #[error("there is no trusted key")]
    NoKeys,
    /// More keys than a set may have.
    #[error("there are more than {0} keys")]
    TooManyKeys(usize),
    /// A threshold that no file of signatures, or every one, would meet.
    #[error("a threshold of {threshold} cannot be met by {keys} keys")]
    Threshold {
        /// How many keys must sign.
        threshold: usize,
        /// How many there are, revoked ones left out.
        keys: usize,
    },
    /// A folder with several keys does not say how many must sign.
    #[error("{} is missing, which says how many of {keys} keys must sign", path.display())]
    NoThreshold {
        /// Where it would be.
        path: PathBuf,
        /// How many keys there are.
        keys: usize,
    },
    /// A text to be signed as it is could be taken for something else.
    #[error("what is signed as it is starts with \"{{\"")]
    NoDocument,
    /// The signatures are for something else.
    #[error("the signatures are for {actual}, not for {expected}")]
    WrongPurpose {
        /// What is to be verified.
        expected: Purpose,
        /// What the file says.
        actual: Purpose,
    },
    /// A signature of a trusted key does not fit the message.
    #[error("the signature of key {0} does not fit")]
    BadSignature(KeyId),
    /// Too few trusted keys signed.
    #[error("{signed} of the {needed} signatures that are needed are there")]
    TooFew {
        /// How many trusted keys signed.
        signed: usize,
        /// How many must.
        needed: usize,
    },
    /// A private key that others may read.
    #[error("{} can be read by others than its owner", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A file that would be replaced.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried: "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file that was read is not what it should be.
    #[error("failed to understand {}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<SignatureError>,
    },
}

impl SignatureError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Exposed { path } => return Some(format!("run `chmod 600 {}`", path.display())),
            Self::Exists { .. } => "a key is never replaced: choose another name or folder",
            Self::NoKeys => "put the public keys (*.pub) that may sign into the folder",
            Self::NoThreshold { .. } => "write a number into it, such as 2",
            Self::TooFew { .. } => {
                "have the holders of further keys sign, or trust the keys that did"
            }
            Self::BadSignature(_) => {
                "the message, or its signature, was changed or cut: get both anew"
            }
            Self::In { source, .. } => return source.hint(),
            _ => return None,
        };
        Some(hint.to_owned())
    }

    pub(crate) fn format(what: &'static str, line: usize, rule: &'static str) -> Self {
        Self::Format { what, line, rule }
    }
}
