//! What units call around a boot: checks, conclusions, the way back.

use std::fs;
use std::process::ExitCode;

use flagstone_agent::update::{
    HealthLimits, RebootLock as _, Running, Settings, Settled, Standing, UpdateError, boot_id,
    run_checks, settle, standing, wait_for_route,
};

use super::here::{
    Here, complain, complaint_file, load, restart_anyway, root, state_folder, systemctl,
};
use super::poll::fleet_lock;
use super::report::{Failure, failure, say};

/// The variable that the loader sets where it counts a boot (UAPI, Boot Loader Interface).
const BOOT_COUNT_PATH: &str =
    "sys/firmware/efi/efivars/LoaderBootCountPath-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// `flagstone-agent health`: fails if this boot is not to be called good.
pub(crate) fn health() -> Result<ExitCode, Failure> {
    let settings = Settings::load(root())?;
    let limits = HealthLimits::default();
    let mut complaints = run_checks(root(), limits);
    if settings.check_network && wants_network()? && !wait_for_route(root(), limits) {
        complaints.push(
            "there is no route to a network, which there was with the version before".to_owned(),
        );
    }
    if settings.check_containerd && !containerd_runs()? {
        complaints.push("containerd is enabled and does not run".to_owned());
    }
    if complaints.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for complaint in &complaints {
        say(complaint);
    }
    complain(&complaints.join("; "))?;
    Ok(ExitCode::FAILURE)
}

/// Tells whether this is the first life of a release that was written while there was a network.
fn wants_network() -> Result<bool, Failure> {
    let running = match Running::find(root()) {
        Err(UpdateError::NoDisk) => return Ok(false),
        running => running?,
    };
    let pending = load(&state_folder())?.pending;
    Ok(pending.is_some_and(|pending| pending.network && pending.root_hash == running.root_hash))
}

fn containerd_runs() -> Result<bool, Failure> {
    const UNIT: &str = "containerd.service";
    Ok(!systemctl(&["is-enabled", "--quiet", UNIT])?.0
        || systemctl(&["is-active", "--quiet", UNIT])?.0)
}

/// `flagstone-agent settle`: draws the conclusions of a boot that was found good.
pub(crate) fn settled() -> Result<ExitCode, Failure> {
    let Some(mut here) = Here::on_disk()? else { return Ok(ExitCode::SUCCESS) };
    let esp = here.esp.folder().to_owned();
    match settle(&here.running, &esp, &here.folder, &mut here.state, &boot_id(root())?)? {
        Settled::Updated { from, to } => say(&format!("updated from {from} to {to}")),
        Settled::FellBack(failed) => say(&format!(
            "version {} did not come up and is not tried again: {}",
            failed.version, failed.reason
        )),
        Settled::Waiting => say("a new version waits for a restart"),
        Settled::Interrupted => say("an update was cut off before it could be started"),
        _ => say("nothing new"),
    }
    let settings = Settings::load(root())?;
    here.measure(&settings, None);
    // Whatever runs now, this machine is up again. That nobody can be asked is no fault of the boot's.
    if let Some(lock) = fleet_lock(&settings)?
        && let Err(error) = lock.release()
    {
        failure(&Failure::Lock(error));
    }
    Ok(ExitCode::SUCCESS)
}

/// `flagstone-agent fall-back`: a boot was not found good. If the loader still counts, the machine restarts,
/// and the loader tries again or goes back. Nothing that is wrong with this system keeps it from that.
pub(crate) fn fall_back() -> Result<ExitCode, Failure> {
    let on_trial = match Here::on_disk() {
        Ok(None) => return Ok(ExitCode::SUCCESS),
        Ok(Some(mut here)) => {
            let on_trial = standing(&here.running, here.esp.folder())
                .map_or_else(|_| is_counted(), |standing| standing == Standing::OnTrial);
            if on_trial && let Err(error) = complain_of_this_boot(&mut here) {
                failure(&error);
            }
            on_trial
        }
        Err(error) => {
            failure(&error);
            is_counted()
        }
    };
    if on_trial {
        restart_anyway()?;
    } else {
        say("this version was found good before: the machine goes on as it is");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells whether the loader counts this boot, as it left word for systemd-bless-boot.
fn is_counted() -> bool {
    root().join(BOOT_COUNT_PATH).exists()
}

/// Remembers what is wrong.
fn complain_of_this_boot(here: &mut Here) -> Result<(), Failure> {
    let reason = match fs::read_to_string(complaint_file()) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => failed_units()?,
    };
    say(&format!("version {} is not good: {reason}", here.running.image.version));
    here.state.complain(&reason);
    Ok(here.folder.save(&here.state)?)
}

fn failed_units() -> Result<String, Failure> {
    let (_, text) = systemctl(&["list-units", "--failed", "--no-legend", "--plain"])?;
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    Ok(if names.is_empty() {
        "boot-complete.target was not reached in time".to_owned()
    } else {
        format!("failed units: {}", names.join(", "))
    })
}
