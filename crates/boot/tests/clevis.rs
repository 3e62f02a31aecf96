//! What the initrd understands of Clevis' pins, as Ignition writes them.

use std::path::Path;
use std::process::{Command, Output};

fn bind(pin: &str, config: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initrd-clevis");
    let arguments = ["luks", "bind", "-f", "-k", "key", "-d", "test", pin, config];
    Command::new("bash").arg(script).args(arguments).output().expect("bash")
}

#[test]
fn a_tpm_alone_is_understood() {
    for (pin, config, registers) in [
        ("sss", r#"{"pins":{"tpm2":{}},"t":1}"#, ""),
        ("sss", r#"{"t":1,"pins":{"tpm2":{}}}"#, ""),
        ("tpm2", "{}", ""),
        ("tpm2", "", ""),
        ("tpm2", r#"{"pcr_ids":"7"}"#, "7"),
        ("tpm2", r#"{"pcr_bank":"sha256"}"#, ""),
        ("tpm2", r#"{"pcr_ids":"7","pcr_bank":"sha256"}"#, "7"),
        ("tpm2", r#"{ "pcr_bank": "sha256", "pcr_ids": "4,7,11" }"#, "4+7+11"),
    ] {
        let output = bind(pin, config);
        assert!(output.status.success(), "{pin} {config}: {output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("registers={registers}\n"), "{pin} {config}");
    }
}

#[test]
fn all_else_is_refused() {
    for (pin, config, reason) in [
        ("sss", r#"{"pins":{"tang":[{"url":"http://t","thp":"x"}]},"t":1}"#, "Tang"),
        ("sss", r#"{"pins":{"tang":[{"url":"http://t","thp":"x"}],"tpm2":{}},"t":1}"#, "Tang"),
        ("sss", r#"{"pins":{"tpm2":{}},"t":2}"#, "not known here"),
        ("sss", r#"{"pins":{"tpm2":{}},"t":12}"#, "not known here"),
        ("tang", r#"{"url":"http://t"}"#, "Tang"),
        ("tpm2", r#"{"pcr_bank":"sha1","pcr_ids":"7"}"#, "pcr_bank sha256"),
        ("tpm2", r#"{"pcr_ids":"7","key":"rsa"}"#, "pcr_bank sha256"),
        ("tpm2", r#"{"pcr_ids":["7"]}"#, "pcr_bank sha256"),
        ("sss", r#"{"pins":{"tpm2":{}},"t":0}"#, "not known here"),
        ("tpm2", r#"{"pcr_ids":"7 --wipe-slot=all"}"#, "pcr_bank sha256"),
        ("yubikey", "{}", "not known here"),
    ] {
        let output = bind(pin, config);
        assert_eq!(output.status.code(), Some(1), "{pin} {config}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(reason), "{pin} {config}: {said}");
    }
}
