use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flagstone_payload::Checkpoint;
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use super::error::UpdateError;
use super::state::State;
use crate::durable::replace;

/// The most bytes that a file of state is read of.
const STATE_MAX: u64 = 1 << 20;
/// The file that says how far an update has come.
const CHECKPOINT: &str = "checkpoint.json";

/// The folder in which the agent keeps what it remembers.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
}

/// A lock that only one agent holds at a time; it ends with this value, or with the process.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl StateFolder {
    /// Names the folder; it is made when it is needed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`UpdateError::Busy`] if somebody else holds it; [`UpdateError::State`].
    pub fn lock(&self) -> Result<Lock, UpdateError> {
        let path = self.path.join("lock");
        let failed = |source| UpdateError::State { path: path.clone(), source };
        fs::create_dir_all(&self.path).map_err(failed)?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(UpdateError::Busy),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Reads the state. What cannot be understood is as good as nothing: it is kept beside, and the
    /// machine goes on; `None` says so.
    ///
    /// # Errors
    /// [`UpdateError::State`] if the file cannot be read or put aside.
    pub fn load(&self) -> Result<Option<State>, UpdateError> {
        let path = self.file();
        let failed = |source| UpdateError::State { path: path.clone(), source };
        let text = match File::open(&path) {
            Ok(file) => {
                let mut text = Vec::new();
                io::Read::read_to_end(&mut io::Read::take(file, STATE_MAX), &mut text)
                    .map_err(failed)?;
                text
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(State::default()));
            }
            Err(error) => return Err(failed(error)),
        };
        if let Ok(state) = serde_json::from_slice(&text) {
            return Ok(Some(state));
        }
        fs::rename(&path, self.path.join("state.json.damaged")).map_err(failed)?;
        Ok(None)
    }

    /// Keeps the state; durable when it returns, and the old or the new one whatever happens.
    ///
    /// # Errors
    /// [`UpdateError::State`].
    pub fn save(&self, state: &State) -> Result<(), UpdateError> {
        self.write("state.json", state)
    }

    /// Returns how far an update came that was cut off. What cannot be understood is as good as nothing.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let file = File::open(self.path.join(CHECKPOINT)).ok()?;
        serde_json::from_reader(io::Read::take(file, STATE_MAX)).ok()
    }

    /// Keeps how far an update has come; durable when it returns.
    ///
    /// # Errors
    /// [`UpdateError::State`].
    pub fn save_checkpoint(&self, checkpoint: &Checkpoint) -> Result<(), UpdateError> {
        self.write(CHECKPOINT, checkpoint)
    }

    /// Forgets how far an update has come.
    ///
    /// # Errors
    /// [`UpdateError::State`].
    pub fn forget_checkpoint(&self) -> Result<(), UpdateError> {
        let path = self.path.join(CHECKPOINT);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(UpdateError::State { path, source })
            }
            _ => Ok(()),
        }
    }

    /// Puts a file in the place of what was there, whole or not at all.
    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), UpdateError> {
        let path = self.path.join(name);
        let write = |file: &mut File| {
            serde_json::to_writer_pretty(&mut *file, value)?;
            file.write_all(b"\n")
        };
        replace(&path, write).map_err(|source| UpdateError::State { path, source })
    }

    fn file(&self) -> PathBuf {
        self.path.join("state.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_kept_and_damage_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::new(dir.path().join("agent"));
        assert_eq!(folder.load().unwrap(), Some(State::default()));
        let state = State { pin: Some("1.2".parse().unwrap()), ..State::default() };
        folder.save(&state).unwrap();
        assert_eq!(folder.load().unwrap(), Some(state));
        // Words of a program of another time are passed over.
        fs::write(folder.file(), "{\"pin\": \"3\", \"colour\": \"blue\"}").unwrap();
        assert_eq!(folder.load().unwrap().unwrap().pin, Some("3".parse().unwrap()));
        fs::write(folder.file(), "{\"pin\": \"").unwrap();
        assert_eq!(folder.load().unwrap(), None);
        assert_eq!(fs::read(folder.path().join("state.json.damaged")).unwrap(), b"{\"pin\": \"");
        assert_eq!(folder.load().unwrap(), Some(State::default()));
    }

    #[test]
    fn one_agent_works_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = StateFolder::new(dir.path());
        let lock = folder.lock().unwrap();
        assert!(matches!(folder.lock(), Err(UpdateError::Busy)));
        drop(lock);
        folder.lock().unwrap();
    }
}
