//! Finds the external tools that tests ask for a second opinion.

use std::path::PathBuf;

/// Returns the path of a tool; if it is missing says so, or fails where judges are required.
pub(crate) fn judge(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|p| p.is_file());
    if found.is_none() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{tool} is missing, and judges are required");
        println!("skipped: {tool} is missing");
    }
    found
}
