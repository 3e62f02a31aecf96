//! The text of a lock.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use flagstone_artifact::{Architecture, Sha256Digest};

use crate::decode::{Decode, Node};
use crate::load::root;
use crate::origin::Origin;
use crate::report::Report;
use crate::source::{At, Located, Source};
use crate::table::{Table, table};
use crate::{
    Archive, DebArchitecture, Diagnostic, Diagnostics, Lock, LockedPackage, LockedSuite,
    PackageName, PackageVersion, PoolPath, ScriptName, SuiteName, Timestamp, Why,
};

/// The format that this crate writes, and the only one it reads.
const FORMAT: u64 = 1;

/// The longest lock, in bytes: some 40,000 packages.
const LOCK_MAX: usize = 16 << 20;

/// The first line of every lock.
const BANNER: &str = "# Made by `flagstone lock`: commit it, do not edit it.\n";

table! {
    /// A Flagstone lock: what a recipe was resolved to.
    struct LockTable {
        /// The format of this file; 1.
        #[expect(dead_code, reason = "`check_format` reads it before all else")]
        format: u64,
        /// Digest of what the lock was made for.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        inputs: Sha256Digest,
        /// The image's architecture.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::ArchitectureText>"))]
        architecture: Architecture,
        /// The build's one clock: the newest date of the suites.
        date: Timestamp,
        /// The suites that were read, by name.
        suites: Vec<Located<SuiteTable>>,
        /// Every package of the image, by name.
        packages: Vec<Located<PackageTable>>,
        /// Maintainer scripts that were looked at, by package and name.
        scripts: Vec<Located<ScriptTable>>,
    }
}

table! {
    /// One suite as it was when the lock was made.
    struct SuiteTable {
        /// The suite's name.
        name: SuiteName,
        /// The archive that holds it: "main", "security", or a repository's name.
        archive: Archive,
        /// Digest of its signed Release file.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        release_sha256: Sha256Digest,
        /// The Release file's date.
        date: Timestamp,
        /// Until when the Release file may be believed.
        valid_until: Timestamp,
    }
}

table! {
    /// One package, exactly.
    struct PackageTable {
        /// The package's name.
        name: PackageName,
        /// Its version.
        version: PackageVersion,
        /// Its architecture.
        architecture: DebArchitecture,
        /// The archive that holds it, or "local" for a file beside the recipe.
        archive: Archive,
        /// Where in the archive.
        path: PoolPath,
        /// The size of the .deb in bytes.
        size: u64,
        /// The digest of the .deb.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        sha256: Sha256Digest,
        /// Why it is here, for people.
        why: Why,
    }
}

table! {
    /// One maintainer script that was looked at.
    struct ScriptTable {
        /// The package that has it.
        package: PackageName,
        /// Its name.
        script: ScriptName,
        /// Its digest.
        #[cfg_attr(test, schemars(with = "Option<crate::schema::DigestText>"))]
        sha256: Sha256Digest,
    }
}

impl Lock {
    /// Reads a lock; `shown` names the file in messages.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(shown: &str, text: &[u8]) -> Result<Self, Diagnostics> {
        if text.len() > LOCK_MAX {
            return Err(Diagnostic::new(shown, "the lock is longer than 16 MiB").into());
        }
        let source = Source::new(Origin::file(shown), text.to_vec())?;
        let mut report = Report::default();
        let table = source.parse(&mut report);
        report.finish().map_err(hint_at_lock)?;

        let value = root(table);
        let node = Node { source: &source, value: &value, key_span: 0..0, key: String::new() };
        check_format(&node)?;
        let table = LockTable::decode(&node, &mut report);
        report.finish().map_err(hint_at_lock)?;
        let mut reading = Reading { report: &mut report };
        let lock = table.and_then(|table| reading.lock(table, &node.at()));
        report.finish().map_err(hint_at_lock)?;
        lock.ok_or_else(|| Diagnostic::new(shown, "the lock is not complete").into())
    }

    /// Returns the text of the lock; equal locks have equal texts.
    pub fn render(&self) -> String {
        let mut out = Text(BANNER.to_owned());
        out.number("format", FORMAT);
        out.text("inputs", self.inputs);
        out.text("architecture", self.architecture);
        out.text("date", self.date);
        for ((archive, name), suite) in &self.suites {
            out.block("suites");
            out.text("name", name);
            out.text("archive", archive);
            out.text("release-sha256", suite.release);
            out.text("date", suite.date);
            suite.valid_until.iter().for_each(|date| out.text("valid-until", date));
        }
        for (name, package) in &self.packages {
            out.block("packages");
            out.text("name", name);
            out.text("version", &package.version);
            out.text("architecture", &package.architecture);
            out.text("archive", &package.archive);
            out.text("path", &package.path);
            out.number("size", package.size);
            out.text("sha256", package.sha256);
            out.text("why", &package.why);
        }
        for ((package, script), sha256) in &self.scripts {
            out.block("scripts");
            out.text("package", package);
            out.text("script", script);
            out.text("sha256", sha256);
        }
        out.0
    }
}

/// Refuses other formats before their keys are judged by the rules of this one.
fn check_format(node: &Node<'_>) -> Result<(), Diagnostics> {
    let mut report = Report::default();
    let format: Option<Located<u64>> =
        Table::open(node, &mut report).and_then(|mut table| table.take("format", &mut report));
    report.finish().map_err(hint_at_lock)?;
    match format {
        Some(format) if format.value == FORMAT => Ok(()),
        Some(format) => {
            let what = format!("the lock has format {}; this program knows {FORMAT}", format.value);
            let hint = "use the Flagstone that made it, or run `flagstone lock` to make it anew";
            Err(format.at.error(what).hint(hint).into())
        }
        None => {
            let error = Diagnostic::new(node.source.origin.to_string(), "this is not a lock");
            Err(error.expected("`format = 1`").hint("run `flagstone lock` to make it anew").into())
        }
    }
}

/// A lock is made by a program: what is wrong with it is best mended by making it anew.
fn hint_at_lock(mut errors: Diagnostics) -> Diagnostics {
    if let Some(last) = errors.items.last_mut().filter(|last| last.hint.is_none()) {
        last.hint = Some("run `flagstone lock` to make the lock anew".to_owned());
    }
    errors
}

/// Turns the tables of a lock into a [`Lock`].
struct Reading<'r> {
    report: &'r mut Report,
}

impl Reading<'_> {
    fn lock(&mut self, table: LockTable, at: &At) -> Option<Lock> {
        let suites = self.all(table.suites, Self::suite);
        let packages = self.all(table.packages, Self::package);
        let scripts = self.all(table.scripts, Self::script);
        let inputs = self.need(table.inputs, "inputs", at);
        let architecture = self.need(table.architecture, "architecture", at);
        let date = table.date.as_ref().map_or_else(|| at.clone(), |date| date.at.clone());
        let lock = Lock {
            inputs: inputs?,
            architecture: architecture?,
            date: self.need(table.date, "date", at)?,
            suites,
            packages,
            scripts,
        };
        let newest = lock.suites.values().map(|suite| suite.date).max();
        if newest != Some(lock.date) {
            let newest = newest.map_or("a suite".to_owned(), |newest| newest.to_string());
            let error = date.error("the lock's date is not that of its newest suite");
            self.report.push(error.expected(newest).found(lock.date.to_string()));
        }
        Some(lock)
    }

    fn all<T, K: Ord + Clone, V>(
        &mut self,
        tables: Option<Located<Vec<Located<T>>>>,
        read: fn(&mut Self, T, &At) -> Option<(K, V)>,
    ) -> BTreeMap<K, V> {
        let mut all = BTreeMap::new();
        for Located { value, at } in tables.map(|tables| tables.value).unwrap_or_default() {
            if let Some((key, value)) = read(self, value, &at)
                && all.insert(key, value).is_some()
            {
                self.report.push(at.error("the lock has this entry twice"));
            }
        }
        all
    }

    fn need<T>(&mut self, value: Option<Located<T>>, key: &str, at: &At) -> Option<T> {
        if value.is_none() {
            self.report.push(at.error(format!("the key `{key}` is missing")));
        }
        value.map(|value| value.value)
    }

    fn suite(&mut self, table: SuiteTable, at: &At) -> Option<((Archive, SuiteName), LockedSuite)> {
        let archive = self.need(table.archive, "archive", at)?;
        let suite = LockedSuite {
            release: self.need(table.release_sha256, "release-sha256", at)?,
            date: self.need(table.date, "date", at)?,
            valid_until: table.valid_until.map(|date| date.value),
        };
        Some(((archive, self.need(table.name, "name", at)?), suite))
    }

    fn package(&mut self, table: PackageTable, at: &At) -> Option<(PackageName, LockedPackage)> {
        let package = LockedPackage {
            version: self.need(table.version, "version", at)?,
            architecture: self.need(table.architecture, "architecture", at)?,
            archive: self.need(table.archive, "archive", at)?,
            path: self.need(table.path, "path", at)?,
            size: self.need(table.size, "size", at)?,
            sha256: self.need(table.sha256, "sha256", at)?,
            why: self.need(table.why, "why", at)?,
        };
        Some((self.need(table.name, "name", at)?, package))
    }

    fn script(
        &mut self,
        table: ScriptTable,
        at: &At,
    ) -> Option<((PackageName, ScriptName), Sha256Digest)> {
        let package = self.need(table.package, "package", at)?;
        let script = self.need(table.script, "script", at)?;
        Some(((package, script), self.need(table.sha256, "sha256", at)?))
    }
}

/// The text of a lock as it grows.
struct Text(String);

impl Text {
    fn block(&mut self, table: &str) {
        self.line(format_args!("\n[[{table}]]"));
    }

    /// No word that a lock holds has a quote, a backslash or a control character in its grammar.
    fn text(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = \"{value}\""));
    }

    fn number(&mut self, key: &str, value: u64) {
        self.line(format_args!("{key} = {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a string takes all that is written");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::LockDiff;

    fn package(version: &str, path: &str, digest: u8) -> LockedPackage {
        LockedPackage {
            version: version.parse().unwrap(),
            architecture: "amd64".parse().unwrap(),
            archive: Archive::Main,
            path: path.parse().unwrap(),
            size: 1_234_567,
            sha256: Sha256Digest::from_bytes([digest; 32]),
            why: "requested".parse().unwrap(),
        }
    }

    /// A small lock.
    pub(crate) fn sample() -> Lock {
        let suite = |date: &str, until: Option<&str>| LockedSuite {
            release: Sha256Digest::from_bytes([7; 32]),
            date: date.parse().unwrap(),
            valid_until: until.map(|until| until.parse().unwrap()),
        };
        let bash = package("5.2.37-2+b1", "pool/main/b/bash/bash_5.2.37-2+b1_amd64.deb", 1);
        let libc6 = LockedPackage {
            why: "needed by bash".parse().unwrap(),
            ..package("2.41-12", "pool/main/g/glibc/libc6_2.41-12_amd64.deb", 2)
        };
        Lock {
            inputs: Sha256Digest::from_bytes([0; 32]),
            architecture: Architecture::X86_64,
            date: "2026-01-02T10:00:00Z".parse().unwrap(),
            suites: BTreeMap::from([
                ((Archive::Main, "trixie".parse().unwrap()), suite("2025-11-15T10:00:00Z", None)),
                (
                    (Archive::Security, "trixie-security".parse().unwrap()),
                    suite("2026-01-02T10:00:00Z", Some("2026-01-09T10:00:00Z")),
                ),
            ]),
            packages: BTreeMap::from([
                ("libc6".parse().unwrap(), libc6),
                ("bash".parse().unwrap(), bash),
            ]),
            scripts: BTreeMap::from([(
                ("bash".parse().unwrap(), "postinst".parse().unwrap()),
                Sha256Digest::from_bytes([3; 32]),
            )]),
        }
    }

    #[test]
    fn the_text_of_a_lock_is_stable() {
        insta::assert_snapshot!(sample().render());
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let lock = sample();
        assert_eq!(Lock::parse("x.lock", lock.render().as_bytes()).unwrap(), lock);
        let mut bare = lock;
        bare.packages.clear();
        bare.scripts.clear();
        assert_eq!(Lock::parse("x.lock", bare.render().as_bytes()).unwrap(), bare);
    }

    #[test]
    fn reasons_lead_to_what_was_requested() {
        let lock = sample();
        let why = |name: &str| -> Vec<String> {
            let steps = lock.why(&name.parse().unwrap());
            steps.into_iter().map(ToString::to_string).collect()
        };
        assert_eq!(why("libc6"), ["libc6", "bash"]);
        assert_eq!(why("bash"), ["bash"]);
        assert!(why("dash").is_empty());
        // Reasons that go round do not do so for ever.
        let mut lock = lock.clone();
        let bash = lock.packages.get_mut(&"bash".parse().unwrap()).unwrap();
        bash.why = "needed by libc6 (Depends: bash)".parse().unwrap();
        assert_eq!(lock.why(&"bash".parse().unwrap()).len(), 2);
    }

    #[test]
    fn every_truncation_is_an_error_or_a_shorter_lock() {
        let lock = sample();
        let text = lock.render();
        for end in 0..text.len() - 1 {
            if let Ok(read) = Lock::parse("x.lock", &text.as_bytes()[..end]) {
                let diff = LockDiff::between(&read, &lock);
                // Only cut between blocks, where the text is whole, and never a changed package.
                assert!(diff.changed.is_empty() && !diff.is_empty(), "cut at {end}: {diff}");
            }
        }
    }

    #[test]
    fn differences_read_as_lines() {
        let old = sample();
        let mut new = sample();
        assert_eq!(LockDiff::between(&old, &new).to_string(), "");
        new.inputs = Sha256Digest::from_bytes([9; 32]);
        assert_eq!(LockDiff::between(&old, &new).to_string(), "other details");
        assert!(LockDiff::between(&old, &new).same_packages());

        let libc6 = new.packages.remove(&"libc6".parse().unwrap()).unwrap();
        new.packages.insert("libc7".parse().unwrap(), libc6);
        let bash = package("5.3-1", "pool/main/b/bash/bash_5.3-1_amd64.deb", 5);
        new.packages.insert("bash".parse().unwrap(), bash);
        let suite = new.suites.values_mut().last().unwrap();
        suite.release = Sha256Digest::from_bytes([8; 32]);
        suite.date = "2026-02-01T00:00:00Z".parse().unwrap();
        insta::assert_snapshot!(LockDiff::between(&old, &new), @"
        suite trixie-security 2026-01-02T10:00:00Z → 2026-02-01T00:00:00Z
        ~ bash 5.2.37-2+b1 → 5.3-1
        - libc6 2.41-12
        + libc7 2.41-12
        ");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in any::<Vec<u8>>()) {
            let _ = Lock::parse("x.lock", &text);
        }

        #[test]
        fn any_damaged_lock_is_read_without_a_panic(at in 0..1500_usize, byte in any::<u8>()) {
            let mut text = sample().render().into_bytes();
            let at = at % text.len();
            text[at] = byte;
            let _ = Lock::parse("x.lock", &text).map(|lock| lock.render());
        }
    }
}
