//! What maintainer scripts would do, and which of it an image has without them.
//!
//! ```text
//! script ─ parse ─► syntax ─ walk ─► actions ┬─ declarations ─► data for finishers
//!                                            └─ rules ────────► verdicts: covered, needless, unknown
//! ```
//!
//! Nothing is ever run. A script is read as a shell would read it, and followed the way a first
//! installation goes (`postinst configure ''`): branches for upgrades and aborts are left out, loops
//! over known words are gone through, and where a condition cannot be known both ways are taken. Each
//! simple command that may run is judged:
//! - it *declares* something in plain words, a system account or an alternative, that a finisher makes
//!   from these words ([`Declaration`]);
//! - a rule says who does its work, or why there is none ([`rules`]);
//! - or it is unknown, and people are told.
//!
//! The crate is pure: texts in, verdicts out. It must not know packages, trees or recipes; what the
//! finishers know comes as [`Knowledge`], what packages bring as [`Paths`]. It follows what other
//! people wrote, so depth, length and steps are bounded, and no input makes it panic.

mod accounts;
mod action;
mod alternatives;
mod assigned;
mod condition;
mod cursor;
mod debconf;
mod declaration;
mod error;
mod expand;
mod files;
mod knowledge;
mod loops;
mod made;
mod options;
mod parser;
mod paths;
mod pattern;
mod places;
mod plain;
mod rules;
mod simple;
mod situation;
mod state;
mod survey;
mod syntax;
mod triggers;
mod value;
mod verdict;
mod walk;
mod word;

pub use action::Action;
pub use declaration::{Declaration, DeclaredAlternative, DeclaredUser};
pub use error::ScriptError;
pub use knowledge::Knowledge;
pub use paths::{PathKind, Paths};
pub use rules::rules;
pub use situation::{ScriptKind, Situation};
pub use survey::{Finding, Findings, Report, Survey};
pub use triggers::trigger_rules;
pub use value::{Argument, Chance, Value};
pub use verdict::{Finisher, Rule, Verdict};
