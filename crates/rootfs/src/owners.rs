//! Owners, permissions and capabilities that a recipe gives to files of packages.

use flagstone_tree::{Kind, Tree, TreePath};

use crate::accounts::{AccountKind, unknown};
use crate::edit::merged;
use crate::{FinishReport, RootfsError};

/// The attribute that holds a file's capabilities (capabilities(7)).
const ATTRIBUTE: &[u8] = b"security.capability";

/// `VFS_CAP_REVISION_2` and `VFS_CAP_FLAGS_EFFECTIVE` of `linux/capability.h`.
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// What changes of a file or directory; `None` stays.
#[derive(Clone, Debug)]
pub struct OwnerSpec {
    /// Its absolute path; a symbolic link is not followed.
    pub path: String,
    /// The owning user by name.
    pub owner: Option<String>,
    /// The owning group by name.
    pub group: Option<String>,
    /// Permissions.
    pub mode: Option<u16>,
    /// What a program may do though its user may not.
    pub capabilities: Option<Capabilities>,
    /// Where the user asked for it, for messages.
    pub place: String,
}

/// A file's capabilities: one bit each, at the place of its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What a process may take up.
    pub permitted: u64,
    /// What stays permitted over the start of the program.
    pub inheritable: u64,
    /// Whether the program starts with them in effect.
    pub effective: bool,
}

impl Capabilities {
    /// Returns the attribute's value, `struct vfs_cap_data` of revision 2: all little-endian, the
    /// lower halves of both sets before the upper ones.
    fn to_xattr(self) -> Vec<u8> {
        let magic = if self.effective { REVISION | EFFECTIVE } else { REVISION };
        let mut value = magic.to_le_bytes().to_vec();
        for shift in [0, 32] {
            for set in [self.permitted, self.inheritable] {
                value.extend((set >> shift & u64::from(u32::MAX)).to_le_bytes()[..4].iter());
            }
        }
        value
    }
}

/// Gives files and directories the owners, permissions and capabilities that a recipe asks for.
///
/// It comes after all else that makes or changes files. As with `chown`, a new owner takes set-id
/// bits and capabilities of a file away unless they are given anew: they were meant for another.
///
/// # Errors
/// [`RootfsError::NothingThere`], [`RootfsError::UnknownAccount`], or [`RootfsError::NotAProgram`]
/// for capabilities of what is no file.
pub fn set_owners(
    tree: &mut Tree,
    owners: &[OwnerSpec],
    accounts: &FinishReport,
) -> Result<(), RootfsError> {
    for spec in owners {
        set_owner(tree, spec, accounts)?;
    }
    Ok(())
}

fn set_owner(
    tree: &mut Tree,
    spec: &OwnerSpec,
    accounts: &FinishReport,
) -> Result<(), RootfsError> {
    let wanted_by = || format!("{} ({})", spec.path, spec.place);
    let path = TreePath::new(merged(spec.path.trim_start_matches('/')));
    let id = path.ok().and_then(|path| tree.lookup(&path)).ok_or_else(|| {
        RootfsError::NothingThere { path: spec.path.clone(), place: spec.place.clone() }
    })?;
    let number = |kind: AccountKind, name: &Option<String>| {
        let Some(name) = name else { return Ok(None) };
        let known = match kind {
            AccountKind::User => &accounts.users,
            AccountKind::Group => &accounts.groups,
        };
        known.get(name).map(|id| Some(*id)).ok_or_else(|| unknown(kind, name, &wanted_by()))
    };
    let (uid, gid) =
        (number(AccountKind::User, &spec.owner)?, number(AccountKind::Group, &spec.group)?);
    let inode = tree.inode_mut(id);
    let file = matches!(inode.kind, Kind::File(_));
    if matches!(inode.kind, Kind::Symlink(_)) || (spec.capabilities.is_some() && !file) {
        return Err(RootfsError::NotAProgram {
            path: spec.path.clone(),
            place: spec.place.clone(),
        });
    }
    let metadata = &mut inode.metadata;
    let old = (metadata.uid, metadata.gid);
    metadata.uid = uid.unwrap_or(metadata.uid);
    metadata.gid = gid.unwrap_or(metadata.gid);
    if file && old != (metadata.uid, metadata.gid) {
        metadata.mode &= !0o6000;
        inode.xattrs.remove(ATTRIBUTE);
    }
    metadata.mode = spec.mode.unwrap_or(metadata.mode);
    if let Some(capabilities) = spec.capabilities {
        inode.xattrs.insert(ATTRIBUTE.to_vec(), capabilities.to_xattr());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    const META: Metadata = Metadata::root(0o4755, Mtime::from_seconds(0));

    fn accounts() -> FinishReport {
        FinishReport {
            users: BTreeMap::from([("root".into(), 0), ("_chrony".into(), 101)]),
            groups: BTreeMap::from([("adm".into(), 4)]),
            homes: Vec::new(),
            unit_links: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    fn spec(path: &str) -> OwnerSpec {
        OwnerSpec {
            path: path.into(),
            owner: None,
            group: None,
            mode: None,
            capabilities: None,
            place: "site.toml:3".into(),
        }
    }

    fn tree() -> Tree {
        let mut tree = Tree::new(META);
        tree.put("usr/bin/ping", META, Inode::file(META, "x")).unwrap();
        tree.insert("usr/bin/link", Inode::symlink(Mtime::default(), "ping")).unwrap();
        tree
    }

    #[test]
    fn capabilities_are_the_bytes_that_setcap_writes() {
        let mut tree = tree();
        // Of `setcap cap_net_raw,cap_checkpoint_restore=ep`, read with getfattr.
        let capabilities =
            Capabilities { permitted: 1 << 13 | 1 << 40, inheritable: 0, effective: true };
        let spec = OwnerSpec { capabilities: Some(capabilities), ..spec("/usr/bin/ping") };
        set_owners(&mut tree, &[spec], &accounts()).unwrap();
        let (_, id) = tree.resolve("usr/bin/ping").unwrap();
        let expected = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(tree.inode(id).xattrs[ATTRIBUTE], expected);
        assert_eq!(tree.inode(id).metadata, META);
    }

    #[test]
    fn a_new_owner_takes_rights_away_that_are_not_given_anew() {
        for (mode, expected) in [(None, 0o755), (Some(0o2750), 0o2750)] {
            let mut tree = tree();
            let (owner, group) = (Some("_chrony".into()), Some("adm".into()));
            let spec = OwnerSpec { owner, group, mode, ..spec("/usr/bin/ping") };
            set_owners(&mut tree, &[spec], &accounts()).unwrap();
            let (_, id) = tree.resolve("usr/bin/ping").unwrap();
            let metadata = tree.inode(id).metadata;
            assert_eq!((metadata.uid, metadata.gid, metadata.mode), (101, 4, expected));
        }
    }

    #[test]
    fn what_cannot_be_done_names_path_and_place() {
        let capabilities = Some(Capabilities { permitted: 1, inheritable: 0, effective: false });
        for (spec, expected) in [
            (spec("/usr/bin/pong"), "there is no /usr/bin/pong, which site.toml:3 is about"),
            (
                OwnerSpec { owner: Some("x".into()), ..spec("/usr/bin/ping") },
                "/usr/bin/ping (site.toml:3) needs the user \"x\", which does not exist",
            ),
            (
                OwnerSpec { capabilities, ..spec("/usr/bin") },
                "/usr/bin, which site.toml:3 is about, is of another kind than it takes",
            ),
            (
                spec("/usr/bin/link"),
                "/usr/bin/link, which site.toml:3 is about, is of another kind than it takes",
            ),
        ] {
            let error = set_owners(&mut tree(), &[spec], &accounts()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
