use std::fmt;

use crate::boots::boots;
use crate::progress::Progress;
use crate::sign::{CAUSES, CONSEQUENCES, Sign};
use crate::unit::{failed_unit, stage_of};
use crate::{Line, Stage};

/// Where a boot stopped, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// The stage in which it stopped.
    pub stage: Stage,
    /// The likely cause: one sentence without a full stop.
    pub cause: String,
    /// What a person can do about it.
    pub hint: &'static str,
    /// The lines that show it, in their order; the last thing that was said, if nothing does.
    pub lines: Vec<Line>,
    /// Whether a line says so. If not, the machine was silent, or was switched off.
    pub is_shown: bool,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the boot stopped at the stage {}: {}", self.stage, self.cause)?;
        for line in &self.lines {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// Tells where the last boot on a console stopped; nothing if it reached boot-complete.target.
///
/// The text is what [`plain`](crate::plain) makes. Where the last boot was cut off before it said
/// anything wrong, and the one before had failed, that one is told: a machine that restarts after a failure is
/// switched off in the midst of the next try.
pub fn diagnose(text: &str) -> Option<Diagnosis> {
    let mut last = None;
    for boot in boots(text).iter().rev() {
        let diagnosis = diagnose_boot(boot);
        match diagnosis {
            Some(diagnosis) if diagnosis.is_shown => return Some(diagnosis),
            Some(diagnosis) => last = last.or(Some(diagnosis)),
            None => return last,
        }
    }
    last
}

/// What one boot showed.
#[derive(Default)]
struct Shown<'a> {
    /// The first line for the best cause: the cause's place in the table, the line, the stage at that line.
    cause: Option<(usize, (usize, &'a str), Stage)>,
    /// The first unit that failed: its line, and the stage at that line.
    unit: Option<((usize, &'a str), Stage)>,
    /// As the cause, of the consequences.
    consequence: Option<(usize, (usize, &'a str), Stage)>,
    /// The line with which all ended.
    end: Option<(usize, &'a str)>,
    /// The last line that says anything.
    last: Option<(usize, &'a str)>,
}

fn diagnose_boot(boot: &[(usize, &str)]) -> Option<Diagnosis> {
    let mut progress = Progress::new();
    let mut shown = Shown::default();
    for &(number, line) in boot {
        progress.see(line);
        if !line.trim().is_empty() {
            shown.see((number, line), progress.stage);
        }
    }
    if progress.complete {
        return None;
    }
    let powered_down = shown.last.is_some_and(|(_, line)| line.contains("reboot: Power down"));
    let diagnosis = shown.conclude(progress.stage);
    // systemd says less once a boot is over, and a target that is reached then may go unsaid: a system that was
    // switched off in good order did not stop.
    (diagnosis.is_shown || progress.stage < Stage::Unit || !powered_down).then_some(diagnosis)
}

impl<'a> Shown<'a> {
    fn see(&mut self, line: (usize, &'a str), stage: Stage) {
        self.last = Some(line);
        // The kernel repeats its command line, which may hold any words.
        if line.1.contains("ommand line: ") {
            return;
        }
        // Ignition's first stage leaves to the next what takes a network.
        if line.1.contains("resource requires networking") {
            return;
        }
        better(&mut self.cause, &CAUSES, line, stage);
        better(&mut self.consequence, &CONSEQUENCES, line, stage);
        if self.unit.is_none() && failed_unit(line.1).is_some() {
            self.unit = Some((line, stage));
        }
        let ends = [
            "Kernel panic - not syncing",
            "the initrd failed; starting again",
            "You are in emergency mode",
        ];
        if self.end.is_none() && ends.iter().any(|end| line.1.contains(end)) {
            self.end = Some(line);
        }
    }

    fn conclude(self, reached: Stage) -> Diagnosis {
        let of = |sign: &'static Sign, at: Stage| {
            (sign.stage.unwrap_or(at), sign.cause.to_owned(), sign.hint)
        };
        let ((stage, cause, hint), line) = if let Some((index, line, at)) = self.cause {
            (of(&CAUSES[index], at), line)
        } else if let Some((line, at)) = self.unit
            && let Some(unit) = failed_unit(line.1)
        {
            let cause = format!("{} did not {}", unit.name, unit.verb);
            let hint = "see the lines before it; in the system, `systemctl status` and `journalctl -b -u` of the unit";
            ((stage_of(unit.name, at), cause, hint), line)
        } else if let Some((index, line, at)) = self.consequence {
            (of(&CONSEQUENCES[index], at), line)
        } else {
            return Self::silence(self.last, reached);
        };
        let end = self.end.filter(|end| end.0 != line.0);
        let mut lines: Vec<(usize, &str)> = [Some(line), end].into_iter().flatten().collect();
        lines.sort_unstable();
        let lines = lines.into_iter().map(|(number, text)| Line::new(number, text)).collect();
        Diagnosis { stage, cause, hint, lines, is_shown: true }
    }

    /// Tells what is known of a boot in which nothing went wrong, and which did not end.
    fn silence(last: Option<(usize, &str)>, stage: Stage) -> Diagnosis {
        let (cause, hint) = match last {
            Some((_, line))
                if line.contains("/start running (") || line.contains("start job is") =>
            {
                (
                    "it was waiting for a unit",
                    "give it more time; in the system, `systemctl list-jobs` names what waits for what",
                )
            }
            Some(_) => (
                "no line says why; the machine hangs, was switched off, or speaks elsewhere",
                "see that the kernel's console= is the serial port, and give it more time",
            ),
            None => (
                "the machine said nothing at all",
                "see that its firmware has a serial console, and that the image is for its architecture",
            ),
        };
        let lines = last.map(|(number, text)| Line::new(number, text)).into_iter().collect();
        Diagnosis { stage, cause: cause.to_owned(), hint, lines, is_shown: false }
    }
}

/// Keeps the first line that shows the sign that comes first in a table.
fn better<'a>(
    found: &mut Option<(usize, (usize, &'a str), Stage)>,
    signs: &'static [Sign],
    line: (usize, &'a str),
    stage: Stage,
) {
    let limit = found.as_ref().map_or(signs.len(), |(index, ..)| *index);
    if let Some(index) = signs[..limit].iter().position(|sign| sign.is_in(line.1)) {
        *found = Some((index, line, stage));
    }
}
