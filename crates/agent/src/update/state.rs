use std::fmt;

use flagstone_artifact::{ImageVersion, Sha256Digest};
use flagstone_disk::BootEntry;
use serde::{Deserialize, Serialize};

/// How many failed releases are remembered.
const FAILED_MAX: usize = 16;
/// How many complaints about one release are kept, and how long each may be.
const COMPLAINTS_MAX: usize = 16;
const COMPLAINT_BYTES: usize = 500;

/// What the agent remembers from boot to boot. Pure: it reads no clock, no file and no disk.
///
/// A program that is older or newer may read it, so what is not known is passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The only version that is installed by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<ImageVersion>,
    /// The release that was written and has not been found good yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Releases that did not come up here, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
    /// The oldest version that this machine may go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<ImageVersion>,
    /// The version before the one that runs, if an update brought that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<ImageVersion>,
}

/// A release on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Its version.
    pub version: ImageVersion,
    /// The root hash of its /usr.
    pub root_hash: Sha256Digest,
    /// The version that wrote it.
    pub from: ImageVersion,
    /// The oldest version to go back to once it runs well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<ImageVersion>,
    /// The boot in which it was written, as the kernel names boots.
    #[serde(default)]
    pub boot: String,
    /// Whether the machine was on a network when it was written: it then has to be again.
    #[serde(default)]
    pub network: bool,
    /// What was wrong when it was tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<String>,
}

/// A release that did not come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its version.
    pub version: ImageVersion,
    /// The root hash of its /usr.
    pub root_hash: Sha256Digest,
    /// What it said about it.
    pub reason: String,
}

/// Why a release is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It runs.
    Current,
    /// It is written already, and waits for a restart.
    Waiting,
    /// It is older than what runs.
    Older {
        /// What runs.
        running: ImageVersion,
    },
    /// It is older than this machine may go back to.
    BelowFloor {
        /// The oldest.
        floor: ImageVersion,
    },
    /// The machine is pinned to another version.
    Pinned {
        /// To which.
        pin: ImageVersion,
    },
    /// It was tried here before, and did not come up.
    Failed {
        /// What it said.
        reason: String,
    },
    /// Another release with the same version runs.
    SameVersion,
}

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// There was none.
    Nothing,
    /// The new release runs, and was found good.
    Updated {
        /// The version before.
        from: ImageVersion,
        /// The version now.
        to: ImageVersion,
    },
    /// The loader went back to the release before.
    FellBack(Failed),
    /// The new release has not been started yet.
    Waiting,
    /// The update never became something to start.
    Interrupted,
}

/// How much freedom a release is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// It may be older than what runs, though not below the floor.
    pub older: bool,
    /// It may have failed here before, and the machine may be pinned.
    pub anyway: bool,
}

impl State {
    /// Tells whether a release may be installed over what runs.
    ///
    /// # Errors
    /// Why not.
    pub fn judge(
        &self,
        running: (&ImageVersion, &Sha256Digest),
        offered: (&ImageVersion, &Sha256Digest),
        permissions: Permissions,
    ) -> Result<(), Refusal> {
        let (version, root_hash) = offered;
        if running.1 == root_hash {
            return Err(Refusal::Current);
        }
        let order = version.compare(running.0);
        if order.is_eq() {
            // The loader's entries are named by version: one would replace the one that runs.
            return Err(Refusal::SameVersion);
        }
        if let Some(floor) = self.floor.as_ref().filter(|floor| version.compare(floor).is_lt()) {
            return Err(Refusal::BelowFloor { floor: floor.clone() });
        }
        if order.is_lt() && !permissions.older {
            return Err(Refusal::Older { running: running.0.clone() });
        }
        if let Some(pin) = self.pin.as_ref().filter(|pin| version.compare(pin).is_ne())
            && !permissions.anyway
        {
            return Err(Refusal::Pinned { pin: pin.clone() });
        }
        if let Some(failed) = self.failed.iter().rfind(|failed| failed.root_hash == *root_hash)
            && !permissions.anyway
        {
            return Err(Refusal::Failed { reason: failed.reason.clone() });
        }
        if self.pending.as_ref().is_some_and(|pending| pending.root_hash == *root_hash)
            && !permissions.anyway
        {
            return Err(Refusal::Waiting);
        }
        Ok(())
    }

    /// Draws the conclusions of a boot that was found good. `entry` is the loader's entry of the
    /// pending release, if it is there.
    ///
    /// An entry that a boot passed over although it had tries left is none that the loader can read:
    /// power went while its name was written, when FAT has the name before the length.
    pub fn settle(
        &mut self,
        running: &Sha256Digest,
        entry: Option<&BootEntry>,
        boot: &str,
    ) -> Settled {
        let Some(pending) = self.pending.take() else { return Settled::Nothing };
        if pending.root_hash == *running {
            self.failed.retain(|failed| failed.root_hash != pending.root_hash);
            self.floor = later(self.floor.take(), pending.floor);
            self.updated_from = Some(pending.from.clone());
            return Settled::Updated { from: pending.from, to: pending.version };
        }
        match entry {
            Some(entry) if entry.has_failed() => {
                let reason = match pending.complaints.last() {
                    Some(reason) => reason.clone(),
                    None => "it never came so far as to say what was wrong".to_owned(),
                };
                let Pending { version, root_hash, .. } = pending;
                let failed = Failed { version, root_hash, reason };
                self.remember(failed.clone());
                Settled::FellBack(failed)
            }
            Some(_) if pending.boot == boot => {
                self.pending = Some(pending);
                Settled::Waiting
            }
            _ => Settled::Interrupted,
        }
    }

    /// Notes what is wrong with the release that is being tried.
    pub fn complain(&mut self, text: &str) {
        if let Some(pending) = &mut self.pending {
            let end = text.floor_char_boundary(COMPLAINT_BYTES);
            pending.complaints.push(text[..end].to_owned());
            let extra = pending.complaints.len().saturating_sub(COMPLAINTS_MAX);
            pending.complaints.drain(..extra);
        }
    }

    /// Notes a release that is not to be tried again by itself.
    pub fn remember(&mut self, failed: Failed) {
        self.failed.retain(|known| known.root_hash != failed.root_hash);
        self.failed.push(failed);
        let extra = self.failed.len().saturating_sub(FAILED_MAX);
        self.failed.drain(..extra);
    }
}

fn later(a: Option<ImageVersion>, b: Option<ImageVersion>) -> Option<ImageVersion> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.compare(&b).is_lt() { b } else { a }),
        (a, b) => a.or(b),
    }
}

impl Refusal {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Current | Self::BelowFloor { .. } => return None,
            Self::Waiting => "restart the machine",
            Self::Older { .. } => "use `flagstone-agent rollback`, or say --older",
            Self::Pinned { .. } => "use `flagstone-agent unpin`, or say --anyway",
            Self::Failed { .. } => "say --anyway to try it again",
            Self::SameVersion => "give the release a version of its own",
        };
        Some(hint.to_owned())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("it runs already"),
            Self::Waiting => f.write_str("it is written already, and waits for a restart"),
            Self::Older { running } => write!(f, "{running}, which runs, is newer"),
            Self::BelowFloor { floor } => {
                write!(f, "this machine does not go back to versions before {floor}")
            }
            Self::Pinned { pin } => write!(f, "this machine is pinned to version {pin}"),
            Self::Failed { reason } => write!(f, "it failed here before: {reason}"),
            Self::SameVersion => f.write_str("another release with this version runs"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ImageVersion {
        text.parse().unwrap()
    }

    fn hash(text: &str) -> Sha256Digest {
        Sha256Digest::of(text.as_bytes())
    }

    fn pending(text: &str) -> Pending {
        Pending {
            version: version(text),
            root_hash: hash(text),
            from: version("1.0"),
            floor: None,
            boot: "this".to_owned(),
            network: false,
            complaints: Vec::new(),
        }
    }

    fn failed(text: &str) -> Failed {
        Failed { version: version(text), root_hash: hash(text), reason: "x".to_owned() }
    }

    const PLAIN: Permissions = Permissions { older: false, anyway: false };
    const OLDER: Permissions = Permissions { older: true, anyway: false };
    const ANYWAY: Permissions = Permissions { older: false, anyway: true };

    #[test]
    fn a_release_is_judged_by_what_is_known() {
        let none = State::default;
        let floor = || State { floor: Some(version("0.9")), ..none() };
        let pin = |text| State { pin: Some(version(text)), ..none() };
        let bad = || State { failed: vec![failed("2")], ..none() };
        let waiting = || State { pending: Some(pending("2")), ..none() };
        let older = Refusal::Older { running: version("1") };
        let below = Refusal::BelowFloor { floor: version("0.9") };
        let pinned = Refusal::Pinned { pin: version("1.5") };
        let was_bad = Refusal::Failed { reason: "x".to_owned() };
        for (state, offered, permissions, expected) in [
            (none(), "2", PLAIN, Ok(())),
            (none(), "1", ANYWAY, Err(Refusal::Current)),
            (none(), "0.9", PLAIN, Err(older.clone())),
            (none(), "0.9", ANYWAY, Err(older.clone())),
            (none(), "0.9", OLDER, Ok(())),
            (floor(), "0.9", OLDER, Ok(())),
            (floor(), "0.8", OLDER, Err(below.clone())),
            (floor(), "0.8", PLAIN, Err(below)),
            (pin("1.5"), "2", PLAIN, Err(pinned)),
            (pin("1.5"), "2", ANYWAY, Ok(())),
            (pin("2"), "2", PLAIN, Ok(())),
            (bad(), "2", PLAIN, Err(was_bad)),
            (bad(), "2", ANYWAY, Ok(())),
            (bad(), "3", PLAIN, Ok(())),
            (waiting(), "2", PLAIN, Err(Refusal::Waiting)),
            (waiting(), "3", PLAIN, Ok(())),
        ] {
            let running = (&version("1"), &hash("1"));
            let verdict = state.judge(running, (&version(offered), &hash(offered)), permissions);
            assert_eq!(verdict, expected, "{state:?} {offered} {permissions:?}");
        }
        let same = State::default().judge(
            (&version("1"), &hash("1")),
            (&version("1.0"), &hash("another")),
            ANYWAY,
        );
        // 1 and 1.0 are two versions; 1 and 01 would be one.
        assert_eq!(same, Ok(()));
        let same = State::default().judge(
            (&version("1"), &hash("1")),
            (&version("01"), &hash("another")),
            ANYWAY,
        );
        assert_eq!(same, Err(Refusal::SameVersion));
    }

    #[test]
    fn a_trial_ends_as_the_loader_says() {
        let on_trial = |complaints: &[&str]| State {
            pending: Some(Pending {
                complaints: complaints.iter().map(|&text| text.to_owned()).collect(),
                floor: Some(version("1")),
                ..pending("2")
            }),
            ..State::default()
        };
        let entry = |text: &str| Some(text.parse::<BootEntry>().unwrap());
        let fell_back =
            |reason: &str| Settled::FellBack(Failed { reason: reason.to_owned(), ..failed("2") });
        let silent = fell_back("it never came so far as to say what was wrong");
        let updated = Settled::Updated { from: version("1.0"), to: version("2") };
        let passed_over = || {
            let mut state = on_trial(&[]);
            state.pending.as_mut().unwrap().boot = "one before".to_owned();
            state
        };
        for (mut state, running, entry, expected, still_pending, failures) in [
            (passed_over(), "1.0", entry("x_2+3.efi"), Settled::Interrupted, false, 0),
            (State::default(), "1.0", None, Settled::Nothing, false, 0),
            (on_trial(&[]), "2", entry("x_2.efi"), updated.clone(), false, 0),
            (on_trial(&["once"]), "2", entry("x_2+1-2.efi"), updated, false, 0),
            (on_trial(&[]), "1.0", entry("x_2+0-3.efi"), silent, false, 1),
            (on_trial(&["a", "b"]), "1.0", entry("x_2+0-3.efi"), fell_back("b"), false, 1),
            (on_trial(&[]), "1.0", entry("x_2+3.efi"), Settled::Waiting, true, 0),
            (on_trial(&[]), "1.0", None, Settled::Interrupted, false, 0),
        ] {
            let settled = state.settle(&hash(running), entry.as_ref(), "this");
            assert_eq!(settled, expected);
            assert_eq!((state.pending.is_some(), state.failed.len()), (still_pending, failures));
            let is_updated = matches!(settled, Settled::Updated { .. });
            assert_eq!(state.floor, is_updated.then(|| version("1")));
        }
    }

    #[test]
    fn a_floor_never_sinks() {
        for (a, b, expected) in [
            (None, None, None),
            (Some("1"), None, Some("1")),
            (Some("1"), Some("2"), Some("2")),
            (Some("2"), Some("1"), Some("2")),
        ] {
            assert_eq!(later(a.map(version), b.map(version)), expected.map(version));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut state = State { pending: Some(pending("2")), ..State::default() };
        for n in 0..100 {
            state.complain(&"é".repeat(1000));
            state.remember(failed(&n.to_string()));
        }
        assert_eq!(state.failed.len(), FAILED_MAX);
        assert_eq!(state.failed.last(), Some(&failed("99")));
        let complaints = &state.pending.as_ref().unwrap().complaints;
        assert_eq!((complaints.len(), complaints[0].len()), (COMPLAINTS_MAX, COMPLAINT_BYTES));
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
