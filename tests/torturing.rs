//! Power cuts while a machine updates: every one in a model, two in QEMU.

use std::fs;
use std::process::{Command, Stdio};

use super::installing::flagstone;
use crate::{guest, support};

#[test]
#[ignore = "boots QEMU"]
fn power_may_go_at_any_write_of_an_update() {
    let dir = support::scratch("smoke-torture");
    flagstone(&["keys", "init", "--dir", "keys"], &dir);
    for version in ["0.1", "0.2"] {
        let recipe = format!(
            "extends = \"ci\"\n[image]\nversion = \"{version}\"\n\
             [disk]\nesp = \"128M\"\nusr = \"256M\"\nroot = \"128M\"\n\
             [update]\nagent = true\nkeys = [\"keys/development.pub\"]\n"
        );
        let (file, out) = (format!("./{version}.toml"), format!("out-{version}"));
        fs::write(dir.join(&file), recipe).unwrap();
        flagstone(&["build", &file, "--out", &out, "--no-pxe", "--no-disk-sum"], &dir);
    }
    let key = ["--key", "keys/development.key", "--zstd", "--output", "full.payload"];
    flagstone(&[&["payload", "create", "out-0.2"], &key[..]].concat(), &dir);
    let place = guest::Places::one();
    let output = Command::new(support::FLAGSTONE)
        .args(["torture", "out-0.1", "out-0.2", "--payload", "full.payload"])
        .args(["--boots", "2", "--json", "--keep", "work"])
        .current_dir(&dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    drop(place);
    let said = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{said}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |key: &str| report[key].as_u64().unwrap();
    println!(
        "{} cut points and {} reorderings, {} old, {} new",
        of("cut_points"),
        of("reorderings"),
        of("boot_old"),
        of("boot_new")
    );
    assert_eq!(of("boot_neither"), 0, "{text}");
    assert!(of("cut_points") > 100 && of("reorderings") > 100, "{text}");
    assert!(of("boot_old") > 100 && of("boot_new") > 0, "{text}");
    assert_eq!(report["booted"].as_array().unwrap().len(), 2);
}
