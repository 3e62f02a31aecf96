use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_artifact::ImageVersion;
use flagstone_repository::{
    Channel, NewRoot, Publication, Publisher, Role, SigningKeys, WaveAfter,
};
use flagstone_signature::read_trusted_keys;

use super::{Common, threshold, thresholds};
use crate::report;

/// Arguments of `flagstone publish` alone.
#[derive(Debug, Args)]
pub(super) struct Release {
    /// Payloads, and folders of them
    #[arg(required = true, value_name = "DIR|PAYLOAD")]
    payloads: Vec<PathBuf>,

    /// Channel: alpha, beta, stable, lts, or any other word
    #[arg(long)]
    channel: Channel,

    /// Folder of the public keys that payloads have to be signed by
    #[arg(long, value_name = "DIR")]
    payload_keys: PathBuf,

    /// System extension of the release, for the machines that have it; may be given several times
    #[arg(long, value_name = "FILE")]
    extension: Vec<PathBuf>,

    /// So many of a hundred machines may update so long after the publication, such as 10@0h; may be
    /// given several times [default: all machines at once]
    #[arg(long, value_name = "PERCENT@TIME", value_parser = wave)]
    wave: Vec<WaveAfter>,

    /// Lowest version that machines may go back to [default: what the payload says]
    #[arg(long, value_name = "VERSION")]
    floor: Option<ImageVersion>,

    /// Let the channel go back to an older version
    #[arg(long)]
    older: bool,

    /// How many keys of a role must sign, if the repository is made now [default: 1]
    #[arg(long, value_name = "ROLE=NUMBER", value_parser = threshold)]
    threshold: Vec<(Role, u32)>,
}

impl Release {
    pub(super) fn run(&self, common: &Common) -> Result<ExitCode> {
        let payload_keys = read_trusted_keys(&self.payload_keys)
            .context("there are no keys to check payloads with")?;
        let keys = common.signing_keys()?;
        let wanted = Publication {
            channel: self.channel.clone(),
            payloads: self.payloads.clone(),
            extensions: self.extension.clone(),
            floor: self.floor.clone(),
            waves: self.wave.clone(),
            older: self.older,
        };
        let mut repository = match common.repository.open()? {
            Some(repository) => repository,
            None => self.create(common, &keys)?,
        };
        let published = repository.publish(&wanted, &payload_keys, &keys, common.terms())?;
        common.report(&published)
    }

    fn create(&self, common: &Common, keys: &SigningKeys) -> Result<Publisher> {
        let new = NewRoot::read(&common.keys, keys, thresholds(&self.threshold))?;
        let publisher = common.repository.create(&new, keys, common.terms())?;
        report::note(&format!(
            "there was no repository: made one, machines start from {}",
            common.repository.first_root()
        ));
        Ok(publisher)
    }
}

/// Reads `PERCENT@TIME`, the time in minutes, hours or days.
fn wave(text: &str) -> Result<WaveAfter, String> {
    let rule = "it is written PERCENT@TIME, such as 10@0h or 50@3d";
    let (percent, time) = text.split_once('@').ok_or(rule)?;
    let percent = percent.parse().ok().filter(|percent| (1..=100).contains(percent));
    let unit = time.char_indices().next_back().map_or(0, |(at, _)| at);
    let (number, unit) = time.split_at(unit);
    let number: u32 = number.parse().map_err(|_| rule)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return Err(rule.to_owned()),
    };
    let after = Duration::from_mins(u64::from(number) * minutes);
    Ok(WaveAfter { percent: percent.ok_or("a wave has 1 to 100 percent")?, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_read() {
        for (text, expected) in [
            ("10@0h", Some((10, 0))),
            ("50@24h", Some((50, 86_400))),
            ("100@3d", Some((100, 259_200))),
            ("1@5m", Some((1, 300))),
            ("0@0h", None),
            ("101@0h", None),
            ("10", None),
            ("10@", None),
            ("10@5", None),
            ("10@5é", None),
            ("10@-5h", None),
        ] {
            let wave = wave(text).ok().map(|wave| (wave.percent, wave.after.as_secs()));
            assert_eq!(wave, expected, "{text}");
        }
    }
}
