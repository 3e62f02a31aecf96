//! Two machines through updates, the one through good ones and the other through bad ones: each boot is a cold one, by
//! firmware and loader.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flagstone_artifact::Sha256Digest;
use flagstone_image::verity::{HashTree, Parameters};

use super::installing::flagstone;
use crate::boot_server::BootServer;
use crate::{assert_healthy, guest, manifest, support};

/// How long all boots may take together, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(40);

/// `ci`, which starts in less time than `base`, with what it needs to reach the server, a key that it trusts, and small
/// partitions, since a guest without KVM writes them.
const RECIPE: &str = "extends = \"ci\"\n\
    [image]\nid = \"site\"\nversion = \"VERSION\"\n\
    [disk]\nesp = \"128M\"\nusr = \"256M\"\nroot = \"128M\"\n\
    [update]\nkeys = [KEYS]\nthreshold = 1\nroot = \"repo/metadata/1.root.json\"\n\
    url = \"http://10.0.2.2:PORT/files\"\n\
    [files.\"/etc/default-of\"]\ncontent = \"VERSION\\n\"\n";

/// Where a payload is damaged, or ends too soon: in /usr, some megabytes from its start.
const DAMAGED: usize = 5 << 20;

/// The repository of updates.
const REPOSITORY: [&str; 4] = ["--repository", "repo", "--keys", "repo-keys"];

/// Builds a version into a folder of its own.
fn release(dir: &Path, port: u16, version: &str, more: &str) -> PathBuf {
    let name = format!("site-{version}.toml");
    // From the second version on, the next key is trusted beside the first.
    let next = if version == "0.1" { "" } else { ", \"keys/next.pub\"" };
    let keys = format!("\"keys/development.pub\"{next}");
    let recipe = RECIPE
        .replace("VERSION", version)
        .replace("KEYS", &keys)
        .replace("PORT", &port.to_string());
    fs::write(dir.join(&name), recipe + guest::DHCP + more).unwrap();
    let out = format!("site-{version}");
    flagstone(&["build", &format!("./{name}"), "--out", &out, "--no-pxe", "--no-disk-sum"], dir);
    dir.join(out)
}

fn payload(dir: &Path, key: &str, out: &Path, name: &str, more: &[&str]) {
    let output = format!("site/{name}");
    let out = out.to_str().unwrap();
    let arguments = ["payload", "create", out, "--key", key, "--zstd", "--output", &output];
    flagstone(&[&arguments, more].concat(), dir);
}

/// Makes the build of a version that has another /usr, which no recipe would give: its kernel image is that of
/// another build, but for the root hash.
fn crafted(dir: &Path, from: &Path, version: &str, usr: &[u8]) -> PathBuf {
    let out = dir.join(format!("site-{version}"));
    fs::create_dir(&out).unwrap();
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(support::artifact(from, ".manifest.json")).unwrap())
            .unwrap();
    let tree = HashTree::of(usr, Parameters::new([7; 32], [9; 16]).unwrap()).unwrap();
    let old = manifest["root_hash"].as_str().unwrap().to_owned();
    let new = tree.root_hash.to_string();
    let mut kernel = fs::read(support::artifact(from, ".efi")).unwrap();
    assert!(replace(&mut kernel, old.as_bytes(), new.as_bytes()) > 0);
    manifest["version"] = version.into();
    manifest["root_hash"] = new.into();
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", kernel.as_slice()),
        ("manifest.json", &serde_json::to_vec(&manifest).unwrap()),
        ("usr.erofs", usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("site_{version}_x86-64.{suffix}");
        fs::write(out.join(&name), data).unwrap();
        writeln!(sums, "{}  {name}", Sha256Digest::of(data)).unwrap();
    }
    fs::write(out.join("SHA256SUMS"), sums).unwrap();
    out
}

/// Replaces all occurrences of some bytes by as many others, and returns how many there were.
fn replace(data: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    assert_eq!(old.len(), new.len());
    let found: Vec<usize> =
        (0..=data.len() - old.len()).filter(|at| data[*at..].starts_with(old)).collect();
    for at in &found {
        data[*at..*at + new.len()].copy_from_slice(new);
    }
    found.len()
}

/// Makes an image of /usr with nothing in it.
fn empty_usr(dir: &Path) -> Vec<u8> {
    let (root, image) = (dir.join("nothing"), dir.join("nothing.erofs"));
    fs::create_dir(&root).unwrap();
    let made = Command::new("mkfs.erofs").arg(&image).arg(&root).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    fs::read(image).unwrap()
}

/// Asserts that a step was refused with these words.
fn assert_refused(boot: &guest::Boot, key: &str, words: &str) {
    let said = boot.report.get(key).map_or("", String::as_str);
    assert!(said.starts_with("1 ") && said.contains(words), "{key}: {said:?}, not {words:?}");
}

/// Makes what the server has: payloads, good and bad ones, and a repository with a channel. Returns the folders
/// of what the two machines start with.
fn prepare(dir: &Path, port: u16) -> [PathBuf; 2] {
    let (key, next) = ("keys/development.key", "keys/next.key");
    let first = release(dir, port, "0.1", "");
    let second = release(dir, port, "0.2", "");
    let third = release(dir, port, "0.3", "");
    // Nearly all are deltas: full payloads take long to make and to install.
    payload(dir, key, &first, "site-0.1.payload", &["--from", "site-0.2"]);
    for (from, name) in
        [("site-0.1", "site-0.3.from_0.1.payload"), ("site-0.2", "site-0.3.payload")]
    {
        payload(dir, next, &third, name, &["--from", from]);
    }
    for (version, name, more) in [
        ("0.4", "panics", include_str!("guest/bad/panics.toml")),
        ("0.5", "unhealthy", include_str!("guest/bad/unhealthy.toml")),
        ("0.6", "emergency", include_str!("guest/bad/emergency.toml")),
        ("0.7", "hangs", include_str!("guest/bad/hangs.toml")),
    ] {
        let out = release(dir, port, version, more);
        let from = if name == "panics" { &[][..] } else { &["--from", "site-0.2"] };
        payload(dir, key, &out, &format!("{name}.payload"), from);
    }
    let empty = crafted(dir, &second, "0.8", &empty_usr(dir));
    payload(dir, key, &empty, "empty.payload", &[]);
    let large = crafted(dir, &second, "0.9", &vec![0; 257 << 20]);
    payload(dir, key, &large, "large.payload", &[]);
    fs::remove_dir_all(large).unwrap();

    let names = ["site_0.2_x86-64.payload", "site_0.2_x86-64.from_0.1.payload"];
    payload(dir, key, &second, names[0], &[]);
    payload(dir, key, &second, names[1], &["--from", "site-0.1"]);
    let payloads = names.map(|name| format!("site/{name}"));
    let channel = ["--channel", "stable", "--payload-keys", "keys"];
    let files = ["publish", payloads[0].as_str(), payloads[1].as_str()];
    flagstone(&[&files[..], &REPOSITORY, &channel].concat(), dir);

    // Those with another signature, or another root hash, are made from the smallest payload.
    let stranger = ["--key", "strangers/development.key", "--force"];
    fs::copy(dir.join("site/empty.payload"), dir.join("site/stranger.payload")).unwrap();
    flagstone(&[&["payload", "sign", "site/stranger.payload"], &stranger[..]].concat(), dir);
    let mut damaged = fs::read(dir.join(&payloads[0])).unwrap();
    damaged[DAMAGED] ^= 1;
    fs::write(dir.join("site/flipped.payload"), &damaged).unwrap();
    fs::write(dir.join("site/cut.payload"), &damaged[..DAMAGED]).unwrap();
    // One that is signed, and says a root hash that its /usr has not.
    let root_hash: Sha256Digest = manifest(&empty)["root_hash"].as_str().unwrap().parse().unwrap();
    let other = Sha256Digest::of(root_hash.as_bytes());
    let mut lying = fs::read(dir.join("site/empty.payload")).unwrap();
    assert_eq!(replace(&mut lying, root_hash.as_bytes(), other.as_bytes()), 1);
    fs::write(dir.join("site/lying.payload"), lying).unwrap();
    flagstone(&["payload", "sign", "site/lying.payload", "--key", key, "--force"], dir);
    [first, second]
}

/// Starts a machine with a version, and takes it from step to step.
fn boot(state: &Path, image: &Path, port: u16, steps: &str) -> guest::Boot {
    fs::create_dir(state).unwrap();
    let smoke = include_str!("guest/smoke.sh");
    let update = include_str!("guest/update.sh");
    let script = format!("if [ ! -e /var/lib/step ]; then\n{smoke}\nfi\n{update}\n{steps}");
    let script = script.replace("SERVER", &format!("http://10.0.2.2:{port}"));
    fs::write(state.join("update.sh"), script).unwrap();
    let extras = guest::Extras {
        script: Some(&state.join("update.sh")),
        restarts_by: Some("update.service"),
        machine: &["-device".to_owned(), "i6300esb".to_owned()],
        ..guest::Extras::default()
    };
    guest::boot_so(image, state, LIMIT, &extras)
}

#[test]
#[ignore = "boots QEMU"]
fn machines_live_through_updates_good_and_bad() {
    let dir = support::scratch("smoke-update");
    flagstone(&["keys", "init", "--dir", "keys"], &dir);
    flagstone(&["keys", "init", "--dir", "keys", "--name", "next"], &dir);
    fs::write(dir.join("keys/threshold"), "1\n").unwrap();
    flagstone(&["keys", "init", "--dir", "strangers"], &dir);
    flagstone(&[&["publish", "init"], &REPOSITORY[..]].concat(), &dir);
    fs::create_dir(dir.join("site")).unwrap();
    let server = BootServer::start(&[&dir.join("site"), &dir.join("repo")]);
    let port = server.port;
    let builds = prepare(&dir, port);
    let images = builds.each_ref().map(|out| support::artifact(out, ".raw"));
    let [good, bad] = std::thread::scope(|scope| {
        let good = ("good", &images[0], include_str!("guest/updates-good.sh"));
        let bad = ("bad", &images[1], include_str!("guest/updates-bad.sh"));
        let boots = [good, bad].map(|(name, image, steps)| {
            let state = dir.join(name);
            scope.spawn(move || boot(&state, image, port, steps))
        });
        boots.map(|boot| boot.join().unwrap())
    });
    drop(server);
    // They are nearly what `ci` is, and as healthy.
    assert_healthy(&good, &manifest(&builds[0]));
    assert_steps(
        &good,
        &[("0.1", "3"), ("0.2", "5"), ("0.3", "3"), ("0.2", "5")],
        // What the machine made its own comes along.
        "mine",
    );
    assert_updates(&good);
    assert_steps(&bad, &[("0.2", "3"); 6], "");
    assert_fallbacks(&bad);
}

/// Checks which version ran at each step, in which slot, and what of /etc came along.
fn assert_steps(boot: &guest::Boot, steps: &[(&str, &str)], edited: &str) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    let end = format!("{}.end", steps.len() - 1);
    assert_eq!(of(&end), "yes", "{:#?}; {}", boot.report, boot.diagnosis());
    for (step, (version, slot)) in steps.iter().enumerate() {
        assert_eq!(of(&format!("{step}.version")), *version, "step {step}");
        assert!(of(&format!("{step}.slot")).ends_with(slot), "step {step}");
        assert_eq!(of(&format!("{step}.failed")), "", "step {step}");
        // What nobody touched in /etc follows the version.
        assert_eq!(of(&format!("{step}.default")), *version, "step {step}");
        let machine = of(&format!("{step}.machine"));
        let edited = if step == 0 { "" } else { edited };
        assert_eq!(machine, format!("{} {edited}", &of("0.machine")[..32]).trim(), "step {step}");
    }
}

/// Checks what was refused, what was installed, and what was taken back.
fn assert_updates(boot: &guest::Boot) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    // What nobody trusts, what is damaged, what does not fit.
    assert_refused(boot, "0.nobody", "do not vouch for the payload");
    assert_refused(boot, "0.next", "do not vouch for the payload");
    assert_refused(boot, "0.cut", "failed to read the payload");
    assert_refused(boot, "0.flipped", "of usr has the wrong data");
    assert_refused(boot, "0.lying", "usr has the wrong root");
    assert_refused(boot, "0.large", "too small");
    assert_refused(boot, "0.same", "it runs already");
    assert_refused(boot, "0.missing", "failed to get the update");
    assert_refused(boot, "0.expired", "has expired");
    assert_refused(boot, "1.older", "0.2, which runs, is newer");
    assert_refused(boot, "1.full", "the EFI system partition is full");
    assert_refused(boot, "1.readonly", "failed to mount the EFI system partition");
    assert_refused(boot, "1.base", "is made from root hash");
    assert_eq!(of("1.left"), "site_0.2.efi");
    for step in ["0", "1b"] {
        let said = of(&format!("{step}.installed"));
        assert!(said.starts_with("0 "), "step {step}: {said}");
    }
    assert_eq!(of("1.entries"), "site_0.1.efi site_0.2.efi");
    // The kernel was told to restart at once in the middle of it, and it went on where that was.
    assert!(of("1.cut").contains("operations"), "{}", of("1.cut"));
    assert!(of("1b.installed").contains("went on after "), "{}", of("1b.installed"));
    // By the channel, and once only.
    assert!(of("0.installed").contains("wrote version 0.2"), "{}", of("0.installed"));
    assert!(of("1.polled").contains("it runs already"), "{}", of("1.polled"));
    assert!(of("1.metrics").contains("flagstone_poll_success 1"), "{}", of("1.metrics"));
    // Taken back by hand.
    assert!(of("2.rollback").contains("0.2 is started next"), "{}", of("2.rollback"));
    assert_eq!(of("3.entries"), "site_0.2.efi site_0.3+0-1.efi");
    assert_refused(boot, "3.taken", "somebody took it back");
}

/// Checks that the machine went back from what was no good, and knows why.
fn assert_fallbacks(boot: &guest::Boot) {
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    for step in 0..5 {
        let said = of(&format!("{step}.installed"));
        assert!(said.starts_with("0 "), "step {step}: {said}");
    }
    // A kernel that panics, twice; a check that fails, once. The loader went back by itself, and the
    // machine knows why.
    let panicked = boot.console.contains("Kernel panic");
    assert!(panicked || boot.power_cycles > 0, "the fourth version came up");
    assert_eq!(of("1.entries"), "site_0.2.efi site_0.4+0-2.efi");
    assert_refused(boot, "1.again", "never came so far as to say what was wrong");
    assert_eq!(of("2.entries"), "site_0.2.efi site_0.5+0-1.efi");
    // A system that waits for somebody at its console; one that does nothing at all.
    // And one whose /usr is as it was signed, and empty.
    assert_eq!(of("4.entries"), "site_0.2.efi site_0.7+0-1.efi");
    assert_eq!(of("5.entries"), "site_0.2.efi site_0.8+0-1.efi");
    let status: serde_json::Value = serde_json::from_str(of("5.status")).unwrap();
    let failed = status["failed"].as_array().unwrap().iter();
    let failed: Vec<(&str, &str)> = failed
        .map(|failed| (failed["version"].as_str().unwrap(), failed["reason"].as_str().unwrap()))
        .collect();
    let versions: Vec<&str> = failed.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, ["0.4", "0.5", "0.6", "0.7", "0.8"]);
    // One that was switched off in its only try never came to say anything.
    if boot.power_cycles == 0 {
        assert_eq!(failed[1].1, "check 10-never failed (exit status: 7)");
        assert!(failed[2].1.contains("srv.mount"), "{}", failed[2].1);
    }
    let nothing_pending = (&false.into(), &serde_json::Value::Null);
    assert_eq!((&status["on_trial"], &status["pending"]), nothing_pending);
    assert_refused(boot, "5.pinned", "pinned to version 0.2");
}
