//! The program in a home of its own, and OpenSSL as a judge.

use std::path::Path;
use std::process::{Command, Output};

pub(crate) fn flagstone(home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstone"));
    command.env_clear().env("HOME", home).current_dir(home).args(arguments).output().unwrap()
}

/// Runs the program and returns its standard output; it must succeed.
pub(crate) fn good(home: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = flagstone(home, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// Runs the program and returns its standard error; it must exit with the code.
pub(crate) fn bad(home: &Path, code: i32, arguments: &[&str]) -> String {
    let output = flagstone(home, arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs openssl; a missing one skips the test, or fails it if judges are required.
pub(crate) fn openssl(dir: &Path, arguments: &[&str]) -> Option<bool> {
    if let Ok(output) = Command::new("openssl").current_dir(dir).args(arguments).output() {
        return Some(output.status.success());
    }
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "openssl is missing");
    println!("skipped: openssl is missing");
    None
}
