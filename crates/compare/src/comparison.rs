use std::collections::{BTreeMap, BTreeSet};

use flagstone_artifact::{ArtifactRecord, Sha256Digest};
use flagstone_recipe::{Lock, LockDiff};
use serde::Serialize;

use crate::CompareError;
use crate::accounts::AccountsDiff;
use crate::disk::PartitionSize;
use crate::files::{self, Amount, FilesDiff, Strictness};
use crate::kernel::KernelDiff;
use crate::packages::PackagesDiff;
use crate::release::{Release, Side};
use crate::units::UnitsDiff;
use crate::usr::{Usr, first_difference};

/// The format of a comparison as JSON.
pub const DIFF_VERSION: u32 = 1;

/// Something in the old release and in the new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pair<T> {
    /// In the old release.
    pub old: T,
    /// In the new release.
    pub new: T,
}

/// All that differs between two releases. What a side does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The format of this; [`DIFF_VERSION`].
    pub diff_version: u32,
    /// Whether nothing differs in what was compared.
    pub identical: bool,
    /// What the releases say about themselves.
    #[serde(flatten)]
    pub sides: Pair<Side>,
    /// What could not be compared, and why.
    pub not_compared: Vec<NotCompared>,
    /// What a person may want to know besides.
    pub notes: Vec<String>,
    /// The packages.
    pub packages: Option<PackagesDiff>,
    /// The files of /usr.
    pub files: Option<FilesDiff>,
    /// The bytes of the usr images.
    pub usr_image: Option<UsrImageDiff>,
    /// The systemd units.
    pub units: Option<UnitsDiff>,
    /// The kernel.
    pub kernel: Option<KernelDiff>,
    /// Users and groups.
    pub accounts: Option<AccountsDiff>,
    /// What only locks tell.
    pub lock: Option<LockPart>,
    /// Sizes.
    pub sizes: Sizes,
}

/// A part that could not be compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// The part.
    pub what: &'static str,
    /// Which side does not tell.
    pub why: String,
}

/// How the bytes of two usr images differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct UsrImageDiff {
    /// The lengths in bytes.
    pub size: Pair<u64>,
    /// Where they differ first; `None` if they do not.
    pub first_difference: Option<u64>,
}

/// What differs between two locks besides packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LockPart {
    /// Suites with another Release file.
    pub suites: Vec<SuiteChange>,
    /// Whether the locks differ in what is not shown: what they were made for, reasons, places,
    /// accepted scripts.
    pub other: bool,
}

/// A suite in two locks; a date is `None` where a lock does not have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SuiteChange {
    /// Archive and suite.
    pub suite: String,
    /// The dates of the Release files.
    #[serde(flatten)]
    pub dates: Pair<Option<String>>,
}

/// Sizes of both releases; every line that either has, whether it differs or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Top directories of /usr.
    pub directories: Vec<Sized<Amount>>,
    /// Artefacts, by the ending of their names.
    pub artifacts: Vec<Sized<ArtifactRecord>>,
    /// Partitions, by number.
    pub partitions: Vec<Sized<PartitionSize>>,
}

/// Something that has a size, in one release or in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sized<T> {
    /// What it is called.
    pub name: String,
    /// Its sizes.
    #[serde(flatten)]
    pub sizes: Pair<Option<T>>,
}

impl Comparison {
    /// Compares two releases.
    ///
    /// # Errors
    /// [`CompareError`] if a usr image is damaged.
    pub fn between(old: &Release, new: &Release) -> Result<Self, CompareError> {
        let mut parts = Parts { old, new, not_compared: Vec::new() };
        let packages = parts.both("packages", |release| release.packages.as_ref());
        let packages = packages.map(|(old, new)| PackagesDiff::between(old, new));
        let usr = parts.both("files, units and sizes of /usr", |release| release.usr.as_ref());
        let (mut files, mut units, mut usr_image) = (None, None, None);
        let mut sizes = Sizes::default();
        if let Some((old, new)) = usr {
            let walked = files::compare(old, new, Strictness::Release)?;
            units = Some(units_of(&walked.files, old, new));
            sizes.directories = amounts(walked.amounts);
            files = Some(walked.files);
            usr_image = Some(bytes_of(old, new)?);
        }
        let known = |release: &Release| {
            let kernel = &release.kernel;
            kernel.version.is_some() || kernel.command_line.is_some()
        };
        let kernels = parts.both("kernel", |release| known(release).then_some(&release.kernel));
        let accounts = parts.both("users and groups", |release| release.accounts.as_ref());
        let accounts = accounts.map(|(old, new)| AccountsDiff::between(old, new));
        if kernels.is_some() {
            parts.both("kernel command line", |release| release.kernel.command_line.as_ref());
            parts.both("kernel configuration", |release| release.kernel.config.as_ref());
        }
        parts.both("root hash", |release| release.side.root_hash.as_ref());
        let artifacts = parts.both("digests of artefacts", |release| release.artifacts.as_ref());
        sizes.artifacts = artifacts.map(|(old, new)| joined(old, new)).unwrap_or_default();
        let partitions = old.partitions.as_ref().zip(new.partitions.as_ref());
        sizes.partitions =
            partitions.map(|(old, new)| joined_partitions(old, new)).unwrap_or_default();
        let locks = old.lock.as_ref().zip(new.lock.as_ref());
        let mut comparison = Self {
            diff_version: DIFF_VERSION,
            identical: false,
            sides: Pair { old: old.side.clone(), new: new.side.clone() },
            not_compared: parts.not_compared,
            notes: [old.notes.as_slice(), new.notes.as_slice()].concat(),
            packages,
            files,
            usr_image,
            units,
            kernel: kernels.map(|(old, new)| KernelDiff::between(old, new)),
            accounts,
            lock: locks.map(|(old, new)| LockPart::between(old, new)),
            sizes,
        };
        comparison.identical = comparison.nothing_differs();
        Ok(comparison)
    }

    fn nothing_differs(&self) -> bool {
        let Self { packages, files, usr_image, units, kernel, accounts, lock, sizes, .. } = self;
        let Pair { old, new } = &self.sides;
        self.root_hashes().is_none_or(|Pair { old, new }| old == new)
            && packages.as_ref().is_none_or(PackagesDiff::is_empty)
            && files.as_ref().is_none_or(|files| *files == FilesDiff::default())
            && usr_image.is_none_or(|image| image.first_difference.is_none())
            && units.as_ref().is_none_or(UnitsDiff::is_empty)
            && kernel.as_ref().is_none_or(KernelDiff::is_empty)
            && accounts.as_ref().is_none_or(AccountsDiff::is_empty)
            && lock.as_ref().is_none_or(|lock| *lock == LockPart::default())
            && sizes.artifacts.iter().all(|row| row.sizes.old == row.sizes.new)
            && sizes.partitions.iter().all(|row| row.sizes.old == row.sizes.new)
            && [(&old.id, &new.id), (&old.version, &new.version)]
                .iter()
                .all(|(a, b)| a.as_ref().zip(b.as_ref()).is_none_or(|(a, b)| a == b))
    }

    /// Returns both root hashes, where both are known.
    pub fn root_hashes(&self) -> Option<Pair<Sha256Digest>> {
        let Pair { old, new } = &self.sides;
        old.root_hash.zip(new.root_hash).map(|(old, new)| Pair { old, new })
    }
}

impl LockPart {
    fn between(old: &Lock, new: &Lock) -> Self {
        let diff = LockDiff::between(old, new);
        let date = |date: Option<flagstone_recipe::Timestamp>| date.map(|date| date.to_string());
        let suites = diff.suites.iter().map(|((archive, suite), (old, new))| SuiteChange {
            suite: format!("{archive}/{suite}"),
            dates: Pair { old: date(*old), new: date(*new) },
        });
        Self { suites: suites.collect(), other: diff.other }
    }
}

/// Takes from both releases what both tell, and notes what only one of them does.
struct Parts<'a> {
    old: &'a Release,
    new: &'a Release,
    not_compared: Vec<NotCompared>,
}

impl<'a> Parts<'a> {
    fn both<T>(
        &mut self,
        what: &'static str,
        pick: impl Fn(&'a Release) -> Option<T>,
    ) -> Option<(T, T)> {
        let silent = |release: &Release| {
            let Side { path, kind, .. } = &release.side;
            format!("{path} ({}) does not tell", kind.name())
        };
        let why = match (pick(self.old), pick(self.new)) {
            (Some(old), Some(new)) => return Some((old, new)),
            // What neither side is about is no gap of the comparison.
            (None, None) => return None,
            (None, Some(_)) => silent(self.old),
            (Some(_), None) => silent(self.new),
        };
        self.not_compared.push(NotCompared { what, why });
        None
    }
}

fn units_of(files: &FilesDiff, old: &Usr, new: &Usr) -> UnitsDiff {
    // The folders that are asked for have been walked: they are sound.
    let had = |side: usize, path: &str| {
        let usr = if side == 0 { old } else { new };
        let inside = path.trim_start_matches("/usr/");
        usr.find(inside).is_ok_and(|node| node.is_some())
    };
    UnitsDiff::of(files, &had)
}

fn bytes_of(old: &Usr, new: &Usr) -> Result<UsrImageDiff, CompareError> {
    let (a, b) = (old.window(), new.window());
    let first_difference =
        first_difference(a, b).map_err(|source| old.error(b"")(read_error(source)))?;
    Ok(UsrImageDiff { size: Pair { old: a.size(), new: b.size() }, first_difference })
}

fn read_error(source: std::io::Error) -> flagstone_image::ReadError {
    flagstone_image::ReadError::Read { offset: 0, source }
}

fn amounts(amounts: BTreeMap<String, (Amount, Amount)>) -> Vec<Sized<Amount>> {
    let some = |amount: Amount| Some(amount).filter(|amount| amount.files > 0);
    let row = |(name, (old, new))| Sized { name, sizes: Pair { old: some(old), new: some(new) } };
    amounts.into_iter().map(row).collect()
}

fn joined<T: Clone>(old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) -> Vec<Sized<T>> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let row = |name: &String| Sized {
        name: name.clone(),
        sizes: Pair { old: old.get(name).cloned(), new: new.get(name).cloned() },
    };
    names.into_iter().map(row).collect()
}

fn joined_partitions(old: &[PartitionSize], new: &[PartitionSize]) -> Vec<Sized<PartitionSize>> {
    let by_number = |partitions: &[PartitionSize]| -> BTreeMap<u32, PartitionSize> {
        partitions.iter().map(|partition| (partition.number, partition.clone())).collect()
    };
    let (old, new) = (by_number(old), by_number(new));
    let numbers: BTreeSet<&u32> = old.keys().chain(new.keys()).collect();
    let row = |number: &u32| Sized {
        name: number.to_string(),
        sizes: Pair { old: old.get(number).cloned(), new: new.get(number).cloned() },
    };
    numbers.into_iter().map(row).collect()
}
