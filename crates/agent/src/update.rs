//! Updates of the running system: the slot that does not run is written, and the loader tries it.
//!
//! What decides is pure and has tables for tests ([`State`]); what touches a disk goes through
//! [`UpdateDisk`], so that tests let it fail at any write; and [`Updater`] holds the order in which
//! things happen. The truth about a trial is the loader's: its counter in the name of the kernel image.

mod disk;
mod entries;
mod error;
mod esp;
mod extensions;
mod health;
mod metrics;
mod poll;
mod reboot_lock;
mod running;
mod settings;
mod slots;
mod state;
mod state_file;
mod trial;
mod updater;
mod window;

pub use disk::{SystemDisk, UpdateDisk};
pub use entries::Entries;
pub use error::UpdateError;
pub use esp::Esp;
pub use extensions::{Extensions, NeededExtension};
pub use health::{HealthLimits, has_default_route, run_checks, wait_for_route};
pub use metrics::Metrics;
pub use poll::{Poll, poll, seconds};
pub use reboot_lock::{EtcdLock, LockError, RebootLock};
pub use running::{Running, boot_id, machine_id};
pub use settings::{LockSettings, Reboot, Settings};
pub use slots::{Slot, Slots};
pub use state::{Failed, Pending, Permissions, Refusal, Settled, State};
pub use state_file::{Lock, StateFolder};
pub use trial::{Standing, roll_back, settle, standing};
pub use updater::{Installed, PayloadSource, UpdateOptions, Updater};
pub use window::{NoWindow, Window};
