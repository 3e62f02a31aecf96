//! What Ignition makes of disks: partitions, file systems, swap, RAID, LUKS with its key in a file and in a TPM;
//! arguments of the kernel; and a server whose certificate only the configuration vouches for.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flagstone_artifact::Sha256Digest;
use flagstone_console::Stage;

use crate::boot_server::BootServer;
use crate::{LIMIT, guest, support};

/// How long the boots of the good configuration may take together, on a busy machine without KVM.
const BOTH: Duration = Duration::from_mins(16);

/// What watches arrays wants to know whom it tells; here, the journal.
const RECIPE: &str = "extends = \"ci\"\n\
    [image]\nid = \"storage\"\n\
    [packages]\nadd = [\"btrfs-progs\", \"ignition\", \"libtss2-esys-3.0.2-0t64\", \"libtss2-rc0t64\", \"mdadm\", \"xfsprogs\"]\n\
    [files.\"/etc/mdadm/mdadm.conf\"]\ncontent = \"PROGRAM /usr/bin/echo\\n\"\n";

const DISK_BYTES: u64 = 2 << 30;

/// Options of a LUKS volume whose key needs no slow derivation.
const FAST: &str =
    "\"options\": [\"--pbkdf\", \"pbkdf2\", \"--pbkdf-force-iterations\", \"1000\"],";

/// What the server has.
const HELLO: &[u8] = b"over a connection of our own";

/// Makes a certificate authority, and a certificate of it for the address that guests know this machine by.
fn certificates(dir: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let key = ["-newkey", "rsa:2048", "-nodes"];
    openssl(
        &[
            &[
                "req", "-x509", "-days", "3650", "-subj", "/CN=test", "-keyout", "ca.key", "-out",
                "ca.crt",
            ],
            &key[..],
        ]
        .concat(),
    );
    openssl(
        &[&["req", "-subj", "/CN=test", "-keyout", "server.key", "-out", "server.csr"], &key[..]]
            .concat(),
    );
    fs::write(dir.join("san"), "subjectAltName=IP:10.0.2.2\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-days",
        "3650",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "san",
        "-out",
        "server.crt",
    ]);
}

#[test]
#[ignore = "boots QEMU"]
fn ignition_makes_disks_and_goes_on_where_it_failed() {
    let dir = support::scratch("smoke-storing");
    fs::write(dir.join("storage.toml"), [RECIPE, guest::DHCP].concat()).unwrap();
    let image = support::build_with("./storage.toml", &["--no-pxe", "--no-disk-sum"], &dir);
    certificates(&dir);
    let site = dir.join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("hello"), HELLO).unwrap();
    let tls = ["--tls-cert", "server.crt", "--tls-key", "server.key"].map(|word| {
        if word.starts_with("--") { word.into() } else { dir.join(word).into_os_string() }
    });
    let server = BootServer::start_with(&[&site], &tls);
    let authority = fs::read_to_string(dir.join("ca.crt")).unwrap().replace('\n', "%0A");
    let config = include_str!("guest/storage.ign")
        .replace("AUTHORITY", &authority.replace(' ', "%20").replace('+', "%2B"))
        .replace("SERVER", &format!("10.0.2.2:{}", server.port));
    let write = |name: &str, config: &str, digest: Sha256Digest| {
        let path = dir.join(name);
        fs::write(&path, config.replace("DIGEST", &digest.to_string())).unwrap();
        path.display().to_string()
    };
    // What it writes there, on another file system than the next try's, is in the way of that.
    let lines = config.lines().filter(|line| !line.contains("kernelArguments"));
    let lines: Vec<String> = lines
        .map(|line| {
            if line.contains("by-partlabel/ROOT") {
                line.replace("btrfs", "xfs")
            } else if line.contains("open%20sesame") {
                // The good one keeps what takes long.
                format!("{line}{FAST}")
            } else {
                line.to_owned()
            }
        })
        .collect();
    let bad = write("bad.ign", &lines.join("\n"), Sha256Digest::of(b"another"));
    let good = write("good.ign", &config, Sha256Digest::of(HELLO));
    let disk = dir.join("data.raw");
    fs::File::create(&disk).unwrap().set_len(DISK_BYTES).unwrap();
    let machine = [
        "-drive".to_owned(),
        format!("if=none,format=raw,cache=unsafe,id=data,file={}", disk.display()),
        "-device".to_owned(),
        "virtio-blk-pci,drive=data,serial=data".to_owned(),
    ];
    let state = dir.join("state");
    // Its disks are made, and then a file is not what it should be.
    let arguments = ["--tpm", "--ignition", &bad];
    let failed = guest::boot_so(
        &image,
        &state,
        LIMIT,
        &guest::Extras {
            arguments: &arguments,
            machine: &machine,
            ends_when_failed: true,
            ..guest::Extras::default()
        },
    );
    assert_eq!(failed.report.get("end"), None, "{:?}", failed.report);
    assert_eq!(failed.stopped_at(), Some(Stage::Ignition), "{}", failed.diagnosis());
    assert!(failed.console.contains("9): Mounting V5 Filesystem"), "ROOT has another file system");
    let cause = "what Ignition fetched has another digest than the configuration says";
    assert!(failed.diagnosis().contains(cause), "{}", failed.diagnosis());

    let arguments = ["--tpm", "--ignition", &good];
    let boot = guest::boot_so(
        &image,
        &state,
        BOTH,
        &guest::Extras {
            arguments: &arguments,
            script: Some("storage.sh".as_ref()),
            restarts_by: Some("update.service"),
            machine: &machine,
            ..guest::Extras::default()
        },
    );
    drop(server);
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("1.end"), "yes", "{:#?}; {}", boot.report, boot.diagnosis());
    boot.assert_calm();
    let words = "the machine was not provisioned to the end";
    assert!(boot.console.contains(words), "nobody emptied ROOT");
    let added = "kernel arguments: added: flagstone.test=1 flagstone.more";
    assert_eq!(boot.console.matches(added).count(), 1, "the machine starts again for them once");
    for step in ["0", "1"] {
        let of = |key: &str| of(&format!("{step}.{key}"));
        assert_eq!(of("failed"), "", "step {step}");
        assert_eq!(of("root"), "btrfs");
        assert!(of("root_bytes").parse::<u64>().unwrap() > 4 << 30, "{}", of("root_bytes"));
        assert_eq!(of("swap"), "partition 65532");
        assert_eq!(of("many"), "xfs kept there");
        assert_eq!(of("mirror"), "ext4 raid1 [UU]");
        assert_eq!(of("secret"), "ext4 aes-xts-plain64");
        // A key that the TPM keeps, and no other.
        assert_eq!(of("sealed"), "ext4 aes-xts-plain64 tokens=systemd-tpm2 slots=1");
        assert_eq!(of("registers"), "7");
        // Without the one that the image has itself.
        assert_eq!(of("arguments"), "flagstone.test=1 flagstone.more");
        assert_eq!(of("hello"), String::from_utf8_lossy(HELLO));
    }
}
