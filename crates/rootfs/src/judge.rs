//! Independent tools that judge in tests.

use std::process::Command;

/// Tells whether a tool is there. A test whose judge is missing says so and passes, unless
/// `FLAGSTONE_REQUIRE_JUDGES=1` asks for all of them.
pub(crate) fn is_present(tool: &str, version: &str) -> bool {
    let answers = Command::new(tool).arg(version).output().is_ok_and(|out| out.status.success());
    answers || is_missing(tool)
}

/// Tells, as [`is_present`] does, whether a file is there: a tool that cannot say its version, or
/// what another needs.
pub(crate) fn has_file(path: &str) -> bool {
    std::path::Path::new(path).is_file() || is_missing(path)
}

/// Says what is missing; always false.
fn is_missing(tool: &str) -> bool {
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "{tool} is missing");
    println!("skipped: {tool} is missing");
    false
}
