use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Args;
use flagstone_agent::update::{Entries, Esp, Failed, Pending, Running, Settings, SystemDisk};
use flagstone_artifact::{ImageName, ImageVersion, Sha256Digest};
use flagstone_disk::BootCounter;
use serde::Serialize;

use super::here::{load, mount_point, root, state_folder};
use super::report::Failure;

/// Arguments of `flagstone-agent status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    image: String,
    version: ImageVersion,
    root_hash: Sha256Digest,
    /// Whether the loader still counts the boots of the version that runs.
    on_trial: bool,
    channel: String,
    url: Option<String>,
    updated_from: Option<ImageVersion>,
    /// What is started next, if that is something else.
    pending: Option<Pending>,
    pin: Option<ImageVersion>,
    floor: Option<ImageVersion>,
    failed: Vec<Failed>,
    entries: Vec<Entry>,
}

/// An entry of the loader.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    tries_left: Option<u32>,
    tries_done: Option<u32>,
}

impl Status {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let report = Report::of_this_machine()?;
        let mut out = io::stdout();
        let written = if self.json {
            serde_json::to_writer_pretty(&mut out, &report)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out))
        } else {
            out.write_all(report.text().as_bytes())
        };
        written.map_err(Failure::output)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report {
    fn of_this_machine() -> Result<Self, Failure> {
        let Running { image, root_hash, disk } = Running::find(root())?;
        let settings = Settings::load(root())?;
        let state = load(&state_folder())?;
        let esp = Esp::mount(&mut SystemDisk::new(root(), disk), &mount_point())?;
        let names = Entries::of(esp.folder(), &image.id).list()?;
        let stem = image.usr_label();
        let on_trial = names.iter().any(|name| name.stem == stem && name.counter.is_some());
        let entries = names.into_iter().map(|name| {
            let BootCounter { left, done } =
                name.counter.unwrap_or(BootCounter { left: 0, done: 0 });
            let counted = name.counter.is_some();
            let of = |count| counted.then_some(count);
            Entry { tries_left: of(left), tries_done: of(done), name: name.stem }
        });
        let ImageName { version, .. } = image.clone();
        Ok(Self {
            image: image.to_string(),
            version,
            root_hash,
            on_trial,
            channel: settings.channel,
            url: settings.url,
            updated_from: state.updated_from,
            pending: state.pending,
            pin: state.pin,
            floor: state.floor,
            failed: state.failed,
            entries: entries.collect(),
        })
    }

    fn text(&self) -> String {
        let trial = if self.on_trial { ", on trial" } else { "" };
        let mut lines = vec![
            format!("running   {}{trial}", self.image),
            format!("root hash {}", self.root_hash),
        ];
        let mut push = |label: &str, text: Option<String>| {
            lines.extend(text.map(|text| format!("{label:<9} {text}")));
        };
        push("before", self.updated_from.as_ref().map(ToString::to_string));
        push("updates", self.url.as_ref().map(|url| format!("{} of {url}", self.channel)));
        push("pending", self.pending.as_ref().map(|pending| pending.version.to_string()));
        push("pinned to", self.pin.as_ref().map(ToString::to_string));
        push("floor", self.floor.as_ref().map(ToString::to_string));
        for failed in &self.failed {
            push("failed", Some(format!("{}: {}", failed.version, failed.reason)));
        }
        for entry in &self.entries {
            let counter = match (entry.tries_left, entry.tries_done) {
                (Some(left), Some(done)) => format!(" ({left} tries left, {done} done)"),
                _ => String::new(),
            };
            push("loader", Some(format!("{}{counter}", entry.name)));
        }
        lines.join("\n") + "\n"
    }
}
