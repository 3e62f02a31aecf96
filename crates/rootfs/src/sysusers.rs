//! The format of sysusers.d(5).

use std::collections::BTreeMap;

use crate::RootfsError;

/// A number as a line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdSpec {
    /// `-`: any.
    Any,
    /// A number.
    Fixed(u32),
    /// The owner of a path.
    OwnerOf(String),
}

/// A user's primary group as a line asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrimaryGroup {
    /// One of the user's name.
    Own,
    /// By name.
    Named(String),
    /// By number.
    Numbered(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserLine {
    pub(crate) uid: IdSpec,
    pub(crate) group: PrimaryGroup,
    pub(crate) gecos: String,
    pub(crate) home: Option<String>,
    pub(crate) shell: Option<String>,
    /// `u!`: expired.
    pub(crate) locked: bool,
}

/// All lines of all files: the first line about a name counts. Names are in order of appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sysusers {
    pub(crate) groups: Vec<(String, IdSpec)>,
    pub(crate) users: Vec<(String, UserLine)>,
    /// User and group.
    pub(crate) members: Vec<(String, String)>,
    /// Names about which two lines disagree.
    pub(crate) disputed: Vec<String>,
}

impl Sysusers {
    /// Adds the lines of one file.
    ///
    /// Allocation ranges (`r`) are read over: Flagstone has its own.
    pub(crate) fn add(&mut self, path: &str, text: &str) -> Result<(), RootfsError> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let syntax = |reason: String| RootfsError::Syntax {
                path: path.to_owned(),
                line: number,
                reason,
            };
            let fields = fields(line).map_err(|reason| syntax(reason.to_owned()))?;
            self.add_line(&fields).map_err(syntax)?;
        }
        Ok(())
    }

    /// Adds what is only implied: a user's own group, and the users and groups of `m` lines.
    pub(crate) fn add_implied(&mut self) {
        for (user, group) in self.members.clone() {
            if !self.users.iter().any(|(name, _)| *name == user) {
                self.users.push((user, UserLine::default()));
            }
            self.imply_group(&group);
        }
        for (name, user) in self.users.clone() {
            if user.group == PrimaryGroup::Own {
                self.imply_group(&name);
            }
        }
    }

    fn imply_group(&mut self, name: &str) {
        if !self.groups.iter().any(|(known, _)| known == name) {
            self.groups.push((name.to_owned(), IdSpec::Any));
        }
    }

    fn add_line(&mut self, fields: &[String]) -> Result<(), String> {
        let field = |index: usize| {
            fields.get(index).map(String::as_str).filter(|text| !matches!(*text, "" | "-"))
        };
        let kind = fields.first().map_or("", String::as_str);
        let name = field(1);
        match (kind, name) {
            ("r", _) => {}
            ("g", Some(name)) => {
                let id = id_spec(field(2))?;
                insert_first(&mut self.groups, &mut self.disputed, name, id);
            }
            ("u" | "u!", Some(name)) => {
                let (uid, group) = user_ids(field(2))?;
                let line = UserLine {
                    uid,
                    group,
                    // A doubled % stands for one; other specifiers make no sense in an image.
                    gecos: field(3).unwrap_or_default().replace("%%", "%"),
                    home: field(4).map(str::to_owned),
                    shell: field(5).map(str::to_owned),
                    locked: kind == "u!",
                };
                insert_first(&mut self.users, &mut self.disputed, name, line);
            }
            ("m", Some(user)) => {
                let group = field(2).ok_or("a membership names a user and a group")?;
                self.members.push((user.to_owned(), group.to_owned()));
            }
            ("u" | "u!" | "g" | "m", None) => return Err("the name is missing".to_owned()),
            _ => return Err(format!("{kind:?} is no type of line")),
        }
        Ok(())
    }
}

impl Default for UserLine {
    fn default() -> Self {
        Self {
            uid: IdSpec::Any,
            group: PrimaryGroup::Own,
            gecos: String::new(),
            home: None,
            shell: None,
            locked: false,
        }
    }
}

fn insert_first<T: PartialEq>(
    list: &mut Vec<(String, T)>,
    disputed: &mut Vec<String>,
    name: &str,
    value: T,
) {
    match list.iter().find(|(known, _)| known == name) {
        None => list.push((name.to_owned(), value)),
        Some((_, known)) if *known != value => disputed.push(name.to_owned()),
        Some(_) => {}
    }
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|&id| id != u32::MAX && id != 0xffff).ok_or_else(|| {
        // -1 in 16 and 32 bits means "no change" to chown(2).
        format!("{text:?} is no id")
    })
}

fn id_spec(text: Option<&str>) -> Result<IdSpec, String> {
    Ok(match text {
        None => IdSpec::Any,
        Some(path) if path.starts_with('/') => IdSpec::OwnerOf(path.to_owned()),
        Some(text) => IdSpec::Fixed(number(text)?),
    })
}

/// Parses `-`, `UID`, `UID:GID`, `UID:GROUP`, `-:GROUP` and `/path`.
fn user_ids(text: Option<&str>) -> Result<(IdSpec, PrimaryGroup), String> {
    let Some(text) = text else { return Ok((IdSpec::Any, PrimaryGroup::Own)) };
    if text.starts_with('/') {
        return Ok((IdSpec::OwnerOf(text.to_owned()), PrimaryGroup::Own));
    }
    let (uid, group) = match text.split_once(':') {
        Some((uid, group)) => (uid, Some(group)),
        None => (text, None),
    };
    let uid = if uid == "-" { IdSpec::Any } else { IdSpec::Fixed(number(uid)?) };
    let group = match group {
        None => PrimaryGroup::Own,
        Some(group) if group.starts_with(|c: char| c.is_ascii_digit()) => {
            PrimaryGroup::Numbered(number(group)?)
        }
        Some(group) => PrimaryGroup::Named(group.to_owned()),
    };
    Ok((uid, group))
}

/// Splits a line into fields: separated by blanks, with single or double quotes, and `\` before a
/// quote or itself.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut chars = line.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if chars.peek().is_none() {
            return Ok(fields);
        }
        let mut field = String::new();
        let mut quote = None;
        while let Some(c) = chars.next_if(|c| quote.is_some() || !c.is_whitespace()) {
            match c {
                '\\' => field.push(chars.next().ok_or("a backslash ends the line")?),
                '"' | '\'' if quote == Some(c) => quote = None,
                '"' | '\'' if quote.is_none() => quote = Some(c),
                _ => field.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote is not closed");
        }
        fields.push(field);
    }
}

/// Renders accounts as one sysusers.d file in which every number is fixed.
pub(crate) fn render(
    groups: &BTreeMap<String, u32>,
    users: &[(String, UserLine)],
    members: &[(String, String)],
) -> String {
    let head = "# Made by Flagstone: the accounts of this image, with their numbers.\n\
        # It stands in for the packages' own files, so that an update adds new accounts\n\
        # to a machine under the numbers that the image uses.\n";
    let groups = groups.iter().map(|(name, gid)| format!("g {name} {gid}\n"));
    let users = users.iter().filter_map(|(name, user)| user_line(name, user));
    let members = members.iter().map(|(user, group)| format!("m {user} {group}\n"));
    [head.to_owned()].into_iter().chain(groups).chain(users).chain(members).collect()
}

/// Renders a user whose numbers are known.
fn user_line(name: &str, user: &UserLine) -> Option<String> {
    let (IdSpec::Fixed(uid), PrimaryGroup::Numbered(gid)) = (&user.uid, &user.group) else {
        return None;
    };
    let bang = if user.locked { "!" } else { "" };
    let gecos = user.gecos.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let home = user.home.as_deref().unwrap_or("-");
    let shell = user.shell.as_deref().unwrap_or("-");
    Some(format!("u{bang} {name} {uid}:{gid} \"{gecos}\" {home} {shell}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_about_a_name_counts() {
        let mut sysusers = Sysusers::default();
        let text = "# comment\n\nr - 500-900\ng input -\nu! net - \"Net Work\" / \n\
                    u sync 4:65534 - /bin /bin/sync\nu sshd -:nogroup 'a \"b\"' /run/sshd\n\
                    m core docker\ng input 7\ng input -\n";
        sysusers.add("x.conf", text).unwrap();
        sysusers.add_implied();
        let groups: Vec<&str> = sysusers.groups.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(groups, ["input", "docker", "net", "core"]);
        assert_eq!(sysusers.disputed, ["input"]);
        let user = |name: &str| sysusers.users.iter().find(|u| u.0 == name).unwrap().1.clone();
        assert!(user("net").locked);
        assert_eq!(user("net").gecos, "Net Work");
        assert_eq!(user("sync").group, PrimaryGroup::Numbered(65534));
        assert_eq!(user("sync").uid, IdSpec::Fixed(4));
        assert_eq!(user("sshd").group, PrimaryGroup::Named("nogroup".into()));
        assert_eq!(user("sshd").gecos, "a \"b\"");
        assert_eq!(user("core"), UserLine::default());
    }

    #[test]
    fn broken_lines_are_named() {
        for (text, expected) in [
            ("x a", "\"x\" is no type of line"),
            ("g", "the name is missing"),
            ("u -", "the name is missing"),
            ("m a", "a membership names a user and a group"),
            ("g a 65535", "\"65535\" is no id"),
            ("u a 4294967295", "\"4294967295\" is no id"),
            ("u a 1:2:3", "\"2:3\" is no id"),
            ("u a - \"open", "a quote is not closed"),
        ] {
            let error = Sysusers::default().add("a.conf", text).unwrap_err();
            assert_eq!(error.to_string(), format!("/a.conf, line 1: {expected}"));
        }
    }
}
