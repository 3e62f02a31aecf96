use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use flagstone_build::Stage;
use flagstone_fetch::Outcome;
use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// How often a running download says where it is, when there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Shows a build's progress on standard error: a bar for downloads on a terminal, plain lines
/// otherwise.
pub(crate) struct Reporter {
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    stage: Option<(Stage, Instant)>,
    bar: Option<ProgressBar>,
    running: BTreeSet<String>,
    fetched_files: u64,
    fetched_bytes: u64,
    wanted_bytes: u64,
    said: Instant,
}

impl Reporter {
    pub(crate) fn new() -> Self {
        let state = State {
            stage: None,
            bar: None,
            running: BTreeSet::new(),
            fetched_files: 0,
            fetched_bytes: 0,
            wanted_bytes: 0,
            said: Instant::now(),
        };
        let terminal = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { terminal, state: Mutex::new(state) }
    }

    /// Says how many bytes the following downloads have together.
    pub(crate) fn expect_bytes(&self, bytes: u64) {
        self.with(|state| state.wanted_bytes = bytes);
    }

    /// Ends the last stage.
    pub(crate) fn finish(&self) {
        self.with(|state| {
            state.end_bar();
            state.end_stage();
        });
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        action(&mut state)
    }
}

impl State {
    fn end_stage(&mut self) {
        let Some((stage, start)) = self.stage.take() else { return };
        let seconds = start.elapsed().as_secs_f64();
        if self.fetched_files > 0 {
            let size = megabytes(self.fetched_bytes);
            let files = self.fetched_files;
            let plural = if files == 1 { "" } else { "s" };
            report::say(&format!("{stage}: {files} file{plural}, {size}, {seconds:.1} s"));
        } else {
            report::say(&format!("{stage}: {seconds:.1} s"));
        }
        self.fetched_files = 0;
        self.fetched_bytes = 0;
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.wanted_bytes = 0;
    }

    fn show_running(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.running.iter().next().cloned().unwrap_or_default());
        }
    }
}

impl flagstone_fetch::Progress for Reporter {
    fn started(&self, name: &str, size: u64, present: u64) {
        let terminal = self.terminal;
        self.with(|state| {
            if terminal && state.bar.is_none() {
                state.bar = Some(new_bar(state.wanted_bytes.max(size)));
            }
            if let Some(bar) = &state.bar {
                bar.inc(present);
            }
            state.running.insert(name.to_owned());
            state.show_running();
        });
    }

    fn received(&self, _name: &str, bytes: u64) {
        self.with(|state| {
            state.fetched_bytes += bytes;
            if let Some(bar) = &state.bar {
                bar.inc(bytes);
            } else if state.said.elapsed() > PLAIN_INTERVAL {
                state.said = Instant::now();
                let running = state.running.iter().next().map_or("", String::as_str);
                let size = megabytes(state.fetched_bytes);
                report::say(&format!("  {size} fetched, at {running}"));
            }
        });
    }

    fn retrying(&self, name: &str, reason: &dyn std::error::Error) {
        self.with(|state| {
            let line = format!("  trying {name} again: {reason}");
            match &state.bar {
                Some(bar) => bar.println(line),
                None => report::say(&line),
            }
        });
    }

    fn finished(&self, name: &str, outcome: Outcome) {
        self.with(|state| {
            if outcome == Outcome::Fetched {
                state.fetched_files += 1;
            }
            state.running.remove(name);
            state.show_running();
        });
    }
}

impl flagstone_build::Progress for Reporter {
    fn stage(&self, stage: Stage) {
        self.with(|state| {
            state.end_bar();
            state.end_stage();
            state.stage = Some((stage, Instant::now()));
        });
    }

    fn note(&self, text: &str) {
        report::note(text);
    }
}

fn new_bar(bytes: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("  {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {wide_msg}");
    let bar = ProgressBar::new(bytes);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Writes a size for people, in MB of 1,000,000 bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
