//! What shipped images hold, and must not hold (docs/security.md).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use flagstone_image::erofs::read::{Image, Node, NodeKind};

use crate::support;

/// Programs that run with the rights of their owner (4) or their group (2). Whoever adds one says why in
/// docs/security.md.
const SET_ID: [(&str, u16); 15] = [
    ("/usr/bin/chage", 0o2755),
    ("/usr/bin/chfn", 0o4755),
    ("/usr/bin/chsh", 0o4755),
    ("/usr/bin/expiry", 0o2755),
    ("/usr/bin/gpasswd", 0o4755),
    ("/usr/bin/mount", 0o4755),
    ("/usr/bin/newgrp", 0o4755),
    ("/usr/bin/passwd", 0o4755),
    ("/usr/bin/ssh-agent", 0o2755),
    ("/usr/bin/su", 0o4755),
    ("/usr/bin/umount", 0o4755),
    ("/usr/lib/dbus-1.0/dbus-daemon-launch-helper", 0o4754),
    ("/usr/lib/openssh/ssh-keysign", 0o4755),
    ("/usr/sbin/mount.nfs", 0o4755),
    ("/usr/sbin/unix_chkpwd", 0o2755),
];

/// What `base` has not of it.
const NOT_IN_BASE: &str = "/usr/sbin/mount.nfs";

/// Programs with capabilities of their own: none.
const CAPABILITIES: [&str; 0] = [];

/// Links that lead out of the image on purpose: to what a machine has, or to nothing.
const LEADS_OUT: [&str; 5] = ["/dev/null", "/run/", "/proc/", "/sys/", "/var/"];

/// Ends of names that only builds and package managers leave behind.
const RESIDUE: [&str; 14] = [
    ".deb",
    ".dpkg-new",
    ".dpkg-old",
    ".dpkg-dist",
    ".dpkg-tmp",
    ".dpkg-bak",
    ".ucf-dist",
    ".orig",
    ".rej",
    ".swp",
    "~",
    ".pyc",
    ".la",
    ".log",
];

/// Places where package managers keep what they need.
const CACHES: [&str; 6] = [
    "/var/cache/apt",
    "/var/lib/apt",
    "/lib/apt/",
    "/etc/apt",
    "/var/cache/debconf",
    "/lib/dpkg/info",
];

/// All paths of an image's /usr, with their inodes; links have targets.
struct Contents {
    paths: BTreeMap<String, Node>,
    targets: BTreeMap<String, String>,
    xattrs: BTreeMap<String, Vec<String>>,
    texts: BTreeMap<String, String>,
}

/// Files whose text is looked at.
const TEXTS: [&str; 3] = [
    "/usr/share/flagstone/etc/shadow",
    "/usr/share/flagstone/etc/passwd",
    "/usr/share/flagstone/etc/ssh/sshd_config.d/50-flagstone.conf",
];

/// Where the defaults of /etc lie in an image.
const DEFAULTS: &str = "/usr/share/flagstone/etc";

/// Returns a path without dots, where the image has it.
fn normal(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let path = format!("/{}", names.join("/"));
    match names.first() {
        Some(&"etc") => path.replacen("/etc", DEFAULTS, 1),
        Some(&("bin" | "sbin" | "lib" | "lib64")) => format!("/usr{path}"),
        _ => path,
    }
}

impl Contents {
    fn read(out: &Path) -> Self {
        let image = Image::open(File::open(support::artifact(out, ".usr.erofs")).unwrap()).unwrap();
        let mut contents = Self {
            paths: BTreeMap::new(),
            targets: BTreeMap::new(),
            xattrs: BTreeMap::new(),
            texts: BTreeMap::new(),
        };
        let mut folders = vec![("/usr".to_owned(), image.root().unwrap())];
        while let Some((path, node)) = folders.pop() {
            for entry in image.entries(&node).unwrap() {
                let name = String::from_utf8(entry.name.as_bytes().to_vec()).unwrap();
                let (path, node) = (format!("{path}/{name}"), image.node(entry.nid).unwrap());
                let names = image.xattrs(&node).unwrap();
                let names: Vec<String> =
                    names.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                if !names.is_empty() {
                    contents.xattrs.insert(path.clone(), names);
                }
                if node.kind == NodeKind::Symlink {
                    let target = String::from_utf8(image.target(&node).unwrap()).unwrap();
                    contents.targets.insert(path.clone(), target);
                }
                if TEXTS.contains(&path.as_str()) {
                    let mut text = vec![0; usize::try_from(node.size).unwrap()];
                    let mut take = |at: u64, data: &[u8]| {
                        let at = usize::try_from(at).unwrap();
                        text[at..at + data.len()].copy_from_slice(data);
                        Ok(())
                    };
                    image.read(&node, 0..node.size, &mut take).unwrap();
                    contents.texts.insert(path.clone(), String::from_utf8(text).unwrap());
                }
                if node.kind == NodeKind::Directory {
                    folders.push((path.clone(), node.clone()));
                }
                contents.paths.insert(path, node);
            }
        }
        contents
    }

    /// Tells whether a link leads to something in the image, or out of it to where links may lead.
    fn leads_somewhere(&self, link: &str) -> bool {
        let mut path = link.to_owned();
        // Links to links end, or go in a circle.
        for _ in 0..40 {
            let Some(next) = self.step(&path) else { return self.paths.contains_key(&path) };
            if LEADS_OUT.iter().any(|place| next.starts_with(place)) {
                return true;
            }
            path = next;
        }
        false
    }

    /// Resolves the first link on the way to a path; none if there is no link on it.
    fn step(&self, path: &str) -> Option<String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let (at, target) =
            ends.skip(1).find_map(|at| Some((at, self.targets.get(&path[..at])?)))?;
        // What lies in the defaults is in /etc when the machine looks.
        let on_machine = path[..at].replacen(DEFAULTS, "/etc", 1);
        let joined = if target.starts_with('/') {
            target.clone()
        } else {
            format!("{}/{target}", on_machine.rsplit_once('/')?.0)
        };
        Some(normal(&format!("{joined}{}", &path[at..])))
    }

    /// Returns all paths of which this holds.
    fn all(&self, holds: impl Fn(&str, &Node) -> bool) -> Vec<&str> {
        let found = self.paths.iter().filter(|(path, node)| holds(path, node));
        found.map(|(path, _)| path.as_str()).collect()
    }
}

/// Checks an image.
fn check(recipe: &str) {
    let dir = support::scratch(&format!("contents-{recipe}"));
    support::build_with(recipe, &["--no-pxe", "--no-disk-sum"], &dir);
    let contents = Contents::read(&dir.join("out"));
    assert!(contents.paths.len() > 1000, "{recipe} has {} paths", contents.paths.len());
    let mode = |node: &Node| node.metadata.mode & 0o7777;

    let set_id = contents.paths.iter().filter(|(_, node)| mode(node) & 0o6000 != 0);
    let set_id: Vec<(&str, u16)> = set_id.map(|(path, node)| (path.as_str(), mode(node))).collect();
    let expected = SET_ID.iter().filter(|(path, _)| recipe != "base" || *path != NOT_IN_BASE);
    assert_eq!(set_id, expected.copied().collect::<Vec<_>>(), "{recipe}: set-id bits");
    let capable: Vec<_> =
        contents.xattrs.iter().filter(|(path, _)| !CAPABILITIES.contains(&path.as_str())).collect();
    assert!(capable.is_empty(), "{recipe}: nobody said why these have attributes: {capable:?}");

    let open = contents.all(|_, node| node.kind != NodeKind::Symlink && mode(node) & 0o002 != 0);
    assert!(open.is_empty(), "{recipe}: everybody may write {open:?}");
    let odd = contents.all(|_, node| {
        !matches!(node.kind, NodeKind::File | NodeKind::Directory | NodeKind::Symlink)
    });
    assert!(odd.is_empty(), "{recipe}: these are no files: {odd:?}");
    let foreign = contents.all(|_, node| node.metadata.uid != 0);
    assert!(foreign.is_empty(), "{recipe}: these do not belong to root: {foreign:?}");
    let residue = contents.all(|path, _| {
        RESIDUE.iter().any(|end| path.ends_with(end))
            || CACHES.iter().any(|part| path.contains(part))
    });
    assert!(residue.is_empty(), "{recipe}: builds left {residue:?}");
    let dead: Vec<_> =
        contents.targets.iter().filter(|(path, _)| !contents.leads_somewhere(path)).collect();
    assert!(dead.is_empty(), "{recipe}: these links lead nowhere: {dead:?}");
    // Without certificates no extension is merged.
    let merges = contents.all(|path, _| {
        path.contains(".wants/")
            && ["sysext.service", "confext.service"].iter().any(|unit| path.ends_with(unit))
    });
    assert!(merges.is_empty(), "{recipe}: extensions are merged by {merges:?}");

    let shadow = &contents.texts["/usr/share/flagstone/etc/shadow"];
    let open: Vec<&str> =
        shadow.lines().filter(|line| !line.contains(":!") && !line.contains(":*")).collect();
    assert!(open.is_empty(), "{recipe}: these accounts have a password: {open:?}");
    assert!(shadow.starts_with("root:!*:"), "{recipe}: root is not locked");
    let sshd = &contents.texts["/usr/share/flagstone/etc/ssh/sshd_config.d/50-flagstone.conf"];
    assert!(sshd.contains("PasswordAuthentication no\n"), "{recipe}: {sshd}");
}

#[test]
#[ignore = "fetches packages"]
fn base_holds_nothing_that_it_must_not() {
    check("base");
}

#[test]
#[ignore = "fetches packages"]
fn edge_holds_nothing_that_it_must_not() {
    check("edge");
}

/// The most exposure, in tenths, that systemd may find in a unit of ours that can be confined.
const EXPOSURE_MAX: &str = "--threshold=45";

#[test]
fn units_that_can_be_confined_are() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../build/assets/agent");
    let judge = |unit: &str| {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--no-pager", EXPOSURE_MAX]);
        command.arg(units.join(unit)).output()
    };
    let Ok(open) = judge("flagstone-health.service") else {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "systemd-analyze is not there");
        eprintln!("skipped: systemd-analyze is not there");
        return;
    };
    // It runs checks of anybody, which may need anything: the judge says so of a unit that is not confined.
    assert!(!open.status.success(), "the judge finds nothing");
    for unit in ["flagstone-settle.service", "flagstone-update.service"] {
        let output = judge(unit).unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{unit} is exposed: {said}");
    }
}
