//! Kernel modules that a recipe loads at boot, configures or keeps out.

use flagstone_tree::{Mtime, Tree};

use crate::RootfsError;
use crate::edit::Edit;

/// Read by systemd-modules-load.service (modules-load.d(5)).
const LOAD: &str = "usr/lib/modules-load.d/flagstone.conf";

/// Read by modprobe and by udev, which loads modules for devices (modprobe.d(5)).
const CONFIGURE: &str = "usr/lib/modprobe.d/flagstone.conf";

/// What a recipe says about kernel modules. Names are given as the kernel knows them.
#[derive(Clone, Debug, Default)]
pub struct ModulesInput {
    /// Those to load at boot.
    pub load: Vec<String>,
    /// Those that no device loads.
    pub blacklist: Vec<String>,
    /// Parameters: a module's name and the text after it.
    pub options: Vec<(String, String)>,
}

/// Writes the settings where the machine reads them.
pub(crate) fn write(
    tree: &mut Tree,
    modules: &ModulesInput,
    date: Mtime,
) -> Result<(), RootfsError> {
    let mut edit = Edit::new(tree, date, "modules");
    let load = modules.load.iter().map(|name| format!("{name}\n"));
    let blacklist = modules.blacklist.iter().map(|name| format!("blacklist {name}\n"));
    let options = modules.options.iter().map(|(name, text)| format!("options {name} {text}\n"));
    for (path, text) in
        [(LOAD, load.collect::<String>()), (CONFIGURE, blacklist.chain(options).collect())]
    {
        if !text.is_empty() {
            edit.file(path, 0o644, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use flagstone_tree::Metadata;

    use super::*;

    #[test]
    fn what_is_loaded_and_what_is_configured_are_two_files() {
        let mut tree = Tree::new(Metadata::root(0o755, Mtime::default()));
        write(&mut tree, &ModulesInput::default(), Mtime::default()).unwrap();
        assert_eq!(tree.walk().count(), 1);
        let modules = ModulesInput {
            load: vec!["overlay".into()],
            blacklist: vec!["nouveau".into()],
            options: vec![("loop".into(), "max_loop=8".into())],
        };
        write(&mut tree, &modules, Mtime::default()).unwrap();
        assert_eq!(tree.read_text(LOAD).unwrap(), "overlay\n");
        let text = tree.read_text(CONFIGURE).unwrap();
        assert_eq!(text, "blacklist nouveau\noptions loop max_loop=8\n");
    }
}
