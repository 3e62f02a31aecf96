use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use flagstone_agent::InstallError;
use flagstone_agent::etc::EtcError;
use flagstone_agent::reset::ResetError;
use flagstone_agent::update::{LockError, UpdateError};

/// What ends the program.
#[derive(Debug)]
pub(crate) enum Failure {
    Install(InstallError),
    Update(UpdateError),
    Etc(EtcError),
    Reset(ResetError),
    Lock(LockError),
    Output(io::Error),
}

impl Failure {
    pub(crate) fn output(error: impl Into<io::Error>) -> Self {
        Self::Output(error.into())
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        Self::Update(error)
    }
}

impl From<EtcError> for Failure {
    fn from(error: EtcError) -> Self {
        Self::Etc(error)
    }
}

impl From<ResetError> for Failure {
    fn from(error: ResetError) -> Self {
        Self::Reset(error)
    }
}

impl From<InstallError> for Failure {
    fn from(error: InstallError) -> Self {
        Self::Install(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Install(error) => error.fmt(f),
            Self::Update(error) => error.fmt(f),
            Self::Etc(error) => error.fmt(f),
            Self::Reset(error) => error.fmt(f),
            Self::Lock(_) => f.write_str("failed to ask whether this machine may restart"),
            Self::Output(_) => f.write_str("failed to read or write standard streams"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Install(error) => error.source(),
            Self::Update(error) => error.source(),
            Self::Etc(error) => error.source(),
            Self::Reset(error) => error.source(),
            Self::Lock(error) => Some(error),
            Self::Output(error) => Some(error),
        }
    }
}

/// Prints an error with its causes and what can be done about it; returns the exit code.
pub(crate) fn failure(failure: &Failure) -> ExitCode {
    if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    say(&format!("{} {failure}", paint("error:", "31")));
    let mut cause = failure.source();
    while let Some(error) = cause {
        say(&format!("  caused by: {error}"));
        cause = error.source();
    }
    let hint = match failure {
        Failure::Install(error) => error.hint(),
        Failure::Update(error) => error.hint(),
        Failure::Etc(error) => error.hint(),
        Failure::Reset(error) => error.hint(),
        Failure::Lock(_) | Failure::Output(_) => None,
    };
    if let Some(hint) = hint {
        say(&format!("{} {hint}", paint("hint:", "36")));
    }
    ExitCode::FAILURE
}

/// Prints a line that is no data.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints what a person must not overlook.
pub(crate) fn warn(text: &str) {
    say(&format!("{} {text}", paint("warning:", "33")));
}

/// Colours a word if standard error is a terminal that wants colours.
fn paint(word: &str, colour: &str) -> String {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[1;{colour}m{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}
