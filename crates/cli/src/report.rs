use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::process::ExitCode;

use anyhow::Error;
use flagstone_build::BuildError;
use flagstone_certificate::CertificateError;
use flagstone_compare::CompareError;
use flagstone_debian::ArchiveError;
use flagstone_fetch::FetchError;
use flagstone_payload::PayloadError;
use flagstone_repository::{PublishError, RepositoryError};
use flagstone_serve::ServeError;
use flagstone_signature::SignatureError;
use flagstone_store::StoreError;
use flagstone_sysupdate::SysupdateError;

/// Prints an error with its causes and what can be done about it; returns the exit code.
pub(crate) fn failure(error: &Error) -> ExitCode {
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let mut text = format!("{} {error}\n", paint("error:", "31"));
    for cause in error.chain().skip(1) {
        let _ = writeln!(text, "  caused by: {}", indent(&cause.to_string()));
    }
    if let Some(hint) = hint(error) {
        let _ = writeln!(text, "{} {}", paint("hint:", "36"), indent(&hint));
    }
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::FAILURE
}

/// Prints a line that is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints something that a person may want to know.
pub(crate) fn note(text: &str) {
    say(&format!("  note: {}", text.replace('\n', "\n    ")));
}

/// An error with a hint of its own, for what has no library type.
#[derive(Debug)]
pub(crate) struct Hinted {
    message: String,
    hint: String,
}

impl Hinted {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// Returns the hint of the first in the chain that has one.
fn hint(error: &Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let hinted = cause.downcast_ref::<Hinted>().map(|e| e.hint.clone());
        hinted
            .or_else(|| cause.downcast_ref::<BuildError>().and_then(BuildError::hint))
            .or_else(|| {
                let error = cause.downcast_ref::<CertificateError>()?;
                error.hint().map(str::to_owned)
            })
            .or_else(|| cause.downcast_ref::<CompareError>().and_then(CompareError::hint))
            .or_else(|| cause.downcast_ref::<ArchiveError>().and_then(ArchiveError::hint))
            .or_else(|| cause.downcast_ref::<FetchError>().and_then(FetchError::hint))
            .or_else(|| cause.downcast_ref::<PayloadError>().and_then(PayloadError::hint))
            .or_else(|| cause.downcast_ref::<SysupdateError>().and_then(SysupdateError::hint))
            .or_else(|| cause.downcast_ref::<PublishError>().and_then(PublishError::hint))
            .or_else(|| cause.downcast_ref::<RepositoryError>().and_then(RepositoryError::hint))
            .or_else(|| cause.downcast_ref::<ServeError>().and_then(ServeError::hint))
            .or_else(|| cause.downcast_ref::<SignatureError>().and_then(SignatureError::hint))
            .or_else(|| cause.downcast_ref::<StoreError>().and_then(StoreError::hint))
            .or_else(|| cause.downcast_ref::<io::Error>().and_then(room))
    })
}

/// What to do about a full disk, wherever it filled up.
fn room(error: &io::Error) -> Option<String> {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
        .then(|| "make room, or choose folders on another disk with --out, --cache-dir".to_owned())
}

fn is_broken_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn indent(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// Colours a word if standard error is a terminal that wants colours.
fn paint(word: &str, colour: &str) -> String {
    if io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[1;{colour}m{word}\x1b[0m")
    } else {
        word.to_owned()
    }
}
