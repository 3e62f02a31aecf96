//! Compares two builds with planted differences, and proves rebuilds, with the real program; what a
//! comparison lists is judged by another reader of EROFS.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support;

/// What both recipes say: an older fsck.erofs reads no compression, and a small disk is digested
/// sooner.
const BOTH: &str = "extends = \"ci\"
usr.compression = \"none\"
disk = { usr = \"256M\", oem = \"1M\", root = \"64M\" }
";

const OLD: &str = "image = { id = \"site\", version = \"1\" }
packages.add = [\"less\"]
files.\"/etc/planted\" = { content = \"old\" }
files.\"/usr/share/planted\" = { content = \"same\" }
";

const NEW: &str = "image = { id = \"site\", version = \"2\" }
kernel.cmdline.add = [\"quiet\"]
files.\"/etc/planted\" = { content = \"new\" }
files.\"/usr/share/planted\" = { content = \"same\", mode = \"0600\" }
files.\"/usr/share/<i>&planted\" = { content = \"\" }
owners.\"/usr/bin/env\" = { group = \"adm\" }
units.\"fstrim.timer\" = { enable = true }
users.planted = { uid = 900, home = \"/nowhere\", shell = \"/usr/sbin/nologin\" }
";

fn flagstone(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(support::FLAGSTONE);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Builds both recipes, once for all tests: `old` and `new` in the folder.
fn builds() -> &'static Path {
    static BUILT: OnceLock<support::Scratch> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = support::scratch("compare");
        for (name, own) in [("old", OLD), ("new", NEW)] {
            fs::write(dir.join(name).with_extension("toml"), format!("{BOTH}{own}")).unwrap();
            let recipe = format!("{name}.toml");
            let output = flagstone(&dir, &["build", &recipe, "--out", name]);
            assert!(output.status.success(), "{}", said(&output));
        }
        dir
    })
}

/// What another reader finds at each path: type, permissions, owner, group, content or target.
type Listing = BTreeMap<String, (char, u32, u32, u32, Vec<u8>)>;

/// Extracts an image with fsck.erofs, and lists what came out; `None` if that cannot be done here.
fn extracted(image: &Path, into: &Path) -> Option<Listing> {
    let missing = |why: &str| {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{why}");
        eprintln!("skipped: {why}");
    };
    let extract = format!("--extract={}", into.display());
    let Ok(output) = Command::new("fsck.erofs").arg(extract).arg(image).output() else {
        missing("there is no fsck.erofs");
        return None;
    };
    assert!(output.status.success(), "{}", said(&output));
    if fs::metadata(into).unwrap().uid() != 0 {
        eprintln!("skipped: only root can extract owners");
        return None;
    }
    let mut listing = Listing::new();
    let mut folders = vec![into.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let (kind, content) = if metadata.is_dir() {
                folders.push(path.clone());
                ('d', Vec::new())
            } else if metadata.is_symlink() {
                ('l', fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else {
                ('f', fs::read(&path).unwrap())
            };
            let name = format!("/usr/{}", path.strip_prefix(into).unwrap().display());
            let mode = if kind == 'l' { 0 } else { metadata.mode() & 0o7777 };
            listing.insert(name, (kind, mode, metadata.uid(), metadata.gid(), content));
        }
    }
    Some(listing)
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect()
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

#[test]
#[ignore = "fetches packages"]
fn a_comparison_lists_what_another_reader_finds() {
    let dir = builds();
    let image = |side: &str| support::artifact(&dir.join(side), ".usr.erofs");
    let output = flagstone(dir, &["diff", "old", "new", "--json", "--exit-code"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let diff: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&diff["diff_version"], &diff["identical"]), (&json!(1), &json!(false)));
    assert_eq!(names(&diff["packages"]["removed"]), ["less"]);
    assert_eq!(names(&diff["units"]["enabled"]), ["fstrim.timer"]);
    assert_eq!(diff["kernel"]["command_line"]["added"], json!(["quiet"]));
    assert_eq!(names(&diff["accounts"]["users"]["added"]), ["planted"]);
    assert_eq!(names(&diff["accounts"]["groups"]["added"]), ["planted"]);
    let changed = diff["files"]["changed"].as_array().unwrap();
    let differs = |path: &str| {
        let entry = changed.iter().find(|entry| entry["path"] == path);
        entry.map(|entry| entry["differs"].clone()).unwrap_or_default()
    };
    assert_eq!(differs("/usr/share/flagstone/etc/planted"), json!(["content"]));
    assert_eq!(differs("/usr/share/planted"), json!(["mode"]));
    assert_eq!(differs("/usr/bin/env"), json!(["owner"]));
    assert!(paths(&diff["files"]["added"]).contains(&"/usr/share/<i>&planted"));

    // Disks and bare images tell the same of what they hold.
    for ending in [".raw", ".usr.erofs"] {
        let [old, new] = ["old", "new"]
            .map(|side| support::artifact(&dir.join(side), ending).display().to_string());
        let output = flagstone(dir, &["diff", &old, &new, "--json"]);
        assert!(output.status.success(), "{}", said(&output));
        let other: Value = serde_json::from_slice(&output.stdout).unwrap();
        for part in ["packages", "files", "units", "accounts"] {
            assert_eq!(other[part], diff[part], "{ending} tells other {part}");
        }
    }

    let listings = (
        extracted(&image("old"), &dir.join("old-usr")),
        extracted(&image("new"), &dir.join("new-usr")),
    );
    let (Some(old), Some(new)) = listings else { return };
    let only = |these: &Listing, others: &Listing| -> Vec<String> {
        these.keys().filter(|path| !others.contains_key(*path)).cloned().collect()
    };
    assert_eq!(paths(&diff["files"]["added"]), only(&new, &old));
    assert_eq!(paths(&diff["files"]["removed"]), only(&old, &new));
    let both = old.iter().filter(|(path, state)| new.get(*path).is_some_and(|new| new != *state));
    let both: Vec<&str> = both.map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths(&diff["files"]["changed"]), both);
}

#[test]
#[ignore = "fetches packages"]
fn a_page_for_reviewers_stands_alone_and_shows_names_as_they_are() {
    let dir = builds();
    let output = flagstone(dir, &["diff", "old", "new", "--html", "page.html"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = printed(&output);
    assert!(text.contains("- less ") && text.contains("fstrim.timer (enabled: "), "{text}");
    assert!(text.contains("… and ") && said(&output).contains("--all"), "{text}");
    let page = fs::read_to_string(dir.join("page.html")).unwrap();
    assert!(page.contains("/usr/share/&lt;i&gt;&amp;planted"), "a name is not escaped");
    for bad in ["<script", "<i>", "http:", "https:", "<link", "<img", "@import", "url("] {
        assert!(!page.contains(bad), "the page has {bad:?}");
    }
    assert_eq!(page.matches("<details").count(), page.matches("</details>").count());

    let output = flagstone(dir, &["diff", "old", "old", "--exit-code"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(printed(&output).contains("nothing differs"), "{}", printed(&output));
    let lock = flagstone(dir, &["diff", "old", "new.lock"]);
    let text = printed(&lock);
    assert!(text.contains("- less ") && text.contains("not compared: files"), "{text}");
}

#[test]
#[ignore = "fetches packages"]
fn a_rebuild_is_proved_or_what_differs_is_named() {
    let dir = builds();
    let copy = dir.join("copy");
    fs::create_dir(&copy).unwrap();
    let mut command = Command::new("cp");
    command.args(["-a", "--sparse=always"]).arg(dir.join("old/.")).arg(&copy);
    assert!(command.status().unwrap().success());
    // One bit each, in a known file of /usr and in the command line.
    let flip = |ending: &str, text: &[u8]| {
        let path = support::artifact(&copy, ending);
        let bytes = fs::read(&path).unwrap();
        let at = bytes.windows(text.len()).position(|window| window == text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(&[text[0] ^ 0x20], at as u64).unwrap();
        at
    };
    let at = flip(".usr.erofs", b"PRETTY_NAME=\"Flagstone");
    flip(".efi", b"console=tty0");
    let raw = fs::File::options().write(true).open(support::artifact(&copy, ".raw")).unwrap();
    raw.set_len(200 << 20).unwrap();

    let arguments = ["verify-rebuild", "copy", "--recipe", "old.toml", "--keep", "kept"];
    let output = flagstone(dir, &arguments);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for words in [
        "site_1_x86-64.usr.erofs: changed after the build",
        &format!(", byte {at}"),
        "/usr/lib/os-release: content",
        "section .cmdline",
        "\"Console=tty0\" → \"console=tty0\"",
        "site_1_x86-64.usr.verity: identical",
        "site_1_x86-64.raw: changed after the build",
        "site_1_x86-64.usr.erofs is the first that differs",
    ] {
        assert!(text.contains(words), "lacks {words:?}: {text}");
    }
    let sums = |folder: &str| fs::read_to_string(dir.join(folder).join("SHA256SUMS")).unwrap();
    assert_eq!(sums("kept"), sums("old"), "what was kept is what was built");

    // A manifest alone, with the digests it names.
    let manifest = support::artifact(&dir.join("old"), ".manifest.json");
    fs::create_dir(dir.join("alone")).unwrap();
    fs::copy(&manifest, dir.join("alone/site_1_x86-64.manifest.json")).unwrap();
    let output = flagstone(dir, &["verify-rebuild", "alone", "--recipe", "old.toml", "--json"]);
    assert!(output.status.success(), "{}{}", printed(&output), said(&output));
    let proof: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&proof["identical"], &proof["causes"]), (&json!(true), &json!([])));
    assert_eq!(fs::read_dir(dir.join("alone")).unwrap().count(), 1, "something is left over");
}

#[test]
#[ignore = "fetches packages"]
fn other_inputs_are_named_without_a_rebuild() {
    let dir = builds();
    fs::create_dir(dir.join("other")).unwrap();
    let recipe = format!("{BOTH}{OLD}").replace("content = \"old\"", "content = \"newer\"");
    fs::write(dir.join("other/site.toml"), recipe).unwrap();
    fs::copy(dir.join("old.lock"), dir.join("other/site.lock")).unwrap();
    let image = support::artifact(&dir.join("old"), ".raw").display().to_string();
    for (arguments, words) in [
        (&["--recipe", "other/site.toml"][..], "another recipe: expected what has the digest"),
        (&["--recipe", "old.toml", "--lock", "new.lock"], "another lock: less is missing"),
        (&["--recipe", "new.toml"], "it makes site_2_x86-64, the manifest is of site_1_x86-64"),
    ] {
        let output = flagstone(dir, &[&["verify-rebuild", &image], arguments].concat());
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(text.contains(words) && text.contains("nothing was rebuilt"), "{text}");
    }
    let output = flagstone(dir, &["verify-rebuild", &image]);
    assert!(said(&output).contains("hint: name the recipe with --recipe"), "{}", said(&output));
}

#[test]
#[ignore = "fetches packages"]
fn damaged_images_get_a_place_and_what_was_expected() {
    let dir = builds();
    let whole = support::artifact(&dir.join("old"), ".usr.erofs").display().to_string();
    let cut = |ending: &str, name: &str, len: u64| {
        let source = fs::File::open(support::artifact(&dir.join("old"), ending)).unwrap();
        let mut head = std::io::Read::take(source, len);
        std::io::copy(&mut head, &mut fs::File::create(dir.join(name)).unwrap()).unwrap();
    };
    cut(".usr.erofs", "cut.usr.erofs", 1 << 20);
    cut(".usr.erofs", "damaged.usr.erofs", u64::MAX);
    let damaged = fs::File::options().write(true).open(dir.join("damaged.usr.erofs")).unwrap();
    // Behind the superblock, where the inodes are.
    damaged.write_all_at(&vec![0xff; 1 << 20], 1152).unwrap();
    cut(".raw", "cut.raw", 100 << 20);
    cut(".efi", "cut.efi", 5000);
    for (name, words) in [
        ("cut.usr.erofs", &["the usr image: expected ", "found 1048576", "cut off"][..]),
        ("damaged.usr.erofs", &["damaged.usr.erofs", "caused by: ", "hint: "]),
        ("cut.raw", &["partition 3 (site_1): expected 268435456 bytes", "a disk of 104857600"]),
        ("cut.efi", &["the kernel image cannot be read", "reaches past the end"]),
    ] {
        let output = flagstone(dir, &["diff", name, &whole, "--html", "never.html"]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(words.iter().all(|words| text.contains(words)), "{name} lacks {words:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(!dir.join("never.html").exists(), "a failed comparison wrote a page");
}

#[test]
fn what_cannot_be_compared_gets_one_clear_message() {
    let dir = support::scratch("compare-mistakes");
    let manifest = |version: u32| format!("{{\"manifest_version\": {version}}}");
    let mut disk = vec![0; 4096];
    disk[512..520].copy_from_slice(b"EFI PART");
    fs::create_dir(dir.join("folder")).unwrap();
    for (name, content, words) in [
        ("empty", Vec::new(), &["empty is empty; expected a disk image"][..]),
        ("text", b"hello\n".to_vec(), &["text is a text; expected"]),
        ("zeros", vec![0; 9000], &["begins with zeros"]),
        ("packed", vec![0x28, 0xb5, 0x2f, 0xfd, 1], &["compressed with zstd", "unpacked first"]),
        ("v2", manifest(2).into_bytes(), &["manifest_version: expected 1, found 2", "hint:"]),
        ("v1", manifest(1).into_bytes(), &["missing field", "hint:"]),
        ("lock", b"format = 9\n".to_vec(), &["format 9", "hint:"]),
        ("disk", disk, &["disk is no disk image that can be read", "hint:"]),
        ("pe", b"MZ".to_vec(), &["the kernel image cannot be read", "hint:"]),
        ("folder", Vec::new(), &["expected one file *.manifest.json, found none", "hint:"]),
        ("missing", Vec::new(), &["failed to read missing", "name a file or folder"]),
    ] {
        if !["missing", "folder"].contains(&name) {
            fs::write(dir.join(name), content).unwrap();
        }
        let output = flagstone(&dir, &["diff", name, name]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
        assert!(words.iter().all(|words| text.contains(words)), "{name} lacks {words:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    let output = flagstone(&dir, &["diff", "text", "text", "--html", "no/page.html"]);
    assert!(said(&output).contains("there is no folder no for the page"), "{}", said(&output));
    let output = flagstone(&dir, &["diff", "one"]);
    assert_eq!(output.status.code(), Some(2));
}
