//! The program `flagstone-agent`, which is `flagstone-install` when it is called by that name.
//!
//! Data goes to standard output, all else to standard error. Exit codes: 0 success, 1 failure, 2
//! wrong usage.

mod program;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let words = program::arguments::with_command(std::env::args_os());
    let arguments = program::arguments::Arguments::parse_from(words);
    let result = arguments.command.run();
    result.unwrap_or_else(|error| program::report::failure(&error))
}
