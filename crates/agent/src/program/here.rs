use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flagstone_agent::update::{
    Esp, Lock, Metrics, Running, Settings, Standing, State, StateFolder, SystemDisk, UpdateError,
    standing,
};

use super::report::{Failure, say, warn};

const ROOT: &str = "/";
const STATE: &str = "/var/lib/flagstone/agent";
const RUN: &str = "/run/flagstone";

/// The machine that this program runs on, as updates need it. While it lives, no other one does.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) running: Running,
    pub(crate) disk: SystemDisk,
    pub(crate) esp: Esp,
    pub(crate) folder: StateFolder,
    pub(crate) state: State,
    _lock: Lock,
}

impl Here {
    pub(crate) fn open() -> Result<Self, Failure> {
        let running = Running::find(root())?;
        let folder = StateFolder::new(STATE);
        let lock = folder.lock()?;
        let state = load(&folder)?;
        let mut disk = SystemDisk::new(ROOT, running.disk.clone());
        let esp = Esp::mount(&mut disk, &mount_point())?;
        Ok(Self { running, disk, esp, folder, state, _lock: lock })
    }

    /// Opens the machine; says so, and returns none, if it runs from memory.
    pub(crate) fn on_disk() -> Result<Option<Self>, Failure> {
        match Self::open() {
            Err(Failure::Update(UpdateError::NoDisk)) => {
                say("this system runs from memory: there is nothing to do");
                Ok(None)
            }
            here => here.map(Some),
        }
    }

    /// Leaves word for who measures: in /run, since it is about this boot.
    pub(crate) fn measure(&self, settings: &Settings, polled: Option<(u64, bool)>) {
        let metrics = Metrics {
            image: &self.running.image,
            channel: &settings.channel,
            on_trial: standing(&self.running, self.esp.folder())
                .is_ok_and(|standing| standing == Standing::OnTrial),
            state: &self.state,
            polled,
        };
        if let Err(error) = metrics.write(&Path::new(RUN).join("agent.prom")) {
            warn(&format!("failed to write what is measured: {error}"));
        }
    }
}

/// Reads what is remembered; what is damaged counts for nothing.
pub(crate) fn load(folder: &StateFolder) -> Result<State, Failure> {
    Ok(folder.load()?.unwrap_or_else(|| {
        let path = folder.path().display();
        warn(&format!("what was remembered in {path} is damaged: it was put aside"));
        State::default()
    }))
}

pub(crate) fn root() -> &'static Path {
    Path::new(ROOT)
}

pub(crate) fn state_folder() -> StateFolder {
    StateFolder::new(STATE)
}

/// Where this process mounts the EFI system partition.
pub(crate) fn mount_point() -> PathBuf {
    Path::new(RUN).join(format!("esp.{}", std::process::id()))
}

/// Where a check that failed in this boot leaves word for what draws the conclusions.
pub(crate) fn complaint_file() -> PathBuf {
    Path::new(RUN).join("unhealthy")
}

/// Leaves word.
pub(crate) fn complain(text: &str) -> Result<(), Failure> {
    let path = complaint_file();
    let write = || {
        fs::create_dir_all(RUN)?;
        fs::write(&path, format!("{text}\n"))
    };
    let written = write();
    written.map_err(|source| UpdateError::State { path, source }.into())
}

/// Asks the system manager for something, and returns what it says.
pub(crate) fn systemctl(arguments: &[&str]) -> Result<(bool, String), Failure> {
    let mut command = Command::new("systemctl");
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(failed)?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Restarts the machine, in order if that can be had: in emergency mode, jobs that cannot be taken back keep
/// others out of the queue. File systems are synced and unmounted in either case.
pub(crate) fn restart_anyway() -> Result<(), Failure> {
    restart().or_else(|error| match systemctl(&["--force", "reboot"])? {
        (true, _) => Ok(()),
        (false, _) => Err(error),
    })
}

/// Restarts the machine, in order.
pub(crate) fn restart() -> Result<(), Failure> {
    match systemctl(&["--no-block", "reboot"])? {
        (true, _) => Ok(()),
        (false, _) => Err(failed(io::Error::other("it did not take the order to restart")).into()),
    }
}

fn failed(source: io::Error) -> UpdateError {
    UpdateError::Program { program: "systemctl", source }
}
