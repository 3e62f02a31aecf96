//! Arguments, questions, progress, reports.

pub(crate) mod arguments;
pub(crate) mod etc;
pub(crate) mod here;
pub(crate) mod install;
pub(crate) mod pin;
pub(crate) mod poll;
pub(crate) mod report;
pub(crate) mod reset;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod trial;
pub(crate) mod update;
