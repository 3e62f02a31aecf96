//! Compares layers of /etc, among them such as the kernel's overlayfs has made.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use flagstone_agent::etc::{Aspect, Attributes, EtcDiff, EtcError, compare};

struct Layers(tempfile::TempDir);

impl Layers {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["defaults", "upper", "work", "merged"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn compare(&self) -> Result<EtcDiff, EtcError> {
        compare(&self.path("defaults"), &self.path("upper"), Attributes::User)
    }
}

fn paths<'a>(
    entries: impl IntoIterator<Item = &'a flagstone_agent::etc::EtcEntry>,
) -> Vec<&'a str> {
    entries.into_iter().map(|entry| entry.path.as_str()).collect()
}

#[test]
fn files_links_and_permissions_are_compared() {
    let layers = Layers::new();
    for (name, default, upper) in [
        ("same", "1", Some("1")),
        ("content", "1", Some("2")),
        ("mode", "1", Some("1")),
        ("untouched", "1", None),
        ("becomes-folder/x", "", None),
    ] {
        layers.file(&format!("defaults/{name}"), default);
        if let Some(upper) = upper {
            layers.file(&format!("upper/{name}"), upper);
        }
    }
    fs::remove_dir_all(layers.path("defaults/becomes-folder")).unwrap();
    layers.file("defaults/becomes-folder", "a file");
    layers.file("upper/becomes-folder/inside", "");
    layers.file("upper/own/deep/file", "");
    fs::set_permissions(layers.path("upper/mode"), fs::Permissions::from_mode(0o600)).unwrap();
    for (layer, target) in [("defaults", "a"), ("upper", "b")] {
        symlink(target, layers.path(layer).join("link")).unwrap();
        symlink("x", layers.path(layer).join("same-link")).unwrap();
    }
    let diff = layers.compare().unwrap();
    let added = ["/etc/becomes-folder/inside", "/etc/own", "/etc/own/deep", "/etc/own/deep/file"];
    assert_eq!(paths(&diff.added), added);
    assert_eq!(paths(&diff.same), ["/etc/same", "/etc/same-link"]);
    assert!(diff.removed.is_empty() && !diff.is_empty());
    let changed: Vec<(&str, Aspect)> =
        diff.changed.iter().map(|change| (change.path.as_str(), change.differs[0])).collect();
    assert_eq!(
        changed,
        [
            ("/etc/becomes-folder", Aspect::Kind),
            ("/etc/content", Aspect::Content),
            ("/etc/link", Aspect::Target),
            ("/etc/mode", Aspect::Mode),
        ]
    );
    let text = diff.text();
    for line in [
        "added    /etc/own/\n",
        "changed  /etc/mode (mode 0644 -> 0600)\n",
        "same     /etc/same (as the default, but does not follow updates)\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn a_large_file_that_differs_in_its_last_byte_is_changed() {
    let layers = Layers::new();
    let text = "x".repeat(200_000);
    layers.file("defaults/large", &format!("{text}a"));
    layers.file("upper/large", &format!("{text}b"));
    assert_eq!(layers.compare().unwrap().changed[0].differs, [Aspect::Content]);
    layers.file("upper/large", &format!("{text}a"));
    assert_eq!(paths(&layers.compare().unwrap().same), ["/etc/large"]);
}

#[test]
fn what_would_be_told_wrongly_is_refused() {
    let layers = Layers::new();
    layers.file("upper/x", "");
    let path = layers.path("upper/x");
    rustix::fs::setxattr(&path, "user.overlay.redirect", b"/y", rustix::fs::XattrFlags::empty())
        .unwrap();
    let error = layers.compare().unwrap_err();
    assert!(
        error.to_string().ends_with("user.overlay.redirect, which is not understood"),
        "{error}"
    );
    // The machine's own layer is kept under other names.
    compare(&layers.path("defaults"), &layers.path("upper"), Attributes::Trusted).unwrap();
    let missing = compare(&layers.path("nothing"), &layers.path("nowhere"), Attributes::User);
    assert!(missing.unwrap_err().hint().unwrap().contains("--upper"));
}

#[test]
fn names_cannot_forge_a_line() {
    let layers = Layers::new();
    layers.file("upper/a\nremoved  b", "");
    assert_eq!(layers.compare().unwrap().text(), "added    /etc/a\\x0aremoved  b\n");
}

/// What a person does to /etc.
const CHANGES: &str = "cd merged\n\
    rm gone gone-link\n\
    rm -r folder-gone\n\
    rm -r replaced && mkdir replaced && echo new >replaced/new && echo 1 >replaced/kept\n\
    echo 2 >changed\n\
    chmod 0700 folder\n\
    echo mine >folder/mine\n\
    rm folder/inner/a\n\
    touch touched\n\
    rm becomes-link && ln -s x becomes-link\n\
    rm back && echo 1 >back\n\
    mkdir -p own/deep && rm -r own/deep\n";

/// Path and what is there, by a walk that knows nothing of layers.
fn listed(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let name = format!("/etc/{}", path.strip_prefix(root).unwrap().display());
            all.insert(name, (metadata.mode(), content));
        }
    }
    all
}

#[test]
fn layers_that_the_kernel_made_differ_as_the_merged_tree_differs() {
    let layers = Layers::new();
    for name in [
        "gone",
        "folder-gone/a/b",
        "replaced/old",
        "replaced/kept",
        "changed",
        "folder/inner/a",
        "folder/inner/b",
        "touched",
        "becomes-link",
        "back",
        "never",
    ] {
        layers.file(&format!("defaults/{name}"), "1\n");
    }
    symlink("never", layers.path("defaults/gone-link")).unwrap();
    let mount = "mount -t overlay overlay -o lowerdir=defaults,upperdir=upper,workdir=work,userxattr merged";
    let script = format!("set -e\n{mount} || exit 77\n(\n{CHANGES})\ncp -a merged/. copy");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .current_dir(layers.0.path())
        .output()
        .unwrap();
    if output.status.code() == Some(77) || !layers.path("copy").exists() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "no overlay can be mounted: {output:?}");
        eprintln!("skipped: no overlay can be mounted here");
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let (defaults, merged) = (listed(&layers.path("defaults")), listed(&layers.path("copy")));
    let diff = layers.compare().unwrap();

    let added: Vec<&String> = merged.keys().filter(|path| !defaults.contains_key(*path)).collect();
    assert_eq!(paths(&diff.added), added);
    // A folder stands for all below it.
    let gone = |path: &String| !merged.contains_key(path);
    let parent = |path: &str| path.rsplit_once('/').unwrap().0.to_owned();
    let removed: Vec<&String> = defaults
        .keys()
        .filter(|path| gone(path) && !(defaults.contains_key(&parent(path)) && gone(&parent(path))))
        .collect();
    assert_eq!(paths(&diff.removed), removed);
    let otherwise: Vec<&String> = merged
        .iter()
        .filter(|(path, state)| defaults.get(*path).is_some_and(|default| default != *state))
        .map(|(path, _)| path)
        .collect();
    let changed: Vec<&str> = diff.changed.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(changed, otherwise);
    assert_eq!(paths(&diff.same), ["/etc/back", "/etc/replaced/kept", "/etc/touched"]);
}
