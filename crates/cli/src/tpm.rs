//! A TPM 2.0 for a virtual machine: swtpm, whose state lies with the machine's.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flagstone_artifact::Architecture;

use crate::report::Hinted;

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);

/// A running TPM, which ends with this value.
#[derive(Debug)]
pub(crate) struct Tpm {
    child: Child,
    /// In a folder of its own, since the path of a socket has to be short.
    folder: tempfile::TempDir,
}

impl Tpm {
    /// Starts one with the state that a machine has, or with a new one.
    pub(crate) fn start(machine: &Path) -> Result<Self> {
        let Some(program) = super::machine::find_program("swtpm") else {
            let hint = "run `apt-get install swtpm`, or do without --tpm";
            return Err(Hinted::new("swtpm is not installed", hint).into());
        };
        let state = machine.join("tpm");
        fs::create_dir_all(&state)
            .with_context(|| format!("failed to make {}", state.display()))?;
        let folder = tempfile::Builder::new().prefix("flagstone-").tempdir()?;
        let socket = socket(&folder);
        let child = Command::new(program)
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(option("dir=", &state))
            .arg("--ctrl")
            .arg(option("type=unixio,path=", &socket))
            .stdin(Stdio::null())
            .spawn()
            .context("failed to start swtpm")?;
        let mut tpm = Self { child, folder };
        let start = Instant::now();
        while !socket.exists() {
            let ended = tpm.child.try_wait().context("failed to wait for swtpm")?;
            anyhow::ensure!(ended.is_none() && start.elapsed() < START, "swtpm did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(tpm)
    }

    /// Returns QEMU's arguments for it.
    pub(crate) fn arguments(&self, architecture: Architecture) -> Vec<OsString> {
        let device = match architecture {
            Architecture::X86_64 => "tpm-tis,tpmdev=tpm",
            Architecture::Arm64 => "tpm-tis-device,tpmdev=tpm",
        };
        let mut arguments =
            vec!["-chardev".into(), option("socket,id=tpm,path=", &socket(&self.folder))];
        let words = ["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", device];
        arguments.extend(words.map(OsString::from));
        arguments
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("tpm")
}

fn option(prefix: &str, path: &Path) -> OsString {
    let mut option = OsString::from(prefix);
    option.push(path);
    option
}
