use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use flagstone_agent::{Progress, Step};

use super::report::{say, warn};

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows how far an installation is, on a terminal; elsewhere only what goes wrong.
pub(crate) struct Terminal {
    is_terminal: bool,
    drawn: Cell<Option<Instant>>,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), drawn: Cell::new(None) }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if self.drawn.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    fn draw(&self, text: &str) {
        if self.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
            self.drawn.set(Some(Instant::now()));
        }
    }
}

impl Progress for Terminal {
    fn step(&self, step: Step) {
        self.draw(match step {
            Step::Clearing => "  clearing",
            Step::Writing => "  writing",
            Step::Finishing => "  finishing",
        });
    }

    fn written(&self, bytes: u64, total: u64) {
        if self.drawn.get().is_none_or(|drawn| drawn.elapsed() < INTERVAL) {
            return;
        }
        let percent = bytes.saturating_mul(100) / total.max(1);
        self.draw(&format!("  writing: {} of {} MiB, {percent} %", bytes >> 20, total >> 20));
    }

    fn retrying(&self, reason: &dyn std::error::Error) {
        self.finish();
        say(&format!("  trying again: {reason}"));
        self.draw("  writing");
    }

    fn warn(&self, text: &str) {
        self.finish();
        warn(text);
    }
}
