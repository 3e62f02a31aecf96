//! `flagstone publish`: update repositories.

mod init;
mod place;
mod refresh;
mod release;
mod rotate;
mod sysupdate;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use clap::{Args, Subcommand};
use flagstone_repository::{Offer, Published, Publisher, Role, SigningKeys, Terms};
use serde::Serialize;

use crate::report::{self, Hinted};
use place::Place;

/// Arguments of `flagstone publish`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Publish {
    #[command(subcommand)]
    action: Option<Action>,

    #[command(flatten)]
    release: Option<release::Release>,

    // Beside, not inside: clap takes optional groups that have others inside for absent.
    #[command(flatten)]
    common: Option<Common>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an empty repository, and the keys for it that are not there yet
    Init(init::Init),
    /// Say anew that a repository is the newest, before its time is over
    Refresh(refresh::Refresh),
    /// Give roles other keys, or the root a new end of its time
    Rotate(rotate::Rotate),
    /// Put a build into a folder for systemd-sysupdate, for machines that update by it
    Sysupdate(sysupdate::Sysupdate),
}

impl Publish {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match (&self.action, &self.release, &self.common) {
            (Some(Action::Init(init)), ..) => init.run(),
            (Some(Action::Refresh(refresh)), ..) => refresh.run(),
            (Some(Action::Rotate(rotate)), ..) => rotate.run(),
            (Some(Action::Sysupdate(sysupdate)), ..) => sysupdate.run(),
            (None, Some(release), Some(common)) => release.run(common),
            (None, ..) => {
                let hint = "`flagstone publish --help` shows how";
                Err(Hinted::new("there is nothing to publish", hint).into())
            }
        }
    }
}

/// Which repository, and who signs.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Folder of the repository, or `s3://BUCKET/FOLDER` in the object store that the usual variables of the
    /// environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID` and so on) name
    #[arg(long, value_name = "DIR|S3")]
    repository: Place,

    /// Folder of private keys to sign with; may be given several times
    #[arg(long, value_name = "DIR", required_unless_present = "key")]
    keys: Vec<PathBuf>,

    /// Private key to sign with; may be given several times
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,

    /// For how many days machines may take this state for the newest
    #[arg(long, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3650))]
    expires: u32,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Common {
    fn signing_keys(&self) -> Result<SigningKeys> {
        Ok(SigningKeys::read(&self.keys, &self.key)?)
    }

    fn terms(&self) -> Terms {
        Terms { now: SystemTime::now(), days: self.expires }
    }

    /// Opens the repository, which has to be there.
    fn open(&self) -> Result<Publisher> {
        self.repository.open()?.ok_or_else(|| {
            let what = format!("there is no repository in {}", self.repository);
            Hinted::new(what, "make one with `flagstone publish init`").into()
        })
    }

    fn report(&self, published: &Published) -> Result<ExitCode> {
        let report = Report::of(published);
        if self.json {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
            return Ok(ExitCode::SUCCESS);
        }
        for offer in &published.offers {
            report::say(&line(offer));
        }
        for Metadata { role, version, expires } in &report.metadata {
            report::say(&format!("  {role:<9}  version {version:<3}  good until {expires}"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The result, as programs read it.
#[derive(Debug, Serialize)]
struct Report {
    channels: Vec<serde_json::Value>,
    metadata: Vec<Metadata>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    role: &'static str,
    version: u64,
    expires: String,
}

impl Report {
    fn of(published: &Published) -> Self {
        let channel = |offer: &Offer| serde_json::from_slice(&offer.to_bytes()).unwrap_or_default();
        let metadata = published.metadata.iter().map(|(role, version, expires)| Metadata {
            role: role.name(),
            version: *version,
            expires: expires.to_string(),
        });
        Self {
            channels: published.offers.iter().map(channel).collect(),
            metadata: metadata.collect(),
        }
    }
}

/// Says what a channel has now.
fn line(offer: &Offer) -> String {
    let Offer { channel, id, version, architecture, .. } = offer;
    let deltas = match offer.deltas.len() {
        0 => "no delta".to_owned(),
        1 => "1 delta".to_owned(),
        count => format!("{count} deltas"),
    };
    let waves: Vec<_> =
        offer.waves.iter().map(|wave| format!("{}% from {}", wave.percent, wave.after)).collect();
    let waves = if waves.is_empty() { "all machines at once".to_owned() } else { waves.join(", ") };
    format!("{channel}: {id} {version} for {architecture}, {deltas}, {waves}")
}

/// Reads `ROLE=NUMBER`.
fn threshold(text: &str) -> Result<(Role, u32), String> {
    let (role, number) = text.split_once('=').ok_or("it is written ROLE=NUMBER")?;
    let role = role.parse().map_err(|error| format!("{error}"))?;
    Ok((role, number.parse().map_err(|_| "a threshold is a number")?))
}

/// Collects thresholds; the last one of a role counts.
fn thresholds(given: &[(Role, u32)]) -> BTreeMap<Role, u32> {
    given.iter().copied().collect()
}
