//! The account files: passwd(5), group(5), shadow(5), gshadow(5).

use std::collections::{BTreeMap, BTreeSet};

use crate::RootfsError;

/// Which kind of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AccountKind {
    User,
    Group,
}

impl AccountKind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }
}

/// No password opens the account; other ways in (ssh keys) do.
pub(crate) const NO_PASSWORD: &str = "*";

/// The account is locked: no password opens it, and sshd refuses keys too.
pub(crate) const LOCKED: &str = "!*";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) gecos: String,
    pub(crate) home: String,
    pub(crate) shell: String,
    /// The shadow file's second field.
    pub(crate) password: String,
    /// Whether the account is long expired, so that no way leads in (`u!` of sysusers.d).
    pub(crate) expired: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) gid: u32,
    pub(crate) members: BTreeSet<String>,
}

/// All users and groups of an image, in file order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

impl Accounts {
    /// Reads files in the format of passwd(5) and group(5), as base-passwd ships them: without
    /// passwords.
    pub(crate) fn parse(passwd: (&str, &str), group: (&str, &str)) -> Result<Self, RootfsError> {
        let mut accounts = Self::default();
        for (line, fields) in records(group.1) {
            let [name, _, gid, members] = fields[..] else {
                return Err(syntax(group.0, line, "a group has 4 fields"));
            };
            let gid = gid.parse().map_err(|_| syntax(group.0, line, "the id is no number"))?;
            let members = members.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
            accounts.add_group(Group { name: name.to_owned(), gid, members })?;
        }
        for (line, fields) in records(passwd.1) {
            let [name, _, uid, gid, gecos, home, shell] = fields[..] else {
                return Err(syntax(passwd.0, line, "a user has 7 fields"));
            };
            let id =
                |text: &str| text.parse().map_err(|_| syntax(passwd.0, line, "an id is no number"));
            accounts.add_user(User {
                name: name.to_owned(),
                uid: id(uid)?,
                gid: id(gid)?,
                gecos: gecos.to_owned(),
                home: home.to_owned(),
                shell: shell.to_owned(),
                password: NO_PASSWORD.to_owned(),
                expired: false,
            })?;
        }
        Ok(accounts)
    }

    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    pub(crate) fn user_mut(&mut self, name: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.name == name)
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns who has a user number.
    pub(crate) fn user_by_id(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// Returns who has a group number.
    pub(crate) fn group_by_id(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// Adds a user whose name is new.
    pub(crate) fn add_user(&mut self, user: User) -> Result<(), RootfsError> {
        check_name(&user.name)?;
        check_field(&user.gecos, "the description")?;
        check_field(&user.home, "the home")?;
        check_field(&user.shell, "the shell")?;
        check_field(&user.password, "the password")?;
        if let Some(holder) = self.user_by_id(user.uid) {
            return Err(taken(AccountKind::User, &user.name, user.uid, &holder.name));
        }
        self.users.push(user);
        Ok(())
    }

    /// Adds a group whose name is new.
    pub(crate) fn add_group(&mut self, group: Group) -> Result<(), RootfsError> {
        check_name(&group.name)?;
        if let Some(holder) = self.group_by_id(group.gid) {
            return Err(taken(AccountKind::Group, &group.name, group.gid, &holder.name));
        }
        self.groups.push(group);
        Ok(())
    }

    /// Puts a user into a group; both exist.
    pub(crate) fn add_member(
        &mut self,
        group: &str,
        user: &str,
        wanted_by: &str,
    ) -> Result<(), RootfsError> {
        if self.user(user).is_none() {
            return Err(unknown(AccountKind::User, user, wanted_by));
        }
        let group = self
            .groups
            .iter_mut()
            .find(|g| g.name == group)
            .ok_or_else(|| unknown(AccountKind::Group, group, wanted_by))?;
        group.members.insert(user.to_owned());
        Ok(())
    }

    /// Returns a user's number.
    pub(crate) fn uid(&self, name: &str, wanted_by: &str) -> Result<u32, RootfsError> {
        let user = self.user(name);
        user.map(|user| user.uid).ok_or_else(|| unknown(AccountKind::User, name, wanted_by))
    }

    /// Returns a group's number.
    pub(crate) fn gid(&self, name: &str, wanted_by: &str) -> Result<u32, RootfsError> {
        let group = self.group(name);
        group.map(|group| group.gid).ok_or_else(|| unknown(AccountKind::Group, name, wanted_by))
    }

    /// Returns every user's number by name.
    pub(crate) fn uids(&self) -> BTreeMap<String, u32> {
        self.users.iter().map(|user| (user.name.clone(), user.uid)).collect()
    }

    /// Returns every group's number by name.
    pub(crate) fn gids(&self) -> BTreeMap<String, u32> {
        self.groups.iter().map(|group| (group.name.clone(), group.gid)).collect()
    }

    pub(crate) fn passwd(&self) -> String {
        let line = |u: &User| {
            let User { name, uid, gid, gecos, home, shell, .. } = u;
            format!("{name}:x:{uid}:{gid}:{gecos}:{home}:{shell}\n")
        };
        self.users.iter().map(line).collect()
    }

    pub(crate) fn group_file(&self) -> String {
        let line = |g: &Group| format!("{}:x:{}:{}\n", g.name, g.gid, joined(&g.members));
        self.groups.iter().map(line).collect()
    }

    /// Renders shadow(5); `day` counts from 1970-01-01 and is when each password "changed last".
    /// Without maximum ages: no password in an image should run out.
    pub(crate) fn shadow(&self, day: i64) -> String {
        let line = |u: &User| {
            // As systemd-sysusers writes it: expired since the second day of the epoch.
            let expiry = if u.expired { "1" } else { "" };
            format!("{}:{}:{day}:::::{expiry}:\n", u.name, u.password)
        };
        self.users.iter().map(line).collect()
    }

    pub(crate) fn gshadow(&self) -> String {
        let line = |g: &Group| format!("{}:{LOCKED}::{}\n", g.name, joined(&g.members));
        self.groups.iter().map(line).collect()
    }
}

fn joined(members: &BTreeSet<String>) -> String {
    members.iter().map(String::as_str).collect::<Vec<_>>().join(",")
}

fn records(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
    lines.map(|(number, line)| (number, line.split(':').collect()))
}

fn syntax(path: &str, line: usize, reason: &str) -> RootfsError {
    RootfsError::Syntax { path: path.to_owned(), line, reason: reason.to_owned() }
}

fn taken(kind: AccountKind, name: &str, id: u32, holder: &str) -> RootfsError {
    let (name, holder) = (name.to_owned(), holder.to_owned());
    RootfsError::IdTaken { kind: kind.word(), name, id, holder }
}

pub(crate) fn unknown(kind: AccountKind, name: &str, wanted_by: &str) -> RootfsError {
    let (name, wanted_by) = (name.to_owned(), wanted_by.to_owned());
    RootfsError::UnknownAccount { kind: kind.word(), name, wanted_by }
}

/// Checks a user's or group's name: as systemd's strict rule, at most 31 bytes (`utmp`).
fn check_name(name: &str) -> Result<(), RootfsError> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let rest = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    if first && rest && name.len() <= 31 {
        return Ok(());
    }
    Err(RootfsError::InvalidAccount { value: name.to_owned(), what: "the name" })
}

fn check_field(value: &str, what: &'static str) -> Result<(), RootfsError> {
    if value.contains(|c: char| c == ':' || c.is_control()) {
        return Err(RootfsError::InvalidAccount { value: value.to_owned(), what });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:*:0:0:root:/root:/bin/bash\nnobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    const GROUP: &str = "root:*:0:\nadm:*:4:root,nobody\nnogroup:*:65534:\n";

    #[test]
    fn files_come_out_with_passwords_in_shadow_only() {
        let accounts = Accounts::parse(("p", PASSWD), ("g", GROUP)).unwrap();
        assert_eq!(accounts.passwd().lines().next(), Some("root:x:0:0:root:/root:/bin/bash"));
        assert_eq!(accounts.group_file().lines().nth(1), Some("adm:x:4:nobody,root"));
        assert_eq!(accounts.shadow(7).lines().next(), Some("root:*:7::::::"));
        assert_eq!(accounts.gshadow().lines().nth(1), Some("adm:!*::nobody,root"));
    }

    #[test]
    fn broken_lines_are_named() {
        for (passwd, expected) in [
            ("root:*:0:0\n", "/p, line 1: a user has 7 fields"),
            ("\nroot:*:x:0:::\n", "/p, line 2: an id is no number"),
        ] {
            let error = Accounts::parse(("p", passwd), ("g", "")).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        assert!(Accounts::parse(("p", ""), ("g", "root:*:-1:\n")).is_err());
    }

    #[test]
    fn names_and_fields_cannot_break_out_of_their_line() {
        let user = |name: &str, gecos: &str| User {
            name: name.into(),
            uid: 1,
            gid: 1,
            gecos: gecos.into(),
            home: "/".into(),
            shell: "/bin/sh".into(),
            password: LOCKED.into(),
            expired: false,
        };
        for (name, gecos) in [("", ""), ("a:b", ""), ("1a", ""), ("a", "x:y"), ("a", "x\ny")] {
            assert!(Accounts::default().add_user(user(name, gecos)).is_err(), "{name:?} {gecos:?}");
        }
        let mut accounts = Accounts::default();
        accounts.add_user(user("a", "A")).unwrap();
        assert!(matches!(accounts.add_user(user("b", "")), Err(RootfsError::IdTaken { .. })));
    }
}
