//! Commands that make files or say whose they are.

use crate::Paths;
use crate::action::Action;
use crate::declaration::Declaration;
use crate::options::Options;

/// Stands for a user's own group, as `chown user:` means it.
pub(crate) const LOGIN_GROUP: &str = ":";

/// Tells whether an image carries what lies there: /usr, the defaults of /etc, and of /var
/// directories, links and empty files, which come back at a boot.
fn is_carried(path: &str) -> bool {
    let below = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    let plain = !path.split('/').any(|name| name == "..");
    let lost = ["/usr/local", "/var/run", "/var/lock", "/var/tmp"].into_iter().any(below);
    plain && !lost && ["/usr", "/etc", "/var"].into_iter().any(below)
}

/// Returns the text that a command writes to a file: what it echoes, or a here-document.
pub(crate) fn written(
    action: &Action,
    arguments: &[&str],
    path: &str,
    paths: &Paths,
) -> Option<Declaration> {
    if !is_carried(path) || paths.contains(path) {
        return None;
    }
    let text = match (action.name().unwrap_or(":"), arguments) {
        ("cat", []) => action.input.as_ref()?.known()?.to_owned(),
        (":" | "true", _) => String::new(),
        ("echo", words) => {
            let plain = |word: &&str| !word.contains('\\') && !word.starts_with('-');
            words.iter().all(plain).then(|| words.join(" ") + "\n")?
        }
        _ => return None,
    };
    let path = path.to_owned();
    if text.is_empty() && !action.appends {
        return Some(Declaration::Empty { path });
    }
    (!path.starts_with("/var/")).then_some(Declaration::Text { path, text, append: action.appends })
}

/// Returns what one command says about files; `None` if it does not say so in plain words.
pub(crate) fn declare(
    name: &str,
    arguments: &[&str],
    paths: &Paths,
    stated: &Paths,
) -> Option<Vec<Declaration>> {
    let there = |path: &str| paths.contains(path) || stated.contains(path);
    match name {
        "mkdir" => {
            let options = Options::parse(arguments, &["-m", "--mode"]);
            if !options.only(&["p", "--parents", "m", "--mode", "Z"]) {
                return None;
            }
            let mode = options.value(&["m", "--mode"]);
            each(&options.operands, |path| directory(path, mode, None, None))
        }
        "install" => install(arguments, paths),
        "chown" | "chgrp" => {
            let options = Options::parse(arguments, &[]);
            let flags = ["R", "--recursive", "f", "h", "v", "c", "--quiet", "--no-dereference"];
            let (owner, files) = options.operands.split_first()?;
            if !options.only(&flags) || files.is_empty() {
                return None;
            }
            let recursive = options.has(&["R", "--recursive"]);
            let (user, group) = if name == "chgrp" { (None, Some(*owner)) } else { owners(owner)? };
            each(files, |path| {
                let fits = is_carried(path) && there(path);
                fits.then(|| vec![owner_of(path, user, group, recursive)])
            })
        }
        "chmod" => {
            let options = Options::parse(arguments, &[]);
            let (mode, files) = options.operands.split_first()?;
            let mode = octal(mode)?;
            if !options.only(&["f", "v", "c"]) || files.is_empty() {
                return None;
            }
            each(files, |path| {
                let fits = is_carried(path) && there(path);
                fits.then(|| vec![Declaration::Mode { path: (*path).to_owned(), mode }])
            })
        }
        "dpkg-statoverride" => match Options::parse(arguments, &[]) {
            options if options.has(&["--add"]) && options.has(&["--update"]) => {
                let [user, group, mode, path] = options.operands.as_slice() else { return None };
                let mode = octal(mode)?;
                let owner = owner_of(path, Some(user), Some(group), false);
                let mode = Declaration::Mode { path: (*path).to_owned(), mode };
                (is_carried(path) && there(path)).then(|| vec![owner, mode])
            }
            _ => None,
        },
        "cp" => {
            let options = Options::parse(arguments, &[]);
            let flags = ["a", "p", "f", "n", "u", "Z", "v", "--update", "--preserve"];
            let [from, to] = options.operands.as_slice() else { return None };
            options.only(&flags).then(|| copy(from, to, paths)).flatten()
        }
        "ucf" => {
            let options = Options::parse(arguments, &["--sum-file", "--src-dir", "--state-dir"]);
            let flags = ["--three-way", "--debconf-ok", "--sum-file", "--debconf-template"];
            let [from, to] = options.operands.as_slice() else { return None };
            options.only(&flags).then(|| copy(from, to, paths)).flatten()
        }
        "ln" => {
            let options = Options::parse(arguments, &[]);
            let symbolic = options.has(&["s", "--symbolic"]);
            let plain = options.only(&["s", "--symbolic", "f", "--force", "n", "T", "v"]);
            let [target, path] = options.operands.as_slice() else { return None };
            let fits = symbolic && plain && is_carried(path) && !paths.contains(path);
            let link = || Declaration::Link { target: (*target).into(), path: (*path).into() };
            fits.then(|| vec![link()])
        }
        "touch" => {
            let options = Options::parse(arguments, &[]);
            let files = options.operands.as_slice();
            if !options.options.is_empty() || files.is_empty() {
                return None;
            }
            each(files, |path| {
                let fits = is_carried(path);
                fits.then(|| vec![Declaration::Empty { path: (*path).to_owned() }])
            })
        }
        _ => None,
    }
}

/// `install -d` makes directories, otherwise it copies one file.
fn install(arguments: &[&str], paths: &Paths) -> Option<Vec<Declaration>> {
    let values = ["-m", "--mode", "-o", "--owner", "-g", "--group"];
    let options = Options::parse(arguments, &values);
    let flags = [
        "d",
        "--directory",
        "m",
        "--mode",
        "o",
        "--owner",
        "g",
        "--group",
        "D",
        "p",
        "v",
        "c",
        "Z",
    ];
    if !options.only(&flags) {
        return None;
    }
    let user = options.value(&["o", "--owner"]);
    let group = options.value(&["g", "--group"]);
    let mode = options.value(&["m", "--mode"]);
    if options.has(&["d", "--directory"]) {
        return each(&options.operands, |path| directory(path, mode, user, group));
    }
    let [from, to] = options.operands.as_slice() else { return None };
    let mut all = if *from == "/dev/null" {
        let fits = is_carried(to) && !paths.contains(to);
        fits.then(|| vec![Declaration::Empty { path: (*to).to_owned() }])?
    } else {
        copy(from, to, paths)?
    };
    all.extend(mode_and_owner(to, Some(mode.unwrap_or("755")), user, group)?);
    Some(all)
}

fn directory(
    path: &str,
    mode: Option<&str>,
    user: Option<&str>,
    group: Option<&str>,
) -> Option<Vec<Declaration>> {
    if !is_carried(path) {
        return None;
    }
    let mut all = vec![Declaration::Directory { path: path.to_owned() }];
    all.extend(mode_and_owner(path, mode, user, group)?);
    Some(all)
}

fn mode_and_owner(
    path: &str,
    mode: Option<&str>,
    user: Option<&str>,
    group: Option<&str>,
) -> Option<Vec<Declaration>> {
    let mut all = Vec::new();
    if let Some(mode) = mode {
        all.push(Declaration::Mode { path: path.to_owned(), mode: octal(mode)? });
    }
    if user.is_some() || group.is_some() {
        all.push(owner_of(path, user, group, false));
    }
    Some(all)
}

fn owner_of(path: &str, user: Option<&str>, group: Option<&str>, recursive: bool) -> Declaration {
    Declaration::Owner {
        path: path.to_owned(),
        user: user.map(str::to_owned),
        group: group.map(str::to_owned),
        recursive,
    }
}

/// A copy of a file that packages bring to a place where they bring nothing.
fn copy(from: &str, to: &str, paths: &Paths) -> Option<Vec<Declaration>> {
    let to = to.trim_end_matches('/');
    let fits = paths.contains(from) && is_carried(to) && !to.starts_with("/var/");
    let fits = fits && !paths.contains(to);
    fits.then(|| vec![Declaration::Copy { from: from.to_owned(), to: to.to_owned() }])
}

/// Reads `user:group`, `user`, `user:` or `:group`; some scripts write a dot for the colon.
fn owners(text: &str) -> Option<(Option<&str>, Option<&str>)> {
    let named = |name: &str| !name.is_empty() && !name.contains(['$', ' ']);
    match text.split_once([':', '.']) {
        None => named(text).then_some((Some(text), None)),
        // The user's own group.
        Some((user, "")) => named(user).then_some((Some(user), Some(LOGIN_GROUP))),
        Some(("", group)) => Some((None, Some(group))),
        Some((user, group)) => (named(user) && named(group)).then_some((Some(user), Some(group))),
    }
}

fn octal(mode: &str) -> Option<u16> {
    u16::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)
}

fn each(
    paths: &[&str],
    declare: impl Fn(&str) -> Option<Vec<Declaration>>,
) -> Option<Vec<Declaration>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(declare(path)?);
    }
    Some(all).filter(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(text: &str) -> Option<Vec<Declaration>> {
        let paths = Paths::from_iter(["/etc/x", "/usr/share/x/x.conf", "/usr/bin/x", "/var/lib/x"]);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        super::declare(words[0], &words[1..], &paths, &Paths::default())
    }

    #[test]
    fn files_and_owners_are_read_where_they_are_plain() {
        for text in [
            "chown -R x:y /var/lib/x /etc/x",
            "chgrp adm /etc/x",
            "chmod 2755 /usr/bin/x",
            "mkdir -p /var/cache/x",
            "install -d -o x -g y -m 750 /var/cache/x",
            "install -m644 /usr/share/x/x.conf /etc/x.conf",
            "cp -a /usr/share/x/x.conf /etc/x.conf",
            "ucf --three-way /usr/share/x/x.conf /etc/x.conf",
            "ln -sf ../x /etc/rc.x",
            "touch /etc/y",
            "dpkg-statoverride --update --add root adm 0640 /etc/x",
        ] {
            assert!(declare(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_no_image_carries_or_no_package_brings_is_not_read() {
        for text in [
            "chown x /etc/other",
            "chown --from=y x /etc/x",
            "chmod u+s /usr/bin/x",
            "chmod -R 755 /usr/bin/x",
            "mkdir /run/x",
            "mkdir /usr/local/x",
            "mkdir /etc/../run/x",
            "cp /usr/share/x/x.conf /etc/x",
            "cp -r /usr/share/x/x.conf /etc/x.conf",
            "cp /etc/none /etc/x.conf",
            "ln /etc/x /etc/z",
            "cp /usr/share/x/x.conf /var/lib/x/x.conf",
            "touch",
            "dpkg-statoverride --add root adm 0640 /etc/x",
        ] {
            assert_eq!(declare(text), None, "{text}");
        }
    }
}
