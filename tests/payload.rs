//! `flagstone payload`, with OpenSSL as a key on another machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use flagstone_artifact::Sha256Digest;
use flagstone_image::verity::{HashTree, Parameters};

#[path = "support/program.rs"]
mod program;

use program::{bad, flagstone, good, openssl};

/// Makes a folder `out` as a build leaves it, as far as a payload needs it.
fn build(home: &Path) -> (Vec<u8>, Vec<u8>, HashTree) {
    let usr: Vec<u8> = (0..3 * 4096_u32).flat_map(|n| (n * n).to_le_bytes()).collect();
    build_from(&home.join("out"), usr)
}

fn build_from(out: &Path, usr: Vec<u8>) -> (Vec<u8>, Vec<u8>, HashTree) {
    build_version(out, "1", usr)
}

fn build_version(out: &Path, version: &str, usr: Vec<u8>) -> (Vec<u8>, Vec<u8>, HashTree) {
    fs::create_dir(out).unwrap();
    let uki = b"kernel ".repeat(1000);
    let tree = HashTree::of(&usr, Parameters::new([1; 32], [2; 16]).unwrap()).unwrap();
    let manifest = format!(
        r#"{{"manifest_version":1,"flagstone_version":"0","id":"a","version":"{version}","architecture":"arm64",
        "source_date":1,"root_hash":"{}","hermetic":true,"artifacts":{{}},"packages":{{}}}}"#,
        tree.root_hash
    );
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", uki.as_slice()),
        ("manifest.json", manifest.as_bytes()),
        ("usr.erofs", &usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("a_{version}_arm64.{suffix}");
        fs::write(out.join(&name), data).unwrap();
        let _ = writeln!(sums, "{}  {name}", Sha256Digest::of(data));
    }
    fs::write(out.join("SHA256SUMS"), sums).unwrap();
    (usr, uki, tree)
}

const FILE: &str = "out/a_1_arm64.payload";

/// Makes keys `one` and `two` and a folder that trusts both of them.
fn keys(home: &Path, threshold: &str) {
    for name in ["one", "two"] {
        good(home, &["keys", "init", "--dir", "k", "--name", name, "--release"]);
    }
    fs::write(home.join("k/threshold"), threshold).unwrap();
}

#[test]
fn a_payload_is_made_verified_and_applied() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (usr, uki, tree) = build(home);
    keys(home, "2\n");
    let both = ["--key", "k/one.key", "--key", "k/two.key"];
    good(home, &[&["payload", "create", "out", "--floor", "0.9"][..], &both].concat());
    let file = fs::read(home.join(FILE)).unwrap();
    assert!(bad(home, 1, &[&["payload", "create", "out"][..], &both].concat()).contains("--force"));
    good(home, &[&["payload", "create", "out", "--force", "--floor", "0.9"][..], &both].concat());
    assert!(fs::read(home.join(FILE)).unwrap() == file, "the same release gives the same bytes");

    let shown = flagstone(home, &["payload", "inspect", FILE]);
    assert!(String::from_utf8_lossy(&shown.stderr).contains("not verified"));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("a_1_arm64"));
    let shown = good(home, &["payload", "inspect", "--json", FILE]);
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["verified"], false);
    assert_eq!(shown["root_hash"], tree.root_hash.to_string());
    assert_eq!(shown["version_floor"], "0.9");
    assert_eq!(shown["payload_bytes"], file.len());

    let verified = good(home, &["payload", "verify", "--json", FILE, "--keys", "k"]);
    let verified: serde_json::Value = serde_json::from_slice(&verified).unwrap();
    assert_eq!(verified["signed_by"].as_array().unwrap().len(), 2);
    let targets = ["--usr", "u", "--uki", "b.efi", "--verity", "v"];
    let apply = [&["payload", "apply", FILE, "--keys", "k"][..], &targets].concat();
    good(home, &apply);
    assert!(fs::read(home.join("u")).unwrap() == usr);
    assert!(fs::read(home.join("b.efi")).unwrap() == uki);
    assert!(fs::read(home.join("v")).unwrap() == tree.bytes);
    assert!(bad(home, 1, &apply).contains("--force"));
    good(home, &[apply.as_slice(), &["--force"]].concat());
}

#[test]
fn a_delta_needs_the_old_images() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (mut usr, ..) = build(home);
    keys(home, "1\n");
    usr.extend([7; 4096]);
    build_from(&home.join("new"), usr.clone());
    good(home, &["payload", "create", "new", "--from", "out", "--key", "k/one.key"]);
    let file = "new/a_1_arm64.from_1.payload";
    let shown = good(home, &["payload", "inspect", file]);
    assert!(String::from_utf8_lossy(&shown).contains("(delta)"));
    let apply = ["payload", "apply", file, "--keys", "k", "--usr", "u", "--uki", "b.efi"];
    assert!(bad(home, 1, &apply).contains("is a delta"));
    bad(home, 2, &[&apply[..], &["--old-usr", "out/a_1_arm64.usr.erofs"]].concat());
    let old = ["--old-usr", "out/a_1_arm64.usr.erofs", "--old-uki", "out/a_1_arm64.efi"];
    good(home, &[&apply[..], &old].concat());
    assert!(fs::read(home.join("u")).unwrap() == usr);
}

#[test]
fn one_call_writes_a_delta_from_each_old_release() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (mut usr, ..) = build(home);
    keys(home, "1\n");
    build_version(&home.join("two"), "2", [&usr[..], &[2; 4096]].concat());
    usr.extend([7; 4096]);
    build_version(&home.join("new"), "3", usr.clone());
    let create =
        ["payload", "create", "new", "--key", "k/one.key", "--from", "out", "--from", "two"];
    let shown = good(home, &[&create[..], &["--json"]].concat());
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    let files = ["new/a_3_arm64.from_1.payload", "new/a_3_arm64.from_2.payload"];
    assert_eq!([0, 1].map(|index| shown[index]["file"].as_str().unwrap()), files);
    for (file, old) in files.into_iter().zip(["out/a_1_arm64", "two/a_2_arm64"]) {
        let (old_usr, old_uki) = (format!("{old}.usr.erofs"), format!("{old}.efi"));
        let apply = ["payload", "apply", file, "--keys", "k", "--usr", "u", "--uki", "b.efi"];
        let old = ["--force", "--old-usr", &old_usr, "--old-uki", &old_uki];
        good(home, &[&apply[..], &old].concat());
        assert!(fs::read(home.join("u")).unwrap() == usr);
    }
    // A name for one file is none for two, and a version has one delta.
    assert!(bad(home, 1, &create).contains("--force"));
    assert!(bad(home, 1, &[&create[..], &["--output", "x"]].concat()).contains("--from once"));
    let twice = [&create[..], &["--from", "two", "--force"]].concat();
    assert!(bad(home, 1, &twice).contains("twice"));
}

#[test]
fn a_payload_can_come_from_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let (usr, ..) = build(home);
    keys(home, "1\n");
    good(home, &["payload", "create", "out", "--key", "k/one.key", "--zstd"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstone"));
    command.args(["payload", "apply", "-", "--keys", "k", "--usr", "u", "--uki", "b"]);
    let stdin = fs::File::open(home.join(FILE)).unwrap();
    let output = command.current_dir(home).stdin(Stdio::from(stdin)).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(home.join("u")).unwrap() == usr);
}

#[test]
fn nothing_is_done_for_a_payload_that_nobody_vouches_for() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    build(home);
    keys(home, "2\n");
    good(home, &["payload", "create", "out", "--key", "k/one.key", "--slots", "2"]);
    let targets = ["--usr", "u", "--uki", "b.efi"];
    // No keys are wrong usage, an empty folder is a failure.
    bad(home, 2, &["payload", "verify", FILE]);
    bad(home, 2, &[&["payload", "apply", FILE][..], &targets].concat());
    bad(home, 2, &["payload", "create", "out"]);
    fs::create_dir(home.join("none")).unwrap();
    let said = bad(home, 1, &["payload", "verify", FILE, "--keys", "none"]);
    assert!(said.contains("there is no trusted key"), "{said}");
    let said = bad(home, 1, &["payload", "verify", FILE, "--keys", "k"]);
    assert!(said.contains("1 of the 2 signatures") && said.contains("hint:"), "{said}");
    bad(home, 1, &[&["payload", "apply", FILE, "--keys", "k"][..], &targets].concat());

    good(home, &["payload", "sign", FILE, "--key", "k/two.key"]);
    good(home, &["payload", "verify", FILE, "--keys", "k"]);
    let mut data = fs::read(home.join(FILE)).unwrap();
    let at = data.len() - 1000;
    data[at] ^= 1;
    fs::write(home.join("changed"), &data).unwrap();
    let said =
        bad(home, 1, &[&["payload", "apply", "changed", "--keys", "k"][..], &targets].concat());
    assert!(said.contains("has the wrong data"), "{said}");
    assert!(bad(home, 1, &["payload", "sign", "changed", "--key", "k/one.key"]).contains("data"));
    let left: Vec<_> = fs::read_dir(home).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "out, k, none, changed: {left:?}");
    assert!(bad(home, 1, &["payload", "inspect", "k/one.pub"]).contains("CrAU"));
}

#[test]
fn a_key_on_another_machine_can_sign() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    build(home);
    keys(home, "1\n");
    let generate = ["genpkey", "-algorithm", "ed25519", "-out", "offline.pem"];
    let Some(made) = openssl(home, &generate) else { return };
    assert!(made);
    let export =
        ["pkey", "-in", "offline.pem", "-pubout", "-outform", "DER", "-out", "offline.der"];
    assert_eq!(openssl(home, &export), Some(true));
    let der = fs::read(home.join("offline.der")).unwrap();
    let key = der.last_chunk::<32>().unwrap();
    let id = &Sha256Digest::of(key).to_string()[..16];
    let digits = key.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    fs::create_dir(home.join("trust")).unwrap();
    let public = format!(
        "flagstone public key 1\nid: {id}\nname: offline\nkind: release key\ned25519: {digits}\n"
    );
    fs::write(home.join("trust/offline.pub"), public).unwrap();

    good(home, &["payload", "create", "out", "--to-sign", "said"]);
    bad(home, 1, &["payload", "verify", FILE, "--keys", "trust"]);
    for part in ["metadata", "payload"] {
        let (message, signature) = (format!("said.{part}"), format!("{part}.sig"));
        let arguments = [
            "pkeyutl",
            "-sign",
            "-inkey",
            "offline.pem",
            "-rawin",
            "-in",
            &message,
            "-out",
            &signature,
        ];
        assert_eq!(openssl(home, &arguments), Some(true));
    }
    let said = bad(
        home,
        1,
        &["payload", "sign", FILE, "--attach", "trust/offline.pub=payload.sig,metadata.sig"],
    );
    assert!(said.contains("the first file is no signature"), "{said}");
    let right = "trust/offline.pub=metadata.sig,payload.sig";
    good(home, &["payload", "sign", FILE, "--attach", right]);
    good(home, &["payload", "verify", FILE, "--keys", "trust"]);
    // What there is to sign is what it was.
    good(home, &["payload", "sign", FILE, "--to-sign", "again"]);
    assert_eq!(
        fs::read(home.join("said.payload")).unwrap(),
        fs::read(home.join("again.payload")).unwrap()
    );
    let said = bad(home, 1, &["payload", "sign", FILE, "--key", "k/one.key"]);
    assert!(said.contains("--slots"), "{said}");
    bad(home, 1, &["payload", "sign", FILE, "--attach", "offline"]);
}
