//! From nothing to an installed machine: boots from memory, installs from there over HTTP, and boots
//! what was installed.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use flagstone_artifact::Sha256Digest;

use super::{LIMIT, assert_healthy, assert_provisioned, assert_sound_inside, ignition, manifest};
use crate::boot_server::BootServer;
use crate::{guest, support};

/// `base` with small partitions, since a guest without KVM writes them, and a key that it trusts.
const RECIPE: &str = "extends = \"base\"\n\
    [disk]\nesp = \"128M\"\nusr = \"256M\"\nroot = \"128M\"\n\
    [update]\nkeys = [\"keys/development.pub\"]\n";

/// Where the bad disk fails: sectors in the middle of slot A's data.
const BAD_SECTOR: u64 = 150 << 11;

const DISK_BYTES: u64 = 3 << 30;

/// How large an unusually large configuration for Ignition is.
const LARGE: usize = 10 << 20;

pub(crate) fn flagstone(arguments: &[&str], dir: &Path) {
    let mut command = Command::new(support::FLAGSTONE);
    let status = command.args(arguments).current_dir(dir).stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "flagstone {arguments:?}");
}

/// Makes a disk that was used for something before.
fn used_disk(path: &Path) {
    File::create(path).unwrap().set_len(DISK_BYTES).unwrap();
    let mut command = Command::new("sgdisk");
    let output = command.arg("--new=1:0:+10M").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Returns QEMU's arguments for a good and a bad disk.
fn disks(good: &Path, bad: &Path) -> Vec<String> {
    let failing = serde_json::json!({
        "driver": "blkdebug",
        "node-name": "bad",
        "image": { "driver": "file", "filename": bad },
        "inject-error": [{
            "event": "none", "iotype": "write", "errno": 5, "sector": BAD_SECTOR, "once": false,
        }],
    });
    let good = serde_json::json!({ "driver": "file", "node-name": "good", "filename": good });
    let words = [
        "-blockdev",
        &good.to_string(),
        "-device",
        "virtio-blk-pci,drive=good,serial=good",
        "-blockdev",
        &failing.to_string(),
        "-device",
        "virtio-blk-pci,drive=bad,serial=bad",
    ];
    words.map(str::to_owned).to_vec()
}

/// Returns how many of a file's first bytes are not zero.
fn written(path: &Path, length: u64) -> usize {
    let mut bytes = Vec::new();
    File::open(path).unwrap().take(length).read_to_end(&mut bytes).unwrap();
    bytes.iter().filter(|byte| **byte != 0).count()
}

/// Writes a configuration that is unusually large, and returns its digest. It comes over the network: the emulator's
/// own way takes a quarter of an hour for so much.
fn large_configuration(dir: &Path, name: &str) -> Sha256Digest {
    let path = ignition(dir, name);
    let large = format!(
        "\"files\": [{{ \"path\": \"/var/lib/large\", \"contents\": {{ \"source\": \"data:,{}\" }} }},",
        "x".repeat(LARGE)
    );
    let text = fs::read_to_string(&path).unwrap().replace("\"files\": [", &large);
    fs::write(path, &text).unwrap();
    Sha256Digest::of(text.as_bytes())
}

/// Returns the arguments that name a configuration by its digest.
pub(crate) fn ignition_by_digest(port: u16, name: &str, digest: &Sha256Digest) -> String {
    let url = format!("http://10.0.2.2:{port}/files/{name}.ign");
    format!("flagstone.ignition.url={url} flagstone.ignition.sha256={digest}")
}

#[test]
#[ignore = "boots QEMU"]
fn a_machine_that_booted_from_the_network_installs_itself() {
    let dir = support::scratch("smoke-install");
    flagstone(&["keys", "init", "--dir", "keys"], &dir);
    fs::write(dir.join("site.toml"), RECIPE).unwrap();
    let image = support::build("./site.toml", &dir);
    let out = dir.join("out");
    flagstone(&["sign", "out", "--key", "keys/development.key"], &dir);
    let manifest = manifest(&out);
    let site = dir.join("site");
    fs::create_dir(&site).unwrap();
    ignition(&site, "ours");
    let digest = large_configuration(&site, "netbooted");
    let (good, bad) = (dir.join("good.raw"), dir.join("bad.raw"));
    used_disk(&good);
    used_disk(&bad);

    let server = BootServer::start(&[&out, &site]);
    let install = include_str!("guest/install.sh")
        .replace("SERVER", &format!("http://10.0.2.2:{}", server.port))
        .replace("IMAGE", image.file_name().unwrap().to_str().unwrap());
    let script = [include_str!("guest/smoke.sh"), &install].join("\n");
    fs::write(dir.join("install.sh"), script).unwrap();
    let cmdline = format!(
        "{} ip=10.0.2.77::10.0.2.2:255.255.255.0:box::none systemd.set_credential=colour:blue",
        ignition_by_digest(server.port, "netbooted", &digest)
    );
    let boot = guest::boot_so(
        &image,
        &dir.join("netboot"),
        LIMIT,
        &guest::Extras {
            arguments: &["--pxe", "--memory", "1200", "--append", &cmdline],
            machine: &disks(&good, &bad),
            script: Some(&dir.join("install.sh")),
            ..guest::Extras::default()
        },
    );
    drop(server);
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_sound_inside(&boot, &manifest);
    assert_provisioned(&boot, "netbooted");
    assert!(!boot.console.contains("usrhash="), "the command line has a say in which /usr it is");
    assert_eq!(of("installed"), "yes", "{:?}; {}", boot.report, boot.diagnosis());
    assert_eq!((of("root_type"), of("keys")), ("tmpfs", "1"));
    // What the kernel's arguments said.
    assert_eq!((of("address"), of("colour")), ("10.0.2.77/24", "blue"));
    // The disk failed: told as such, and no machine boots what is on it.
    assert_eq!(of("bad_status"), "1", "{}", of("bad_words"));
    assert!(of("bad_words").contains("nothing is installed"), "{}", of("bad_words"));
    assert!(of("bad_words").contains("Input/output error"), "{}", of("bad_words"));
    assert_eq!((of("bad_first"), written(&bad, 1 << 20)), ("0", 0));
    assert_eq!(of("good_status"), "0", "{}", of("good_words"));
    assert_eq!(of("used_status"), "1", "{}", of("used_words"));
    assert!(of("used_words").contains("mounted"), "{}", of("used_words"));
    boot.assert_calm_but("disk error");

    // The disk itself says what it is; nobody else tells Ignition anything.
    let verdict = Command::new("sgdisk").arg("-v").arg(&good).output().unwrap();
    let words = String::from_utf8_lossy(&verdict.stdout);
    assert!(verdict.status.success() && words.contains("No problems found"), "{words}");
    let installed = guest::boot(&good, &dir.join("installed"), LIMIT);
    assert_healthy(&installed, &manifest);
    assert_provisioned(&installed, "ours");
}
