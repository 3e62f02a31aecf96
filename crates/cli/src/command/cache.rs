use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use flagstone_build::WorkCache;
use flagstone_fetch::Cache as Downloads;
use flagstone_recipe::ByteSize;
use serde::Serialize;

use crate::progress::megabytes;
use crate::report;
use crate::sources::{cache_dir, usual_cache_limit};

/// Arguments of `flagstone cache`.
#[derive(Debug, Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show how much is kept, and where
    Info(Info),
    /// Remove what has not been used for the longest time
    Prune(Prune),
    /// Check every byte that is kept, and remove what is damaged
    Verify(Verify),
}

/// Where the cache is.
#[derive(Debug, Args)]
struct Place {
    /// Folder of the cache [default: `flagstone` in `$XDG_CACHE_HOME` or `~/.cache`]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Info {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Prune {
    /// How much to leave, downloads not counted [default: what builds leave]
    #[arg(long, value_name = "SIZE", conflicts_with = "all")]
    limit: Option<ByteSize>,

    /// Leave nothing
    #[arg(long)]
    all: bool,

    /// Remove all downloads, too: the next build fetches its packages again
    #[arg(long)]
    downloads: bool,

    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
}

/// One sort of things in the cache.
#[derive(Debug, Serialize)]
struct Share {
    sort: &'static str,
    files: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Contents {
    folder: String,
    /// Bytes that builds leave, downloads not counted.
    limit_bytes: u64,
    shares: Vec<Share>,
}

#[derive(Debug, Serialize)]
struct Removed {
    files: u64,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Checked {
    files: u64,
    damaged: Vec<DamagedFile>,
}

#[derive(Debug, Serialize)]
struct DamagedFile {
    path: String,
    reason: String,
}

impl Cache {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        match &self.action {
            Action::Info(info) => info.run(),
            Action::Prune(prune) => prune.run(),
            Action::Verify(verify) => verify.run(),
        }
    }
}

impl Place {
    fn dir(&self) -> Result<PathBuf> {
        cache_dir(self.cache_dir.as_deref())
    }

    /// Prints a result as JSON, or has it said in words.
    fn print(&self, result: &impl Serialize, say: impl FnOnce()) -> Result<()> {
        if self.json {
            serde_json::to_writer_pretty(std::io::stdout(), result)?;
            writeln!(std::io::stdout())?;
        } else {
            say();
        }
        Ok(())
    }
}

impl Info {
    fn run(&self) -> Result<ExitCode> {
        let dir = self.place.dir()?;
        let downloads = Downloads::at(&dir).list();
        let mut shares = vec![Share {
            sort: "downloads",
            files: downloads.len() as u64,
            bytes: downloads.iter().map(|(_, bytes)| bytes).sum(),
        }];
        for (sort, usage) in WorkCache::usage(&dir) {
            shares.push(Share { sort: sort.name(), files: usage.packs, bytes: usage.bytes });
        }
        let contents = Contents {
            folder: dir.display().to_string(),
            limit_bytes: usual_cache_limit()?,
            shares,
        };
        let mut out = std::io::stdout();
        let mut written = Ok(());
        self.place.print(&contents, || {
            written = (|| {
                writeln!(out, "{}", contents.folder)?;
                for Share { sort, files, bytes } in &contents.shares {
                    writeln!(out, "  {sort:<10} {files:>7} files {:>12}", megabytes(*bytes))?;
                }
                let limit = megabytes(contents.limit_bytes);
                writeln!(out, "builds leave at most {limit} besides the downloads")
            })();
        })?;
        written?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Prune {
    fn run(&self) -> Result<ExitCode> {
        let dir = self.place.dir()?;
        let limit = match self.limit {
            _ if self.all => 0,
            Some(limit) => limit.bytes(),
            None => usual_cache_limit()?,
        };
        let usage = WorkCache::prune(&dir, limit)?;
        let mut removed = Removed { files: usage.packs, bytes: usage.bytes };
        if self.downloads {
            let downloads = Downloads::at(&dir);
            for (digest, bytes) in downloads.list() {
                downloads.remove(&digest)?;
                removed.files += 1;
                removed.bytes += bytes;
            }
        }
        self.place.print(&removed, || {
            report::say(&format!("removed {} files, {}", removed.files, megabytes(removed.bytes)));
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Verify {
    fn run(&self) -> Result<ExitCode> {
        let dir = self.place.dir()?;
        let downloads = Downloads::at(&dir);
        let listed = downloads.list();
        let packs: u64 = WorkCache::usage(&dir).iter().map(|(_, usage)| usage.packs).sum();
        let mut damaged = Vec::new();
        for (path, damage) in WorkCache::verify(&dir)? {
            let reason = format!("{:#}", anyhow::Error::new(damage));
            damaged.push(DamagedFile { path: path.display().to_string(), reason });
        }
        for (digest, bytes) in &listed {
            let path = downloads.path(digest).display().to_string();
            // A file that is not what its name says is removed by being read.
            if downloads.read(digest, *bytes)?.is_none() {
                let reason = "its bytes do not have the digest that is its name".to_owned();
                damaged.push(DamagedFile { path, reason });
            }
        }
        let checked = Checked { files: packs + listed.len() as u64, damaged };
        self.place.print(&checked, || {
            for DamagedFile { path, reason } in &checked.damaged {
                report::say(&format!("removed {path}: {reason}"));
            }
            let count = checked.damaged.len();
            report::say(&format!("checked {} files, {count} damaged", checked.files));
        })?;
        let sound = checked.damaged.is_empty();
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
