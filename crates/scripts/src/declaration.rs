//! What scripts say that is data: accounts, alternatives, owners, files.

use std::collections::BTreeMap;

use crate::action::Action;
use crate::options::Options;
use crate::value::Chance;
use crate::{PathKind, Paths, accounts, alternatives, files};

/// A fact that a script states in plain words, and that a finisher can act on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Declaration {
    /// A system group.
    Group {
        /// Its name.
        name: String,
        /// Its number, if the script asks for one.
        gid: Option<u32>,
    },
    /// A system user.
    User(DeclaredUser),
    /// A user's further group.
    Member {
        /// The user.
        user: String,
        /// The group.
        group: String,
    },
    /// One of the programs that can have a name.
    Alternative(DeclaredAlternative),
    /// The owner and group of a path that packages bring, or that a declaration makes.
    Owner {
        /// The path.
        path: String,
        /// The user, if it is set.
        user: Option<String>,
        /// The group, if it is set; `:` for the user's own.
        group: Option<String>,
        /// Whether all below is meant, too.
        recursive: bool,
    },
    /// The mode of such a path.
    Mode {
        /// The path.
        path: String,
        /// The mode.
        mode: u16,
    },
    /// A directory.
    Directory {
        /// The path.
        path: String,
    },
    /// A file that is a copy of one that packages bring, unless it is there.
    Copy {
        /// The file.
        from: String,
        /// The copy.
        to: String,
    },
    /// A symbolic link, unless something is there.
    Link {
        /// What it leads to.
        target: String,
        /// The link.
        path: String,
    },
    /// A file with this text, unless it is there.
    Text {
        /// The path.
        path: String,
        /// The text, or its end.
        text: String,
        /// Whether it is added to what the same script wrote before.
        append: bool,
    },
    /// An empty file, unless it is there.
    Empty {
        /// The path.
        path: String,
    },
}

/// A system user as adduser(8) makes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredUser {
    /// The name.
    pub name: String,
    /// The number, if the script asks for one.
    pub uid: Option<u32>,
    /// The primary group; `None` for one of the user's own name.
    pub group: Option<String>,
    /// The description.
    pub gecos: String,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// What update-alternatives(1) is told by `--install`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeclaredAlternative {
    /// The name of the group.
    pub name: String,
    /// The link.
    pub link: String,
    /// What it leads to.
    pub path: String,
    /// The highest is chosen.
    pub priority: i32,
    /// Links that go with it: link and path.
    pub slaves: Vec<(String, String)>,
}

/// Returns what the actions of a script state for certain, by their places.
pub(crate) fn declarations(actions: &[Action], paths: &Paths) -> BTreeMap<usize, Vec<Declaration>> {
    let mut all = BTreeMap::new();
    let mut made = Paths::default();
    for (at, action) in actions.iter().enumerate() {
        if action.chance != Chance::Certain {
            continue;
        }
        let Some(declared) = declare(action, paths, &made) else { continue };
        for declaration in &declared {
            match declaration {
                Declaration::Directory { path }
                | Declaration::Copy { to: path, .. }
                | Declaration::Link { path, .. }
                | Declaration::Text { path, .. }
                | Declaration::Empty { path } => made.insert(path, PathKind::File),
                _ => {}
            }
        }
        all.insert(at, declared);
    }
    all
}

/// Returns what one command states; `None` if it does not say so in plain words.
fn declare(action: &Action, paths: &Paths, made: &Paths) -> Option<Vec<Declaration>> {
    let arguments = action.literal_arguments()?;
    let real = |word: &&crate::Argument| word.as_known().is_none_or(|file| file != "/dev/null");
    let mut writes = action.writes.iter().filter(real);
    if let Some(file) = writes.next() {
        let path = file.as_known().filter(|_| writes.next().is_none())?;
        return files::written(action, &arguments, path, paths).map(|text| vec![text]);
    }
    match action.name()? {
        "adduser" | "addgroup" => accounts::adduser(action.name()? == "addgroup", &arguments),
        "useradd" => accounts::useradd(&arguments),
        "groupadd" => accounts::groupadd(&arguments),
        "usermod" => accounts::usermod(&arguments),
        "gpasswd" => match arguments.as_slice() {
            ["-a" | "--add", user, group] => {
                Some(vec![Declaration::Member { user: (*user).into(), group: (*group).into() }])
            }
            _ => None,
        },
        "update-alternatives" => alternatives::install(&arguments).map(|a| vec![a]),
        name => files::declare(name, &arguments, paths, made),
    }
}

/// Reads a number if there is one; what is no number is an error.
pub(crate) fn number(options: &Options<'_>, names: &[&str]) -> Result<Option<u32>, NotPlain> {
    options.value(names).map(|text| text.parse().map_err(|_| NotPlain)).transpose()
}

/// The command does not say what it does in plain words.
#[derive(Debug)]
pub(crate) struct NotPlain;
