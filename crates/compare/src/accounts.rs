use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::CompareError;
use crate::usr::Usr;

/// Where an image has the defaults of the account files.
const PASSWD: &str = "share/flagstone/etc/passwd";
const GROUP: &str = "share/flagstone/etc/group";

/// The longest account file.
const FILE_MAX: u64 = 16 << 20;

/// What differs between the users and groups of two releases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AccountsDiff {
    /// Users: `uid:gid:comment:home:shell`.
    pub users: EntriesDiff,
    /// Groups: `gid:members`.
    pub groups: EntriesDiff,
}

/// Entries of one account file that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntriesDiff {
    /// What only the new file has.
    pub added: Vec<Account>,
    /// What only the old file has.
    pub removed: Vec<Account>,
    /// What is otherwise.
    pub changed: Vec<AccountChange>,
}

/// A user or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// The rest of its entry, without the password's field.
    pub entry: String,
}

/// A user or group in both files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountChange {
    /// Its name.
    pub name: String,
    /// The old entry.
    pub old: String,
    /// The new entry.
    pub new: String,
}

/// The entries of both files by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accounts {
    users: BTreeMap<String, String>,
    groups: BTreeMap<String, String>,
}

impl Accounts {
    /// Reads the account files of an image, if it has them.
    pub(crate) fn of_usr(usr: &Usr) -> Result<Option<Self>, CompareError> {
        let (users, groups) = (usr.text(PASSWD, FILE_MAX)?, usr.text(GROUP, FILE_MAX)?);
        let both = users.zip(groups);
        Ok(both.map(|(users, groups)| Self { users: parse(&users), groups: parse(&groups) }))
    }
}

impl AccountsDiff {
    pub(crate) fn between(old: &Accounts, new: &Accounts) -> Self {
        Self {
            users: EntriesDiff::between(&old.users, &new.users),
            groups: EntriesDiff::between(&old.groups, &new.groups),
        }
    }

    /// Tells whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl EntriesDiff {
    fn between(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Self {
        let mut diff = Self::default();
        for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let account = |entry: &String| Account { name: name.clone(), entry: entry.clone() };
            match (old.get(name), new.get(name)) {
                (None, Some(entry)) => diff.added.push(account(entry)),
                (Some(entry), None) => diff.removed.push(account(entry)),
                (Some(old), Some(new)) if old != new => diff.changed.push(AccountChange {
                    name: name.clone(),
                    old: old.clone(),
                    new: new.clone(),
                }),
                _ => {}
            }
        }
        diff
    }
}

/// Reads passwd(5) or group(5): name, password, rest.
fn parse(text: &str) -> BTreeMap<String, String> {
    let entry = |line: &str| {
        let mut fields = line.splitn(3, ':');
        let (name, _, rest) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name.to_owned(), rest.to_owned()))
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_told_apart_by_name() {
        let old = Accounts {
            users: parse("root:x:0:0:root:/root:/bin/bash\ngone:x:5:5::/:/bin/sh\nbad line\n"),
            groups: parse("root:x:0:\nadm:x:4:\n"),
        };
        let new = Accounts {
            users: parse("root:x:0:0:root:/root:/bin/sh\nnew:*:6:6::/:/bin/sh\n"),
            groups: parse("root:x:0:\nadm:x:4:new\n"),
        };
        let diff = AccountsDiff::between(&old, &new);
        assert_eq!(
            (diff.users.added[0].name.as_str(), diff.users.removed[0].name.as_str()),
            ("new", "gone")
        );
        assert_eq!(diff.users.changed[0].new, "0:0:root:/root:/bin/sh");
        assert_eq!(diff.groups.changed[0].new, "4:new");
        assert!(AccountsDiff::between(&old, &old).is_empty());
    }
}
