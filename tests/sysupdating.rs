//! A machine that systemd-sysupdate updates, from a folder that it reads over HTTP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flagstone_artifact::Sha256Digest;

use super::installing::flagstone;
use crate::boot_server::BootServer;
use crate::{guest, manifest, support};

/// How long both boots may take together, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(20);

const RECIPE: &str = "extends = \"ci\"\n\
    [image]\nversion = \"VERSION\"\n\
    [disk]\nesp = \"128M\"\nusr = \"256M\"\nroot = \"128M\"\n\
    [packages]\nadd = [\"gpg\", \"systemd-container\"]\n\
    [update]\nsysupdate = \"http://10.0.2.2:PORT/files\"\nsysupdate-keyring = \"release.gpg\"\n";

fn release(dir: &Path, port: u16, version: &str) -> PathBuf {
    let (recipe, out) = (format!("site-{version}.toml"), format!("out-{version}"));
    let text = RECIPE.replace("VERSION", version).replace("PORT", &port.to_string());
    fs::write(dir.join(&recipe), text + guest::DHCP).unwrap();
    let recipe = format!("./{recipe}");
    flagstone(&["build", &recipe, "--out", &out, "--no-pxe", "--no-disk-sum"], dir);
    dir.join(out)
}

fn gpg(home: &Path, arguments: &[&str]) {
    let status = Command::new("gpg").arg("--homedir").arg(home).args(arguments).status().unwrap();
    assert!(status.success(), "gpg {arguments:?}");
}

/// Signs the list by hand, as docs/repository.md has it.
fn publish(dir: &Path, keys: &Path, out: &Path) {
    flagstone(&["publish", "sysupdate", out.to_str().unwrap(), "site"], dir);
    let (list, signature) = (dir.join("site/SHA256SUMS"), dir.join("site/SHA256SUMS.gpg"));
    let arguments = ["--batch", "--detach-sign", "--output", signature.to_str().unwrap()];
    gpg(keys, &[&arguments[..], &[list.to_str().unwrap()]].concat());
}

#[test]
#[ignore = "boots QEMU"]
fn systemd_sysupdate_brings_a_machine_to_the_next_version() {
    let dir = support::scratch("smoke-sysupdate");
    // The path of its agent's socket has to be short.
    let keys = tempfile::tempdir().unwrap();
    let key = ["--batch", "--passphrase", "", "--quick-gen-key", "release", "ed25519", "sign"];
    gpg(keys.path(), &key);
    let keyring = dir.join("release.gpg");
    gpg(keys.path(), &["--batch", "--output", keyring.to_str().unwrap(), "--export"]);
    fs::create_dir(dir.join("site")).unwrap();
    let server = BootServer::start(&[&dir.join("site")]);
    let (first, second) = (release(&dir, server.port, "0.1"), release(&dir, server.port, "0.2"));
    publish(&dir, keys.path(), &second);
    let files = [".usr.erofs", ".usr.verity", ".efi"]
        .map(|suffix| fs::read(support::artifact(&second, suffix)).unwrap());
    let script = include_str!("guest/sysupdate.sh")
        .replace("USR_BYTES", &files[0].len().to_string())
        .replace("VERITY_BYTES", &files[1].len().to_string());
    fs::write(dir.join("sysupdate.sh"), script).unwrap();
    let boot = guest::boot_so(
        &support::artifact(&first, ".raw"),
        &dir.join("state"),
        LIMIT,
        &guest::Extras {
            script: Some(&dir.join("sysupdate.sh")),
            restarts_by: Some("update.service"),
            ..guest::Extras::default()
        },
    );
    drop(server);
    let _ =
        Command::new("gpgconf").arg("--homedir").arg(keys.path()).args(["--kill", "all"]).status();
    boot.assert_calm();
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("1.end"), "yes", "{:#?}", boot.report);

    // What it wrote, byte for byte, and what it is called.
    assert_eq!(of("0.updated"), "success", "{}", of("0.said"));
    for (key, file) in ["0.usr", "0.verity", "0.uki"].into_iter().zip(&files) {
        assert_eq!(of(key), Sha256Digest::of(file).to_string(), "{key}");
    }
    assert_eq!(of("0.labels"), "ci_0.2 ci_0.2_verity");
    let root_hash = manifest(&second)["root_hash"].as_str().unwrap().to_owned();
    assert_eq!(of("0.identifiers").replace(['-', ' '], "").to_lowercase(), root_hash);
    assert_eq!(of("0.entries"), "ci_0.1.efi ci_0.2+3.efi");

    // And it runs, and was found good.
    assert_eq!((of("0.version"), of("1.version")), ("0.1", "0.2"));
    assert_eq!(of("1.failed"), "");
    assert_eq!(of("1.entries"), "ci_0.1.efi ci_0.2.efi");
    assert_eq!(of("1.pending"), "no");
}
