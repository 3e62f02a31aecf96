//! The files of /etc that no package ships and that scripts or an installer make.

use std::collections::BTreeSet;

use flagstone_tree::{Mtime, Tree};

use crate::edit::{Edit, names};
use crate::error::InStep;
use crate::{RootfsError, nsswitch};

const STEP: &str = "etc files";

/// What the recipe says about files of /etc.
#[derive(Clone, Debug)]
pub struct EtcInput {
    /// The text of os-release(5), rendered.
    pub os_release: String,
    /// The host name of all machines; usually none, so that each gets its own by DHCP or Ignition.
    pub hostname: Option<String>,
    /// The time zone as a name of the database.
    pub timezone: String,
    /// The default locale.
    pub locale: String,
}

impl Default for EtcInput {
    fn default() -> Self {
        Self {
            os_release: String::new(),
            hostname: None,
            timezone: "Etc/UTC".to_owned(),
            locale: "C.UTF-8".to_owned(),
        }
    }
}

/// Files that a script copies out of /usr: from, to.
const COPIES: [(&str, &str); 10] = [
    ("usr/share/base-files/profile", "etc/profile"),
    ("usr/share/base-files/motd", "etc/motd"),
    ("usr/share/bird2/bird.conf", "etc/bird/bird.conf"),
    ("usr/share/memcached/memcached.conf.default", "etc/memcached.conf"),
    ("usr/share/nfs-common/conffiles/idmapd.conf", "etc/idmapd.conf"),
    ("usr/share/nfs-common/conffiles/nfs.conf", "etc/nfs.conf"),
    ("usr/share/readline/inputrc", "etc/inputrc"),
    ("usr/share/openssh/sshd_config", "etc/ssh/sshd_config"),
    ("usr/share/chrony/chrony.conf", "etc/chrony/chrony.conf"),
    ("usr/share/chrony/chrony.keys", "etc/chrony/chrony.keys"),
];

/// Where packages list the shells that they bring, a path a line.
const SHELL_LISTS: &str = "usr/share/debianutils/shells.d";

/// Shells whose packages call add-shell(8) in place of a list.
pub(crate) const ADDED_SHELLS: [&str; 4] =
    ["/bin/zsh", "/usr/bin/zsh", "/usr/bin/fish", "/usr/bin/tmux"];

/// How fonts are drawn: the choices that fontconfig-config's script makes where nobody answers its
/// questions. Each is left out where something of its kind is there.
const FONT_CHOICES: [(&[&str], &str); 2] = [
    (&["10-hinting-"], "10-hinting-slight.conf"),
    (&["70-no-bitmaps", "70-yes-bitmaps"], "70-no-bitmaps-except-emoji.conf"),
];

/// Local names, and the multicast groups by which ping6 finds neighbours.
const HOSTS: &str = "\
127.0.0.1\tlocalhost
::1\t\tlocalhost ip6-localhost ip6-loopback
ff02::1\t\tip6-allnodes
ff02::2\t\tip6-allrouters

";

const NETWORKS: &str = "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n\n";

/// Where files go that [`write`] makes without a source in /usr.
const MADE: [&str; 15] = [
    "etc/default/locale",
    "etc/environment",
    "etc/hostname",
    "etc/hosts",
    "etc/issue",
    "etc/issue.net",
    "etc/locale.conf",
    "etc/localtime",
    "etc/machine-id",
    "etc/mtab",
    "etc/networks",
    "etc/os-release",
    "etc/resolv.conf",
    "etc/security/opasswd",
    "etc/shells",
];

/// Returns every file that [`write`] may make.
pub(crate) fn written() -> impl Iterator<Item = &'static str> {
    MADE.into_iter().chain(COPIES.into_iter().map(|(_, to)| to))
}

/// Writes what `/etc` still lacks; whatever packages or the recipe put there stays, except for the
/// texts that name the system.
///
/// `machine-id` says `uninitialized`: each machine makes its own at first boot, and systemd takes
/// that word as the sign of a first boot (machine-id(5)). `/etc/hostname` is written only on
/// demand: without it systemd asks DHCP. `/etc/timezone` is not written: Debian has given it up.
pub(crate) fn write(tree: &mut Tree, input: &EtcInput, date: Mtime) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, STEP);
    name_the_system(&mut edit, &input.os_release)?;
    nsswitch::write(&mut edit)?;
    for (from, to) in COPIES {
        edit.default_copy(from, to)?;
    }
    edit.default_file("etc/hosts", 0o644, HOSTS)?;
    edit.default_file("etc/networks", 0o644, NETWORKS)?;
    edit.default_file("etc/environment", 0o644, "")?;
    edit.default_file("etc/security/opasswd", 0o600, "")?;
    edit.default_file("etc/machine-id", 0o444, "uninitialized\n")?;
    edit.default_symlink("etc/mtab", "../proc/self/mounts")?;
    if let Some(hostname) = &input.hostname {
        edit.default_file("etc/hostname", 0o644, format!("{hostname}\n"))?;
    }
    link_resolver(&mut edit)?;
    set_time_zone(&mut edit, &input.timezone)?;
    set_locale(&mut edit, &input.locale)?;
    choose_fonts(&mut edit)?;
    list_shells(&mut edit)
}

/// Replaces the distribution's name by the image's: it must not pass for an ordinary installation.
fn name_the_system(edit: &mut Edit<'_>, os_release: &str) -> Result<(), RootfsError> {
    if os_release.is_empty() {
        return Ok(());
    }
    edit.file("usr/lib/os-release", 0o644, os_release.to_owned())?;
    edit.symlink("etc/os-release", "../usr/lib/os-release")?;
    // agetty(8) fills these in: name of the system, host and line.
    edit.file("etc/issue", 0o644, "\\S \\n \\l\n\n")?;
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.unwrap_or("Linux").trim_matches(['"', '\'']);
    edit.file("etc/issue.net", 0o644, format!("{name}\n"))?;
    Ok(())
}

fn link_resolver(edit: &mut Edit<'_>) -> Result<(), RootfsError> {
    if edit.exists("usr/lib/systemd/systemd-resolved") {
        edit.default_symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")?;
    }
    Ok(())
}

/// Links the time zone, if the database has it; without a link the time is UTC.
fn set_time_zone(edit: &mut Edit<'_>, name: &str) -> Result<(), RootfsError> {
    if edit.resolve_file(&format!("usr/share/zoneinfo/{name}")).is_some() {
        edit.default_symlink("etc/localtime", &format!("../usr/share/zoneinfo/{name}"))?;
    }
    Ok(())
}

fn choose_fonts(edit: &mut Edit<'_>) -> Result<(), RootfsError> {
    const CHOSEN: &str = "etc/fonts/conf.d";
    let present = names(edit.tree, CHOSEN);
    for (kinds, choice) in FONT_CHOICES {
        let available = format!("usr/share/fontconfig/conf.avail/{choice}");
        let is_chosen = present.iter().any(|name| kinds.iter().any(|kind| name.starts_with(kind)));
        if edit.exists(&available) && !is_chosen {
            edit.symlink(&format!("{CHOSEN}/{choice}"), &format!("/{available}"))?;
        }
    }
    Ok(())
}

/// Writes the locale where systemd reads it, and a link where Debian's PAM stacks do.
fn set_locale(edit: &mut Edit<'_>, locale: &str) -> Result<(), RootfsError> {
    edit.default_file("etc/locale.conf", 0o644, format!("LANG={locale}\n"))?;
    edit.default_symlink("etc/default/locale", "../locale.conf")
}

/// Lists the installed shells, as update-shells(8) does: `sh`, then what packages list. A path in
/// /bin stands for the like one in /usr/bin, too.
fn list_shells(edit: &mut Edit<'_>) -> Result<(), RootfsError> {
    let mut shells: Vec<String> = vec!["/bin/sh".to_owned(), "/usr/bin/sh".to_owned()];
    for list in names(edit.tree, SHELL_LISTS) {
        let listed = edit.tree.read_text(format!("{SHELL_LISTS}/{list}")).in_step(STEP)?;
        for shell in listed.lines().filter(|line| line.starts_with('/')) {
            let merged = shell.strip_prefix("/bin/").map(|name| format!("/usr/bin/{name}"));
            shells.extend([Some(shell.to_owned()), merged].into_iter().flatten());
        }
    }
    shells.extend(ADDED_SHELLS.map(str::to_owned));
    let mut text = "# /etc/shells: valid login shells\n".to_owned();
    let mut seen = BTreeSet::new();
    for shell in shells {
        if edit.exists(shell.trim_start_matches('/')) && seen.insert(shell.clone()) {
            text.extend([shell.as_str(), "\n"]);
        }
    }
    edit.default_file("etc/shells", 0o644, text)
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata};

    use super::*;

    const DATE: Mtime = Mtime::from_seconds(9);
    const META: Metadata = Metadata::root(0o755, DATE);

    #[test]
    fn what_packages_and_recipes_ship_stays() {
        let mut tree = Tree::new(META);
        tree.insert("bin", Inode::symlink(DATE, "usr/bin")).unwrap();
        for (path, text) in [
            ("etc/hosts", "mine"),
            ("etc/issue", "Debian"),
            ("usr/share/base-files/profile", "profile"),
            ("usr/bin/bash", ""),
            ("usr/share/debianutils/shells.d/bash", "/bin/bash\n/bin/gone\n/usr/bin/bash\n"),
            ("usr/share/zoneinfo/Etc/UTC", "TZif"),
            ("usr/lib/systemd/systemd-resolved", ""),
        ] {
            tree.put(path, META, Inode::file(META, text)).unwrap();
        }
        let os_release = "ID=edge\nPRETTY_NAME=\"Edge 1.2\"\n".to_owned();
        write(&mut tree, &EtcInput { os_release, ..EtcInput::default() }, DATE).unwrap();
        for (path, expected) in [
            ("etc/hosts", "mine"),
            ("etc/profile", "profile"),
            ("etc/issue.net", "Edge 1.2\n"),
            ("etc/machine-id", "uninitialized\n"),
            ("etc/default/locale", "LANG=C.UTF-8\n"),
            ("etc/localtime", "TZif"),
            ("etc/shells", "# /etc/shells: valid login shells\n/bin/bash\n/usr/bin/bash\n"),
        ] {
            assert_eq!(tree.read_text(path).unwrap(), expected, "{path}");
        }
        assert!(tree.read_text("etc/issue").unwrap().starts_with("\\S"));
        assert!(tree.exists("etc/resolv.conf") && !tree.exists("etc/hostname"));
        assert!(!tree.exists("etc/motd"));
    }

    #[test]
    fn fonts_are_drawn_as_the_script_would_choose_unless_somebody_chose() {
        let mut tree = Tree::new(META);
        let available = "usr/share/fontconfig/conf.avail";
        for path in [
            format!("{available}/10-hinting-slight.conf"),
            format!("{available}/70-no-bitmaps-except-emoji.conf"),
            "etc/fonts/conf.d/70-fonts-noto-cjk.conf".to_owned(),
            "etc/fonts/conf.d/10-hinting-none.conf".to_owned(),
        ] {
            tree.put(path, META, Inode::file(META, "")).unwrap();
        }
        write(&mut tree, &EtcInput::default(), DATE).unwrap();
        let (path, _) = tree.resolve("etc/fonts/conf.d/70-no-bitmaps-except-emoji.conf").unwrap();
        assert_eq!(path.to_string(), format!("{available}/70-no-bitmaps-except-emoji.conf"));
        assert!(!tree.exists("etc/fonts/conf.d/10-hinting-slight.conf"));
    }
}
