//! `flagstone ignition`: configurations for the first boot.

mod check;
mod given;
mod judgement;
mod translate;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

pub(crate) use given::given;

/// Arguments of `flagstone ignition`.
#[derive(Debug, Args)]
pub(crate) struct Ignition {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Tell what the image's Ignition would refuse in configurations, and what would fail on a machine
    Check(check::Check),
    /// Make the JSON that Ignition reads of the YAML that people write, Butane
    Translate(translate::Translate),
}

impl Ignition {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Check(check) => check.run(),
            Action::Translate(translate) => translate.run(),
        }
    }
}
