//! Files, directories and links.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use flagstone_artifact::quote;

use crate::context::Context;
use crate::fields::{Fields, Located};
use crate::place::{PATH_MAX, above, check_path, cleaned, is_within};
use crate::report::Problem;
use crate::resource::{self, Need};

/// How many folders above a path are looked at; hostile paths have thousands.
const DEPTH_MAX: usize = 256;

/// What is made at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Directory,
    File,
    Link,
}

impl Made {
    const fn name(self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File => "a file",
            Self::Link => "a link",
        }
    }
}

/// Checks `storage.directories`, `storage.files` and `storage.links`.
pub(crate) fn check(storage: &Fields<'_>, cx: &mut Context<'_>) {
    let mut made: BTreeMap<&str, Made> = BTreeMap::new();
    let lists = [("directories", Made::Directory), ("files", Made::File), ("links", Made::Link)];
    for (list, what) in lists {
        for node in storage.objects(list) {
            let path = node.text("path");
            if let Some(path) = path
                && let Some(before) = made.insert(path.value, what)
            {
                let message = format!("{} is there twice", quote(path.value));
                let problem = Problem::refused(path.span, message);
                cx.add(if before == what {
                    problem
                } else {
                    problem.found(format!("{} of that path, too", before.name()))
                });
            }
            check_node(&node, what, cx);
        }
    }
    for (list, what) in lists {
        for node in storage.objects(list) {
            let Some(path) = node.text("path").filter(|path| path.value.len() < PATH_MAX) else {
                continue;
            };
            below(path, what, &made, cx);
        }
    }
    hard_links(storage, &made, cx);
}

fn check_node(node: &Fields<'_>, what: Made, cx: &mut Context<'_>) {
    let path = node.text("path").filter(|path| check_path(path.value, path.span, &mut cx.out));
    if !node.has("path") {
        cx.add(Problem::refused(node.span, format!("{} has no path", what.name())));
    }
    for owner in ["user", "group"].into_iter().filter_map(|key| node.object(key)) {
        if owner.has("id") && owner.filled("name").is_some() {
            let message = "an owner has id and name";
            cx.add(Problem::refused(owner.span, message).expected("one of them"));
        }
        if let Some(id) = owner.integer("id").filter(|id| u32::try_from(id.value).is_err()) {
            cx.add(Problem::fails(id.span, "no user or group has such a number"));
        }
    }
    if let Some(mode) = node.integer("mode") {
        check_mode(&mode, cx);
    }
    match what {
        Made::File => check_file(node, cx),
        Made::Link => check_link(node, cx),
        Made::Directory => {}
    }
    if let Some(path) = path {
        check_place(node, &path, what, cx);
    }
}

fn check_mode(mode: &Located<'_, i64>, cx: &mut Context<'_>) {
    /// Modes that people write in octal; none is a usual one when it is taken as decimal.
    const USUAL: [i64; 26] = [
        400, 440, 444, 500, 550, 555, 600, 640, 644, 660, 664, 666, 700, 710, 711, 750, 755, 770,
        775, 777, 1777, 2755, 2775, 4755, 6755, 2750,
    ];
    let value = mode.value;
    // Where octal can be written, a 0 at the front says that it was.
    let octal = cx.out.spelled(mode.span).is_some_and(|text| text.starts_with('0'));
    if USUAL.contains(&value) && !octal {
        let digits = value.to_string();
        let meant = i64::from_str_radix(&digits, 8).unwrap_or_default();
        let message = cx.out.words(
            "the mode looks like octal, and JSON has decimal numbers alone",
            "the mode looks like octal, and is decimal without a 0 before it",
        );
        let expected = cx.out.words(format!("{meant} (octal {digits:0>4})"), format!("0{digits}"));
        let problem = Problem::doubtful(mode.span, message).expected(expected);
        cx.add(problem.found(format!("{value} (octal {value:04o})")));
    }
    if !(0..=0o7777).contains(&value) {
        cx.add(
            Problem::refused(mode.span, "there is no such mode")
                .expected(cx.out.words("0 to 4095 (octal 7777)", "0 to 07777"))
                .found(value.to_string()),
        );
    } else if value & 0o7000 != 0 && cx.minor < 4 && !USUAL.contains(&value) {
        let message = "setuid, setgid and sticky bits came with version 3.4.0-experimental";
        cx.add(Problem::doubtful(mode.span, message).found(format!("{value} (octal {value:04o})")));
    }
}

fn check_file(file: &Fields<'_>, cx: &mut Context<'_>) {
    let contents = file.object("contents");
    if file.flag("overwrite") == Some(true) && contents.is_none_or(|c| !c.has("source")) {
        let message = "a file is to be overwritten by nothing";
        let hint = cx
            .out
            .words("an empty file has the source \"data:,\"", "an empty file has `inline: \"\"`");
        let problem = Problem::refused(file.place("overwrite"), message);
        let expected =
            cx.out.words("`contents` with a `source`", "`contents` with something in it");
        cx.add(problem.expected(expected).hint(hint));
    }
    for part in contents.into_iter().chain(file.objects("append")) {
        resource::check(&part, Need::Optional, cx);
    }
}

fn check_link(link: &Fields<'_>, cx: &mut Context<'_>) {
    // Until 3.2.0 the target was a plain string, and empty was fine.
    if link.filled("target").is_some() || (link.has("target") && link.text("target").is_none()) {
        return;
    }
    let place = link.place("target");
    cx.add(if cx.minor < 3 {
        Problem::fails(place, "a link has no target")
    } else {
        Problem::refused(place, "a link has no target")
    });
}

/// Finds what lies below a link, or below a file of the same configuration.
fn below(path: Located<'_, &str>, what: Made, made: &BTreeMap<&str, Made>, cx: &mut Context<'_>) {
    for above in above(path.value).take(DEPTH_MAX) {
        let problem = match made.get(above) {
            Some(Made::Link) => {
                Problem::refused(path.span, format!("{} is below a link", what.name()))
            }
            Some(Made::File) => {
                Problem::fails(path.span, format!("{} is below a file", what.name()))
            }
            _ => continue,
        };
        cx.add(problem.found(format!("{} is {}", quote(above), made[above].name())));
        return;
    }
}

fn hard_links(storage: &Fields<'_>, made: &BTreeMap<&str, Made>, cx: &mut Context<'_>) {
    for link in storage.objects("links") {
        let (Some(path), Some(target)) = (link.text("path"), link.filled("target")) else {
            continue;
        };
        if link.flag("hard") != Some(true) {
            continue;
        }
        let target_path = if target.value.starts_with('/') {
            cleaned(target.value)
        } else {
            cleaned(&format!("{}/{}", path.value, target.value))
        };
        if made.get(target_path.as_str()) == Some(&Made::Directory) {
            cx.add(Problem::refused(target.span, "a hard link cannot lead to a directory"));
        }
    }
}

/// Looks at where a path lies on a machine with a Flagstone image.
fn check_place(node: &Fields<'_>, path: &Located<'_, &str>, what: Made, cx: &mut Context<'_>) {
    /// Links at the top of the root that lead into /usr.
    const READ_ONLY: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];
    /// What is mounted over, or made anew, at each boot; by whom.
    const HIDDEN: [(&str, &str); 7] = [
        ("/dev", "the kernel's devices are mounted there"),
        ("/proc", "the kernel mounts its own there"),
        ("/sys", "the kernel mounts its own there"),
        ("/run", "it is empty at each boot"),
        ("/tmp", "it is in memory, and empty at each boot"),
        ("/efi", "the EFI system partition is mounted there"),
        ("/etc/selinux", "there is no SELinux here, and the folder is removed"),
    ];
    if path.value == "/" {
        return;
    }
    if let Some(top) = READ_ONLY.iter().find(|top| is_within(path.value, top)) {
        let problem = Problem::fails(path.span, "/usr is read-only");
        let problem = if *top == "/usr" {
            problem
        } else {
            problem.found(format!("{top} is a link into /usr"))
        };
        cx.add(problem.hint(instead(path.value)));
    } else if let Some((top, why)) = HIDDEN.iter().find(|(top, _)| is_within(path.value, top)) {
        // A directory there changes nothing, and some of them are asked for out of habit.
        let message = format!("what is written below {top} is not there after the boot: {why}");
        cx.add(Problem::doubtful(path.span, message));
    } else if is_within(path.value, "/boot") {
        let message = "nothing reads /boot: kernels are unified images on the EFI system partition";
        cx.add(Problem::doubtful(path.span, message));
    } else {
        check_default(node, path, what, cx);
    }
}

fn instead(path: &str) -> String {
    const FOLDERS: [(&str, &str); 5] = [
        ("/usr/local", "/opt"),
        ("/usr/lib/systemd/system", "/etc/systemd/system"),
        ("/lib/systemd/system", "/etc/systemd/system"),
        ("/usr/lib", "/etc"),
        ("/lib", "/etc"),
    ];
    let moved = FOLDERS.iter().find_map(|(from, to)| {
        let rest = path.strip_prefix(from).filter(|rest| rest.starts_with('/'))?;
        Some(format!("{to}{rest}"))
    });
    let hint = "put it into the recipe, or below /etc, /opt or /var";
    moved.map_or_else(|| hint.to_owned(), |moved| format!("{hint}: {}", quote(&moved)))
}

/// Finds what stands in the way in the image's defaults of /etc.
fn check_default(node: &Fields<'_>, path: &Located<'_, &str>, what: Made, cx: &mut Context<'_>) {
    let Some(is_folder) = cx.shipped.and_then(|shipped| shipped.default(path.value)) else {
        return;
    };
    let overwrite = node.flag("overwrite") == Some(true);
    let writes = match what {
        Made::Directory => !is_folder,
        Made::File => is_folder || node.object("contents").is_some_and(|c| c.has("source")),
        Made::Link => true,
    };
    if writes && !overwrite {
        let there = if is_folder { "a folder" } else { "a file" };
        let overwrite = cx.out.words("\"overwrite\": true", "`overwrite: true`");
        let hint = format!("say {overwrite} to replace it, or use another name or `append`");
        let message = format!("the image has {there} at this path");
        cx.add(Problem::fails(path.span, message).hint(hint));
    }
}

/// Checks what `filesystems` says about mount points: where a path leads matters there, too.
pub(crate) fn mount_points(storage: &Fields<'_>, cx: &mut Context<'_>) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for filesystem in storage.objects("filesystems") {
        let Some(path) = filesystem.filled("path") else { continue };
        let span: &Range<usize> = path.span;
        if !check_path(path.value, span, &mut cx.out) {
            continue;
        }
        if !seen.insert(path.value) {
            let message = format!("two file systems are mounted at {}", quote(path.value));
            cx.add(Problem::fails(span, message));
        }
        if is_within(path.value, "/usr") || path.value == "/etc" {
            let message = format!("{} comes from the verified image", quote(path.value));
            cx.add(Problem::fails(span, message).hint("mount below /var, /home, /opt or /srv"));
        }
    }
}
