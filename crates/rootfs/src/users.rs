//! Users and groups, as base-passwd, systemd-sysusers and packages' scripts would make them.

use std::collections::{BTreeMap, BTreeSet};

use flagstone_scripts::{Declaration, DeclaredUser};
use flagstone_tree::{Mtime, Tree};

use crate::accounts::{Accounts, Group, LOCKED, NO_PASSWORD, User};
use crate::edit::{Edit, config_files, text};
use crate::ids::{self, DYNAMIC};
use crate::script_accounts::{self, ScriptGroup, ScriptUser};
use crate::sysusers::{IdSpec, PrimaryGroup, Sysusers, UserLine, render};
use crate::{Note, RootfsError, sub_ids};

const STEP: &str = "users";

/// Where sysusers.d files are; earlier places hide later ones.
const PLACES: [&str; 2] = ["etc/sysusers.d", "usr/lib/sysusers.d"];

/// The shell of accounts that are not for people (systemd-sysusers' default too).
const NOLOGIN: &str = "/usr/sbin/nologin";

/// Ordinary users start here (`UID_MIN` of login.defs).
const FIRST_ORDINARY: u32 = 1000;

/// What the recipe says about accounts.
#[derive(Clone, Debug, Default)]
pub struct UsersInput {
    /// Users to add, or, where a package makes one of the name, to change.
    pub users: Vec<UserSpec>,
    /// Groups to add.
    pub groups: Vec<GroupSpec>,
    /// Numbers for users and groups by name, above those of packages and of Flagstone's own table.
    pub ids: BTreeMap<String, u32>,
}

/// A user of the recipe.
#[derive(Clone, Debug, Default)]
pub struct UserSpec {
    /// The login name.
    pub name: String,
    /// The number; without it the next free one, from 1000 on or, for system users, below 900.
    pub uid: Option<u32>,
    /// The primary group by name; without it one of the user's own name and, if free, number.
    pub group: Option<String>,
    /// Further groups.
    pub groups: Vec<String>,
    /// The description.
    pub gecos: String,
    /// The home directory; `/home/<name>` without it, `/` for system users.
    pub home: Option<String>,
    /// The shell; `/bin/bash` without it, none for system users.
    pub shell: Option<String>,
    /// The password's hash (crypt(5)). Without it no password opens the account, but ssh keys do.
    pub password_hash: Option<String>,
    /// Whether this is a service's account: no shell, no home, a number below 1000.
    pub system: bool,
}

/// A group of the recipe.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// The name.
    pub name: String,
    /// The number; without it the next free system number.
    pub gid: Option<u32>,
    /// Its members.
    pub members: Vec<String>,
}

/// A home directory that the machine has to make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Home {
    /// The absolute path.
    pub path: String,
    /// The owner's number.
    pub uid: u32,
    /// The owner's primary group's number.
    pub gid: u32,
}

/// What other finishers need of this one.
#[derive(Debug)]
pub(crate) struct UsersOutcome {
    pub(crate) accounts: Accounts,
    pub(crate) homes: Vec<Home>,
}

/// Makes `/etc/{passwd,group,shadow,gshadow,subuid,subgid}`, and replaces the packages' sysusers.d
/// files by one with all numbers fixed.
///
/// First come base-passwd's accounts, then those of sysusers.d in systemd's order (files by name;
/// groups before users), then those that scripts make, by a table or by what they declare, then the
/// recipe's. Numbers come, in this
/// order, from the recipe, the packages, Flagstone's own table, and at last from a range that the
/// table does not use, which is noted: such a number may change from release to release.
///
/// The one sysusers.d file serves machines whose /etc/passwd was copied up and no longer follows the
/// image: after an update systemd-sysusers adds the new accounts with the image's numbers.
///
/// root is locked; any other account without a hash can still be reached by ssh keys, unless a
/// package made it, when it is locked too.
pub(crate) fn create(
    tree: &mut Tree,
    input: &UsersInput,
    declarations: &[(String, Declaration)],
    date: Mtime,
    notes: &mut Vec<Note>,
) -> Result<UsersOutcome, RootfsError> {
    let mut maker = Maker { accounts: base_accounts(tree)?, tree, input, notes };
    let sysusers = maker.read_sysusers()?;
    maker.add_sysusers(&sysusers)?;
    maker.add_those_of_scripts()?;
    maker.add_declared(declarations)?;
    let known: BTreeSet<String> =
        maker.accounts.users().iter().map(|user| user.name.clone()).collect();
    let homes = maker.add_recipes()?;
    maker.lock_root();
    let Maker { accounts, .. } = maker;
    let added = input.users.iter().filter(|user| !user.system && !known.contains(&user.name));
    let added = added.filter_map(|user| accounts.user(&user.name));
    let added: Vec<(&str, u32)> = added.map(|user| (user.name.as_str(), user.uid)).collect();
    write_sub_ids(&mut Edit::new(tree, date, STEP), &added)?;
    write(&mut Edit::new(tree, date, STEP), &accounts, &homes)?;
    Ok(UsersOutcome { accounts, homes })
}

/// Returns the names of the users and groups of base-passwd and sysusers.d.
pub(crate) fn declared_by_packages(
    tree: &Tree,
) -> Result<(BTreeSet<String>, BTreeSet<String>), RootfsError> {
    let accounts = base_accounts(tree)?;
    let mut sysusers = Sysusers::default();
    for path in config_files(tree, &PLACES, ".conf") {
        if let Some(text) = text(tree, &path, STEP)? {
            sysusers.add(&path, &text)?;
        }
    }
    sysusers.add_implied();
    let users = accounts.users().iter().map(|user| user.name.clone());
    let users = users.chain(sysusers.users.into_iter().map(|(name, _)| name)).collect();
    let groups = accounts.groups().iter().map(|group| group.name.clone());
    let groups = groups.chain(sysusers.groups.into_iter().map(|(name, _)| name)).collect();
    Ok((users, groups))
}

/// Reads the accounts every Debian system has, with their fixed numbers below 100.
fn base_accounts(tree: &Tree) -> Result<Accounts, RootfsError> {
    let read = |name: &'static str| {
        let text = text(tree, name, STEP)?.unwrap_or_default();
        Ok::<_, RootfsError>((name, text))
    };
    let passwd = read("usr/share/base-passwd/passwd.master")?;
    let group = read("usr/share/base-passwd/group.master")?;
    Accounts::parse((passwd.0, &passwd.1), (group.0, &group.1))
}

struct Maker<'a> {
    accounts: Accounts,
    tree: &'a Tree,
    input: &'a UsersInput,
    notes: &'a mut Vec<Note>,
}

impl Maker<'_> {
    fn read_sysusers(&mut self) -> Result<Sysusers, RootfsError> {
        let mut sysusers = Sysusers::default();
        for path in config_files(self.tree, &PLACES, ".conf") {
            if let Some(text) = text(self.tree, &path, STEP)? {
                sysusers.add(&path, &text)?;
            }
        }
        sysusers.add_implied();
        for name in &sysusers.disputed {
            let text = format!("sysusers.d describes {name} in two ways; the first counts");
            self.notes.push(Note::new(STEP, text));
        }
        Ok(sysusers)
    }

    fn add_sysusers(&mut self, sysusers: &Sysusers) -> Result<(), RootfsError> {
        let uid_of = |name: &str| {
            let user = sysusers.users.iter().find(|(user, _)| user == name);
            user.map(|(_, line)| line.uid.clone())
        };
        for (name, spec) in &sysusers.groups {
            // A user's own group takes the number that the user asks for.
            let spec = match spec {
                IdSpec::Any => uid_of(name).unwrap_or(IdSpec::Any),
                spec => spec.clone(),
            };
            self.ensure_group(name, &spec)?;
        }
        for (name, line) in &sysusers.users {
            self.ensure_user(name, line)?;
        }
        for (user, group) in &sysusers.members {
            self.accounts.add_member(group, user, "sysusers.d")?;
        }
        Ok(())
    }

    fn add_those_of_scripts(&mut self) -> Result<(), RootfsError> {
        for ScriptGroup { name, file } in script_accounts::GROUPS {
            if self.tree.exists(file) {
                self.ensure_group(name, &IdSpec::Any)?;
            }
        }
        for user in script_accounts::USERS {
            if self.tree.exists(user.file) && self.accounts.user(user.name).is_none() {
                self.add_script_user(&user)?;
            }
        }
        Ok(())
    }

    /// Makes the accounts that scripts state in plain words: groups, users, then members.
    fn add_declared(&mut self, declarations: &[(String, Declaration)]) -> Result<(), RootfsError> {
        for (_, declaration) in declarations {
            if let Declaration::Group { name, gid } = declaration {
                let spec = self.wish(*gid);
                self.ensure_group(name, &spec)?;
            }
        }
        for (package, declaration) in declarations {
            if let Declaration::User(user) = declaration {
                self.add_declared_user(package, user)?;
            }
        }
        for (_, declaration) in declarations {
            if let Declaration::Member { user, group } = declaration
                && self.accounts.user(user).is_some()
                && self.accounts.group(group).is_some()
            {
                self.accounts.add_member(group, user, "a script")?;
            }
        }
        Ok(())
    }

    fn add_declared_user(&mut self, package: &str, user: &DeclaredUser) -> Result<(), RootfsError> {
        if self.accounts.user(&user.name).is_some() {
            return Ok(());
        }
        let uid = self.wish(user.uid);
        let group = match &user.group {
            None => {
                self.ensure_group(&user.name, &uid)?;
                PrimaryGroup::Own
            }
            Some(group) if self.accounts.group(group).is_some() => {
                PrimaryGroup::Named(group.clone())
            }
            Some(group) => {
                let text = format!(
                    "{package} makes {} in the group {group}, which does not exist",
                    user.name
                );
                self.notes.push(Note::new(STEP, text));
                return Ok(());
            }
        };
        let line = UserLine {
            uid,
            group,
            gecos: user.gecos.clone(),
            home: Some(user.home.clone()),
            shell: Some(user.shell.clone()),
            ..UserLine::default()
        };
        self.ensure_user(&user.name, &line)
    }

    /// Asks for a number if it is free: a script that asked in vain would get another one.
    fn wish(&self, id: Option<u32>) -> IdSpec {
        id.filter(|&id| self.is_free(id)).map_or(IdSpec::Any, IdSpec::Fixed)
    }

    fn add_script_user(&mut self, user: &ScriptUser) -> Result<(), RootfsError> {
        let group = if let Some(group) = user.group {
            PrimaryGroup::Named(group.to_owned())
        } else {
            self.ensure_group(user.name, &IdSpec::Any)?;
            PrimaryGroup::Own
        };
        let line = UserLine {
            group,
            gecos: user.gecos.to_owned(),
            home: Some(user.home.to_owned()),
            shell: Some(user.shell.to_owned()),
            ..UserLine::default()
        };
        self.ensure_user(user.name, &line)?;
        if let Some(group) = user.member_of.filter(|group| self.accounts.group(group).is_some()) {
            self.accounts.add_member(group, user.name, "the table of scripts' accounts")?;
        }
        Ok(())
    }

    fn add_recipes(&mut self) -> Result<Vec<Home>, RootfsError> {
        for group in &self.input.groups {
            let spec = group.gid.map_or(IdSpec::Any, IdSpec::Fixed);
            self.ensure_group(&group.name, &spec)?;
        }
        let mut homes = Vec::new();
        for user in &self.input.users {
            self.add_recipe_user(user)?;
            let made = self.accounts.user(&user.name).expect("it was added or found just now");
            if !user.system && made.home.starts_with("/home/") {
                homes.push(Home { path: made.home.clone(), uid: made.uid, gid: made.gid });
            }
        }
        for group in &self.input.groups {
            for member in &group.members {
                self.accounts.add_member(&group.name, member, &format!("group {}", group.name))?;
            }
        }
        homes.sort();
        Ok(homes)
    }

    fn add_recipe_user(&mut self, spec: &UserSpec) -> Result<(), RootfsError> {
        let name = &spec.name;
        let wanted_by = format!("user {name}");
        if self.accounts.user(name).is_none() {
            let uid = match spec.uid.or(self.input.ids.get(name).copied()) {
                Some(uid) => uid,
                None if spec.system => self.free_id(name, None)?,
                None => self.free_ordinary_id(name)?,
            };
            let gid = match &spec.group {
                Some(group) => self.accounts.gid(group, &wanted_by)?,
                None => self.ensure_group(name, &IdSpec::Fixed(uid))?,
            };
            let (home, shell) = if spec.system {
                ("/".to_owned(), NOLOGIN)
            } else {
                (format!("/home/{name}"), "/bin/bash")
            };
            self.accounts.add_user(User {
                name: name.clone(),
                uid,
                gid,
                gecos: String::new(),
                home,
                shell: shell.to_owned(),
                password: NO_PASSWORD.to_owned(),
                expired: false,
            })?;
        }
        self.change_user(spec)?;
        for group in &spec.groups {
            self.accounts.add_member(group, name, &wanted_by)?;
        }
        Ok(())
    }

    /// Lays what the recipe says over a user that exists.
    fn change_user(&mut self, spec: &UserSpec) -> Result<(), RootfsError> {
        // Through the same checks as a new user's fields.
        let mut checked = Accounts::default();
        let user = self.accounts.user_mut(&spec.name).expect("the caller added it");
        if spec.uid.is_some_and(|uid| uid != user.uid) {
            return Err(RootfsError::IdTaken {
                kind: "user",
                name: spec.name.clone(),
                id: spec.uid.unwrap_or(user.uid),
                holder: format!("{} (which has {} already)", user.name, user.uid),
            });
        }
        if !spec.gecos.is_empty() {
            user.gecos.clone_from(&spec.gecos);
        }
        if let Some(home) = &spec.home {
            user.home.clone_from(home);
        }
        if let Some(shell) = &spec.shell {
            user.shell.clone_from(shell);
        }
        if let Some(hash) = &spec.password_hash {
            user.password.clone_from(hash);
        }
        checked.add_user(user.clone())
    }

    /// Locks root's password unless the recipe gave it one: nobody logs in as root by default.
    fn lock_root(&mut self) {
        let given = self.input.users.iter().any(|u| u.name == "root" && u.password_hash.is_some());
        if let Some(root) = self.accounts.user_mut("root").filter(|_| !given) {
            LOCKED.clone_into(&mut root.password);
        }
    }

    fn ensure_user(&mut self, name: &str, line: &UserLine) -> Result<(), RootfsError> {
        if self.accounts.user(name).is_some() {
            return Ok(());
        }
        let gid = match &line.group {
            PrimaryGroup::Own => self.accounts.gid(name, &format!("user {name}"))?,
            PrimaryGroup::Named(group) => self.accounts.gid(group, &format!("user {name}"))?,
            PrimaryGroup::Numbered(gid) => *gid,
        };
        let own_group = self.accounts.group(name).map(|group| group.gid);
        let wanted = self.wanted_id(name, &line.uid, |owner| owner.uid).or(own_group);
        let uid = match wanted {
            Some(uid) => uid,
            None => self.free_id(name, None)?,
        };
        let root = uid == 0;
        let home = line.home.clone().unwrap_or_else(|| if root { "/root" } else { "/" }.into());
        let shell =
            line.shell.clone().unwrap_or_else(|| if root { "/bin/sh" } else { NOLOGIN }.into());
        self.accounts.add_user(User {
            name: name.to_owned(),
            uid,
            gid,
            gecos: line.gecos.clone(),
            home,
            shell,
            password: LOCKED.to_owned(),
            expired: line.locked,
        })
    }

    /// Returns a group's number, adding the group if it is missing.
    fn ensure_group(&mut self, name: &str, spec: &IdSpec) -> Result<u32, RootfsError> {
        if let Some(group) = self.accounts.group(name) {
            return Ok(group.gid);
        }
        let wanted = self.wanted_id(name, spec, |owner| owner.gid);
        let gid = match wanted {
            Some(gid) => gid,
            None => self.free_id(name, self.accounts.user(name).map(|user| user.uid))?,
        };
        self.accounts.add_group(Group { name: name.to_owned(), gid, members: BTreeSet::new() })?;
        Ok(gid)
    }

    fn wanted_id(
        &self,
        name: &str,
        spec: &IdSpec,
        of: fn(&flagstone_tree::Metadata) -> u32,
    ) -> Option<u32> {
        if let Some(&id) = self.input.ids.get(name) {
            return Some(id);
        }
        match spec {
            IdSpec::Fixed(id) => Some(*id),
            IdSpec::OwnerOf(path) => {
                let owner = self.tree.resolve(path.trim_start_matches('/')).ok();
                owner.map(|(_, id)| of(&self.tree.inode(id).metadata)).filter(|&id| id != 0)
            }
            IdSpec::Any => None,
        }
        .or_else(|| ids::pinned(name))
    }

    /// Finds a number that neither a user nor a group has, and says that it may change.
    fn free_id(&mut self, name: &str, preferred: Option<u32>) -> Result<u32, RootfsError> {
        if let Some(id) = preferred.filter(|&id| self.accounts.group_by_id(id).is_none()) {
            return Ok(id);
        }
        let id = DYNAMIC
            .rev()
            .find(|&id| self.is_free(id))
            .ok_or_else(|| RootfsError::NoIdLeft(name.to_owned()))?;
        let text = format!(
            "{name} got the id {id}, which may change when packages change; pin it in the recipe"
        );
        self.notes.push(Note::new(STEP, text));
        Ok(id)
    }

    fn free_ordinary_id(&self, name: &str) -> Result<u32, RootfsError> {
        let mut ids = FIRST_ORDINARY..60_000;
        ids.find(|&id| self.is_free(id)).ok_or_else(|| RootfsError::NoIdLeft(name.to_owned()))
    }

    fn is_free(&self, id: u32) -> bool {
        self.accounts.user_by_id(id).is_none()
            && self.accounts.group_by_id(id).is_none()
            && !self.input.ids.values().any(|&pinned| pinned == id)
    }
}

fn write(edit: &mut Edit<'_>, accounts: &Accounts, homes: &[Home]) -> Result<(), RootfsError> {
    const SECONDS_A_DAY: i64 = 86_400;
    edit.file("etc/passwd", 0o644, accounts.passwd())?;
    edit.file("etc/group", 0o644, accounts.group_file())?;
    let day = edit.date.seconds.div_euclid(SECONDS_A_DAY);
    let secrets = [("etc/shadow", accounts.shadow(day)), ("etc/gshadow", accounts.gshadow())];
    let shadow = accounts.group("shadow").map_or(0, |group| group.gid);
    for (path, content) in secrets {
        // Readable by set-gid helpers such as unix_chkpwd, as in Debian.
        let id = edit.file(path, 0o640, content)?;
        edit.tree.inode_mut(id).metadata.gid = shadow;
    }
    for path in config_files(edit.tree, &PLACES, ".conf") {
        crate::error::InStep::in_step(edit.tree.remove(&path), STEP)?;
    }
    edit.file("usr/lib/sysusers.d/flagstone.conf", 0o644, sysusers_file(accounts))?;
    if !homes.is_empty() {
        let line = |home: &Home| format!("d {} 0700 {} {} -\n", home.path, home.uid, home.gid);
        let lines: String = homes.iter().map(line).collect();
        edit.file("usr/lib/tmpfiles.d/flagstone-home.conf", 0o644, lines)?;
    }
    Ok(())
}

/// Gives the recipe's own ordinary users numbers for namespaces, unless a file of the recipe does.
fn write_sub_ids(edit: &mut Edit<'_>, users: &[(&str, u32)]) -> Result<(), RootfsError> {
    for (path, key) in [("etc/subuid", "UID"), ("etc/subgid", "GID")] {
        let lines = sub_ids::lines(edit.tree, key, users, STEP)?;
        edit.default_file(path, 0o644, lines)?;
    }
    Ok(())
}

fn sysusers_file(accounts: &Accounts) -> String {
    let line = |user: &User| {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let line = UserLine {
            uid: IdSpec::Fixed(user.uid),
            group: PrimaryGroup::Numbered(user.gid),
            gecos: user.gecos.clone(),
            home: some(&user.home),
            shell: some(&user.shell),
            locked: user.expired,
        };
        (user.name.clone(), line)
    };
    let users: Vec<_> = accounts.users().iter().map(line).collect();
    let members: Vec<_> = accounts
        .groups()
        .iter()
        .flat_map(|group| group.members.iter().map(|user| (user.clone(), group.name.clone())))
        .collect();
    render(&accounts.gids(), &users, &members)
}

#[cfg(test)]
mod tests;
