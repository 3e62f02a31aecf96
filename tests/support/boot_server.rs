//! `flagstone serve` on the loopback device.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::support::FLAGSTONE;

/// A server for some folders, which ends with this value.
pub(crate) struct BootServer {
    child: Child,
    /// Kept open, since the server logs to it.
    _log: BufReader<ChildStderr>,
    /// Where it listens.
    pub(crate) port: u16,
}

impl BootServer {
    pub(crate) fn start(folders: &[&Path]) -> Self {
        Self::start_with(folders, &[])
    }

    /// Starts one with more arguments.
    pub(crate) fn start_with(folders: &[&Path], arguments: &[OsString]) -> Self {
        let mut child = Command::new(FLAGSTONE)
            .args(["serve", "--no-check", "--listen", "127.0.0.1:0"])
            .args(folders)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server did not start");
            let Some((_, rest)) = line.split_once("127.0.0.1:") else { continue };
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            break digits.parse().unwrap();
        };
        Self { child, _log: log, port }
    }
}

impl Drop for BootServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
