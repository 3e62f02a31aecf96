use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flagstone_artifact::ImageName;
use flagstone_fetch::{Transport, Url};
use flagstone_repository::{Offer, Repository, TargetLocation};

use super::error::UpdateError;
use super::extensions::{Extensions, NeededExtension};
use super::running::{Running, machine_id};
use super::settings::Settings;
use super::state::{Permissions, Refusal, State};
use super::state_file::StateFolder;

/// Where the image has the root metadata that a machine starts from.
const ROOT_METADATA: &str = "usr/share/flagstone/repository/root.json";
/// What never changes while a system runs: its date is that of the build.
const DATED: &str = "usr/lib/os-release";

/// What a look at the channel gave.
#[derive(Debug)]
#[non_exhaustive]
pub enum Poll {
    /// The channel has nothing for this image.
    Nothing,
    /// What the channel has is not to be installed.
    Refused {
        /// What it has.
        offer: Box<Offer>,
        /// Why not.
        refusal: Refusal,
    },
    /// The release comes in waves, and this machine's has not begun.
    NotYet(Box<Offer>),
    /// There is something to install.
    Due {
        /// What.
        offer: Box<Offer>,
        /// Payloads that bring it, the smallest first. What they hold is believed by their own signatures,
        /// which cover every byte, not by the digests here.
        payloads: Vec<TargetLocation>,
        /// Extensions that this machine has, and not yet for the offered release.
        extensions: Vec<NeededExtension>,
    },
}

/// Looks whether the channel has something newer. Whatever the repository says is verified first.
///
/// # Errors
/// [`UpdateError::NoUrl`], [`UpdateError::Read`], [`UpdateError::Repository`], [`UpdateError::NoExtension`].
pub fn poll(
    root: &Path,
    running: &Running,
    settings: &Settings,
    state: &State,
    folder: &StateFolder,
    transport: &dyn Transport,
) -> Result<Poll, UpdateError> {
    let url = settings.url.as_deref().ok_or(UpdateError::NoUrl)?;
    let repository = |source| UpdateError::Repository { source };
    let url: Url = url.parse().map_err(|source| UpdateError::Url { source })?;
    let path = root.join(ROOT_METADATA);
    let trusted = fs::read(&path).map_err(|source| UpdateError::Read { path, source })?;
    let now = now(root);
    let store = folder.path().join("repository");
    let repo = Repository::open_at(&trusted, &url, transport, &store, now).map_err(repository)?;
    let image = &running.image;
    let offer = repo.offer(&settings.channel, image.id.as_str(), image.architecture);
    let Some(offer) = offer.map_err(repository)? else { return Ok(Poll::Nothing) };
    let offer = Box::new(offer);
    let judged = state.judge(
        (&image.version, &running.root_hash),
        (&offer.version, &offer.root_hash),
        Permissions::default(),
    );
    if let Err(refusal) = judged {
        return Ok(Poll::Refused { offer, refusal });
    }
    if !offer.is_due(&machine_id(root)?, now) {
        return Ok(Poll::NotYet(offer));
    }
    let delta = offer.delta_from(running.root_hash).map(|delta| &delta.payload);
    let names = delta.into_iter().chain([&offer.payload]);
    let payloads = names.map(|name| repo.target(name.as_str())).collect::<Result<_, _>>();
    let payloads = payloads.map_err(repository)?;
    let next = ImageName { version: offer.version.clone(), ..image.clone() };
    let extensions = Extensions::of(root).find(image, &next, &repo)?;
    Ok(Poll::Due { offer, payloads, extensions })
}

/// Returns the time, which is not before the image was made: a machine without a clock starts in 1970.
fn now(root: &Path) -> SystemTime {
    let built = fs::metadata(root.join(DATED)).and_then(|file| file.modified());
    SystemTime::now().max(built.unwrap_or(SystemTime::UNIX_EPOCH))
}

/// Returns the seconds since 1970 that windows are about.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since: Duration| since.as_secs())
}
