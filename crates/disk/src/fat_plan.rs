use std::collections::BTreeMap;

use crate::fat_directory::{ENTRY_BYTES, EntryName, entry_names};
use crate::fat_geometry::{FIRST_CLUSTER, Geometry};
use crate::{EspPath, FatError};

/// The most entries of a directory (Microsoft's FAT specification, section 6: 2 MiB).
const DIRECTORY_ENTRIES_MAX: usize = 65_536;
/// The root directory is the first in [`FatPlan::directories`].
const ROOT: usize = 0;

/// The directories and files of a volume, before they have a place.
#[derive(Debug)]
pub(crate) struct FatPlan {
    /// Parents before children.
    directories: Vec<PlannedDirectory>,
    /// Lengths of the files, in order of path.
    lengths: Vec<u32>,
    /// Where the files stood in the caller's list.
    sources: Vec<usize>,
}

#[derive(Debug)]
struct PlannedDirectory {
    /// For messages.
    path: String,
    parent: usize,
    /// By name in upper case, since FAT does not tell cases apart.
    children: BTreeMap<String, (String, Child)>,
    /// The names in the order of `children`.
    names: Vec<EntryName>,
}

/// What a name stands for, as an index of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Directory(usize),
    File(usize),
}

/// A run of clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first cluster; 0 for an empty file, which has none.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// Where everything of a plan lies: directories first, then files, each in one piece.
#[derive(Debug)]
pub(crate) struct Placement {
    pub(crate) directories: Vec<Run>,
    pub(crate) files: Vec<Run>,
    pub(crate) used_clusters: u32,
}

impl FatPlan {
    /// Builds the directories for a list of files; the order of the list does not matter.
    pub(crate) fn new<'a>(
        files: impl Iterator<Item = (&'a EspPath, u64)>,
    ) -> Result<Self, FatError> {
        let mut sorted: Vec<_> =
            files.enumerate().map(|(at, (path, len))| (path, len, at)).collect();
        sorted.sort_by_key(|&(path, _, _)| path);
        let root = PlannedDirectory::new(String::new(), ROOT);
        let mut plan = Self { directories: vec![root], lengths: Vec::new(), sources: Vec::new() };
        for (path, len_bytes, source) in sorted {
            let len = u32::try_from(len_bytes)
                .map_err(|_| FatError::FileTooLong { path: path.to_string(), len_bytes })?;
            plan.add(path)?;
            plan.lengths.push(len);
            plan.sources.push(source);
        }
        for (at, directory) in plan.directories.iter_mut().enumerate() {
            directory.names =
                entry_names(directory.children.values().map(|(name, _)| name.as_str()));
            if directory.entries(at) > DIRECTORY_ENTRIES_MAX {
                return Err(FatError::DirectoryTooLong(directory.path.clone()));
            }
        }
        Ok(plan)
    }

    fn add(&mut self, path: &EspPath) -> Result<(), FatError> {
        let mut directory = ROOT;
        let mut names = path.names().peekable();
        while let Some(name) = names.next() {
            let key = name.to_ascii_uppercase();
            let known = self.directories[directory].children.get(&key).map(|(_, child)| *child);
            let child = match (known, names.peek()) {
                (Some(Child::Directory(below)), Some(_)) => {
                    directory = below;
                    continue;
                }
                (Some(_), _) => return Err(FatError::Duplicate(path.to_string())),
                (None, None) => Child::File(self.lengths.len()),
                (None, Some(_)) => {
                    let above = &self.directories[directory].path;
                    let below = PlannedDirectory::new(format!("{above}/{name}"), directory);
                    self.directories.push(below);
                    Child::Directory(self.directories.len() - 1)
                }
            };
            self.directories[directory].children.insert(key, (name.to_owned(), child));
            if let Child::Directory(below) = child {
                directory = below;
            }
        }
        Ok(())
    }

    /// Gives everything its clusters; `None` if there are not enough.
    pub(crate) fn place(&self, geometry: &Geometry) -> Option<Placement> {
        let mut next = FIRST_CLUSTER;
        let end = FIRST_CLUSTER + geometry.clusters;
        let mut take = |bytes: u64| {
            let count = u32::try_from(geometry.clusters_for(bytes)).ok()?;
            let first = if count == 0 { 0 } else { next };
            next = next.checked_add(count).filter(|&next| next <= end)?;
            Some(Run { first, count })
        };
        let sizes = self.directories.iter().enumerate();
        let directories = sizes
            .map(|(at, directory)| take((directory.entries(at) * ENTRY_BYTES) as u64))
            .collect::<Option<_>>()?;
        let files = self.lengths.iter().map(|&len| take(len.into())).collect::<Option<_>>()?;
        Some(Placement { directories, files, used_clusters: next - FIRST_CLUSTER })
    }

    /// Returns the directory above another; the root is above itself.
    pub(crate) fn parent(&self, directory: usize) -> usize {
        self.directories[directory].parent
    }

    /// Returns the names in a directory and what they stand for.
    pub(crate) fn entries(&self, directory: usize) -> impl Iterator<Item = (&EntryName, Child)> {
        let directory = &self.directories[directory];
        directory.names.iter().zip(directory.children.values().map(|(_, child)| *child))
    }

    /// Returns the length of a file.
    pub(crate) fn length(&self, file: usize) -> u32 {
        self.lengths[file]
    }

    /// Returns where a file stood in the caller's list.
    pub(crate) fn source(&self, file: usize) -> usize {
        self.sources[file]
    }
}

impl PlannedDirectory {
    fn new(path: String, parent: usize) -> Self {
        Self { path, parent, children: BTreeMap::new(), names: Vec::new() }
    }

    /// Returns how many entries the directory at `index` has: its names, and the volume's label in
    /// the root, `.` and `..` elsewhere.
    fn entries(&self, index: usize) -> usize {
        let own = if index == ROOT { 1 } else { 2 };
        own + self.names.iter().map(EntryName::entries).sum::<usize>()
    }
}
