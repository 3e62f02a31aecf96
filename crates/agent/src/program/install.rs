use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use flagstone_agent::{
    DiskFacts, InstallError, Installation, Location, Machine, Patience, PlatformId, Trust,
};
use flagstone_artifact::Sha256Digest;
use flagstone_fetch::{AnyTransport, HttpTransport};
use flagstone_signature::read_trusted_keys;

use super::report::{Failure, say, warn};
use super::terminal::Terminal;

/// Where a machine has the keys that it trusts.
pub(crate) const KEYS_DIR: &str = "/usr/share/flagstone/keys";

/// Arguments of `flagstone-agent install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// The whole disk to write, such as /dev/sda or a name below /dev/disk/by-id; or a regular file
    /// of the size of a disk
    disk: PathBuf,

    /// The disk image, <name>.raw: a URL or a path; SHA256SUMS and SHA256SUMS.sig lie beside it
    #[arg(long, value_name = "URL|FILE")]
    image: Location,

    /// Ignition file for the machine's first boot: a URL or a path
    #[arg(long, value_name = "URL|FILE")]
    ignition: Option<Location>,

    /// Digest that the Ignition file must have
    #[arg(long, value_name = "SHA256", requires = "ignition")]
    ignition_sha256: Option<Sha256Digest>,

    /// What the machine is, for Ignition: metal, qemu, …
    #[arg(long, value_name = "ID")]
    platform: Option<PlatformId>,

    /// Folder of the keys that are trusted [default: /usr/share/flagstone/keys]
    #[arg(long, value_name = "DIR", conflicts_with = "no_signature")]
    keys: Option<PathBuf>,

    /// Install what nobody vouches for
    #[arg(long)]
    no_signature: bool,

    /// Do not ask whether the disk may be overwritten
    #[arg(long)]
    yes: bool,

    /// Print what was installed as JSON
    #[arg(long)]
    json: bool,
}

impl Install {
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let installation = Installation {
            disk: self.disk.clone(),
            image: self.image.clone(),
            trust: self.trust()?,
            ignition: self.ignition.clone(),
            ignition_digest: self.ignition_sha256,
            platform: self.platform.clone(),
            patience: Patience::default(),
        };
        let machine = Machine::at("/");
        let facts = installation.check_disk(&machine)?;
        if !self.yes && !self.confirm(facts.as_ref())? {
            return Ok(ExitCode::from(2));
        }
        let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
        let terminal = Terminal::new();
        let report = installation.run(&machine, &transport, &terminal);
        terminal.finish();
        let report = report?;
        if self.json {
            let mut out = io::stdout();
            serde_json::to_writer_pretty(&mut out, &report).map_err(Failure::output)?;
            writeln!(out).map_err(Failure::output)?;
        } else {
            let (image, disk) = (&report.image, report.disk.display());
            say(&format!("installed {image} to {disk} in {:.1} s", report.seconds));
            for signer in &report.signed_by {
                say(&format!("  signed by {signer}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn trust(&self) -> Result<Trust, Failure> {
        if self.no_signature {
            warn(
                "no signature is checked: whoever serves the image decides what this machine runs",
            );
            return Ok(Trust::Anything);
        }
        let folder = self.keys.as_deref().unwrap_or(Path::new(KEYS_DIR));
        let keys = read_trusted_keys(folder).map_err(|source| InstallError::Keys { source })?;
        Ok(Trust::Keys(keys))
    }

    /// Asks for the disk's name, if there is somebody to ask.
    fn confirm(&self, facts: Option<&DiskFacts>) -> Result<bool, Failure> {
        let name = match facts {
            Some(facts) => facts.name.clone(),
            None => self.disk.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            say("error: nobody can be asked whether the disk may be overwritten");
            say("hint: say --yes");
            return Ok(false);
        }
        say(&match facts {
            Some(DiskFacts { name, model, partitions }) => {
                let model = model.as_deref().unwrap_or("unknown model");
                format!("{name} ({model}, {partitions} partitions) loses all that it holds.")
            }
            None => format!("{name} (a file) loses all that it holds."),
        });
        let _ = write!(io::stderr(), "Type {name} to go on: ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map_err(Failure::output)?;
        let sure = answer.trim() == name;
        if !sure {
            say("nothing was written");
        }
        Ok(sure)
    }
}
