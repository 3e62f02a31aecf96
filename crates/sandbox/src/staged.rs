use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use flagstone_tree::{Mtime, Tree};

use crate::error::LastWords;
use crate::inside::ENTRY;
use crate::read_back::read_back;
use crate::removal::remove_tree;
use crate::report::Report;
use crate::write_out::{make_root, write_out};
use crate::{Changes, SandboxError};

/// How much of what a command prints is kept, in bytes.
const OUTPUT_MAX: usize = 64 << 10;

/// The longest report, in bytes.
const REPORT_MAX: u64 = 4 << 10;

/// What to run in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What it is called in messages.
    pub name: String,
    /// The program's path in the tree.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// A tree that lies in a folder, for commands to work on; the folder goes when this does.
#[derive(Debug)]
pub struct Staged {
    tree: Tree,
    root: Folder,
    date: Mtime,
}

/// A folder that is removed with this value.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Best effort: whoever owns the folder above clears what is left.
        let _ = remove_tree(&self.0);
    }
}

impl Staged {
    /// Writes a tree into a folder that does not exist yet. The folder above must keep other users
    /// out: the files have their permissions, set-id bits too.
    ///
    /// `date` is the time of whatever commands make, and their `SOURCE_DATE_EPOCH`.
    ///
    /// # Errors
    /// [`SandboxError::WriteOut`], or [`SandboxError::Kind`] for devices and the like.
    pub fn new(tree: Tree, root: &Path, date: Mtime) -> Result<Self, SandboxError> {
        let path = root.to_owned();
        make_root(root).map_err(|source| SandboxError::WriteOut { path, source })?;
        let root = Folder(root.to_owned());
        write_out(&tree, &root.0)?;
        Ok(Self { tree, root, date })
    }

    /// Runs a command to its end, ends what it left running, and reads the tree back.
    ///
    /// `entry` is a program that hands its arguments to [`enter`](crate::enter) if the first is
    /// [`ENTRY`]; usually the running one, `/proc/self/exe`.
    ///
    /// # Errors
    /// [`SandboxError`]; the tree is then of no use any more.
    pub fn run(&mut self, command: &Command, entry: &Path) -> Result<Changes, SandboxError> {
        let spawn = |source| SandboxError::Spawn { command: command.name.clone(), source };
        let child = Process::new(entry)
            .arg(ENTRY)
            .arg(self.date.seconds.to_string())
            .arg(&command.program)
            .args(&command.arguments)
            .env_clear()
            .current_dir(&self.root.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(spawn)?;
        let (report, output) = hear(child).map_err(spawn)?;
        judge(command, report, &output)?;
        let (tree, changes) = read_back(&self.tree, &self.root.0, self.date)?;
        self.tree = tree;
        Ok(changes)
    }

    /// Returns the tree as it is now.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the tree as the commands left it, and removes the folder.
    pub fn into_tree(self) -> Tree {
        self.tree
    }
}

/// Turns what a confined process reported into what it means.
fn judge(command: &Command, report: Option<Report>, output: &[u8]) -> Result<(), SandboxError> {
    let name = command.name.clone();
    let os = io::Error::from_raw_os_error;
    let status = match report {
        Some(Report::Exit(0)) => return Ok(()),
        Some(Report::Confine(step, number)) => {
            return Err(SandboxError::Confine { command: name, step, source: os(number) });
        }
        Some(Report::Start(number)) => {
            return Err(SandboxError::Start { command: name, source: os(number) });
        }
        Some(Report::Exit(code)) => format!("exit status {code}"),
        Some(Report::Signal(signal)) => format!("signal {signal}"),
        None => "its sandbox".to_owned(),
    };
    Err(SandboxError::Failed { command: name, status, output: LastWords::new(output) })
}

/// Waits for a confined process; returns its report and the end of what the command printed.
fn hear(mut child: Child) -> io::Result<(Option<Report>, Vec<u8>)> {
    let (report, output) = (child.stdout.take(), child.stderr.take());
    let heard = std::thread::scope(|scope| {
        let output = scope.spawn(|| output.map(tail).transpose());
        let mut text = String::new();
        if let Some(report) = report {
            report.take(REPORT_MAX).read_to_string(&mut text)?;
        }
        let output = output.join().unwrap_or(Ok(None))?;
        Ok((Report::parse(&text), output.unwrap_or_default()))
    });
    child.wait()?;
    heard
}

/// Reads to the end and keeps the last bytes.
fn tail(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8 << 10];
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(kept);
        }
        kept.extend_from_slice(&buffer[..count]);
        if kept.len() > OUTPUT_MAX {
            kept.drain(..kept.len() - OUTPUT_MAX);
        }
    }
}
