//! Extensions from real packages: the same bytes again, and mistakes that are named.

use std::fs;
use std::path::Path;
use std::process::Command;

use flagstone_image::erofs::read::Image;

use super::{run, said, support};

const SITE: &str = "extends = \"ci\"\n\
    [image]\nid = \"site\"\nversion = \"1\"\n\
    [extensions]\ncertificates = [\"site.crt\"]\n";

const TOOLS: &str = "extends = \"site.toml\"\n\
    [image]\nid = \"tools\"\n\
    [packages]\nadd = [\"tini\"]\n\
    [users.tool]\nuid = 990\n\
    [files.\"/etc/tool.conf\"]\ncontent = \"x = 1\\n\"\n\
    [files.\"/usr/lib/systemd/system/tool.service\"]\n\
    content = \"[Service]\\nExecStart=/usr/bin/tini -- true\\n[Install]\\nWantedBy=multi-user.target\\n\"\n\
    [units.\"tool.service\"]\nenable = true\n";

/// Runs `flagstone sysext`; returns whether that went well, and what it said.
fn sysext(dir: &Path, arguments: &str) -> (bool, String) {
    let mut command = Command::new(support::FLAGSTONE);
    let output = run(command.arg("sysext").args(arguments.split_whitespace()).current_dir(dir));
    (output.status.success(), said(&output))
}

fn prepare(name: &str) -> support::Scratch {
    let dir = support::scratch(name);
    for key in ["site", "other"] {
        let (made, text) = sysext(&dir, &format!("init --name {key}"));
        assert!(made, "{text}");
    }
    fs::write(dir.join("site.toml"), SITE).unwrap();
    fs::write(dir.join("tools.toml"), TOOLS).unwrap();
    dir
}

#[test]
#[ignore = "fetches packages"]
fn an_extension_has_what_its_recipe_adds_and_the_same_bytes_again() {
    let dir = prepare("sysext-same");
    let (built, text) = sysext(&dir, "build ./tools.toml --key site.key");
    assert!(built, "{text}");
    assert!(text.contains("for machines that run site_1_x86-64"), "{text}");
    let name = "site_1_x86-64.tools.sysext";
    let record = fs::read_to_string(dir.join(format!("out/{name}.json"))).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let packages: Vec<&String> = record["packages"].as_object().unwrap().keys().collect();
    assert_eq!(packages, ["tini"]);
    assert_eq!(record["replaced"], serde_json::json!([]));
    // Here and there, with other threads, and without what the first build kept.
    let again = format!(
        "build tools.toml --key site.key --out again --jobs 1 --cache-dir {}",
        dir.join("cache").display()
    );
    let (built, text) = sysext(&dir, &again);
    assert!(built, "{text}");
    let read = |out: &str| fs::read(dir.join(out).join(format!("{name}.raw"))).unwrap();
    let image = read("out");
    assert!(image == read("again"), "another image");
    // Another key signs the same root hash.
    let (built, _) = sysext(&dir, "build tools.toml --key other.key --out other");
    assert!(built);
    assert!(image != read("other"));

    assert_listed(&dir, &image);
    assert_signed(&dir, &image, record["root_hash"].as_str().unwrap());
}

/// Returns what partition `number` of an image holds.
fn partition(image: &[u8], number: usize) -> &[u8] {
    let table = flagstone_disk::read_table(&mut std::io::Cursor::new(image)).unwrap();
    let entry = &table.entries[number];
    let start = usize::try_from(entry.offset_bytes).unwrap();
    &image[start..start + usize::try_from(entry.size_bytes).unwrap()]
}

/// Looks into the file system through Flagstone's reader.
fn assert_listed(dir: &Path, image: &[u8]) {
    let path = dir.join("data.erofs");
    fs::write(&path, partition(image, 0)).unwrap();
    let tree = Image::open(fs::File::open(&path).unwrap()).unwrap().tree(1 << 24).unwrap();
    let text = |path: &str| tree.read_text(path).unwrap();
    assert!(tree.exists("usr/bin/tini") && !tree.exists("usr/bin/bash") && !tree.exists("etc"));
    let release = text("usr/lib/extension-release.d/extension-release.site_1_x86-64.tools");
    for line in ["ID=flagstone", "SYSEXT_LEVEL=site_1", "ARCHITECTURE=x86-64"] {
        assert!(release.lines().any(|it| it == line), "{line}: {release}");
    }
    let users = text("usr/lib/sysusers.d/flagstone-tools.conf");
    assert!(users.contains("u tool 990") && !users.contains("root"), "{users}");
    let etc = text("usr/lib/tmpfiles.d/flagstone-extension-tools.conf");
    let kept = "/usr/share/flagstone/extensions/tools/etc/tool.conf";
    assert!(etc.contains(&format!("C \"/etc/tool.conf\" 0644 0 0 - {kept}")), "{etc}");
    assert_eq!(text(kept.trim_start_matches('/')), "x = 1\n");
    let wants = "usr/lib/systemd/system/multi-user.target.wants";
    assert!(tree.exists(format!("{wants}/tool.service")));
    assert!(!tree.exists("usr/lib/os-release") && !tree.exists("usr/lib/dpkg"));
}

/// Asks OpenSSL about the signature, in the way of systemd.
fn assert_signed(dir: &Path, image: &[u8], root_hash: &str) {
    let json = String::from_utf8(partition(image, 2).to_vec()).unwrap();
    let json: serde_json::Value = serde_json::from_str(json.trim_end_matches('\0')).unwrap();
    assert_eq!(json["rootHash"], root_hash);
    fs::write(dir.join("hash"), root_hash).unwrap();
    fs::write(dir.join("signature.b64"), json["signature"].as_str().unwrap()).unwrap();
    let line = "openssl base64 -d -A -in signature.b64 -out signature && exec openssl smime -verify -binary \
                -inform der -in signature -content hash -certfile site.crt -nointern -noverify";
    let output = run(Command::new("sh").args(["-c", line]).current_dir(dir));
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
#[ignore = "fetches packages"]
fn mistakes_about_extensions_are_named() {
    let dir = prepare("sysext-wrong");
    fs::write(dir.join("same.toml"), "extends = \"site.toml\"\npackages.add = [\"tini\"]\n")
        .unwrap();
    fs::write(dir.join("alone.toml"), "[image]\nid = \"alone\"\nversion = \"1\"\n").unwrap();
    fs::write(dir.join("nothing.toml"), "extends = \"site.toml\"\n[image]\nid = \"nothing\"\n")
        .unwrap();
    fs::write(dir.join("bad.key"), "no key").unwrap();
    for (arguments, words) in [
        ("build tools.toml", "--key <FILE>"),
        ("build tools.toml --key bad.key --certificate site.crt", "EC key over P-256"),
        ("build tools.toml --key site.key --certificate other.crt", "not that of the key"),
        ("build tools.toml --key none.key", "failed to read none.key"),
        ("build alone.toml --key site.key", "extends nothing"),
        ("build same.toml --key site.key", "both called site"),
        ("build nothing.toml --key site.key", "has nothing that its base has not"),
        ("build docker --base tools.toml --key site.key --arch riscv", "riscv"),
        ("init --name site", "keys are not replaced"),
        ("init --name a/b", "cannot have the name"),
    ] {
        let (done, text) = sysext(&dir, arguments);
        assert!(!done && text.contains(words), "{arguments}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(!dir.join("out").exists() || fs::read_dir(dir.join("out")).unwrap().count() == 0);

    // A key that machines do not trust, and what is there already.
    let (built, text) = sysext(&dir, "build tools.toml --key other.key");
    assert!(built && text.contains("does not name this certificate"), "{text}");
    let (built, text) = sysext(&dir, "build tools.toml --key site.key");
    assert!(!built && text.contains("--force"), "{text}");

    // Locks that do not go together.
    let lock = fs::read_to_string(dir.join("tools.lock")).unwrap();
    let at = lock.find("name = \"bash\"").unwrap();
    let digest = at + lock[at..].find("sha256 = \"").unwrap() + 10;
    let mut other = lock;
    other.replace_range(digest..digest + 64, &"0".repeat(64));
    fs::write(dir.join("tools.lock"), other).unwrap();
    let (built, text) = sysext(&dir, "build tools.toml --key site.key --force");
    assert!(!built && text.contains("the base has bash") && text.contains("lock"), "{text}");

    // A certificate that is none: the image, too, says so.
    fs::write(dir.join("site.crt"), "no certificate").unwrap();
    let output =
        run(Command::new(support::FLAGSTONE).args(["build", "site.toml"]).current_dir(&*dir));
    let text = said(&output);
    assert!(
        !output.status.success() && text.contains("site.crt") && text.contains("X.509"),
        "{text}"
    );
}
