//! Boots real images through UEFI firmware in QEMU, and asks them from inside how they are.
//!
//! Ignored by default, since each boot takes minutes without KVM: `tests/run` runs them.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flagstone_console::Stage;

use log_in::{Key, free_port};

// The longest test: it starts first, by its name.
mod agent_updates;
#[path = "support/boot_server.rs"]
mod boot_server;
mod clouds;
mod extending;
#[path = "support/guest.rs"]
mod guest;
mod installing;
#[path = "support/log_in.rs"]
mod log_in;
mod refusing;
mod sealing;
mod storing;
mod support;
mod sysupdating;
mod torturing;
// It waits until no other machine runs: it starts last, by its name.
mod whole_cluster;

/// How long one boot may take, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(12);

/// What `base` may listen on: ssh, the stub resolver, and DHCP's client on its own address.
const LISTENING: [&str; 6] = [
    "tcp/0.0.0.0:22",
    "tcp/[::]:22",
    "tcp/127.0.0.53%lo:53",
    "tcp/127.0.0.54:53",
    "udp/127.0.0.53%lo:53",
    "udp/127.0.0.54:53",
];

/// Kernel settings, in the order in which smoke.sh asks for them.
const SYSCTL: &str = "1 2 1 1 1 1 2";

/// What sshd says of itself: keys alone.
const SSHD: &str = "kbdinteractiveauthentication no;passwordauthentication no;permitemptypasswords no;\
                    permitrootlogin without-password;x11forwarding no;";

fn manifest(out: &Path) -> serde_json::Value {
    let text = fs::read(support::artifact(out, ".manifest.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// What must hold inside any healthy image, wherever it was booted from.
fn assert_sound(boot: &guest::Boot, manifest: &serde_json::Value) {
    boot.assert_calm();
    assert_sound_inside(boot, manifest);
}

/// What such an image reports itself.
fn assert_sound_inside(boot: &guest::Boot, manifest: &serde_json::Value) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    let end = "the guest did not report to the end; see console.log";
    assert_eq!(of("end"), "yes", "{end}: {}", boot.diagnosis());
    let (id, version) = (manifest["id"].as_str().unwrap(), manifest["version"].as_str().unwrap());
    assert_eq!(of("image"), format!("{id} {version}"));
    assert_eq!(of("boot_complete"), "active");
    assert_eq!(of("failed"), "");
    assert_eq!(of("usr_source"), "/dev/mapper/usr");
    assert_eq!(of("usr_type"), "erofs");
    assert!(of("usr_options").split(',').any(|option| option == "ro"), "{}", of("usr_options"));
    assert_eq!(of("usr_verity"), "verity V");
    assert_eq!(of("usr_written"), "no");
    assert_eq!(of("root_hash"), manifest["root_hash"].as_str().unwrap());
    assert_eq!(of("etc_type"), "overlay");
    assert_eq!(of("machine_id").len(), 32);
    // What docs/security.md says of a machine that runs.
    assert_eq!(of("world_writable"), "");
    assert_eq!(of("shadow"), "0", "an account has a password");
    assert_eq!(of("sysctl"), SYSCTL);
}

/// What must hold inside any healthy image on a disk.
fn assert_healthy(boot: &guest::Boot, manifest: &serde_json::Value) {
    assert_sound(boot, manifest);
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    let (id, version) = (manifest["id"].as_str().unwrap(), manifest["version"].as_str().unwrap());
    assert_eq!(of("root_type"), "ext4");
    assert!(of("root_bytes").parse::<u64>().unwrap() > 4 << 30, "ROOT has {}", of("root_bytes"));
    // The loader's counter is gone from the name: the boot was found good.
    assert_eq!(of("entries"), format!("{id}_{version}.efi"));
}

/// What Ignition was told to do, and under which name.
fn assert_provisioned(boot: &guest::Boot, name: &str) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("hostname"), name);
    assert_eq!(of("provisioned"), name);
    assert_eq!(of("unit"), "ran");
    let core = of("core");
    assert!(core.starts_with("1000 ssh-ed25519 ") && core.ends_with(name), "{core}");
    assert_eq!(of("link"), "/var/lib/provisioned-by-test");
    assert_eq!(of("crew"), "crew:x:1234:core");
    assert_eq!(of("instance"), "one");
}

/// Writes a configuration for Ignition that gives a machine its name, a key, a file and a unit.
fn ignition(dir: &Path, name: &str) -> String {
    let text = include_str!("guest/node.ign").replace("NAME", name);
    let path = dir.join(format!("{name}.ign"));
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// Boots a machine for the first time, and logs in over the network meanwhile: with the key that its configuration
/// gives, and with another one.
fn first_boot_with_log_in(image: &Path, dir: &Path, config: &str) -> guest::Boot {
    let [known, stranger] = ["ours", "stranger"].map(|name| Key::new(dir, name));
    let text = fs::read_to_string(config).unwrap();
    let dummy = text.split('"').find(|part| part.starts_with("ssh-ed25519 ")).unwrap();
    fs::write(config, text.replace(dummy, &known.public())).unwrap();
    let script = dir.join("log-in.sh");
    let parts = [include_str!("guest/smoke.sh"), include_str!("guest/log-in.sh")];
    fs::write(&script, parts.join("\n")).unwrap();
    // Whoever logs in has no patience for machines that wait for their turn.
    let _place = guest::Places::one();
    let port = free_port();
    let (arguments, state) =
        (["--ignition", config, "--ssh-port", &port.to_string()], dir.join("state"));
    let extras = guest::Extras {
        arguments: &arguments,
        script: Some(&script),
        needs_no_place: true,
        ..guest::Extras::default()
    };
    std::thread::scope(|scope| {
        let logging_in = scope.spawn(|| {
            let refused = stranger.run("core", port, "true");
            let command = "echo $(id -un) on $(cat /proc/sys/kernel/hostname) | tee /tmp/logged-in";
            (refused, known.run("core", port, command))
        });
        let boot = guest::boot_so(image, &state, LIMIT, &extras);
        let (refused, let_in) = logging_in.join().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("Permission denied (publickey)"), "{refused:?}");
        assert_eq!(String::from_utf8_lossy(&let_in.stdout), "core on ours\n", "{let_in:?}");
        assert_eq!(boot.report["logged_in"], "core on ours");
        boot
    })
}

#[test]
#[ignore = "boots QEMU"]
fn base_boots_healthy_twice_and_says_what_ails_it_later() {
    let dir = support::scratch("smoke-base");
    let image = support::build("base", &dir);
    let manifest = manifest(&dir.join("out"));
    let before = fs::metadata(&image).unwrap().modified().unwrap();

    let (state, ours, other) = (dir.join("state"), ignition(&dir, "ours"), ignition(&dir, "other"));
    let first = first_boot_with_log_in(&image, &dir, &ours);
    assert_healthy(&first, &manifest);
    assert_provisioned(&first, "ours");
    assert_eq!(first.report["earlier_boots"], "0");
    let listening: BTreeSet<&str> = first.report["listening"]
        .split_whitespace()
        .filter(|socket| !(socket.starts_with("udp/10.0.2.15%") && socket.ends_with(":68")))
        .collect();
    assert_eq!(listening, BTreeSet::from(LISTENING));
    assert_eq!(first.report["sshd"], SSHD);

    // A machine is provisioned once.
    let script = dir.join("ail.sh");
    let smoke = include_str!("guest/smoke.sh");
    fs::write(&script, format!("{smoke}{}", include_str!("guest/ail.sh"))).unwrap();
    let second = guest::boot_so(
        &image,
        &state,
        LIMIT,
        &guest::Extras {
            arguments: &["--ignition", &other],
            script: Some(&script),
            ..guest::Extras::default()
        },
    );
    assert_healthy(&second, &manifest);
    assert_provisioned(&second, "ours");
    assert_eq!(second.report["earlier_boots"], "1");
    // Nor does its initrd use the network again.
    let initrd = second.console.split("initrd-switch-root.target").next().unwrap();
    for unit in ["systemd-networkd.service", "ignition-disks.service"] {
        assert!(!initrd.contains(unit), "{unit} was in the initrd of the second boot");
    }
    for kept in ["machine_id", "host_key", "disk_guid"] {
        assert!(!first.report[kept].is_empty(), "{kept}");
        assert_eq!(first.report[kept], second.report[kept], "{kept}");
    }
    assert_ne!(first.report["disk_guid"].to_lowercase(), disk_guid(&image));
    assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), before, "the image was changed");
    assert_ailing(&image, &state);
}

/// Boots a machine that has lost its /etc and any room on ROOT, and then one whose ROOT is damaged, twice.
fn assert_ailing(image: &Path, state: &Path) {
    let lost = guest::boot(image, state, LIMIT);
    for words in ["ROOT: it is full", "everything that this machine had of its own in /etc is lost"]
    {
        assert!(lost.console.contains(words), "nobody says {words:?}: {}", lost.diagnosis());
    }
    let read_only = "type=11,value=io.systemd.stub.kernel-cmdline-extra=ro";
    let machine = ["-smbios", read_only].map(str::to_owned);
    let failing = guest::Extras { ends_when_failed: true, ..guest::Extras::default() };
    let extras = guest::Extras { machine: &machine, ..failing };
    let boot = guest::boot_so(image, state, LIMIT, &extras);
    assert_eq!(boot.report.get("end"), None, "{:?}", boot.report);
    assert_eq!(boot.stopped_at(), Some(Stage::Root), "{}", boot.diagnosis());
    assert!(boot.diagnosis().contains("ROOT cannot be written to"), "{}", boot.diagnosis());
    let table = flagstone_disk::read_table(&mut File::open(image).unwrap()).unwrap();
    let root = table.entries.iter().find(|entry| entry.label == "ROOT").unwrap();
    // Inodes and maps of the first groups; then the superblock, too.
    for (offset, length, cause) in [
        (4096, 64 << 20, "the file system of ROOT is damaged, and cannot be repaired"),
        (0, 64 << 10, "the file system of ROOT has lost its beginning"),
    ] {
        let write = format!(
            "write -P 0x{} {} {length}",
            if offset == 0 { "00" } else { "a5" },
            root.offset_bytes + offset
        );
        let mut command = Command::new("qemu-io");
        let output = command
            .args(["-f", "qcow2", "-c", &write])
            .arg(state.join("disk.qcow2"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let boot = guest::boot_so(image, state, LIMIT, &failing);
        assert_eq!(boot.report.get("end"), None, "{:?}", boot.report);
        assert_eq!(boot.stopped_at(), Some(Stage::Root), "{}", boot.diagnosis());
        assert!(boot.diagnosis().contains(cause), "{}", boot.diagnosis());
    }
}

/// What a kubelet expects of a machine.
fn assert_kubelet(boot: &guest::Boot) {
    for (key, expected) in [
        ("containerd", "active"),
        ("cri", "ok"),
        ("overlayfs", "ok"),
        ("bridge", "1"),
        ("forward", "1"),
        ("overcommit", "1"),
        ("loopback", "/usr/lib/cni/loopback"),
        ("modules", "br_netfilter ip_vs nf_conntrack overlay"),
        ("propagation", "shared"),
    ] {
        assert_eq!(boot.report[key], expected, "{key}");
    }
    assert!(boot.report["iptables"].contains("nf_tables"), "{}", boot.report["iptables"]);
}

#[test]
#[ignore = "boots QEMU"]
fn base_for_arm64_boots_healthy() {
    let dir = support::scratch("smoke-arm64");
    let image = support::build_with("base", &["--arch", "arm64"], &dir);
    // A configuration in which nothing is, as a machine may be given by mistake.
    let empty = dir.join("empty.ign");
    File::create(&empty).unwrap();
    let arguments = ["--ignition", empty.to_str().unwrap()];
    let boot = guest::boot_with(&image, &dir.join("state"), LIMIT, &arguments);
    assert_healthy(&boot, &manifest(&dir.join("out")));
    assert_eq!(boot.report["machine"], "aarch64");
}

#[test]
#[ignore = "boots QEMU"]
fn a_flipped_bit_in_a_used_block_of_usr_is_never_healthy() {
    let dir = support::scratch("smoke-tamper");
    let image = support::build_uncompressed("ci", &dir);
    let usr = support::artifact(&dir.join("out"), ".usr.erofs");
    let in_usr = first_block_of(&usr, "/lib/systemd/systemd");
    let disk = File::options().read(true).write(true).open(&image).unwrap();
    let at = slot_a(&disk) + in_usr + 100;
    let mut byte = [0];
    disk.read_exact_at(&mut byte, at).unwrap();
    disk.write_all_at(&[byte[0] ^ 1], at).unwrap();
    drop(disk);

    let failing = guest::Extras { ends_when_failed: true, ..guest::Extras::default() };
    let boot = guest::boot_so(&image, &dir.join("state"), LIMIT, &failing);
    assert_eq!(boot.report.get("end"), None, "{:?}", boot.report);
    assert!(
        !boot.console.contains("Reached target boot-complete.target"),
        "the boot was called complete"
    );
    assert!(boot.console.contains("is corrupted"), "dm-verity said nothing");
    assert!(boot.console.contains("Kernel panic"), "the machine went on");
    assert!(boot.console.contains("Rebooting in 5 seconds"), "the machine stays as it is");
    assert_eq!(boot.stopped_at(), Some(Stage::Verity), "{}", boot.diagnosis());
}

#[test]
#[ignore = "boots QEMU"]
fn a_flipped_bit_in_an_initrd_with_usr_is_never_healthy() {
    let dir = support::scratch("smoke-netboot-tamper");
    let image = support::build_uncompressed("ci", &dir);
    let usr = support::artifact(&dir.join("out"), ".usr.erofs");
    let initrd = support::artifact(&dir.join("out"), ".pxe-initrd");
    let mut start = vec![0; 4096];
    File::open(&usr).unwrap().read_exact_at(&mut start, 0).unwrap();
    let mut bytes = fs::read(&initrd).unwrap();
    let usr_at = bytes.windows(start.len()).position(|window| window == start).unwrap();
    let at = usr_at + usize::try_from(first_block_of(&usr, "/lib/systemd/systemd")).unwrap() + 100;
    bytes[at] ^= 1;
    fs::write(&initrd, bytes).unwrap();

    let failing =
        guest::Extras { arguments: &["--pxe"], ends_when_failed: true, ..guest::Extras::default() };
    let boot = guest::boot_so(&image, &dir.join("state"), LIMIT, &failing);
    assert_eq!(boot.report.get("end"), None, "{:?}", boot.report);
    assert!(
        !boot.console.contains("Reached target boot-complete.target"),
        "the boot was called complete"
    );
    assert!(boot.console.contains("is corrupted"), "dm-verity said nothing");
    assert!(boot.console.contains("Kernel panic"), "the machine went on");
    assert!(boot.console.contains("Rebooting in 5 seconds"), "the machine stays as it is");
    assert_eq!(boot.stopped_at(), Some(Stage::Verity), "{}", boot.diagnosis());
}

/// Returns where a file's data begins in an EROFS image, as `dump.erofs` sees it.
fn first_block_of(image: &Path, path: &str) -> u64 {
    let mut command = Command::new("dump.erofs");
    let output = command.arg("-e").arg(format!("--path={path}")).arg(image).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // "   0:        0..    4096 |    4096 :     123..  456 |   4096"
    let extent = text.lines().find(|line| line.trim_start().starts_with("0:")).expect(&text);
    let physical = extent.rsplit(':').next().unwrap();
    physical.split("..").next().unwrap().trim().parse().unwrap()
}

/// Returns where partition 3 begins, in bytes (UEFI 2.10, 5.3.3).
fn slot_a(disk: &File) -> u64 {
    let mut lba = [0; 8];
    disk.read_exact_at(&mut lba, 1024 + 2 * 128 + 32).unwrap();
    u64::from_le_bytes(lba) * 512
}

/// Returns the GUID in an image's primary header (UEFI 2.10, 5.3.2), in lower case.
fn disk_guid(image: &Path) -> String {
    let mut guid = [0; 16];
    File::open(image).unwrap().read_exact_at(&mut guid, 512 + 56).unwrap();
    // The first three groups are little-endian, the others as they stand.
    guid[0..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    let hex = u128::from_be_bytes(guid);
    let hex = format!("{hex:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
