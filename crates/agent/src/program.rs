//! Arguments, questions, progress, reports.

pub(crate) mod arguments;
pub(crate) mod install;
pub(crate) mod report;
pub(crate) mod terminal;
