//! A person with a key, who logs in over the network.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a machine that boots may take to let somebody in, on a busy machine without KVM.
const PATIENCE: Duration = Duration::from_mins(10);

/// A key of a person.
pub(crate) struct Key(PathBuf);

impl Key {
    /// Makes one, with a comment by which it is known.
    pub(crate) fn new(dir: &Path, comment: &str) -> Self {
        let path = dir.join(format!("key-{comment}"));
        let mut command = Command::new("ssh-keygen");
        let command = command.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]);
        assert!(command.arg(&path).status().unwrap().success(), "no key");
        Self(path)
    }

    /// Returns its line for those who are to know it.
    pub(crate) fn public(&self) -> String {
        std::fs::read_to_string(self.0.with_added_extension("pub")).unwrap().trim().to_owned()
    }

    /// Runs a command as a user of the machine behind a port of this one, at the first moment at which that lets
    /// anybody in or says that it does not.
    pub(crate) fn run(&self, user: &str, port: u16, command: &str) -> Output {
        let start = Instant::now();
        loop {
            let output = Command::new("ssh")
                .args(["-F", "none", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20"])
                .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
                .args(["-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR", "-i"])
                .arg(&self.0)
                .args(["-p", &port.to_string(), &format!("{user}@127.0.0.1"), command])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let is_answer = output.status.code() != Some(255) || said.contains("Permission denied");
            if is_answer || start.elapsed() > PATIENCE {
                return output;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// Returns a port of this machine that nobody uses.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
