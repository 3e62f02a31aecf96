use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_payload::ReleaseFolder;
use flagstone_torture::{
    CutPoint, Expected, LogEntry, TortureOptions, TortureReport, Verdict, Version, WriteLog,
    torture,
};
use serde::Serialize;

use crate::machine::{Boots, Machine, copy_disk};
use crate::report::{self, Hinted};

/// How long one boot may take, without KVM and on a busy machine.
const LIMIT: Duration = Duration::from_mins(15);
/// The size of the machine's disk.
const DISK_SIZE: &str = "3G";

const UNIT: &str = include_str!("../../assets/torture/torture.service");
const DROP_IN: &str = include_str!("../../assets/torture/multi-user.conf");
const SCRIPT: &str = include_str!("../../assets/torture/torture.sh");

/// Arguments of `flagstone torture`.
#[derive(Debug, Args)]
pub(crate) struct Torture {
    /// Folder of the build that is updated; its image carries the agent, and trusts who signed the payload
    old: PathBuf,

    /// Folder of the build that the payload brings
    new: PathBuf,

    /// The payload, full or a delta
    #[arg(long, value_name = "FILE")]
    payload: PathBuf,

    /// Boot as many of the cut points in QEMU, spread over the phases of the update
    #[arg(long, value_name = "N", default_value_t = 20)]
    boots: usize,

    /// Random selections of writes to try for each flush
    #[arg(long, value_name = "N", default_value_t = 16)]
    samples: usize,

    /// Keep disks, log and consoles in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Record nothing, but judge the log that --keep has kept once more
    #[arg(long, requires = "keep")]
    again: bool,

    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    old: String,
    new: String,
    writes: usize,
    flushes: usize,
    cut_points: usize,
    reorderings: usize,
    boot_old: usize,
    boot_new: usize,
    boot_neither: usize,
    /// After how many entries of the log the new version boots first.
    switches_at: Option<usize>,
    /// Where the most bytes were at stake.
    worst_point: usize,
    worst_bytes: u64,
    bad: Vec<Bad>,
    booted: Vec<Booted>,
}

#[derive(Debug, Serialize)]
struct Bad {
    entries: usize,
    lost: usize,
    reason: String,
}

/// A cut point that was booted.
#[derive(Debug, Serialize)]
struct Booted {
    entries: usize,
    expected: String,
    actual: Option<String>,
}

impl Torture {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let expected = Expected { old: version(&self.old)?, new: version(&self.new)? };
        let temporary;
        let dir = if let Some(dir) = &self.keep {
            fs::create_dir_all(dir).with_context(|| format!("failed to make {}", dir.display()))?;
            dir.as_path()
        } else {
            temporary = tempfile::Builder::new().prefix("flagstone-").tempdir()?;
            temporary.path()
        };
        let bench = Bench { dir, expected };
        let (mut base, mut log) = (dir.join("base.raw"), dir.join("writes.log"));
        if !self.again {
            report::say("booting the old version for the first time");
            base = bench.prepare(&self.old)?;
            report::say("updating it, and recording what is written");
            log = bench.record(&base, &self.payload)?;
        }
        let log = WriteLog::open(&log)?;
        report::say(&format!("cutting the power {} times", log.entries().len() + 1));
        let file =
            File::open(&base).with_context(|| format!("failed to open {}", base.display()))?;
        let len = file.metadata()?.len();
        let options = TortureOptions { samples: self.samples };
        let result = torture(&file, len, &log, &bench.expected, options)?;
        let booted = bench.boot_some(&base, &log, &result, self.boots)?;
        let report = bench.report(result, booted);
        let good = report.is_good();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
        }
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn version(folder: &Path) -> Result<Version> {
    let release = ReleaseFolder::open(folder)?.release;
    Ok(Version::read(folder, release.image, release.root_hash)?)
}

/// Where machines are made, and what they should boot.
struct Bench<'a> {
    dir: &'a Path,
    expected: Expected,
}

impl Bench<'_> {
    /// Boots the old version once, so that it is provisioned and found good; returns its disk.
    fn prepare(&self, old: &Path) -> Result<PathBuf> {
        let image = old.join(format!("{}.raw", self.expected.old.image));
        let image =
            image.canonicalize().with_context(|| format!("there is no {}", image.display()))?;
        let said = self.boot("first", &image, None, &[])?;
        self.expect_old(&said)?;
        let (disk, base) = (self.dir.join("first/disk.qcow2"), self.dir.join("base.raw"));
        copy_disk(&disk, "qcow2", &base)?;
        Ok(base)
    }

    /// Boots once more and updates; returns the log of what was written meanwhile.
    fn record(&self, base: &Path, payload: &Path) -> Result<PathBuf> {
        let folder = self.dir.join("payload");
        fs::create_dir_all(&folder)?;
        let file = folder.join("update.payload");
        fs::copy(payload, &file)
            .with_context(|| format!("failed to copy {}", payload.display()))?;
        let folder = folder.canonicalize()?;
        let disk = serde_json::json!({
            "driver": "vvfat", "node-name": "payload", "dir": folder, "read-only": true,
        });
        let extra = [
            "-blockdev".to_owned(),
            disk.to_string(),
            "-device".to_owned(),
            "virtio-blk-pci,drive=payload,serial=payload".to_owned(),
        ];
        let log = self.dir.join("writes.log");
        let said = self.boot("update", base, Some(&log), &extra)?;
        self.expect_old(&said)?;
        if said.get("update").is_some_and(|code| code == "0") {
            return Ok(log);
        }
        let words = said.get("said").map_or("nothing", String::as_str);
        let hint = "the old version has to carry the agent, and to trust who signed the payload";
        Err(Hinted::new(format!("the update did not work: {words}"), hint).into())
    }

    fn expect_old(&self, said: &BTreeMap<String, String>) -> Result<()> {
        let expected = self.expected.old.image.version.to_string();
        if said.get("version") == Some(&expected) {
            return Ok(());
        }
        let hint = "look at the console; --keep DIR keeps it";
        Err(Hinted::new("the old version did not come up", hint).into())
    }

    /// Boots some of the cut points: as many before and after the switch, and spread evenly.
    fn boot_some(
        &self,
        base: &Path,
        log: &WriteLog,
        result: &TortureReport,
        count: usize,
    ) -> Result<Vec<Booted>> {
        let mut booted = Vec::new();
        if count == 0 {
            return Ok(booted);
        }
        let cut = self.dir.join("cut.raw");
        copy_disk(base, "raw", &cut)?;
        let file = File::options().write(true).open(&cut)?;
        let mut applied = 0;
        for point in points(log.entries().len(), result.switch, count) {
            for entry in &log.entries()[applied..point] {
                apply(&file, log, entry)?;
            }
            applied = point;
            let is_new = result.switch.is_some_and(|switch| point >= switch);
            let expected = if is_new { &self.expected.new } else { &self.expected.old };
            let name = format!("cut-{point}");
            let said = self.boot(&name, &cut, None, &[])?;
            let (expected, actual) =
                (expected.image.version.to_string(), said.get("version").cloned());
            report::say(&format!(
                "after {point} entries: {}",
                actual.as_deref().unwrap_or("nothing came up")
            ));
            let _ = fs::remove_file(self.dir.join(name).join("disk.qcow2"));
            booted.push(Booted { entries: point, expected, actual });
        }
        Ok(booted)
    }

    /// Boots a disk, which stays as it is, and returns what the guest reported.
    fn boot(
        &self,
        name: &str,
        disk: &Path,
        write_log: Option<&Path>,
        extra: &[String],
    ) -> Result<BTreeMap<String, String>> {
        let state = self.dir.join(name);
        fs::create_dir_all(&state)?;
        let report = state.join("report");
        let console = File::create(state.join("console.log"))?;
        let mut arguments: Vec<OsString> = vec!["-device".into(), "virtio-serial-pci".into()];
        arguments.push("-chardev".into());
        arguments.push(format!("file,id=report,path={}", report.display()).into());
        arguments.push("-device".into());
        arguments.push("virtserialport,chardev=report,name=flagstone.report".into());
        arguments.extend(extra.iter().map(OsString::from));
        let credential = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
        let machine = Machine {
            architecture: self.expected.old.image.architecture,
            boots: Boots::Disk(disk),
            state: &state,
            memory_mib: 1500,
            disk_size: DISK_SIZE,
            credentials: &[
                credential("systemd.extra-unit.flagstone-torture.service", UNIT),
                credential("systemd.unit-dropin.multi-user.target", DROP_IN),
                credential("flagstone.torture", SCRIPT),
            ],
            ssh_port: None,
            ignition: None,
            extra: &arguments,
            write_log,
            tpm: false,
            console: Some(&console),
        };
        machine.run_for(LIMIT)?;
        let text = fs::read_to_string(&report).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect())
    }

    fn report(&self, result: TortureReport, booted: Vec<Booted>) -> Report {
        let bad = result.bad_points.into_iter().filter_map(|point| match point {
            CutPoint { entries, lost, verdict: Verdict::Neither { reason } } => {
                Some(Bad { entries, lost, reason })
            }
            _ => None,
        });
        Report {
            old: self.expected.old.image.to_string(),
            new: self.expected.new.image.to_string(),
            writes: result.writes,
            flushes: result.flushes,
            cut_points: result.prefixes,
            reorderings: result.reorderings,
            boot_old: result.old,
            boot_new: result.new,
            boot_neither: result.bad,
            switches_at: result.switch,
            worst_point: result.worst.0,
            worst_bytes: result.worst.1,
            bad: bad.collect(),
            booted,
        }
    }
}

impl Report {
    fn is_good(&self) -> bool {
        let as_expected = |booted: &Booted| booted.actual.as_ref() == Some(&booted.expected);
        self.boot_neither == 0 && self.switches_at.is_some() && self.booted.iter().all(as_expected)
    }

    fn print(&self) {
        println!("{} -> {}", self.old, self.new);
        println!("{} writes, {} flushes", self.writes, self.flushes);
        println!("{} cut points and {} reorderings", self.cut_points, self.reorderings);
        println!(
            "{} boot the old version, {} the new one, {} neither",
            self.boot_old, self.boot_new, self.boot_neither
        );
        match self.switches_at {
            Some(point) => println!("the new version boots after {point} entries"),
            None => println!("the new version never boots"),
        }
        println!(
            "worst point: after {} entries, when {} KiB were not yet durable",
            self.worst_point,
            self.worst_bytes >> 10
        );
        for Bad { entries, lost, reason } in &self.bad {
            println!("bad: after {entries} entries, of which {lost} were lost: {reason}");
        }
        for Booted { entries, expected, actual } in &self.booted {
            let actual = actual.as_deref().unwrap_or("nothing");
            let verdict = if actual == expected { "as expected" } else { "NOT as expected" };
            println!("booted: after {entries} entries: {actual}, {verdict}");
        }
    }
}

/// Chooses cut points: half of them spread over everything, half around the switch.
fn points(entries: usize, switch: Option<usize>, count: usize) -> Vec<usize> {
    let mut points: Vec<usize> =
        (0..count.div_ceil(2)).map(|n| entries * (n + 1) / (count.div_ceil(2) + 1)).collect();
    let switch = switch.unwrap_or(entries);
    let around = (0..count / 2).map(|n| (switch + n).saturating_sub(count / 4).min(entries));
    points.extend(around);
    points.sort_unstable();
    points.dedup();
    points
}

fn apply(disk: &File, log: &WriteLog, entry: &LogEntry) -> Result<()> {
    if let LogEntry::Write { offset, len, data, .. } = *entry {
        let mut bytes = vec![0; usize::try_from(len)?];
        log.read_at(&mut bytes, data)?;
        disk.write_all_at(&bytes, offset)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_points_are_spread_and_gather_around_the_switch() {
        let points = points(1000, Some(900), 20);
        assert!(points.len() >= 18 && points.is_sorted(), "{points:?}");
        assert!(points.iter().filter(|&&point| (895..905).contains(&point)).count() >= 8);
        assert!(points.first().is_some_and(|&point| point < 100));
        assert!(super::points(3, None, 20).iter().all(|&point| point <= 3));
    }
}
