use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;

use flagstone_disk::{DiskTable, TableEntry, read_table, slot_identifiers};

use crate::loader::compare_slot;
use crate::random::Random;
use crate::{Expected, Loader, LogEntry, Replay, TortureError, Verdict, WriteLog};

/// The bytes at a disk's start and end that hold a partition table.
const TABLE_BYTES: u64 = 34 * 512;
/// How many bad cut points are told.
const BAD_MAX: usize = 20;

/// How hard a disk is tortured.
#[derive(Clone, Copy, Debug)]
pub struct TortureOptions {
    /// Random selections of writes for each flush that has several before it.
    pub samples: usize,
}

/// A moment at which power was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPoint {
    /// How many entries of the log were begun.
    pub entries: usize,
    /// How many of the writes since the last flush were lost; 0 for a prefix.
    pub lost: usize,
    /// What the disk boots then.
    pub verdict: Verdict,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct TortureReport {
    /// Writes and discards in the log.
    pub writes: usize,
    /// Flushes in it.
    pub flushes: usize,
    /// Prefixes: the disk before the first entry, and after each.
    pub prefixes: usize,
    /// Random selections.
    pub reorderings: usize,
    /// How many of both boot the old version, and how many the new one.
    pub old: usize,
    /// See [`Self::old`].
    pub new: usize,
    /// Those that boot neither.
    pub bad: usize,
    /// The first of them.
    pub bad_points: Vec<CutPoint>,
    /// After how many entries the new version boots first, if it does.
    pub switch: Option<usize>,
    /// Where most was at stake: after so many entries, so many bytes that the disk had not promised to keep.
    pub worst: (usize, u64),
}

/// Cuts the power after every entry of a log, and at random between writes that may be reordered.
///
/// `base` is the disk before, `len` its length in bytes.
///
/// # Errors
/// [`TortureError::Disk`], [`TortureError::Start`].
pub fn torture(
    base: &File,
    len: u64,
    log: &WriteLog,
    expected: &Expected,
    options: TortureOptions,
) -> Result<TortureReport, TortureError> {
    let before = Replay::new(base, len, log);
    let table = read_table(&mut before.clone()).map_err(|source| TortureError::Disk { source })?;
    let start = |actual: String| TortureError::Start { actual };
    let loader =
        Loader::new(expected, &before).map_err(|reason| start(format!("neither: {reason}")))?;
    let areas = Areas::of(&table, len, expected);
    let mut run = Run {
        expected,
        loader,
        areas,
        options,
        disk: before.clone(),
        epoch_start: before,
        epoch: Vec::new(),
        verdict: Verdict::Old,
        start_verdict: Verdict::Old,
        slot: None,
        spoiled: false,
        random: Random::new(1),
        report: TortureReport::default(),
    };
    run.judge();
    if run.verdict != Verdict::Old {
        return Err(start(run.verdict.to_string()));
    }
    run.count_prefix(0);
    for (index, entry) in log.entries().iter().enumerate() {
        run.step(index, entry);
    }
    run.reorder(log.entries().len());
    Ok(run.report)
}

/// Which parts of a disk decide what it boots.
#[derive(Debug)]
struct Areas {
    /// The partition tables and the EFI system partition.
    choice: Vec<Range<u64>>,
    /// The slot of the old version, which nothing may write to.
    old: Vec<Range<u64>>,
    /// The other one.
    new: Vec<Range<u64>>,
}

impl Areas {
    fn of(table: &DiskTable, len: u64, expected: &Expected) -> Self {
        let range = |entry: &TableEntry| entry.offset_bytes..entry.offset_bytes + entry.size_bytes;
        let (usr, verity) = slot_identifiers(&expected.old.root_hash);
        let is_old = |entry: &&TableEntry| entry.guid == usr || entry.guid == verity;
        let kinds: BTreeSet<_> =
            table.entries.iter().filter(is_old).map(|entry| entry.type_guid).collect();
        let slots = table.entries.iter().filter(|entry| kinds.contains(&entry.type_guid));
        let (old, new): (Vec<_>, Vec<_>) = slots.partition(is_old);
        let esp = flagstone_disk::PartitionType::Esp.guid();
        let esp = table.entries.iter().filter(|entry| entry.type_guid == esp).map(range);
        let tables = [0..TABLE_BYTES, len.saturating_sub(TABLE_BYTES)..len];
        Self {
            choice: tables.into_iter().chain(esp).collect(),
            old: old.into_iter().map(range).collect(),
            new: new.into_iter().map(range).collect(),
        }
    }
}

fn touches(entry: &LogEntry, areas: &[Range<u64>]) -> bool {
    let (LogEntry::Write { offset, len, .. } | LogEntry::Discard { offset, len }) = *entry else {
        return false;
    };
    areas.iter().any(|area| offset < area.end && area.start < offset.saturating_add(len))
}

struct Run<'a> {
    expected: &'a Expected,
    loader: Loader<'a>,
    areas: Areas,
    options: TortureOptions,
    disk: Replay<'a>,
    /// The disk as it was promised to be kept at the last flush, and the writes since then.
    epoch_start: Replay<'a>,
    epoch: Vec<LogEntry>,
    verdict: Verdict,
    start_verdict: Verdict,
    /// Whether the new slot is complete, as far as that was asked since it was last written to.
    slot: Option<Result<(), String>>,
    /// Whether the one thing happened that nothing may make good.
    spoiled: bool,
    random: Random,
    report: TortureReport,
}

impl Run<'_> {
    fn step(&mut self, index: usize, entry: &LogEntry) {
        if *entry == LogEntry::Flush {
            self.report.flushes += 1;
            self.reorder(index);
            self.epoch_start = self.disk.clone();
            self.epoch.clear();
            self.start_verdict = self.verdict.clone();
        } else {
            self.report.writes += 1;
            self.epoch.push(*entry);
            self.disk.apply(entry);
            let slot = touches(entry, &self.areas.new);
            if slot {
                self.slot = None;
            }
            self.spoiled |= touches(entry, &self.areas.old);
            if self.spoiled {
                let reason = "the slot of the old version was written to".to_owned();
                self.verdict = Verdict::Neither { reason };
            } else if touches(entry, &self.areas.choice) || (slot && self.verdict != Verdict::Old) {
                self.judge();
            }
        }
        self.count_prefix(index + 1);
    }

    /// Asks the model about the disk as it is.
    fn judge(&mut self) {
        let (disk, expected, slot) = (&self.disk, self.expected, &mut self.slot);
        self.verdict = self.loader.boots(disk, &mut |usr, verity| {
            slot.get_or_insert_with(|| compare_slot(disk, usr, verity, &expected.new)).clone()
        });
    }

    fn count_prefix(&mut self, entries: usize) {
        self.report.prefixes += 1;
        let bytes = self.epoch.iter().map(|entry| match entry {
            LogEntry::Write { len, .. } => *len,
            _ => 0,
        });
        let bytes = bytes.sum();
        if bytes > self.report.worst.1 {
            self.report.worst = (entries, bytes);
        }
        let verdict = self.verdict.clone();
        self.count(CutPoint { entries, lost: 0, verdict });
    }

    fn count(&mut self, point: CutPoint) {
        match point.verdict {
            Verdict::Old => self.report.old += 1,
            Verdict::New => {
                self.report.new += 1;
                self.report.switch.get_or_insert(point.entries);
            }
            Verdict::Neither { .. } => {
                self.report.bad += 1;
                if self.report.bad_points.len() < BAD_MAX {
                    self.report.bad_points.push(point);
                }
            }
        }
    }

    /// Tries selections of the writes since the last flush: what a disk may have kept of them when power goes
    /// before the next one is done.
    fn reorder(&mut self, index: usize) {
        if self.epoch.len() < 2 {
            return;
        }
        let epoch = std::mem::take(&mut self.epoch);
        let matters = epoch.iter().any(|entry| {
            touches(entry, &self.areas.choice)
                || (self.start_verdict != Verdict::Old && touches(entry, &self.areas.new))
        });
        for _ in 0..self.options.samples {
            // The last write is often the one that counts.
            let all = self.random.next() & 1 == 0;
            let begun = if all { epoch.len() } else { 1 + below(&mut self.random, epoch.len()) };
            // Of few writes, of half of them, of most.
            let share = [32, 128, 224][below(&mut self.random, 3)];
            let mut disk = self.epoch_start.clone();
            let mut lost = 0;
            for entry in &epoch[..begun] {
                let durable = matches!(entry, LogEntry::Write { durable: true, .. });
                if durable || self.random.next() % 256 < share {
                    if matters {
                        disk.apply(entry);
                    }
                } else {
                    lost += 1;
                }
            }
            let verdict = if matters {
                let expected = self.expected;
                self.loader.boots(&disk, &mut |usr, verity| {
                    compare_slot(&disk, usr, verity, &expected.new)
                })
            } else {
                self.start_verdict.clone()
            };
            self.report.reorderings += 1;
            self.count(CutPoint { entries: index - epoch.len() + begun, lost, verdict });
        }
        self.epoch = epoch;
    }
}

fn below(random: &mut Random, count: usize) -> usize {
    usize::try_from(random.next() % count.max(1) as u64).unwrap_or(0)
}
