use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The files of one release that boot from the network, as a build names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BootSet {
    /// `<id>_<version>_<architecture>`.
    pub(crate) stem: String,
    pub(crate) kernel: Option<String>,
    pub(crate) initrd: Option<String>,
    pub(crate) uki: Option<String>,
    pub(crate) script: Option<String>,
}

impl BootSet {
    /// Returns the architecture, as iPXE calls it.
    pub(crate) fn architecture(&self) -> Option<&'static str> {
        architecture(&self.stem)
    }

    fn is_bootable(&self) -> bool {
        self.uki.is_some() || (self.kernel.is_some() && self.initrd.is_some())
    }
}

/// Returns the architecture at the end of a stem, as iPXE calls it.
pub(crate) fn architecture(stem: &str) -> Option<&'static str> {
    match stem.rsplit('_').next() {
        Some("x86-64") => Some("x86_64"),
        Some("arm64") => Some("arm64"),
        _ => None,
    }
}

/// Sorts file names into sets; what cannot boot is none.
pub(crate) fn sets(names: impl IntoIterator<Item = String>) -> Vec<BootSet> {
    let mut sets: BTreeMap<String, BootSet> = BTreeMap::new();
    for name in names {
        let Some((stem, kind)) = name.rsplit_once(".pxe") else { continue };
        let mut set = sets.remove(stem).unwrap_or_default();
        match kind {
            "-vmlinuz" => set.kernel = Some(name.clone()),
            "-initrd" => set.initrd = Some(name.clone()),
            ".efi" => set.uki = Some(name.clone()),
            ".ipxe" => set.script = Some(name.clone()),
            _ => {}
        }
        stem.clone_into(&mut set.stem);
        sets.insert(stem.to_owned(), set);
    }
    sets.into_values().filter(BootSet::is_bootable).collect()
}

/// Finds the sets in a folder itself, not below it. A folder that cannot be listed has none.
pub(crate) fn sets_in(folder: &Path) -> Vec<BootSet> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    sets(entries.filter_map(|entry| entry.file_name().into_string().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builds_files_make_a_set() {
        let names = [
            "edge_1_x86-64.pxe-vmlinuz",
            "edge_1_x86-64.pxe-initrd",
            "edge_1_x86-64.pxe.ipxe",
            "edge_1_x86-64.pxe.efi",
            "edge_1_x86-64.raw",
            "edge_1_arm64.pxe.efi",
            "half_1_x86-64.pxe-initrd",
            "SHA256SUMS",
        ];
        let found = sets(names.map(str::to_owned));
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].architecture(), found[1].architecture()),
            (Some("arm64"), Some("x86_64"))
        );
        assert_eq!(found[1].kernel.as_deref(), Some(names[0]));
        assert_eq!(found[1].script.as_deref(), Some(names[2]));
    }
}
