use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use tokio::sync::Mutex;

use crate::folder::{Folders, OpenFile, Stamp};
use crate::log::Log;
use crate::served_path::ServedPath;
use crate::sums::{MAX_SUMS_BYTES, SUMS_NAME, parse};

/// How much of a file is read at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Compares files that profiles name with the `SHA256SUMS` beside them: all of them when the server
/// starts, and again when one has changed since. Who asks meanwhile waits for the result.
pub(crate) struct Checks {
    folders: Folders,
    log: Arc<Log>,
    files: BTreeMap<ServedPath, Mutex<Option<Checked>>>,
}

struct Checked {
    stamp: Stamp,
    verdict: Verdict,
}

/// What a check of a file gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// There is no list, or it does not have the file.
    Unlisted,
    /// A line for people.
    Bad(String),
}

impl Checks {
    pub(crate) fn new<'p>(
        folders: &Folders,
        log: &Arc<Log>,
        files: impl Iterator<Item = &'p ServedPath>,
    ) -> Self {
        let files = files.map(|path| (path.clone(), Mutex::default())).collect();
        Self { folders: folders.clone(), log: Arc::clone(log), files }
    }

    /// Checks all files, one after another.
    pub(crate) async fn run(&self) {
        for path in self.files.keys() {
            match self.folders.open(path) {
                Ok(opened) => drop(self.check(path, &opened).await),
                Err(error) => self.log.error(format!("{path} is gone: {error}")),
            }
        }
    }

    /// Returns what there is to say about a file that was opened.
    pub(crate) async fn check(&self, path: &ServedPath, opened: &OpenFile) -> Verdict {
        let Some(slot) = self.files.get(path) else { return Verdict::Unlisted };
        let mut slot = slot.lock().await;
        if let Some(checked) = slot.as_ref().filter(|checked| checked.stamp == opened.stamp) {
            return checked.verdict.clone();
        }
        let (folders, file, folder) =
            (self.folders.clone(), Arc::clone(&opened.file), opened.folder);
        let name = path.clone();
        let compared =
            tokio::task::spawn_blocking(move || compare(&folders, folder, &name, &file)).await;
        let failed = |error: io::Error| Verdict::Bad(format!("{path} cannot be checked: {error}"));
        let verdict = compared.map_err(io::Error::other).flatten().unwrap_or_else(failed);
        match &verdict {
            Verdict::Good => self.log.note(format!("{path} matches {SUMS_NAME}")),
            Verdict::Unlisted => {
                self.log.note(format!("{path} is not in a {SUMS_NAME}, so not checked"));
            }
            Verdict::Bad(why) => self.log.error(format!("{why}; it is not served")),
        }
        *slot = Some(Checked { stamp: opened.stamp, verdict: verdict.clone() });
        verdict
    }
}

fn compare(
    folders: &Folders,
    folder: usize,
    path: &ServedPath,
    file: &File,
) -> io::Result<Verdict> {
    let list = path.sibling(SUMS_NAME).ok().and_then(|list| folders.open_in(folder, &list).ok());
    let text = list.and_then(|list| list.text(MAX_SUMS_BYTES));
    let Some(expected) = text.as_deref().and_then(|text| parse(text).get(path.name()).copied())
    else {
        return Ok(Verdict::Unlisted);
    };
    let actual = digest(file)?;
    if actual == expected {
        return Ok(Verdict::Good);
    }
    Ok(Verdict::Bad(format!(
        "{path} differs from {SUMS_NAME}: expected {expected}, found {actual}"
    )))
}

fn digest(file: &File) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut offset = 0;
    loop {
        let count = file.read_at(&mut buffer, offset)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..count]);
        offset += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::LogFormat;

    #[tokio::test]
    async fn a_file_is_checked_again_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let sums = format!("{}  a\n{}  b\n", Sha256Digest::of(b"a"), Sha256Digest::of(b"other"));
        fs::write(dir.path().join(SUMS_NAME), sums).unwrap();
        for name in ["a", "b", "c"] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let folders = Folders::new(&[dir.path().to_owned()]).unwrap();
        let log = Arc::new(Log::new(LogFormat::Text, Box::new(io::sink())));
        let paths: Vec<ServedPath> = ["a", "b", "c"].map(|name| name.parse().unwrap()).into();
        let checks = Checks::new(&folders, &log, paths.iter());
        checks.run().await;
        let verdict =
            async |path: &ServedPath| checks.check(path, &folders.open(path).unwrap()).await;
        assert_eq!(verdict(&paths[0]).await, Verdict::Good);
        assert!(matches!(verdict(&paths[1]).await, Verdict::Bad(_)));
        assert_eq!(verdict(&paths[2]).await, Verdict::Unlisted);
        fs::write(dir.path().join("b"), "other").unwrap();
        assert_eq!(verdict(&paths[1]).await, Verdict::Good);
    }
}
