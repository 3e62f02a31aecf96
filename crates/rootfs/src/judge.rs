//! Independent tools that judge in tests.

use std::process::Command;

/// Tells whether a tool is there. A test whose judge is missing says so and passes, unless
/// `FLAGSTONE_REQUIRE_JUDGES=1` asks for all of them.
pub(crate) fn is_present(tool: &str, version: &str) -> bool {
    if Command::new(tool).arg(version).output().is_ok_and(|out| out.status.success()) {
        return true;
    }
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "{tool} is missing");
    println!("skipped: {tool} is missing");
    false
}
