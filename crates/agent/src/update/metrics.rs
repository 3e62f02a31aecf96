use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use flagstone_artifact::ImageName;

use super::state::State;

/// What is measured, as Prometheus' node exporter reads it from `*.prom` (text format 0.0.4).
#[derive(Clone, Debug)]
pub struct Metrics<'a> {
    /// What runs.
    pub image: &'a ImageName,
    /// The channel that the machine follows.
    pub channel: &'a str,
    /// Whether the loader still counts the boots of what runs.
    pub on_trial: bool,
    /// What is remembered.
    pub state: &'a State,
    /// When the channel was asked last, in seconds since 1970, and whether it answered; none in this boot yet.
    pub polled: Option<(u64, bool)>,
}

impl Metrics<'_> {
    /// Returns the text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let ImageName { id, version, architecture } = self.image;
        // A channel is text of people's; the other words need no escapes.
        let channel: String = self.channel.escape_default().collect();
        let labels = format!(
            "id=\"{id}\",version=\"{version}\",architecture=\"{architecture}\",channel=\"{channel}\""
        );
        let mut add = |name: &str, help: &str, labels: &str, value: u64| {
            let name = format!("flagstone_{name}");
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name}{labels} {value}")
                .expect("a string takes what is written");
        };
        add("info", "The release that runs.", &labels, 1);
        add("on_trial", "Whether it was not found good yet.", "", self.on_trial.into());
        let pending = self.state.pending.as_ref();
        add(
            "pending",
            "Whether a release is written and was not found good yet.",
            "",
            pending.is_some().into(),
        );
        add(
            "pinned",
            "Whether the machine stays with a version.",
            "",
            self.state.pin.is_some().into(),
        );
        let failed = self.state.failed.len() as u64;
        add("failed_releases", "Releases that did not come up here.", "", failed);
        if let Some((seconds, answered)) = self.polled {
            add("polled_timestamp_seconds", "When the channel was asked last.", "", seconds);
            add("poll_success", "Whether it answered.", "", answered.into());
        }
        text
    }

    /// Writes the text to a file that a reader finds whole, old or new.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("prom.new");
        fs::write(&new, self.text())?;
        fs::rename(new, path)
    }
}

#[cfg(test)]
mod tests {
    use flagstone_artifact::Architecture;

    use super::*;

    #[test]
    fn metrics_are_what_prometheus_reads() {
        let image = ImageName {
            id: "base".parse().unwrap(),
            version: "1.2".parse().unwrap(),
            architecture: Architecture::X86_64,
        };
        let state = State { pin: Some("1.2".parse().unwrap()), ..State::default() };
        let metrics = Metrics {
            image: &image,
            channel: "a\"b\n",
            on_trial: true,
            state: &state,
            polled: Some((1_700_000_000, false)),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder/agent.prom");
        metrics.write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("flagstone_") && value.parse::<u64>().is_ok(), "{line}");
        }
        for expected in [
            "flagstone_info{id=\"base\",version=\"1.2\",architecture=\"x86-64\",channel=\"a\\\"b\\n\"} 1",
            "flagstone_on_trial 1",
            "flagstone_pending 0",
            "flagstone_pinned 1",
            "flagstone_polled_timestamp_seconds 1700000000",
            "flagstone_poll_success 0",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} not in {text}");
        }
    }
}
