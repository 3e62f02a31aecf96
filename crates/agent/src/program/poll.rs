use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use flagstone_agent::Location;
use flagstone_agent::update::{
    EtcdLock, Extensions, NeededExtension, Permissions, Poll, Reboot, RebootLock as _, Refusal,
    Settings, Standing, UpdateError, machine_id, poll, seconds, standing,
};
use flagstone_artifact::{ImageName, ImageVersion};
use flagstone_fetch::{AnyTransport, HttpTransport};

use super::here::{Here, restart, root};
use super::install::KEYS_DIR;
use super::report::{Failure, failure, say};
use super::terminal::Terminal;
use super::update::{install, report};

/// `flagstone-agent poll`: does what the channel and the settings say.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let Some(mut here) = Here::on_disk()? else { return Ok(ExitCode::SUCCESS) };
    let settings = Settings::load(root())?;
    if standing(&here.running, here.esp.folder())? == Standing::OnTrial {
        say("this version is still on trial: nothing is updated before it is found good");
        return Ok(ExitCode::SUCCESS);
    }
    let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
    let found = poll(root(), &here.running, &settings, &here.state, &here.folder, &transport);
    here.measure(&settings, Some((seconds(SystemTime::now()), found.is_ok())));
    match found? {
        Poll::Nothing => {
            say(&format!("channel {} has nothing for this image", settings.channel));
            return Ok(ExitCode::SUCCESS);
        }
        Poll::Refused { refusal: Refusal::Waiting, .. } => {}
        Poll::Refused { offer, refusal } => {
            say(&format!("version {} is not installed: {refusal}", offer.version));
            return Ok(ExitCode::SUCCESS);
        }
        Poll::NotYet(offer) => {
            say(&format!("version {} is not yet for this machine", offer.version));
            return Ok(ExitCode::SUCCESS);
        }
        Poll::Due { offer, payloads, extensions } => {
            bring(&here, &offer.version, &extensions, &transport)?;
            let mut urls = payloads.into_iter().map(|payload| payload.url).peekable();
            while let Some(url) = urls.next() {
                let (url, keys) = (Location::Url(url), Path::new(KEYS_DIR));
                let permissions = Permissions::default();
                match install(&mut here, &url, keys, &settings, permissions) {
                    Ok(installed) => {
                        report(&installed);
                        break;
                    }
                    // A delta that does not fit is no reason to stay old: the full one always does.
                    Err(error) if urls.peek().is_some() => {
                        failure(&error);
                        say("the full payload is tried");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        _ => return Ok(ExitCode::SUCCESS),
    }
    drop(here);
    restart_if_allowed(&settings)
}

/// Brings the extensions of the next version, before anything of it is written.
fn bring(
    here: &Here,
    version: &ImageVersion,
    needed: &[NeededExtension],
    transport: &AnyTransport,
) -> Result<(), Failure> {
    let extensions = Extensions::of(root());
    let running = &here.running.image;
    let next = ImageName { version: version.clone(), ..running.clone() };
    for extension in needed {
        let terminal = Terminal::new();
        let brought = extensions.bring(extension, transport, &terminal);
        terminal.finish();
        brought?;
        say(&format!("fetched {}", extension.name));
    }
    // Whoever fails to fetch may still want to go back to the version before.
    extensions.keep_only(running, &next)?;
    Ok(())
}

fn restart_if_allowed(settings: &Settings) -> Result<ExitCode, Failure> {
    let now = seconds(SystemTime::now());
    let in_window = || settings.windows.iter().any(|window| window.contains(now));
    let allowed = match settings.reboot {
        Reboot::Off => false,
        Reboot::Now => true,
        Reboot::Window => in_window(),
        Reboot::Lock => {
            (settings.windows.is_empty() || in_window())
                && match fleet_lock(settings)? {
                    Some(lock) => lock.acquire().map_err(Failure::Lock)?,
                    None => false,
                }
        }
    };
    if allowed {
        restart()?;
    } else {
        say("the machine is not restarted now");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the lock that the settings name, for this machine.
pub(crate) fn fleet_lock(settings: &Settings) -> Result<Option<EtcdLock>, Failure> {
    let Some(lock) = settings.lock.as_ref().filter(|_| settings.reboot == Reboot::Lock) else {
        return Ok(None);
    };
    let servers = lock.etcd.iter().map(|url| url.parse()).collect::<Result<Vec<_>, _>>();
    let servers = servers.map_err(|source| UpdateError::Url { source })?;
    let machine = machine_id(root())?;
    Ok(Some(EtcdLock {
        servers,
        group: lock.group.clone(),
        slots: lock.slots,
        machine,
        transport: HttpTransport::with_proxy_from_environment(),
    }))
}
