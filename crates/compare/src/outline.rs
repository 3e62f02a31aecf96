//! What is shown of a comparison, before it is text or HTML.

use flagstone_artifact::ArtifactRecord;
use serde::Serialize;

use crate::accounts::EntriesDiff;
use crate::comparison::{Comparison, LockPart, Sized, Sizes};
use crate::disk::PartitionSize;
use crate::files::{Amount, Aspect, FileChange, FileEntry, FileState, FilesDiff};
use crate::kernel::KernelDiff;
use crate::packages::{NamedPackage, PackageChange, PackagesDiff};
use crate::units::UnitsDiff;

/// How many lines back the directory of a path is looked for.
const FOLD_BACK: usize = 64;

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// What there is, in numbers.
    pub(crate) summary: String,
    pub(crate) lists: Vec<List>,
}

/// Lines of one kind within a part; none is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct List {
    pub(crate) detail: Detail,
    /// What they have in common.
    pub(crate) title: &'static str,
    /// Stands before each line of a text.
    pub(crate) sign: char,
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Row>,
}

/// Where a list belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Detail {
    /// In every report.
    Any,
    /// Where there is little room: whole directories are one line.
    Short,
    /// Where there is room for every path.
    Full,
}

/// One line, and the same in cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) line: String,
    pub(crate) cells: Vec<String>,
}

/// Returns the parts of a report that both sides tell about.
pub(crate) fn sections(comparison: &Comparison) -> Vec<Section> {
    let Comparison { packages, files, units, kernel, accounts, lock, sizes, .. } = comparison;
    let parts = [
        packages.as_ref().map(packages_section),
        kernel.as_ref().map(kernel_section),
        units.as_ref().map(units_section),
        accounts.as_ref().map(|accounts| {
            let named = [("users", &accounts.users), ("groups", &accounts.groups)];
            accounts_section(&named)
        }),
        files.as_ref().map(|files| files_section(files, comparison)),
        lock.as_ref().filter(|lock| **lock != LockPart::default()).map(lock_section),
        sizes_section(sizes),
    ];
    parts.into_iter().flatten().collect()
}

fn list<T>(
    title: &'static str,
    sign: char,
    columns: &'static [&'static str],
    items: &[T],
    row: impl Fn(&T) -> Row,
) -> Option<List> {
    let rows: Vec<Row> = items.iter().map(row).collect();
    (!rows.is_empty()).then_some(List { detail: Detail::Any, title, sign, columns, rows })
}

/// Returns "added: 2, removed: 1", or "no difference".
fn counts(counts: &[(&str, usize)]) -> String {
    let some: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| format!("{word}: {count}"))
        .collect();
    if some.is_empty() { "no difference".to_owned() } else { some.join(", ") }
}

fn packages_section(packages: &PackagesDiff) -> Section {
    const ONE: &[&str] = &["package", "version", "architecture"];
    const TWO: &[&str] = &["package", "old", "new"];
    let PackagesDiff { added, removed, upgraded, downgraded, rebuilt, same } = packages;
    let one = |package: &NamedPackage| Row {
        line: format!("{} {}", package.name, package.package.version),
        cells: vec![
            package.name.clone(),
            package.package.version.clone(),
            package.package.architecture.clone(),
        ],
    };
    let two = |change: &PackageChange| {
        let PackageChange { name, old, new } = change;
        let line = if old.version == new.version {
            format!("{name} {} (other content)", old.version)
        } else {
            format!("{name} {} → {}", old.version, new.version)
        };
        Row { line, cells: vec![name.clone(), old.version.clone(), new.version.clone()] }
    };
    let lists = [
        list("upgraded", '↑', TWO, upgraded, two),
        list("downgraded", '↓', TWO, downgraded, two),
        list("same version, other content", '~', TWO, rebuilt, two),
        list("added", '+', ONE, added, one),
        list("removed", '-', ONE, removed, one),
    ];
    let summary = counts(&[
        ("upgraded", upgraded.len()),
        ("downgraded", downgraded.len()),
        ("other content", rebuilt.len()),
        ("added", added.len()),
        ("removed", removed.len()),
    ]);
    let lists = lists.into_iter().flatten().collect();
    Section { title: "packages", summary: format!("{summary}; the same: {same}"), lists }
}

fn kernel_section(kernel: &KernelDiff) -> Section {
    const PAIR: &[&str] = &["what", "old", "new"];
    let mut facts = Vec::new();
    if let Some(version) = &kernel.version {
        facts.push(("version".to_owned(), version.old.clone(), version.new.clone()));
    }
    let mut words = Vec::new();
    if let Some(line) = &kernel.command_line {
        words.extend(line.removed.iter().map(|word| ('-', word.clone())));
        words.extend(line.added.iter().map(|word| ('+', word.clone())));
        if line.reordered {
            facts.push((
                "order of the command line".to_owned(),
                line.lines.old.clone(),
                line.lines.new.clone(),
            ));
        }
    }
    let fact = |(what, old, new): &(String, String, String)| Row {
        line: format!("{what}: {old} → {new}"),
        cells: vec![what.clone(), old.clone(), new.clone()],
    };
    let word = |(_, word): &(char, String)| Row { line: word.clone(), cells: vec![word.clone()] };
    let of = |sign: char| -> Vec<(char, String)> {
        words.iter().filter(|(s, _)| *s == sign).cloned().collect()
    };
    let unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    let lists = [
        list("kernel", '~', PAIR, &facts, fact),
        list("arguments added to the command line", '+', &["argument"], &of('+'), word),
        list("arguments removed from the command line", '-', &["argument"], &of('-'), word),
        list("configuration", '~', PAIR, &kernel.config, |option| {
            let (old, new) = (unset(&option.old), unset(&option.new));
            Row {
                line: format!("{}: {old} → {new}", option.option),
                cells: vec![option.option.clone(), old, new],
            }
        }),
    ];
    let summary = counts(&[
        ("version", usize::from(kernel.version.is_some())),
        ("arguments", words.len()),
        ("order of arguments", facts.len() - usize::from(kernel.version.is_some())),
        ("options", kernel.config.len()),
    ]);
    Section { title: "kernel", summary, lists: lists.into_iter().flatten().collect() }
}

fn units_section(units: &UnitsDiff) -> Section {
    const COLUMNS: &[&str] = &["unit", "for", "path"];
    let lists = units.lists().into_iter().filter_map(|(title, units)| {
        let sign = match title {
            "added" | "enabled" | "unmasked" => '+',
            "removed" | "disabled" | "masked" => '-',
            _ => '~',
        };
        list(title, sign, COLUMNS, units, |unit| {
            let scope = match unit.scope {
                crate::Scope::System => "system",
                crate::Scope::User => "user",
            };
            Row {
                line: format!("{} ({title}: {})", unit.name, unit.path),
                cells: vec![unit.name.clone(), scope.to_owned(), unit.path.clone()],
            }
        })
    });
    let numbers: Vec<(&str, usize)> =
        units.lists().iter().map(|(title, units)| (*title, units.len())).collect();
    Section { title: "systemd units", summary: counts(&numbers), lists: lists.collect() }
}

fn accounts_section(accounts: &[(&'static str, &EntriesDiff); 2]) -> Section {
    let mut lists = Vec::new();
    let mut numbers = Vec::new();
    for (kind, EntriesDiff { added, removed, changed }) in accounts {
        let one = |account: &crate::Account| Row {
            line: format!("{kind}: {} ({})", account.name, account.entry),
            cells: vec![account.name.clone(), account.entry.clone()],
        };
        let is_user = *kind == "users";
        let titles = if is_user {
            ["users added", "users removed", "users changed"]
        } else {
            ["groups added", "groups removed", "groups changed"]
        };
        numbers.extend(titles.into_iter().zip([added.len(), removed.len(), changed.len()]));
        lists.extend(list(titles[0], '+', &["name", "entry"], added, one));
        lists.extend(list(titles[1], '-', &["name", "entry"], removed, one));
        lists.extend(list(titles[2], '~', &["name", "old", "new"], changed, |change| Row {
            line: format!("{kind}: {} {} → {}", change.name, change.old, change.new),
            cells: vec![change.name.clone(), change.old.clone(), change.new.clone()],
        }));
    }
    Section { title: "users and groups", summary: counts(&numbers), lists }
}

fn files_section(files: &FilesDiff, comparison: &Comparison) -> Section {
    const ONE: &[&str] = &["path", "kind", "mode", "owner", "size or target"];
    const TWO: &[&str] = &["path", "what differs", "old", "new"];
    let FilesDiff { added, removed, changed, times } = files;
    let one = |entry: &FileEntry| {
        let FileEntry { path, state } = entry;
        let owner = format!("{}:{}", state.uid, state.gid);
        let size = if state.kind == "file" { bytes(state.size) } else { String::new() };
        let last = state.target.clone().unwrap_or_else(|| size.clone());
        let what = match (&state.target, state.kind) {
            (Some(target), "link") => format!("→ {target}"),
            (_, "file") => format!("({size})"),
            (_, kind) => format!("({kind})"),
        };
        Row {
            line: format!("{path} {what}"),
            cells: vec![path.clone(), state.kind.to_owned(), state.mode.clone(), owner, last],
        }
    };
    let two = |change: &FileChange| {
        let describe = |state| -> Vec<String> {
            change.differs.iter().map(|aspect| describe(*aspect, state)).collect()
        };
        let (old, new) = (describe(&change.old), describe(&change.new));
        let names: Vec<&str> = change.differs.iter().map(|aspect| aspect.name()).collect();
        let parts: Vec<String> = names
            .iter()
            .zip(old.iter().zip(&new))
            .map(|(name, (old, new))| {
                if old == new {
                    format!("{name} ({old})")
                } else {
                    format!("{name} {old} → {new}")
                }
            })
            .collect();
        Row {
            line: format!("{}: {}", change.path, parts.join(", ")),
            cells: vec![change.path.clone(), names.join(", "), old.join(", "), new.join(", ")],
        }
    };
    let mut lists: Vec<List> = list("changed", '~', TWO, changed, two).into_iter().collect();
    for (titles, sign, entries) in [
        (["added", "every path added"], '+', added),
        (["removed", "every path removed"], '-', removed),
    ] {
        let folded = fold(entries);
        let is_short = folded.len() < entries.len();
        let short = list(titles[0], sign, ONE, &folded, |(entry, below)| match below {
            None => one(entry),
            Some(below) => one_folder(entry, *below),
        });
        let detail = if is_short { Detail::Short } else { Detail::Any };
        lists.extend(short.map(|short| List { detail, ..short }));
        let full = list(titles[1], sign, ONE, entries, one).filter(|_| is_short);
        lists.extend(full.map(|full| List { detail: Detail::Full, ..full }));
    }
    let mut summary = counts(&[
        ("changed", changed.len()),
        ("added", added.len()),
        ("removed", removed.len()),
        ("other times", usize::try_from(*times).unwrap_or(usize::MAX)),
    ]);
    let nothing = *files == FilesDiff::default();
    let other = comparison.usr_image.and_then(|image| image.first_difference);
    if let (true, Some(at)) = (nothing, other) {
        summary = format!("no difference, but the images are other bytes from byte {at} on");
    }
    Section { title: "files of /usr", summary, lists }
}

/// Joins directories with all that is below them, which is sorted; a directory with nothing in it
/// stays as it is.
fn fold(entries: &[FileEntry]) -> Vec<(&FileEntry, Option<Amount>)> {
    let mut folded: Vec<(&FileEntry, Option<Amount>)> = Vec::new();
    for entry in entries {
        let is_below = |top: &FileEntry| {
            let rest = entry.path.strip_prefix(&top.path);
            top.state.kind == "directory" && rest.is_some_and(|rest| rest.starts_with('/'))
        };
        // Names like "a.b" sort between "a" and "a/b".
        let top = folded.iter_mut().rev().take(FOLD_BACK).find(|(top, _)| is_below(top));
        match top {
            Some((_, below)) => {
                let below = below.get_or_insert_default();
                below.files += 1;
                below.bytes = below.bytes.saturating_add(entry.state.size);
            }
            None => folded.push((entry, None)),
        }
    }
    folded
}

/// The row of a directory of which all is new, or gone.
fn one_folder(entry: &FileEntry, below: Amount) -> Row {
    let FileEntry { path, state } = entry;
    let owner = format!("{}:{}", state.uid, state.gid);
    let what = format!("{} entries, {}", below.files, bytes(below.bytes));
    let kind = state.kind.to_owned();
    Row {
        line: format!("{path}/ ({what})"),
        cells: vec![format!("{path}/"), kind, state.mode.clone(), owner, what],
    }
}

/// Returns one property of a file, short.
pub(crate) fn describe(aspect: Aspect, state: &FileState) -> String {
    match aspect {
        Aspect::Kind => state.kind.to_owned(),
        Aspect::Content if state.damage.is_some() => "unreadable".to_owned(),
        Aspect::Content => bytes(state.size),
        Aspect::Target => state.target.clone().unwrap_or_default(),
        Aspect::Mode => state.mode.clone(),
        Aspect::Owner => format!("{}:{}", state.uid, state.gid),
        Aspect::Xattrs if state.xattrs.is_empty() => "none".to_owned(),
        Aspect::Xattrs => {
            let names = state.xattrs.iter().map(|(name, value)| format!("{name}={value}"));
            names.collect::<Vec<_>>().join(" ")
        }
        Aspect::Mtime => state.mtime.to_string(),
    }
}

fn lock_section(lock: &LockPart) -> Section {
    let none = |date: &Option<String>| date.clone().unwrap_or_else(|| "none".to_owned());
    let lists = list("suites", '~', &["suite", "old", "new"], &lock.suites, |change| {
        let (old, new) = (none(&change.dates.old), none(&change.dates.new));
        Row {
            line: format!("suite {} {old} → {new}", change.suite),
            cells: vec![change.suite.clone(), old, new],
        }
    });
    let summary =
        counts(&[("suites", lock.suites.len()), ("other details", usize::from(lock.other))]);
    Section { title: "lock", summary, lists: lists.into_iter().collect() }
}

fn sizes_section(sizes: &Sizes) -> Option<Section> {
    const COLUMNS: &[&str] = &["what", "old", "new", "difference"];
    let directories = changed(&sizes.directories);
    let artifacts = changed(&sizes.artifacts);
    let size_of = |side: &Option<PartitionSize>| side.as_ref().map(|partition| partition.size);
    let mut partitions = changed(&sizes.partitions);
    partitions.retain(|row| size_of(&row.sizes.old) != size_of(&row.sizes.new));
    let bytes_of = |amount: &Amount| amount.bytes;
    let lists = [
        list("artefacts", '~', COLUMNS, &artifacts, |row| {
            size_row(&format!("*{}", row.name), row, |record: &ArtifactRecord| record.size)
        }),
        list("directories of /usr", '~', COLUMNS, &directories, |row| {
            size_row(&row.name, row, bytes_of)
        }),
        list("partitions", '~', COLUMNS, &partitions, |row| {
            let label = |partition: &PartitionSize| partition.label.clone();
            let side = row.sizes.new.as_ref().or(row.sizes.old.as_ref());
            let name = format!("{} {}", row.name, side.map(label).unwrap_or_default());
            size_row(&name, row, |partition| partition.size)
        }),
    ];
    let lists: Vec<List> = lists.into_iter().flatten().collect();
    if lists.is_empty() {
        return None;
    }
    let total = |pick: fn(&Sized<Amount>) -> Option<&Amount>| -> u64 {
        sizes.directories.iter().filter_map(pick).map(bytes_of).sum()
    };
    let (old, new) = (total(|row| row.sizes.old.as_ref()), total(|row| row.sizes.new.as_ref()));
    let summary = if sizes.directories.is_empty() {
        counts(&[("artefacts", artifacts.len()), ("partitions", partitions.len())])
    } else {
        format!("files of /usr {} → {} ({})", bytes(old), bytes(new), difference(old, new))
    };
    Some(Section { title: "sizes", summary, lists })
}

fn changed<T: PartialEq + Clone>(rows: &[Sized<T>]) -> Vec<Sized<T>> {
    rows.iter().filter(|row| row.sizes.old != row.sizes.new).cloned().collect()
}

fn size_row<T>(name: &str, row: &Sized<T>, size: impl Fn(&T) -> u64) -> Row {
    let (old, new) = (row.sizes.old.as_ref().map(&size), row.sizes.new.as_ref().map(&size));
    let shown = |side: Option<u64>| side.map_or_else(|| "none".to_owned(), bytes);
    let by = if old == new && old.is_some() {
        "same size, other content".to_owned()
    } else {
        difference(old.unwrap_or(0), new.unwrap_or(0))
    };
    Row {
        line: format!("{name} {} → {} ({by})", shown(old), shown(new)),
        cells: vec![name.to_owned(), shown(old), shown(new), by],
    }
}

/// Returns a size for people: exact below 10 kB, else with one decimal.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    if count == 1 {
        return "1 byte".to_owned();
    }
    match UNITS.iter().find(|(unit, _)| count >= 10_000.max(*unit)) {
        Some((unit, name)) => {
            let tenths = u128::from(count) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{count} bytes"),
    }
}

fn difference(old: u64, new: u64) -> String {
    if new == old {
        return "the same".to_owned();
    }
    if new > old { format!("+{}", bytes(new - old)) } else { format!("-{}", bytes(old - new)) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn whole_directories_are_one_line() {
        let entry = |(path, kind): &(&str, &'static str)| FileEntry {
            path: (*path).to_owned(),
            state: FileState {
                kind,
                mode: "0755".to_owned(),
                uid: 0,
                gid: 0,
                size: if *kind == "file" { 10 } else { 0 },
                sha256: None,
                target: None,
                xattrs: BTreeMap::new(),
                mtime: 0,
                damage: None,
            },
        };
        let entries: Vec<FileEntry> = [
            ("/usr/a", "directory"),
            ("/usr/a.conf", "file"),
            ("/usr/a/b", "directory"),
            ("/usr/a/b/c", "file"),
            ("/usr/a/d", "file"),
            ("/usr/empty", "directory"),
            ("/usr/z/new", "file"),
        ]
        .iter()
        .map(entry)
        .collect();
        let folded = fold(&entries);
        let shown: Vec<(&str, Option<Amount>)> =
            folded.iter().map(|(entry, below)| (entry.path.as_str(), *below)).collect();
        let below = Some(Amount { files: 3, bytes: 20 });
        let expected =
            [("/usr/a", below), ("/usr/a.conf", None), ("/usr/empty", None), ("/usr/z/new", None)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn sizes_are_short_and_exact_where_they_are_small() {
        for (count, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (9_999, "9999 bytes"),
            (10_000, "10.0 kB"),
            (1_000_000, "1.0 MB"),
            (1_250_000_000, "1.2 GB"),
            (u64::MAX, "18446744073.7 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(difference(5, 3), "-2 bytes");
    }
}
