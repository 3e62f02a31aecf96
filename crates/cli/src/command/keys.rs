mod rotate;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use flagstone_signature::{KeyKind, KeyName, PrivateKey, PublicKey};
use rustix::rand::{GetRandomFlags, getrandom};
use serde::Serialize;

use crate::report::{self, Hinted};
use crate::sources::user_dir;

/// What ends the names of the two files of a key.
const PRIVATE: &str = "key";
const PUBLIC: &str = "pub";

/// Arguments of `flagstone keys`.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key to sign with: NAME.key, which is secret, and NAME.pub, which machines trust
    Init(Init),
    /// Show the keys in files and folders
    Show(Show),
    /// Print the public part of a key
    Export(Export),
    /// Change which keys machines trust: add, revoke, ask for more or fewer
    Rotate(rotate::Rotate),
}

#[derive(Debug, Args)]
struct Init {
    /// Folder of the files, made if it is not there [default: `flagstone/keys` in
    /// `$XDG_CONFIG_HOME` or `~/.config`]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Name of the key and of its files
    #[arg(long, default_value = "development")]
    name: KeyName,

    /// Make it a release key; otherwise it says of itself that it is for development
    #[arg(long)]
    release: bool,

    /// Print the key as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Show {
    /// Files of keys, public or private, and folders of them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Export {
    /// File of the key, public or private
    file: PathBuf,

    /// How it is spelled
    #[arg(long, value_enum, default_value_t = Format::Flagstone)]
    format: Format,

    /// File to write in place of standard output; it must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As in a folder of trusted keys
    Flagstone,
    /// `SubjectPublicKeyInfo` in DER, as OpenSSL reads it
    Der,
}

/// What is shown of a key.
#[derive(Debug, Serialize)]
struct Shown {
    id: String,
    name: String,
    kind: &'static str,
    /// Whether the file can sign.
    private: bool,
    file: PathBuf,
}

impl Shown {
    fn new(key: &PublicKey, private: bool, file: &Path) -> Self {
        let (id, name) = (key.id().to_string(), key.name().to_string());
        Self { id, name, kind: key.kind().words(), private, file: file.to_owned() }
    }

    fn line(&self) -> String {
        let Self { id, name, kind, private, file } = self;
        let part = if *private { "private" } else { "public" };
        format!("{id}  {part:<7}  {kind}  {name}  {}", file.display())
    }
}

impl Keys {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Init(init) => init.run(),
            Action::Show(show) => show.run(),
            Action::Export(export) => export.run(),
            Action::Rotate(rotate) => rotate.run(),
        }
    }
}

impl Init {
    fn run(&self) -> Result<ExitCode> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => user_dir("XDG_CONFIG_HOME", ".config")
                .ok_or_else(|| {
                    Hinted::new("there is no folder for keys", "set HOME, or name one with --dir")
                })?
                .join("flagstone/keys"),
        };
        let kind = if self.release { KeyKind::Release } else { KeyKind::Development };
        let NewKey { key, public, private } = make(&dir, &self.name, kind)?;
        let shown = [Shown::new(&key, false, &public), Shown::new(&key, true, &private)];
        print(&shown, self.json)?;
        if kind == KeyKind::Development {
            report::note("a development key: whoever can read this account can sign as you");
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A key that was made, and its files.
pub(crate) struct NewKey {
    pub(crate) key: PublicKey,
    pub(crate) public: PathBuf,
    pub(crate) private: PathBuf,
}

/// Makes a key, and the two files of it in a folder that is made if it is not there.
pub(crate) fn make(dir: &Path, name: &KeyName, kind: KeyKind) -> Result<NewKey> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("failed to make the folder {}", dir.display()))?;
    let key = PrivateKey::from_seed(&chance()?, name.clone(), kind);
    let [private, public] =
        [PRIVATE, PUBLIC].map(|extension| dir.join(format!("{name}.{extension}")));
    key.write(&private)?;
    if let Err(error) = key.public().write(&public) {
        // Of a key that was never named nobody needs the secret half.
        let _ = fs::remove_file(&private);
        return Err(error.into());
    }
    Ok(NewKey { key: key.public(), public, private })
}

/// Returns 32 bytes that nobody can guess.
pub(crate) fn chance() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    // Up to 256 bytes come whole once the kernel has collected enough (`getrandom(2)`).
    let filled = getrandom(&mut seed, GetRandomFlags::empty()).map_err(io::Error::from);
    anyhow::ensure!(
        filled.context("failed to get random numbers")? == seed.len(),
        "the kernel gave too few random numbers"
    );
    Ok(seed)
}

impl Show {
    fn run(&self) -> Result<ExitCode> {
        let mut shown = Vec::new();
        for path in &self.paths {
            if path.is_dir() {
                for file in key_files(path)? {
                    shown.push(show(&file)?);
                }
            } else {
                shown.push(show(path)?);
            }
        }
        print(&shown, self.json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Export {
    fn run(&self) -> Result<ExitCode> {
        let (key, _) = read(&self.file)?;
        let data = match self.format {
            Format::Flagstone => key.to_text().into_bytes(),
            Format::Der => key.to_der().to_vec(),
        };
        match &self.out {
            None => io::stdout().write_all(&data)?,
            Some(path) => fs::File::create_new(path)
                .and_then(|mut file| file.write_all(&data).and_then(|()| file.sync_all()))
                .with_context(|| format!("failed to write {}", path.display()))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the public part of a key, and whether the file has the private one, too.
fn read(path: &Path) -> Result<(PublicKey, bool)> {
    if path.extension().is_some_and(|extension| extension == PRIVATE) {
        return Ok((PrivateKey::read(path)?.public(), true));
    }
    Ok((PublicKey::read(path)?, false))
}

fn show(path: &Path) -> Result<Shown> {
    let (key, private) = read(path)?;
    Ok(Shown::new(&key, private, path))
}

/// Returns the files of a folder that are keys by their names, in order.
fn key_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("failed to read {}", dir.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).with_context(context)? {
        let path = entry.with_context(context)?.path();
        if path.extension().is_some_and(|extension| extension == PRIVATE || extension == PUBLIC) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn print(keys: &[Shown], json: bool) -> Result<()> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, keys)?;
        writeln!(out)?;
    } else {
        for key in keys {
            writeln!(out, "{}", key.line())?;
        }
    }
    Ok(())
}
