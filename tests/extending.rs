//! A machine with system extensions and containers, and what becomes of them in an update.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flagstone_artifact::Sha256Digest;
use flagstone_disk::{DiskTable, read_table};

use super::installing::flagstone;
use crate::boot_server::BootServer;
use crate::{assert_healthy, guest, manifest, support};

/// How long both boots may take together, on a busy machine without KVM.
const LIMIT: Duration = Duration::from_mins(25);

const RECIPE: &str = "extends = \"edge\"\n\
    [image]\nid = \"site\"\nversion = \"VERSION\"\n\
    [disk]\nesp = \"128M\"\nusr = \"512M\"\nroot = \"512M\"\n\
    [update]\nkeys = [\"keys/development.pub\"]\nroot = \"repo/metadata/1.root.json\"\n\
    url = \"http://10.0.2.2:PORT/files\"\n\
    [extensions]\ncertificates = [\"site.crt\"]\n";

/// What the server says to containers.
const HELLO: &str = "hello from outside";

/// The repository of updates.
const REPOSITORY: [&str; 4] = ["--repository", "repo", "--keys", "repo-keys"];

/// Builds a version, and docker for it.
fn release(dir: &Path, port: u16, version: &str) -> PathBuf {
    let (recipe, out) = (format!("./site-{version}.toml"), format!("out-{version}"));
    let text = RECIPE.replace("VERSION", version).replace("PORT", &port.to_string());
    fs::write(dir.join(&recipe), text).unwrap();
    flagstone(&["build", &recipe, "--out", &out, "--no-pxe", "--no-disk-sum"], dir);
    extension(dir, "docker", version, &["--key", "site.key"]);
    dir.join(out)
}

/// Builds an extension for a version into the server's folder.
fn extension(dir: &Path, recipe: &str, version: &str, signing: &[&str]) -> PathBuf {
    let base = format!("./site-{version}.toml");
    let arguments = ["sysext", "build", recipe, "--base", &base, "--out", "files"];
    flagstone(&[&arguments[..], signing].concat(), dir);
    let id = Path::new(recipe).file_stem().unwrap().to_str().unwrap();
    dir.join("files").join(format!("site_{version}_x86-64.{id}.sysext.raw"))
}

/// Writes a recipe that adds one file to what it goes over.
fn tool(dir: &Path, id: &str) -> String {
    let text = format!(
        "extends = \"edge\"\n[image]\nid = \"{id}\"\n[files.\"/usr/share/{id}\"]\ncontent = \"{id}\\n\"\n"
    );
    fs::write(dir.join(format!("{id}.toml")), text).unwrap();
    format!("./{id}.toml")
}

fn table(image: &Path) -> DiskTable {
    read_table(&mut File::open(image).unwrap()).unwrap()
}

/// Returns what a partition of an extension holds.
fn partition(image: &Path, number: usize) -> Vec<u8> {
    let entry = &table(image).entries[number];
    let mut bytes = vec![0; usize::try_from(entry.size_bytes).unwrap()];
    File::open(image).unwrap().read_exact_at(&mut bytes, entry.offset_bytes).unwrap();
    bytes
}

/// Asks veritysetup whether the tree is that of the data.
fn assert_verified(dir: &Path, image: &Path) {
    let (data, tree) = (dir.join("data"), dir.join("tree"));
    fs::write(&tree, partition(image, 1)).unwrap();
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(image.with_extension("json")).unwrap()).unwrap();
    let root_hash = record["root_hash"].as_str().unwrap();
    let verifies = |bytes: Vec<u8>| {
        fs::write(&data, bytes).unwrap();
        let mut command = Command::new("veritysetup");
        command.arg("verify").args([&data, &tree]).arg(root_hash).output().unwrap().status.success()
    };
    assert!(verifies(partition(image, 0)));
    let mut bytes = partition(image, 0);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(!verifies(bytes));
}

/// Returns what a signature partition says of its root hash, with the signature of another one.
fn with_signature_of(own: &[u8], other: &[u8]) -> Vec<u8> {
    let read = |bytes: &[u8]| -> serde_json::Value {
        let text = std::str::from_utf8(bytes).unwrap();
        serde_json::from_str(text.trim_end_matches('\0')).unwrap()
    };
    let mut signature = read(other);
    signature["rootHash"] = read(own)["rootHash"].clone();
    let mut bytes = signature.to_string().into_bytes();
    bytes.resize(own.len(), 0);
    bytes
}

/// Lists files that Ignition is to fetch into folders of the machine, with their digests.
fn files(port: u16, images: &[(&str, PathBuf)]) -> String {
    let file = |(folder, image): &(&str, PathBuf)| {
        let name = image.file_name().unwrap().to_str().unwrap();
        let digest = Sha256Digest::of(&fs::read(image).unwrap());
        serde_json::json!({
            "path": format!("/var/lib/{folder}/{name}"),
            "contents": {
                "source": format!("http://10.0.2.2:{port}/files/{name}"),
                "verification": { "hash": format!("sha256-{digest}") },
            },
        })
        .to_string()
    };
    images.iter().map(file).collect::<Vec<_>>().join(",")
}

#[test]
#[ignore = "boots QEMU"]
fn edge_merges_signed_extensions_and_its_containers_survive_an_update() {
    let dir = support::scratch("smoke-extend");
    flagstone(&["keys", "init", "--dir", "keys"], &dir);
    for name in ["site", "stranger"] {
        flagstone(&["sysext", "init", "--name", name], &dir);
    }
    fs::create_dir(dir.join("files")).unwrap();
    fs::write(dir.join("files/hello"), HELLO).unwrap();
    fs::write(dir.join("keys/threshold"), "1\n").unwrap();
    flagstone(&[&["publish", "init"], &REPOSITORY[..]].concat(), &dir);
    let server = BootServer::start(&[&dir.join("files"), &dir.join("repo")]);
    let first = release(&dir, server.port, "0.1");
    release(&dir, server.port, "0.2");
    let arguments = ["payload", "create", "out-0.2", "--key", "keys/development.key", "--zstd"];
    flagstone(&arguments, &dir);
    // Nobody has to fetch the second extension by hand: it is published with its release.
    let extension_of_second = "files/site_0.2_x86-64.docker.sysext.raw";
    let publication = [
        "publish",
        "out-0.2/site_0.2_x86-64.payload",
        "--channel",
        "stable",
        "--payload-keys",
        "keys",
        "--extension",
        extension_of_second,
    ];
    flagstone(&[&publication[..], &REPOSITORY].concat(), &dir);
    fs::remove_file(dir.join(extension_of_second)).unwrap();

    // What nobody signed, what a stranger signed, and what has the signature of something else.
    let signed = dir.join("files/site_0.1_x86-64.docker.sysext.raw");
    assert_verified(&dir, &signed);
    let plain = extension(&dir, &tool(&dir, "plain"), "0.1", &["--unsigned"]);
    let stranger = extension(&dir, &tool(&dir, "stranger"), "0.1", &["--key", "stranger.key"]);
    let borrowed = extension(&dir, &tool(&dir, "borrowed"), "0.1", &["--key", "stranger.key"]);
    let [own, other] = [&borrowed, &signed].map(|image| partition(image, 2));
    let disk = File::options().write(true).open(&borrowed).unwrap();
    disk.write_all_at(&with_signature_of(&own, &other), table(&borrowed).entries[2].offset_bytes)
        .unwrap();
    drop(disk);
    let later = extension(&dir, &tool(&dir, "tools"), "0.1", &["--key", "site.key"]);
    let images = [
        ("extensions", signed),
        ("bad", plain),
        ("bad", stranger),
        ("bad", borrowed),
        ("later", later),
    ];
    let address = format!("10.0.2.2/{}", server.port);
    let ignition = include_str!("guest/extend.ign")
        .replace("SERVER", &address)
        .replace("FILES", &files(server.port, &images));
    fs::write(dir.join("extend.ign"), ignition).unwrap();
    let script = include_str!("guest/extend.sh").replace("SERVER", &address);
    let smoke = include_str!("guest/smoke.sh");
    let script = format!("if [ ! -e /var/lib/step ]; then\n{smoke}\nfi\n{script}");
    fs::write(dir.join("extend.sh"), script).unwrap();
    let boot = guest::boot_so(
        &support::artifact(&first, ".raw"),
        &dir.join("state"),
        LIMIT,
        &guest::Extras {
            arguments: &["--ignition", dir.join("extend.ign").to_str().unwrap()],
            script: Some(&dir.join("extend.sh")),
            restarts_by: Some("update.service"),
            ..guest::Extras::default()
        },
    );
    drop(server);
    let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
    assert_eq!(of("1.end"), "yes", "{:#?}; {}", boot.report, boot.diagnosis());
    assert_healthy(&boot, &manifest(&first));
    crate::assert_kubelet(&boot);
    for bad in ["plain", "stranger", "borrowed"] {
        assert_eq!(of(&format!("0.{bad}")), "refused");
    }
    assert_eq!((of("0.others"), of("0.later"), of("1.later")), ("", "tools", ""));
    // What the machine has now has to be there for the next version, too.
    let refused = of("0.refused");
    assert!(refused.starts_with("1 ") && refused.contains("no extension tools for"), "{refused}");
    assert!(of("0.installed").starts_with("0 "), "{}", of("0.installed"));
    assert!(of("0.installed").contains("fetched site_0.2_x86-64.docker"), "{}", of("0.installed"));
    for (step, version) in [("0", "0.1"), ("1", "0.2")] {
        let of = |key: &str| of(&format!("{step}.{key}")).to_owned();
        assert_eq!(of("version"), version);
        assert_eq!(of("failed"), "", "step {step}");
        // The extension of this version alone, of all that are there, and nothing of the others.
        let merged: serde_json::Value = serde_json::from_str(&of("merged")).unwrap();
        let usr = merged.as_array().unwrap().iter().find(|it| it["hierarchy"] == "/usr").unwrap();
        assert_eq!(usr["extensions"], serde_json::json!([format!("site_{version}_x86-64.docker")]));
        // Its group, its units and its files of /etc are there, and it works.
        assert!(of("group").starts_with("docker:"), "{}", of("group"));
        assert_eq!(of("socket"), "active docker");
        assert_ne!(of("default"), "0");
        assert_eq!(of("docker"), HELLO, "step {step}");
        assert_eq!(of("storage"), "overlay2 systemd");
        assert_eq!(of("web"), format!("active {HELLO}"), "step {step}");
    }
}
