use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context, Result};
use flagstone_butane::{FilesDir, Translation, is_butane, translate};
use flagstone_ignition::{
    CONFIG_MAX, Finding, Report, Shipped, Verdict, Written, check, check_translated,
};

use crate::report::Hinted;

/// A configuration, read and judged.
pub(super) struct Judgement {
    pub(super) name: String,
    pub(super) report: Report,
    /// What Butane became; `None` for JSON, and for what cannot be translated.
    pub(super) translation: Option<Translation>,
    pub(super) is_butane: bool,
}

/// How configurations are read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The folder of files that Butane may embed.
    pub(super) files: Option<FilesDir>,
    /// What the image has.
    pub(super) shipped: Option<Shipped>,
    /// Whether translations are for people, too.
    pub(super) pretty: bool,
}

impl Judgement {
    pub(super) fn of(path: &Path, reading: &Reading) -> Result<Self> {
        let name = path.display().to_string();
        let data = read(path).with_context(|| format!("failed to read {name}"))?;
        if is_butane(&name, &data) {
            return Ok(Self::of_butane(name, &data, reading));
        }
        let report = check(&name, &data, reading.shipped.as_ref());
        Ok(Self { name, report, translation: None, is_butane: false })
    }

    fn of_butane(name: String, data: &[u8], reading: &Reading) -> Self {
        let shipped = reading.shipped.as_ref();
        let (report, translation) =
            match translate(&name, data, reading.files.as_ref(), reading.pretty) {
                Ok(translation) => {
                    let written = Written {
                        path: &name,
                        text: &translation.source,
                        place: &|at| translation.places.of(at),
                    };
                    let mut report = check_translated(&translation.json, &written, shipped);
                    report.add(Verdict::Doubtful, translation.warnings.clone());
                    (report, Some(translation))
                }
                Err(refusal) => {
                    let mut report = Report::default();
                    report.add(Verdict::Refused, refusal.errors);
                    report.add(Verdict::Doubtful, refusal.warnings);
                    report.errors += refusal.left_out;
                    (report, None)
                }
            };
        Self { name, report, translation, is_butane: true }
    }

    /// Returns the translation, if a machine can use it.
    pub(super) fn usable(&self, strict: bool) -> Option<&Translation> {
        self.translation.as_ref().filter(|_| !self.is_bad(strict))
    }

    /// Returns what is worth knowing though nothing is wrong.
    pub(super) fn note(&self) -> Option<String> {
        let translation = self.translation.as_ref().filter(|translation| translation.lowered)?;
        let Translation { stated, ignition, .. } = translation;
        Some(format!(
            "{}: {stated} is for a later Ignition; the JSON is {ignition}, which has all that it uses",
            self.name
        ))
    }

    /// Prints what was found.
    pub(super) fn print(&self, out: &mut impl io::Write) -> io::Result<()> {
        let report = &self.report;
        for Finding { verdict, diagnostic } in &report.findings {
            let word = if verdict.is_error() { "error" } else { "warning" };
            writeln!(out, "{word}: {diagnostic}\n")?;
        }
        if report.left_out() > 0 {
            writeln!(out, "… and {} more\n", report.left_out())?;
        }
        if let Some(note) = self.note() {
            writeln!(out, "note: {note}\n")?;
        }
        Ok(())
    }

    /// Prints how much was found.
    pub(super) fn print_sum(&self, out: &mut impl io::Write) -> io::Result<()> {
        let Self { name, report, .. } = self;
        let sum = match (report.errors, report.warnings) {
            (0, 0) => "nothing to complain of".to_owned(),
            (errors, 0) => count(errors, "error"),
            (0, warnings) => count(warnings, "warning"),
            (errors, warnings) => {
                format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
            }
        };
        writeln!(out, "{name}: {sum}")
    }

    /// Tells whether it is not to be used.
    pub(super) fn is_bad(&self, strict: bool) -> bool {
        self.report.errors > 0 || (strict && self.report.warnings > 0)
    }
}

/// Opens the folder of files, if one is named.
pub(super) fn files_dir(path: Option<&Path>) -> Result<Option<FilesDir>> {
    let open = |path: &Path| {
        let hint = "name the folder that `local` paths begin at, with --files-dir";
        let shown = path.display();
        let missing = Hinted::new(format!("failed to open the folder of files {shown}"), hint);
        FilesDir::open(path).map_err(|error| anyhow::Error::new(error).context(missing))
    };
    path.map(open).transpose()
}

/// Reads a file, and one byte more than the longest, to tell that it is too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let limit = CONFIG_MAX as u64 + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut data)?;
    } else {
        File::open(path)?.take(limit).read_to_end(&mut data)?;
    }
    Ok(data)
}

fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}
