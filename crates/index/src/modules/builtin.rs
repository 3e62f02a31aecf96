use std::collections::BTreeSet;

use flagstone_tree::{Tree, TreePath};

use super::ModuleName;
use super::listing::read_beside;
use crate::IndexError;

/// The modules that are part of the kernel itself.
#[derive(Debug, Default)]
pub(super) struct Builtin {
    /// Their names in the order of `modules.builtin`; `None` if there is no such file.
    pub(super) names: Option<Vec<ModuleName>>,
    /// Their (module, alias) pairs in the order of `modules.builtin.modinfo`; `None` if there is
    /// no such file.
    pub(super) aliases: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    known: BTreeSet<ModuleName>,
}

impl Builtin {
    pub(super) fn read(tree: &Tree, directory: &TreePath) -> Result<Self, IndexError> {
        let names = read_beside(tree, directory, "modules.builtin")?.map(|text| names(&text));
        let aliases =
            read_beside(tree, directory, "modules.builtin.modinfo")?.map(|info| aliases(&info));
        let known = names.iter().flatten().cloned().collect();
        Ok(Self { names, aliases, known })
    }

    pub(super) fn has(&self, name: &ModuleName) -> bool {
        self.known.contains(name)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &ModuleName> {
        self.known.iter()
    }
}

/// Reads the names from lines such as `kernel/fs/fuse/fuse.ko`.
fn names(text: &[u8]) -> Vec<ModuleName> {
    text.split(|&b| b == b'\n')
        .filter(|line| line.first().is_some_and(u8::is_ascii_alphabetic))
        .filter_map(|line| line.rsplit(|&b| b == b'/').next())
        .map(|name| ModuleName::new(&String::from_utf8_lossy(name)))
        .collect()
}

/// Reads records such as `fuse.alias=fs-fuse`, each ended by a NUL.
fn aliases(info: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    info.split(|&b| b == 0)
        .filter_map(|record| {
            let dot = record.iter().position(|&b| b == b'.').filter(|&dot| dot > 0)?;
            let alias =
                record[dot + 1..].strip_prefix(b"alias=").filter(|text| !text.is_empty())?;
            Some((record[..dot].to_vec(), alias.to_vec()))
        })
        .collect()
}
