//! `flagstone publish sysupdate`, and the real systemd-sysupdate that updates a disk from what it wrote.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_disk::{
    Content, Layout, LayoutRequest, PartitionSizes, Role, TableEntry, read_table, write_disk,
};
use flagstone_sysupdate::transfers;
use serde_json::Value;

#[path = "support/boot_server.rs"]
mod boot_server;
#[expect(dead_code, reason = "OpenSSL is a judge of other tests")]
#[path = "support/program.rs"]
mod program;
#[path = "support/release.rs"]
mod release;

/// What [`boot_server`] needs of the tests that boot.
mod support {
    pub(crate) const FLAGSTONE: &str = env!("CARGO_BIN_EXE_flagstone");
}

use boot_server::BootServer;
use program::{bad, good};

const MIB: u64 = 1 << 20;
const SIZES: PartitionSizes = PartitionSizes {
    esp_bytes: MIB,
    usr_bytes: 2 * MIB,
    verity_bytes: MIB,
    oem_bytes: MIB,
    root_bytes: MIB,
    head_room_percent: 10,
};

/// Starts systemd-sysupdate in a tree of its own, beside which the machine lies in /mnt. Its root, /dev and
/// /proc are this machine's, its network, too.
const CHROOT: &str = r#"
set -e
root=$1 machine=$2
shift 2
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --bind "$machine" "$root/mnt"
mount --bind "$machine/os-release" "$root/usr/lib/os-release"
mount --bind "$machine/keyring.gpg" "$root/usr/lib/systemd/import-pubring.gpg"
exec env --ignore-environment PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_ESP_PATH=/mnt/esp SYSTEMD_RELAX_ESP_CHECKS=1 \
    chroot "$root" /usr/lib/systemd/systemd-sysupdate --definitions=/mnt/transfers "$@"
"#;

/// A machine with release 1 in slot A, and the folder that it is updated from.
struct Machine {
    home: tempfile::TempDir,
    judge: PathBuf,
    architecture: Architecture,
    _server: BootServer,
}

impl Machine {
    /// Makes one, if there is a judge.
    fn new(architecture: Architecture) -> Option<Self> {
        let Some(judge) = std::env::var_os("FLAGSTONE_SYSUPDATE_ROOT") else {
            let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
            assert!(!required, "FLAGSTONE_SYSUPDATE_ROOT names no tree with systemd-sysupdate");
            println!("skipped: FLAGSTONE_SYSUPDATE_ROOT is not set");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        let machine = home.path().join("machine");
        for folder in ["site", "machine/transfers", "machine/esp/EFI/Linux"] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
        let server = BootServer::start(&[&home.path().join("site")]);
        let url = format!("http://127.0.0.1:{}/files", server.port);
        for transfer in transfers(&"a".parse().unwrap(), architecture, &url) {
            // What stands for the disk that the root is on.
            let text = transfer.text.replace("Path=auto", "Path=/mnt/disk");
            fs::write(machine.join("transfers").join(transfer.file_name), text).unwrap();
        }
        let this = Self { home, judge: judge.into(), architecture, _server: server };
        this.start();
        this.runs("1");
        Some(this)
    }

    fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    fn release(&self, version: &str) -> (ImageName, Sha256Digest) {
        release::write(&self.path(version), version, self.architecture)
    }

    fn artifact(&self, version: &str, suffix: &str) -> Vec<u8> {
        let name = format!("{version}/a_{version}_{}{suffix}", self.architecture);
        fs::read(self.path(&name)).unwrap()
    }

    fn layout(name: &ImageName, root_hash: Sha256Digest) -> Layout {
        Layout::plan(&LayoutRequest {
            name,
            root_hash,
            usr_image_bytes: 3 * 4096,
            verity_image_bytes: 2 * 4096,
            sizes: SIZES,
            seed: b"machine",
        })
        .unwrap()
    }

    /// Writes the disk and the kernel image of release 1, and makes the key that lists are signed by.
    fn start(&self) {
        let (name, root_hash) = self.release("1");
        let (usr, verity) = (self.artifact("1", ".usr.erofs"), self.artifact("1", ".usr.verity"));
        let stream = |data| Content::stream(data, (data as &[u8]).len() as u64);
        let contents = BTreeMap::from([
            (Role::UsrA, stream(usr.as_slice())),
            (Role::VerityA, stream(verity.as_slice())),
        ]);
        let mut disk = File::create_new(self.path("machine/disk")).unwrap();
        write_disk(&Self::layout(&name, root_hash), contents, &mut disk).unwrap();
        fs::write(self.path("machine/esp/EFI/Linux/a_1.efi"), self.artifact("1", ".efi")).unwrap();
        let key = ["--batch", "--passphrase", "", "--quick-gen-key", "release", "ed25519", "sign"];
        self.gpg(&key);
        let keyring = self.gpg(&["--export"]).stdout;
        fs::write(self.path("machine/keyring.gpg"), keyring).unwrap();
    }

    fn gpg(&self, arguments: &[&str]) -> Output {
        let mut gpg = Command::new("gpg");
        let output = gpg.args(arguments).env("HOME", self.home.path()).env_remove("GNUPGHOME");
        let output = output.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    /// Says which version runs, and was found good.
    fn runs(&self, version: &str) {
        let release = format!("ID=a\nIMAGE_ID=a\nIMAGE_VERSION={version}\n");
        fs::write(self.path("machine/os-release"), release).unwrap();
        let entry = |name: String| self.path("machine/esp/EFI/Linux").join(name);
        let _ = fs::rename(entry(format!("a_{version}+3.efi")), entry(format!("a_{version}.efi")));
    }

    fn publish(&self, version: &str, more: &[&str]) -> Value {
        let arguments = ["publish", "sysupdate", version, "site", "--json"];
        let said = good(self.home.path(), &[&arguments[..], more].concat());
        serde_json::from_slice(&said).unwrap()
    }

    /// Has the judge update; returns whether it did, and what it said.
    fn update(&self) -> (bool, String) {
        let mut command = Command::new("unshare");
        if fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap()
            != 0
        {
            command.arg("--map-root-user");
        }
        let shell = ["--mount", "sh", "-c", CHROOT, "sh"];
        command.args(shell).arg(&self.judge).arg(self.path("machine")).arg("update");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    }

    fn table(&self) -> Vec<TableEntry> {
        let mut disk = File::open(self.path("machine/disk")).unwrap();
        read_table(&mut disk).unwrap().entries
    }

    fn entries(&self) -> Vec<String> {
        let folder = fs::read_dir(self.path("machine/esp/EFI/Linux")).unwrap();
        let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Asserts that two partitions hold a release, and have the names that our own agent gives them.
    fn assert_slot(
        &self,
        [usr, verity]: [usize; 2],
        (name, root_hash): &(ImageName, Sha256Digest),
    ) {
        let version = name.version.as_str();
        let layout = Self::layout(name, *root_hash);
        let table = self.table();
        let disk = File::open(self.path("machine/disk")).unwrap();
        for (index, role, suffix) in
            [(usr, Role::UsrA, ".usr.erofs"), (verity, Role::VerityA, ".usr.verity")]
        {
            let (found, meant) = (&table[index - 1], layout.partition(role));
            assert_eq!(found.number as usize, index);
            assert_eq!(
                (&found.label, found.guid, found.type_guid, found.attributes),
                (&meant.label, meant.guid, meant.kind.guid(), meant.attributes)
            );
            let expected = self.artifact(version, suffix);
            let mut bytes = vec![0; expected.len()];
            disk.read_exact_at(&mut bytes, found.offset_bytes).unwrap();
            assert!(bytes == expected, "partition {index} is not {version}{suffix}");
        }
        let entry = format!("machine/esp/EFI/Linux/a_{version}+3.efi");
        assert_eq!(fs::read(self.path(&entry)).unwrap(), self.artifact(version, ".efi"));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its agent would look for a while whether its home is still there.
        let mut gpgconf = Command::new("gpgconf");
        let _ = gpgconf.args(["--kill", "all"]).env("HOME", self.home.path()).output();
    }
}

#[test]
fn systemd_sysupdate_writes_what_our_agent_would() {
    for architecture in Architecture::ALL {
        let Some(machine) = Machine::new(architecture) else { return };
        let before = machine.table();
        let second = machine.release("2");
        let report = machine.publish("2", &["--gpg-key", "release"]);
        assert_eq!(report["signed"], true);
        let (updated, said) = machine.update();
        assert!(updated, "{said}");
        machine.assert_slot([5, 6], &second);
        assert_eq!(machine.entries(), ["a_1.efi", "a_2+3.efi"]);
        // All but the slot is as it was.
        let after = machine.table();
        assert_eq!(after[..4], before[..4]);
        assert_eq!(after[6..], before[6..]);

        // From the folder with two versions, into the slot that the first one had.
        machine.runs("2");
        let third = machine.release("10.1-x");
        machine.publish("10.1-x", &["--gpg-key", "release"]);
        let (updated, said) = machine.update();
        assert!(updated, "{said}");
        machine.assert_slot([3, 4], &third);
        assert_eq!(machine.entries(), ["a_10.1-x+3.efi", "a_2.efi"]);
    }
}

#[test]
fn systemd_sysupdate_refuses_what_nobody_signed_and_what_was_changed() {
    let Some(machine) = Machine::new(Architecture::X86_64) else { return };
    let before = machine.table();
    machine.release("2");
    let assert_refused = |words: &str| {
        let (updated, said) = machine.update();
        assert!(!updated && said.contains(words), "{said}");
        assert_eq!(machine.entries(), ["a_1.efi"], "{words}");
        // Of the other slot, not even the label is a release's.
        let labels = |table: Vec<TableEntry>| table.into_iter().map(|entry| entry.label);
        assert!(labels(machine.table()).eq(labels(before.clone())), "{words}");
    };
    let report = machine.publish("2", &[]);
    assert_eq!(report["signed"], false);
    assert_refused("SHA256SUMS.gpg");
    // A list that another one was signed for.
    machine.publish("2", &["--gpg-key", "release"]);
    let (list, signed) = (machine.path("site/SHA256SUMS"), machine.path("signed"));
    fs::copy(&list, &signed).unwrap();
    let text = fs::read_to_string(&signed).unwrap();
    fs::write(&list, text.replacen("a_2", "a_3", 1)).unwrap();
    assert_refused("signature");
    fs::copy(&signed, &list).unwrap();
    let kernel = machine.path("site/a_2_x86-64.efi");
    fs::write(&kernel, "kernem 2").unwrap();
    assert_refused("tampered");
    // The same folder, as it was published.
    machine.publish("2", &[]);
    let (updated, said) = machine.update();
    assert!(updated, "{said}");
    assert_eq!(machine.entries(), ["a_1.efi", "a_2+3.efi"]);
}

#[test]
fn what_is_wrong_is_said_with_a_hint() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    release::write(&home.join("1"), "1", Architecture::X86_64);
    let said = bad(home, 1, &["publish", "sysupdate", "1", "site", "--gpg-key", "nobody"]);
    assert!(said.contains("gpg did not sign with nobody") && said.contains("hint:"), "{said}");
    assert!(!home.join("site/SHA256SUMS").exists());
    good(home, &["publish", "sysupdate", "1", "site"]);
    let said = bad(home, 1, &["publish", "sysupdate", "none", "site"]);
    assert!(said.contains("none cannot be published"), "{said}");
    fs::write(home.join("1/a_1_x86-64.efi"), "kernem 1").unwrap();
    fs::remove_file(home.join("site/a_1_x86-64.efi")).unwrap();
    let said = bad(home, 1, &["publish", "sysupdate", "1", "site"]);
    assert!(said.contains("as in SHA256SUMS") && said.contains("hint:"), "{said}");
    bad(home, 2, &["publish", "sysupdate", "1"]);
    release::write(&home.join("2~rc1"), "2~rc1", Architecture::X86_64);
    let said = bad(home, 1, &["publish", "sysupdate", "2~rc1", "site"]);
    assert!(said.contains("passes over version 2~rc1") && said.contains("hint:"), "{said}");
}
