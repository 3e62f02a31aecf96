//! Commands that make accounts.

use crate::declaration::{Declaration, DeclaredUser, number};
use crate::options::Options;

const NOLOGIN: &str = "/usr/sbin/nologin";
/// What adduser gives a system user that names no home (adduser(8), "Add a system user").
const NO_HOME: &str = "/nonexistent";

/// Where homes are made that belong to an image: state, which the machine makes anew.
fn is_state(path: &str) -> bool {
    path.starts_with("/var/")
}

fn group(name: &str, gid: Option<u32>) -> Declaration {
    Declaration::Group { name: name.to_owned(), gid }
}

fn member(user: &str, group: &str) -> Declaration {
    Declaration::Member { user: user.to_owned(), group: group.to_owned() }
}

/// Reads `adduser` or `addgroup` of a system account, or of a member.
pub(crate) fn adduser(group_only: bool, arguments: &[&str]) -> Option<Vec<Declaration>> {
    const VALUES: [&str; 12] = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--ingroup",
        "--gid",
        "--uid",
        "--firstuid",
        "--lastuid",
        "--firstgid",
        "--lastgid",
        "--conf",
    ];
    let options = Options::parse(arguments, &VALUES);
    let system = options.has(&["--system"]);
    let gid = number(&options, &["--gid"]).ok()?;
    match options.operands.as_slice() {
        [user, group] if !system => Some(vec![member(user, group)]),
        [name] if system && group_only => Some(vec![group(name, gid)]),
        [name] if system => {
            let own = options.has(&["--group"]);
            let named = options.value(&["--ingroup"]).map(str::to_owned);
            if gid.is_some() && !own {
                return None;
            }
            let mut all = Vec::new();
            if own && named.is_none() {
                all.push(group(name, gid));
            }
            let user = DeclaredUser {
                name: (*name).to_owned(),
                uid: number(&options, &["--uid"]).ok()?,
                group: if own { named } else { named.or_else(|| Some("nogroup".to_owned())) },
                gecos: options.value(&["--gecos", "--comment"]).unwrap_or_default().to_owned(),
                home: options.value(&["--home"]).unwrap_or(NO_HOME).to_owned(),
                shell: options.value(&["--shell"]).unwrap_or(NOLOGIN).to_owned(),
            };
            let home = (!options.has(&["--no-create-home"])).then(|| home(&user)).flatten();
            all.push(Declaration::User(user));
            all.extend(home.into_iter().flatten());
            Some(all)
        }
        _ => None,
    }
}

/// Returns what makes a user's home.
fn home(user: &DeclaredUser) -> Option<[Declaration; 2]> {
    let path = user.home.trim_end_matches('/').to_owned();
    is_state(&path).then(|| {
        let group = user.group.clone().unwrap_or_else(|| user.name.clone());
        let owner = Declaration::Owner {
            path: path.clone(),
            user: Some(user.name.clone()),
            group: Some(group),
            recursive: false,
        };
        [Declaration::Directory { path }, owner]
    })
}

/// Reads `useradd` of a system account.
pub(crate) fn useradd(arguments: &[&str]) -> Option<Vec<Declaration>> {
    const VALUES: [&str; 17] = [
        "-d",
        "--home-dir",
        "--home",
        "-s",
        "--shell",
        "-c",
        "--comment",
        "-g",
        "--gid",
        "-G",
        "--groups",
        "-u",
        "--uid",
        "-K",
        "--key",
        "-b",
        "--base-dir",
    ];
    let options = Options::parse(arguments, &VALUES);
    let [name] = options.operands.as_slice() else { return None };
    if !options.has(&["r", "--system"]) || options.has(&["m", "--create-home", "b", "--base-dir"]) {
        return None;
    }
    let named = options.value(&["g", "--gid"]).map(str::to_owned);
    if named.as_ref().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        return None;
    }
    let mut all = Vec::new();
    if named.is_none() {
        all.push(group(name, None));
    }
    all.push(Declaration::User(DeclaredUser {
        name: (*name).to_owned(),
        uid: number(&options, &["u", "--uid"]).ok()?,
        group: named,
        gecos: options.value(&["c", "--comment"]).unwrap_or_default().to_owned(),
        home: options.value(&["d", "--home-dir", "--home"]).unwrap_or("/").to_owned(),
        shell: options.value(&["s", "--shell"]).unwrap_or("/bin/sh").to_owned(),
    }));
    let further = options.value(&["G", "--groups"]).into_iter().flat_map(|list| list.split(','));
    all.extend(further.filter(|group| !group.is_empty()).map(|group| member(name, group)));
    Some(all)
}

/// Reads `groupadd` of a system group.
pub(crate) fn groupadd(arguments: &[&str]) -> Option<Vec<Declaration>> {
    let options = Options::parse(arguments, &["-g", "--gid", "-K", "--key"]);
    let [name] = options.operands.as_slice() else { return None };
    let gid = number(&options, &["g", "--gid"]).ok()?;
    options.has(&["r", "--system"]).then(|| vec![group(name, gid)])
}

/// Reads `usermod` where it adds groups and does nothing else.
pub(crate) fn usermod(arguments: &[&str]) -> Option<Vec<Declaration>> {
    let options = Options::parse(arguments, &["-G", "--groups"]);
    let [name] = options.operands.as_slice() else { return None };
    let adds = options.has(&["a", "--append"]);
    let plain = options.only(&["a", "--append", "G", "--groups"]);
    let groups = options.value(&["G", "--groups"]).filter(|_| adds && plain)?;
    Some(groups.split(',').filter(|g| !g.is_empty()).map(|group| member(name, group)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, group: Option<&str>, home: &str) -> Declaration {
        Declaration::User(DeclaredUser {
            name: name.to_owned(),
            uid: None,
            group: group.map(str::to_owned),
            gecos: String::new(),
            home: home.to_owned(),
            shell: NOLOGIN.to_owned(),
        })
    }

    #[test]
    fn system_accounts_are_read_as_adduser_makes_them() {
        let words = ["--system", "--quiet", "--home", "/run/a", "--no-create-home", "a"];
        assert_eq!(adduser(false, &words), Some(vec![user("a", Some("nogroup"), "/run/a")]));
        let words = ["--system", "--group", "--home=/run/a", "--shell", NOLOGIN, "a"];
        assert_eq!(adduser(false, &words), Some(vec![group("a", None), user("a", None, "/run/a")]));
        let made = adduser(false, &["--system", "--home", "/var/lib/a", "a"]).unwrap();
        assert_eq!(made.len(), 3);
        assert_eq!(made[1], Declaration::Directory { path: "/var/lib/a".to_owned() });
        assert_eq!(adduser(true, &["--system", "g"]), Some(vec![group("g", None)]));
        assert_eq!(adduser(false, &["a", "g"]), Some(vec![member("a", "g")]));
    }

    #[test]
    fn what_is_no_system_account_is_not_read() {
        assert_eq!(adduser(false, &["a"]), None);
        assert_eq!(adduser(false, &["--system", "--gid", "x", "a"]), None);
        assert_eq!(useradd(&["a"]), None);
        assert_eq!(groupadd(&["a"]), None);
        assert_eq!(usermod(&["-d", "/x", "a"]), None);
        assert_eq!(usermod(&["-G", "x", "a"]), None);
        assert_eq!(usermod(&["-aG", "x,y", "a"]), Some(vec![member("a", "x"), member("a", "y")]));
    }
}
