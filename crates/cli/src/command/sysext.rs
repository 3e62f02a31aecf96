use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use flagstone_build::{
    Existing, ExtensionManifest, ExtensionRequest, LockedRecipe, build_extension, check_commands,
};
use flagstone_certificate::{KeyPair, SigningKey, TrustedCertificate, generate};
use flagstone_recipe::{DiskReader, Recipe, base_of};
use serde_json::json;

use super::build::THIS;
use super::keys::chance;
use super::locking;
use crate::arguments::SourceArguments;
use crate::progress::{Reporter, megabytes};
use crate::report::{self, Hinted};
use crate::sources::{self, Sources};

/// A key or a certificate has less than a kilobyte; no file that is either comes near this.
const PEM_MAX: u64 = 64 << 10;

/// Arguments of `flagstone sysext`.
#[derive(Debug, Args)]
pub(crate) struct Sysext {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build what a recipe adds to the one that it extends, as an image that systemd-sysext merges into /usr
    ///
    /// The extension goes with one release: machines merge it while they run exactly that version of the base.
    Build(Box<Build>),
    /// Make a key that signs extensions, NAME.key, and its certificate, NAME.crt, which machines trust by
    /// `[extensions] certificates` of their recipe
    Init(Init),
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands alone")]
struct Build {
    /// Path of a recipe, or the name of a shipped one; what it `extends` is the base
    recipe: String,

    /// Another base than the recipe extends: the recipe of the machines that shall merge the extension
    #[arg(long, value_name = "RECIPE")]
    base: Option<String>,

    /// Private key to sign with (PEM, EC P-256)
    #[arg(long, value_name = "FILE", required_unless_present = "unsigned")]
    key: Option<PathBuf>,

    /// Its certificate [default: beside the key, with the ending `.crt`]
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,

    /// Do not sign: for machines that merge whatever they find, which those of Flagstone do not
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,

    /// Folder of the artefacts
    #[arg(short, long, value_name = "DIR", default_value = "out")]
    out: PathBuf,

    /// Replace artefacts of an earlier build
    #[arg(short, long)]
    force: bool,

    /// Run the commands of the recipes (`[run]`) inside the trees
    #[arg(long)]
    allow_run: bool,

    /// Print the record of the extension as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    sources: SourceArguments,
}

#[derive(Debug, Args)]
struct Init {
    /// Folder of the files, made if it is not there
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,

    /// Name of the files, and in the certificate
    #[arg(long, default_value = "extensions")]
    name: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Sysext {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Build(build) => build.run(),
            Action::Init(init) => init.run(),
        }
    }
}

impl Build {
    fn run(&self) -> Result<ExitCode> {
        let start = Instant::now();
        let key = self.key()?;
        let (base, base_path) = self.base()?;
        let over = Some(base_path.as_str());
        let recipe = Recipe::load_over(&self.recipe, over, self.sources.arch, &DiskReader)?;
        let commands = self.allow_run.then_some(Path::new(THIS));
        for recipe in [&base, &recipe] {
            check_commands(recipe, commands)?;
        }
        let sources = Sources::find(&self.sources)?;
        let progress = Reporter::new();
        let base_lock = locking::read_or_make(&base_path, &base, None, &sources, &progress)?;
        // With the versions of its base.
        let own_lock =
            locking::read_or_make(&self.recipe, &recipe, Some(&base_lock), &sources, &progress)?;
        let request = ExtensionRequest {
            base: LockedRecipe { recipe: &base, lock: &base_lock },
            full: LockedRecipe { recipe: &recipe, lock: &own_lock },
            key: key.as_ref(),
            cache: sources.fetcher.cache(),
            work: &sources.work,
            out: &self.out,
            existing: if self.force { Existing::Replace } else { Existing::Refuse },
            commands,
            agent: sources.agent.as_deref(),
            jobs: sources.jobs,
        };
        request.check()?;
        for LockedRecipe { recipe, lock } in [request.base, request.full] {
            locking::fetch(recipe, lock, &sources, &progress)?;
        }
        let manifest = build_extension(&request, &progress)?;
        progress.finish();
        sources.trim_cache();
        if let Some(key) = &key {
            remark(&base, key);
        }
        if self.json {
            serde_json::to_writer_pretty(io::stdout(), &manifest)?;
            writeln!(io::stdout())?;
        }
        self.say(&manifest, start);
        Ok(ExitCode::SUCCESS)
    }

    fn say(&self, manifest: &ExtensionManifest, start: Instant) {
        for path in &manifest.replaced {
            report::note(&format!("it covers {path} of the base"));
        }
        report::say(&format!("built in {:.1} s:", start.elapsed().as_secs_f64()));
        let path = self.out.join(&manifest.file);
        report::say(&format!("  {:<44} {:>10}", path.display(), megabytes(manifest.size)));
        let names: Vec<&str> = manifest.packages.keys().map(String::as_str).collect();
        report::say(&format!("for machines that run {}", manifest.base));
        if !names.is_empty() {
            report::say(&format!("packages: {}", names.join(", ")));
        }
        report::say(&format!("root hash {}", manifest.root_hash));
        match manifest.certificate {
            Some(print) => report::say(&format!("signed; certificate {print}")),
            None => report::say("not signed: machines of Flagstone do not merge it"),
        }
    }

    /// Reads key and certificate.
    fn key(&self) -> Result<Option<SigningKey>> {
        let Some(path) = &self.key else { return Ok(None) };
        let beside = path.with_extension("crt");
        let certificate = self.certificate.as_deref().unwrap_or(&beside);
        let (key, text) = (read(path)?, read(certificate)?);
        let key = String::from_utf8_lossy(&key);
        let shown =
            || format!("failed to sign with {} ({})", path.display(), certificate.display());
        SigningKey::from_pem(&key, &text).with_context(shown).map(Some)
    }

    /// Loads the base, and says which it is.
    fn base(&self) -> Result<(Recipe, String)> {
        let path = match &self.base {
            Some(base) => base.clone(),
            None => base_of(&self.recipe, &DiskReader)?.ok_or_else(|| {
                let what = format!("{} extends nothing", self.recipe);
                Hinted::new(what, "name the recipe of the machines with `extends`, or by --base")
            })?,
        };
        Ok((Recipe::load_for(&path, self.sources.arch, &DiskReader)?, path))
    }
}

/// Says when machines of the base would not merge what the key signed.
fn remark(base: &Recipe, key: &SigningKey) {
    let own = key.certificate().fingerprint();
    let trusted = base.extension_certificates.iter().any(|trusted| {
        TrustedCertificate::from_pem(&trusted.content).is_ok_and(|it| it.fingerprint() == own)
    });
    if !trusted {
        report::note(&format!(
            "the recipe of {} does not name this certificate ([extensions] certificates): its machines will not \
             merge the extension",
            base.image.id
        ));
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let read = || -> io::Result<Vec<u8>> {
        if fs::metadata(path)?.len() > PEM_MAX {
            return Err(io::Error::other("it is too large"));
        }
        fs::read(path)
    };
    read().with_context(|| format!("failed to read {}", path.display()))
}

impl Init {
    fn run(&self) -> Result<ExitCode> {
        let now = u64::try_from(sources::now()).unwrap_or(0);
        let KeyPair { key, certificate } = generate(&self.name, &chance()?, now)?;
        fs::create_dir_all(&self.dir)
            .with_context(|| format!("failed to make the folder {}", self.dir.display()))?;
        let [secret, public] =
            ["key", "crt"].map(|end| self.dir.join(format!("{}.{end}", self.name)));
        write(&secret, &key, 0o600)?;
        if let Err(error) = write(&public, &certificate, 0o644) {
            // Of a key that has no certificate nobody needs the file.
            let _ = fs::remove_file(&secret);
            return Err(error);
        }
        let print = TrustedCertificate::from_pem(certificate.as_bytes())?.fingerprint();
        let mut out = io::stdout().lock();
        if self.json {
            let shown = json!({ "key": secret, "certificate": public, "fingerprint": print });
            serde_json::to_writer_pretty(&mut out, &shown)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{print}  {}  {}", public.display(), secret.display())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let what = format!("{} is there already", path.display());
            Hinted::new(what, "choose another --name: keys are not replaced").into()
        }
        _ => anyhow::Error::new(error).context(format!("failed to write {}", path.display())),
    })
}
