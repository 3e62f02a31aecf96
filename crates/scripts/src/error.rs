/// Why a script cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is not written in the shell's language, or in a part of it that is not known here.
    #[error("line {line}: {problem}")]
    Syntax {
        /// Counted from 1.
        line: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// It is longer than any real one.
    #[error("the script is longer than {0} bytes")]
    TooLong(usize),
    /// Following it takes more steps than any real script needs.
    #[error("the script is too involved to be followed")]
    TooInvolved,
    /// Another program than a shell runs it.
    #[error("it is run by {0}, not by a shell")]
    Interpreter(String),
}
