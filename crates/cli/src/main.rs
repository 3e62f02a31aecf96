//! The program `flagstone`: arguments, progress, reports.
//!
//! Data goes to standard output, all else to standard error. Exit codes: 0 success, 1 failure, 2
//! wrong usage. One file a subcommand below `command`; each turns its arguments into the types of
//! the libraries and does nothing that they could do.

mod arguments;
mod command;
mod machine;
mod progress;
mod report;
mod sources;
mod tpm;
mod whole_file;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let result = match &arguments.command {
        arguments::Command::Build(command) => command.run(),
        arguments::Command::Cache(command) => command.run(),
        arguments::Command::Diff(command) => command.run(),
        arguments::Command::Ignition(command) => command.run(),
        arguments::Command::Keys(command) => command.run(),
        arguments::Command::Lock(command) => command.run(),
        arguments::Command::Payload(command) => command.run(),
        arguments::Command::Publish(command) => command.run(),
        arguments::Command::Run(command) => command.run(),
        arguments::Command::Scripts(command) => command.run(),
        arguments::Command::Serve(command) => command.run(),
        arguments::Command::Sign(command) => command.run(),
        arguments::Command::Sysext(command) => command.run(),
        arguments::Command::Torture(command) => command.run(),
        arguments::Command::VerifyRebuild(command) => command.run(),
        arguments::Command::Why(command) => command.run(),
        arguments::Command::WhyNot(command) => command.run(),
        arguments::Command::Inside(command) => return command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => report::failure(&error),
    }
}
