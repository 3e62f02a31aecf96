//! Reads what a machine said on its serial console.
//!
//! [`plain`] makes text of the bytes, [`diagnose`] tells where the boot stopped and what the likely cause
//! is, and [`trouble`] finds lines that no good boot has. All of it is pure, and guesses nothing that no line
//! shows.
//!
//! The words come from what a Flagstone image runs: EDK II, systemd-boot and systemd 257, Linux 6.12,
//! Ignition 2, and this project's own units. Other versions may say it otherwise; then a boot that
//! stopped is placed by the last thing that went well.

mod boots;
mod diagnosis;
mod line;
mod progress;
mod sign;
mod stage;
mod trouble;
mod unit;

pub use diagnosis::{Diagnosis, diagnose};
pub use line::{Line, plain};
pub use stage::Stage;
pub use trouble::{Trouble, trouble};
