use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flagstone_agent::update::{
    Extensions, Installed, PayloadSource, Permissions, Settings, UpdateError, UpdateOptions,
    Updater, boot_id, has_default_route,
};
use flagstone_agent::{Download, ImageSource, Location, Patience};
use flagstone_artifact::ImageName;
use flagstone_fetch::{AnyTransport, HttpTransport};
use flagstone_signature::read_trusted_keys;

use super::here::{Here, restart, root};
use super::install::KEYS_DIR;
use super::report::{Failure, say};
use super::terminal::Terminal;

/// Arguments of `flagstone-agent update`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Update {
    /// The payload: a URL or a path
    #[arg(long, value_name = "URL|FILE")]
    payload: Location,

    /// Folder of the keys that are trusted
    #[arg(long, value_name = "DIR", default_value = KEYS_DIR)]
    keys: PathBuf,

    /// Allow a version that is older than the one that runs
    #[arg(long)]
    older: bool,

    /// Allow a version that failed here before, or that this machine is not pinned to
    #[arg(long)]
    anyway: bool,

    /// Restart into the new version
    #[arg(long)]
    reboot: bool,

    /// Print what was installed as JSON
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let permissions = Permissions { older: self.older, anyway: self.anyway };
        let mut here = Here::open()?;
        let settings = Settings::load(root())?;
        let installed = install(&mut here, &self.payload, &self.keys, &settings, permissions)?;
        if self.json {
            let mut out = io::stdout();
            serde_json::to_writer_pretty(&mut out, &installed).map_err(Failure::output)?;
            writeln!(out).map_err(Failure::output)?;
        } else {
            report(&installed);
        }
        let running = &here.running.image;
        let next = ImageName { version: installed.version.clone(), ..running.clone() };
        for id in Extensions::of(root()).missing(running, &next)? {
            say(&format!(
                "extension {id} is not there for version {}, and will not be merged",
                next.version
            ));
        }
        if self.reboot {
            restart()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Gets a payload and writes it to the slot that does not run.
pub(crate) fn install(
    here: &mut Here,
    payload: &Location,
    keys: &Path,
    settings: &Settings,
    permissions: Permissions,
) -> Result<Installed, Failure> {
    let keys = read_trusted_keys(keys).map_err(|source| UpdateError::Keys { source })?;
    let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
    let terminal = Terminal::new();
    let download = Download::open(payload, &transport, Patience::default(), &terminal)
        .map_err(|source| UpdateError::Fetch { source })?;
    let total = download.len_bytes();
    let options = UpdateOptions {
        tries: settings.tries,
        permissions,
        network: settings.check_network && has_default_route(root()),
        boot: boot_id(root())?,
    };
    let Here { running, disk, esp, folder, state, .. } = here;
    let mut updater = Updater { running, disk, esp: esp.folder(), keys: &keys, folder };
    let progress = &mut |bytes| flagstone_agent::Progress::written(&terminal, bytes, total);
    let installed = updater.install(Stream(download), state, options, progress);
    terminal.finish();
    Ok(installed?)
}

pub(crate) fn report(installed: &Installed) {
    let Installed { version, signed_by, continued_at, .. } = installed;
    if let Some(bytes) = continued_at {
        say(&format!("went on after {bytes} bytes of an update that was cut off"));
    }
    say(&format!("wrote version {version}; it is started next"));
    for key in signed_by {
        say(&format!("  signed by {key}"));
    }
}

/// A download as a stream.
struct Stream<'a>(Download<'a>);

impl PayloadSource for Stream<'_> {
    fn continue_at(&mut self, offset: u64) -> io::Result<()> {
        self.0.continue_at(offset);
        Ok(())
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer).map_err(io::Error::other)
    }
}
