use std::path::Path;

use flagstone_artifact::ImageVersion;

use super::entries::Entries;
use super::error::UpdateError;
use super::running::Running;
use super::state::{Failed, Settled, State};
use super::state_file::StateFolder;

/// What the release that runs means to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A boot of it was found good before, here.
    Good,
    /// The loader counts: it was not found good yet.
    OnTrial,
}

/// Returns what the loader's entry of the running release says.
///
/// # Errors
/// [`UpdateError::Esp`].
pub fn standing(running: &Running, esp: &Path) -> Result<Standing, UpdateError> {
    let entry = Entries::of(esp, &running.image.id).find(&running.stem())?;
    let counted = entry.is_some_and(|entry| entry.counter.is_some());
    Ok(if counted { Standing::OnTrial } else { Standing::Good })
}

/// Draws the conclusions of a boot that was found good, and remembers them.
///
/// # Errors
/// [`UpdateError::Esp`], [`UpdateError::State`].
pub fn settle(
    running: &Running,
    esp: &Path,
    folder: &StateFolder,
    state: &mut State,
    boot: &str,
) -> Result<Settled, UpdateError> {
    let entries = Entries::of(esp, &running.image.id);
    let entry = match &state.pending {
        Some(pending) => entries.find(&format!("{}_{}", running.image.id, pending.version))?,
        None => None,
    };
    let before = state.clone();
    let settled = state.settle(&running.root_hash, entry.as_ref(), boot);
    if *state != before {
        folder.save(state)?;
    }
    Ok(settled)
}

/// Takes the last update back, whether it runs or waits for a restart: the loader passes over its entry
/// from now on, and it is not installed again by itself. Returns what is started next.
///
/// # Errors
/// [`UpdateError::NoRollback`], [`UpdateError::Esp`], [`UpdateError::State`].
pub fn roll_back(
    running: &Running,
    esp: &Path,
    folder: &StateFolder,
    state: &mut State,
) -> Result<ImageVersion, UpdateError> {
    let entries = Entries::of(esp, &running.image.id);
    let none = |reason: &str| UpdateError::NoRollback { reason: reason.to_owned() };
    let names = entries.list()?;
    let own = names.iter().find(|name| name.stem == running.stem());
    let own = own.ok_or_else(|| none("the loader has no entry for what runs"))?;
    let mut others = names.iter().filter(|name| name.stem != own.stem && !name.has_failed());
    let other = others.next().ok_or_else(|| none("the loader has no other entry"))?;
    let version = other.version().ok_or_else(|| none("the other entry has no version"))?;
    let current = &running.image.version;
    let is_newer = version.compare(current).is_gt();
    let (bad, root_hash) = match state.pending.take() {
        Some(pending) if is_newer => (pending.version, pending.root_hash),
        _ if is_newer => return Err(none("the other one is newer, and nobody knows why")),
        _ => (current.clone(), running.root_hash),
    };
    let next = if is_newer { current.clone() } else { version };
    if let Some(floor) = state.floor.as_ref().filter(|floor| next.compare(floor).is_lt()) {
        return Err(none(&format!("{next} is older than {floor}, the oldest that is allowed")));
    }
    state.updated_from = None;
    let reason = "somebody took it back".to_owned();
    state.remember(Failed { version: bad, root_hash, reason });
    folder.save(state)?;
    entries.give_up(if is_newer { other } else { own })?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flagstone_artifact::{Architecture, ImageName, Sha256Digest};

    use super::*;
    use crate::update::Pending;

    fn running() -> Running {
        let image = ImageName {
            id: "base".parse().unwrap(),
            version: "2".parse().unwrap(),
            architecture: Architecture::X86_64,
        };
        Running { image, root_hash: Sha256Digest::of(b"2"), disk: "vda".to_owned() }
    }

    fn esp(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("EFI/Linux")).unwrap();
        for name in names {
            fs::write(dir.path().join("EFI/Linux").join(name), name).unwrap();
        }
        dir
    }

    #[test]
    fn an_update_is_taken_back_whether_it_runs_or_waits() {
        let esp = esp(&["base_1.efi", "base_2.efi"]);
        let folder = StateFolder::new(esp.path().join("agent"));
        let mut state = State::default();
        let next = roll_back(&running(), esp.path(), &folder, &mut state).unwrap();
        assert_eq!(next.as_str(), "1");
        assert!(esp.path().join("EFI/Linux/base_2+0-1.efi").exists());
        assert_eq!(folder.load().unwrap().unwrap().failed[0].version.as_str(), "2");

        let esp = self::esp(&["base_2.efi", "base_3+3.efi"]);
        state.pending = Some(Pending {
            version: "3".parse().unwrap(),
            root_hash: Sha256Digest::of(b"3"),
            from: "2".parse().unwrap(),
            floor: None,
            boot: String::new(),
            network: false,
            complaints: Vec::new(),
        });
        let next = roll_back(&running(), esp.path(), &folder, &mut state).unwrap();
        assert_eq!((next.as_str(), &state.pending), ("2", &None));
        assert!(esp.path().join("EFI/Linux/base_3+0-1.efi").exists());
        assert_eq!(state.failed.last().unwrap().version.as_str(), "3");
    }

    #[test]
    fn there_may_be_nothing_to_go_back_to() {
        for (names, floor, expected) in [
            (&["base_2.efi"][..], None, "no other entry"),
            (&["base_2.efi", "base_1+0-3.efi"], None, "no other entry"),
            (&["base_1.efi"], None, "no entry for what runs"),
            (&["base_2.efi", "base_3.efi"], None, "nobody knows"),
            (&["base_1.efi", "base_2.efi"], Some("1.5"), "oldest"),
        ] {
            let esp = esp(names);
            let folder = StateFolder::new(esp.path().join("agent"));
            let floor = floor.map(|floor| floor.parse().unwrap());
            let mut state = State { floor, ..State::default() };
            let error = roll_back(&running(), esp.path(), &folder, &mut state).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(fs::read_dir(esp.path().join("EFI/Linux")).unwrap().count(), names.len());
        }
    }

    #[test]
    fn the_counter_says_whether_a_release_is_on_trial() {
        for (name, expected) in
            [("base_2.efi", Standing::Good), ("base_2+2-1.efi", Standing::OnTrial)]
        {
            let esp = esp(&[name]);
            assert_eq!(standing(&running(), esp.path()).unwrap(), expected);
        }
    }
}
