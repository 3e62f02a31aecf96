//! `flagstone keys` and `flagstone sign`, with OpenSSL as judge and as a key on another machine.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flagstone_artifact::Sha256Digest;

#[path = "support/program.rs"]
mod program;

use program::{bad, good, openssl};

/// Makes a folder `out` as a build leaves it.
fn build(home: &Path) {
    let out = home.join("out");
    fs::create_dir(&out).unwrap();
    let mut sums = String::new();
    for (name, data) in [("a_1.raw", "disk"), ("a_1.efi", "kernel")] {
        fs::write(out.join(name), data).unwrap();
        let _ = writeln!(sums, "{}  {name}", Sha256Digest::of(data.as_bytes()));
    }
    fs::write(out.join("SHA256SUMS"), sums).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn keys_are_made_once_and_kept_from_others() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let dir = home.join(".config/flagstone/keys");
    let made = String::from_utf8(good(home, &["keys", "init"])).unwrap();
    assert_eq!((mode(&dir), mode(&dir.join("development.key"))), (0o700, 0o600));
    let private = fs::read_to_string(dir.join("development.key")).unwrap();
    assert!(private.contains("kind: development key\n"));
    assert!(bad(home, 1, &["keys", "init"]).contains("hint: a key is never replaced"));
    assert_eq!(fs::read_to_string(dir.join("development.key")).unwrap(), private);

    let dir = dir.to_str().unwrap();
    let shown = String::from_utf8(good(home, &["keys", "show", dir])).unwrap();
    assert!(made.lines().all(|line| shown.contains(line)), "{shown}");
    let json = good(home, &["keys", "show", "--json", dir]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 2);
    assert_eq!(json[0]["id"], json[1]["id"]);
    assert_eq!(json[0]["kind"], "development key");

    let key = format!("{dir}/development.key");
    let exported = good(home, &["keys", "export", &key]);
    assert_eq!(exported, fs::read(format!("{dir}/development.pub")).unwrap());
    assert_eq!(good(home, &["keys", "export", "--format", "der", &key]).len(), 44);
    let seed = private.lines().find(|line| line.starts_with("seed")).unwrap();
    for arguments in [&["keys", "show", dir][..], &["keys", "export", &key]] {
        assert!(!String::from_utf8_lossy(&good(home, arguments)).contains(&seed[6..]));
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(bad(home, 1, &["keys", "show", &key]).contains("chmod 600"));
    assert!(bad(home, 2, &["keys", "init", "--name", "../a"]).contains("a key's name"));
}

#[test]
fn a_folder_is_signed_only_if_every_file_is_what_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    build(home);
    good(home, &["keys", "init", "--dir", "k", "--name", "one"]);
    good(home, &["keys", "init", "--dir", "k", "--name", "two", "--release"]);
    let signature = home.join("out/SHA256SUMS.sig");
    fs::write(home.join("out/a_1.raw"), "disc").unwrap();
    let said = bad(home, 1, &["sign", "out", "--key", "k/one.key"]);
    assert!(said.contains("a_1.raw has the wrong digest") && !signature.exists(), "{said}");
    fs::remove_file(home.join("out/a_1.raw")).unwrap();
    bad(home, 1, &["sign", "out", "--key", "k/one.key"]);
    fs::write(home.join("out/a_1.raw"), "disk").unwrap();

    bad(home, 2, &["sign", "out"]);
    bad(home, 1, &["sign", "out", "--key", "k/one.pub"]);
    assert!(bad(home, 1, &["sign", "k", "--key", "k/one.key"]).contains("flagstone build"));
    assert!(!signature.exists());
    good(home, &["sign", "out", "--key", "k/one.key"]);
    let one = fs::read_to_string(&signature).unwrap();
    assert_eq!((one.lines().count(), mode(&signature)), (3, 0o644));
    assert!(bad(home, 1, &["sign", "out", "--key", "k/two.key"]).contains("hint: --add"));
    assert_eq!(fs::read_to_string(&signature).unwrap(), one);
    let json = good(home, &["sign", "out", "--add", "--json", "--key", "k/two.key"]);
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["files"], json["signed_by"].as_array().unwrap().len()), (&2.into(), 1));
    let both = fs::read_to_string(&signature).unwrap();
    assert_eq!(both.lines().count(), 4);
    good(home, &["sign", "out", "--force", "--key", "k/two.key", "--key", "k/one.key"]);
    assert_eq!(fs::read_to_string(&signature).unwrap(), both);
    // Nothing is left of temporary files.
    assert_eq!(fs::read_dir(home.join("out")).unwrap().count(), 4);
}

#[test]
fn a_key_on_another_machine_signs_with_openssl() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    build(home);
    good(home, &["sign", "out", "--to-sign", "message"]);
    // What leaves the house and comes back is bytes.
    let mut key = vec!["genpkey", "-algorithm", "ed25519", "-out", "offline.pem"];
    if openssl(home, &key).is_none() {
        return;
    }
    key = vec!["pkey", "-in", "offline.pem", "-pubout", "-outform", "DER", "-out", "offline.der"];
    openssl(home, &key);
    let sign = ["pkeyutl", "-sign", "-inkey", "offline.pem", "-rawin", "-in", "message"];
    assert_eq!(openssl(home, &[&sign[..], &["-out", "raw"]].concat()), Some(true));
    let der = fs::read(home.join("offline.der")).unwrap();
    let mut digits = String::new();
    der[12..].iter().for_each(|byte| write!(digits, "{byte:02x}").unwrap());
    let id = &Sha256Digest::of(&der[12..]).to_string()[..16];
    let public = format!(
        "flagstone public key 1\nid: {id}\nname: offline\nkind: release key\ned25519: {digits}\n"
    );
    fs::write(home.join("offline.pub"), public).unwrap();
    good(home, &["sign", "out", "--attach", "offline.pub=raw"]);
    let text = fs::read_to_string(home.join("out/SHA256SUMS.sig")).unwrap();
    assert!(text.lines().nth(2).unwrap().starts_with(id));

    // A signature on something else is not attached.
    let mut raw = fs::read(home.join("raw")).unwrap();
    raw[0] ^= 1;
    fs::write(home.join("raw"), raw).unwrap();
    let said = bad(home, 1, &["sign", "out", "--force", "--attach", "offline.pub=raw"]);
    assert!(said.contains("does not fit"), "{said}");
    assert_eq!(fs::read_to_string(home.join("out/SHA256SUMS.sig")).unwrap(), text);

    // And the other way round: OpenSSL verifies what Flagstone signs.
    good(home, &["keys", "init", "--dir", "k"]);
    good(home, &["keys", "export", "--format", "der", "--out", "k.der", "k/development.key"]);
    good(home, &["sign", "out", "--force", "--key", "k/development.key"]);
    let text = fs::read_to_string(home.join("out/SHA256SUMS.sig")).unwrap();
    let digits = text.lines().nth(2).unwrap().split_once(' ').unwrap().1;
    let raw: Vec<u8> =
        (0..64).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    fs::write(home.join("raw"), raw).unwrap();
    let verify = [
        "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "k.der", "-rawin", "-in",
        "message", "-sigfile", "raw",
    ];
    assert_eq!(openssl(home, &verify), Some(true));
}

#[test]
fn trusted_keys_are_rotated_and_never_to_nobody() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    for name in ["a", "b"] {
        good(home, &["keys", "init", "--dir", "k", "--name", name]);
    }
    let id = |name: &str| {
        let shown = good(home, &["keys", "show", &format!("k/{name}.pub")]);
        String::from_utf8(shown).unwrap().split(' ').next().unwrap().to_owned()
    };
    let (a, b) = (id("a"), id("b"));
    fs::create_dir(home.join("trusted")).unwrap();
    fs::copy(home.join("k/a.pub"), home.join("trusted/a.pub")).unwrap();
    let folder = || {
        let names = fs::read_dir(home.join("trusted")).unwrap();
        let mut names: Vec<_> =
            names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };

    // Two keys without a number, nobody at all, more than there are: nothing is changed.
    for (arguments, words) in [
        (&["--add", "k/b.pub"][..], "threshold"),
        (&["--revoke", &a], "trust nobody"),
        (&["--threshold", "2"], "trust nobody"),
        (&["--add", "k/none.pub"], "none.pub"),
    ] {
        let said = bad(home, 1, &[&["keys", "rotate", "trusted"], arguments].concat());
        assert!(said.contains(words), "{said}");
        assert_eq!(folder(), ["a.pub"]);
    }
    bad(home, 2, &["keys", "rotate", "trusted"]);

    good(home, &["keys", "rotate", "trusted", "--add", "k/b.key", "--threshold", "1"]);
    assert_eq!(folder(), ["a.pub", "b.pub", "threshold"]);
    good(home, &["keys", "rotate", "trusted", "--revoke", &a]);
    let revoked = fs::read_to_string(home.join("trusted/revoked")).unwrap();
    assert_eq!(revoked, format!("flagstone revoked keys 1\n{a}\n"));
    let said = bad(home, 1, &["keys", "rotate", "trusted", "--revoke", &b]);
    assert!(said.contains("trust nobody"), "{said}");
    let keys = flagstone_signature::read_trusted_keys(&home.join("trusted")).unwrap();
    assert_eq!(keys.keys().map(|key| key.id().to_string()).collect::<Vec<_>>(), [b]);

    // A name that another key has.
    good(home, &["keys", "init", "--dir", "other", "--name", "b"]);
    let said = bad(home, 1, &["keys", "rotate", "trusted", "--add", "other/b.pub"]);
    assert!(said.contains("same name"), "{said}");
}
