use std::collections::BTreeMap;

use flagstone_tree::{Inode, InodeId, Kind, Metadata, Mtime, Tree, TreeError, TreePath};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::archive::{Member, MemberKind, Members, is_usr_merged, read_members};
use crate::error::InStep;
use crate::{ArchiveError, Note, PackageArchive, PruneList, RootfsError};

const STEP: &str = "merge";

/// What is merged, and how.
#[derive(Clone, Debug, Default)]
pub struct MergeInput {
    /// The packages, in any order.
    pub archives: Vec<PackageArchive>,
    /// Which packages may take over files of which.
    pub replaces: Vec<Replaces>,
    /// What is left out.
    pub prune: PruneList,
    /// The build's date: nothing in the tree is younger.
    pub date: Mtime,
}

/// One package's right to take over files of another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaces {
    /// The package whose files win.
    pub package: String,
    /// The package whose files give way.
    pub replaced: String,
}

/// The files of all packages in one tree.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The tree, its root being `/`.
    pub tree: Tree,
    /// What was odd, but not wrong.
    pub notes: Vec<Note>,
}

/// Lays the packages' files over each other, in the order of their names.
///
/// The result depends neither on the order of the archives nor on the number of threads. A
/// directory may be in many packages, and the first one's owner and mode count; an identical file
/// too. Anything else that two packages ship is a conflict, unless one [`Replaces`] the other.
/// /usr is merged: what packages put below `bin`, `sbin` and `lib*` goes below `usr`.
///
/// # Errors
/// [`RootfsError`] naming the packages and the path, for a conflict or an archive that is damaged
/// or holds what no package should.
pub fn merge(input: &MergeInput) -> Result<Merged, RootfsError> {
    let mut archives: Vec<&PackageArchive> = input.archives.iter().collect();
    archives.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = archives.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(RootfsError::DuplicatePackage(pair[0].name.clone()));
    }
    let read: Vec<Result<Members, ArchiveError>> = archives
        .par_iter()
        .map(|archive| read_members(archive, &input.prune, input.date))
        .collect();
    let mut merger = Merger::new(input, &archives);
    for (package, members) in read.into_iter().enumerate() {
        let members = members.map_err(|source| merger.archive_error(package, source))?;
        merger.note_missing_conffiles(package, &members);
        merger.add(package, members)?;
    }
    merger.link_merged_usr()?;
    Ok(Merged { tree: merger.tree, notes: merger.notes })
}

struct Merger<'a> {
    input: &'a MergeInput,
    archives: &'a [&'a PackageArchive],
    tree: Tree,
    /// Which package, by its place in `archives`, brought a path. Parents that no package has
    /// brought yet are not here.
    owners: BTreeMap<TreePath, usize>,
    notes: Vec<Note>,
}

impl<'a> Merger<'a> {
    fn new(input: &'a MergeInput, archives: &'a [&'a PackageArchive]) -> Self {
        let tree = Tree::new(Metadata::root(0o755, input.date));
        Self { input, archives, tree, owners: BTreeMap::new(), notes: Vec::new() }
    }

    fn name(&self, package: usize) -> &'a str {
        &self.archives[package].name
    }

    fn archive_error(&self, package: usize, source: ArchiveError) -> RootfsError {
        RootfsError::Archive { package: self.name(package).to_owned(), source }
    }

    fn add(&mut self, package: usize, members: Members) -> Result<(), RootfsError> {
        let mut ids: Vec<Option<InodeId>> = vec![None; members.list.len()];
        // Files wait here until a name needs their inode.
        let mut files: Vec<Option<Inode>> = Vec::with_capacity(members.list.len());
        for (index, (member, unnamed)) in members.list.into_iter().zip(members.unnamed).enumerate()
        {
            let Member { path, metadata, xattrs, kind } = member;
            let source = match kind {
                MemberKind::Directory => {
                    let mut inode = Inode::directory(metadata);
                    inode.xattrs = xattrs;
                    files.push(None);
                    self.add_directory(package, path, inode)?;
                    continue;
                }
                MemberKind::Symlink(target) => {
                    let metadata = Metadata { mode: 0o777, ..metadata };
                    self.check_top_link(package, &path, &target)?;
                    files.push(Some(Inode::new(metadata, Kind::Symlink(target))));
                    index
                }
                MemberKind::File(content) => {
                    let mut inode = Inode::file(metadata, content);
                    inode.xattrs = xattrs;
                    files.push(Some(inode));
                    if unnamed {
                        continue;
                    }
                    self.check_top_link(package, &path, b"")?;
                    index
                }
                MemberKind::HardLink(target) => {
                    files.push(None);
                    target
                }
            };
            self.add_name(package, path, source, &mut ids, &mut files)?;
        }
        Ok(())
    }

    fn add_directory(
        &mut self,
        package: usize,
        path: TreePath,
        inode: Inode,
    ) -> Result<(), RootfsError> {
        let Some(id) = self.tree.lookup(&path) else {
            self.make_parents(package, &path)?;
            self.tree.insert(&path, inode).in_step(STEP)?;
            self.owners.insert(path, package);
            return Ok(());
        };
        let old = self.tree.inode_mut(id);
        if old.children().is_none() {
            return Err(self.conflict(path, package));
        }
        match self.owners.get(&path) {
            None => {
                old.metadata = inode.metadata;
                old.xattrs = inode.xattrs;
                self.owners.insert(path, package);
            }
            Some(&owner) => {
                let key = |m: &Metadata| (m.mode, m.uid, m.gid);
                if key(&old.metadata) != key(&inode.metadata) {
                    let (first, second) = (self.name(owner), self.name(package));
                    self.notes.push(Note::new(
                        STEP,
                        format!("/{path} has another owner or mode in {second} than in {first}, which counts"),
                    ));
                }
            }
        }
        Ok(())
    }

    fn add_name(
        &mut self,
        package: usize,
        path: TreePath,
        source: usize,
        ids: &mut [Option<InodeId>],
        files: &mut [Option<Inode>],
    ) -> Result<(), RootfsError> {
        if let Some(there) = self.tree.lookup(&path) {
            let new = match ids[source] {
                Some(id) => Some(self.tree.inode(id)),
                None => files[source].as_ref(),
            };
            match self.contest(package, &path, there, new)? {
                Contest::Stays => return Ok(()),
                Contest::GivesWay => drop(self.tree.remove(&path).in_step(STEP)?),
            }
        }
        self.make_parents(package, &path)?;
        if let Some(id) = ids[source] {
            self.tree.hard_link(&path, id).in_step(STEP)?;
        } else if let Some(inode) = files[source].take() {
            ids[source] = Some(self.tree.insert(&path, inode).in_step(STEP)?);
        }
        self.owners.insert(path, package);
        Ok(())
    }

    /// Decides between a name that is there and a package's like-named file.
    fn contest(
        &self,
        package: usize,
        path: &TreePath,
        there: InodeId,
        new: Option<&Inode>,
    ) -> Result<Contest, RootfsError> {
        let there = self.tree.inode(there);
        let Some(&owner) = self.owners.get(path).filter(|_| there.children().is_none()) else {
            return Err(self.conflict(path.clone(), package));
        };
        if owner == package {
            let reason = "the package has it twice";
            let member = ArchiveError::Member { path: path.to_string(), reason };
            return Err(self.archive_error(package, member));
        }
        let replaces = |a: usize, b: usize| {
            let (package, replaced) = (self.name(a), self.name(b));
            self.input.replaces.iter().any(|r| r.package == package && r.replaced == replaced)
        };
        let same = |new: &Inode| {
            let key = |m: &Metadata| (m.mode, m.uid, m.gid);
            key(&there.metadata) == key(&new.metadata)
                && there.xattrs == new.xattrs
                && there.kind == new.kind
        };
        if replaces(package, owner) {
            Ok(Contest::GivesWay)
        } else if replaces(owner, package) || new.is_some_and(same) {
            Ok(Contest::Stays)
        } else {
            Err(self.conflict(path.clone(), package))
        }
    }

    fn conflict(&self, path: TreePath, package: usize) -> RootfsError {
        // A directory that nobody shipped by itself belongs to whoever has something below it.
        let below = |(other, _): &(&TreePath, &usize)| other.is_under(&path);
        let owner = self.owners.range(&path..).find(below).map_or(package, |(_, &owner)| owner);
        let (first, second) = (self.name(owner).to_owned(), self.name(package).to_owned());
        RootfsError::Conflict { path, first, second }
    }

    fn make_parents(&mut self, package: usize, path: &TreePath) -> Result<(), RootfsError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        let metadata = Metadata::root(0o755, self.input.date);
        match self.tree.create_dirs(&parent, metadata) {
            Ok(_) => Ok(()),
            Err(TreeError::NotADirectory(_)) => Err(self.obstacle(package, parent)),
            Err(error) => Err(error).in_step(STEP),
        }
    }

    /// Finds what stands where a directory is needed.
    fn obstacle(&self, package: usize, mut path: TreePath) -> RootfsError {
        while self.tree.lookup(&path).is_none() {
            path = path.parent().unwrap_or_default();
        }
        RootfsError::NotADirectory { path, package: self.name(package).to_owned() }
    }

    /// At the top, `bin`, `sbin` and `lib*` can only be the links of a merged /usr.
    fn check_top_link(
        &self,
        package: usize,
        path: &TreePath,
        target: &[u8],
    ) -> Result<(), RootfsError> {
        let name = path.as_bytes();
        let target = target.strip_prefix(b"/").unwrap_or(target);
        if !is_usr_merged(name) || target.strip_prefix(b"usr/") == Some(name) {
            return Ok(());
        }
        let reason = "at the top it can only be a link to the directory of its name in /usr";
        Err(self.archive_error(package, ArchiveError::Member { path: path.to_string(), reason }))
    }

    fn note_missing_conffiles(&mut self, package: usize, members: &Members) {
        for conffile in &self.archives[package].conffiles {
            let path = conffile.trim_start_matches('/').as_bytes();
            let listed = members.list.iter().any(|member| member.path.as_bytes() == path);
            if !listed && !self.input.prune.drops(path) {
                let name = self.name(package);
                let text = format!("{name} lists {conffile} as its own, but does not ship it");
                self.notes.push(Note::new(STEP, text));
            }
        }
    }

    /// Makes the links of a merged /usr where no package brought them, so that absolute links
    /// through them resolve.
    fn link_merged_usr(&mut self) -> Result<(), RootfsError> {
        for name in ["bin", "sbin", "lib", "lib64"] {
            if self.tree.exists(format!("usr/{name}")) && !self.tree.exists(name) {
                let target = format!("usr/{name}").into_bytes();
                self.tree.insert(name, Inode::symlink(self.input.date, target)).in_step(STEP)?;
            }
        }
        Ok(())
    }
}

enum Contest {
    Stays,
    GivesWay,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::test_tar::TestTar;

    const DATE: Mtime = Mtime::from_seconds(5_000);

    fn input(archives: Vec<PackageArchive>) -> MergeInput {
        MergeInput { archives, date: DATE, ..MergeInput::default() }
    }

    fn tar() -> TestTar {
        TestTar::default()
    }

    fn listing(tree: &Tree) -> Vec<String> {
        tree.walk()
            .map(|entry| {
                let m = entry.inode.metadata;
                format!("{} {} {:o} {:?}", entry.path, entry.id.index(), m.mode, m.mtime)
            })
            .collect()
    }

    #[test]
    fn the_order_of_the_archives_does_not_count() {
        let archives = [
            tar().dir("./").dir("./usr").file("./usr/a", "a").hard_link("./usr/b", "./usr/a"),
            tar().dir("./usr").file("./lib/x", "x").symlink("./lib", "usr/lib"),
            tar().file("./usr/z", "z").mode("usr/su", 0o4755),
        ];
        let mut archives: Vec<_> =
            archives.into_iter().zip(["a", "b", "c"]).map(|(t, name)| t.package(name)).collect();
        let merged = merge(&input(archives.clone())).unwrap();
        archives.reverse();
        let reversed = merge(&input(archives)).unwrap();
        assert_eq!(listing(&merged.tree), listing(&reversed.tree));
        let id = |path| merged.tree.lookup(&TreePath::new(path).unwrap()).unwrap();
        assert_eq!(id("usr/a"), id("usr/b"));
        assert_eq!(merged.tree.inode(id("usr/su")).metadata.mode, 0o4755);
        assert_eq!(&merged.tree.read("lib/x").unwrap()[..], b"x");
    }

    #[test]
    fn conflicts_name_both_packages_and_the_path() {
        for (first, second) in [
            (tar().file("etc/x", "1"), tar().file("etc/x", "2")),
            (tar().file("etc/x", "1"), tar().mode("etc/x", 0o755)),
            (tar().file("etc/x", "1"), tar().dir("etc/x")),
            (tar().dir("etc/x"), tar().file("etc/x", "1")),
            (tar().file("etc/x/y", "1"), tar().file("etc/x", "1")),
            (tar().symlink("etc/x", "a"), tar().symlink("etc/x", "b")),
            (tar().symlink("etc/x", "."), tar().dir("etc/x")),
        ] {
            let error = merge(&input(vec![first.package("p1"), second.package("p2")])).unwrap_err();
            assert_eq!(error.to_string(), "/etc/x is in package p1 and, different, in package p2");
            assert!(error.hint().is_some());
        }
        let error = merge(&input(vec![
            tar().file("etc/x", "").package("p1"),
            tar().file("etc/x/y", "").package("p2"),
        ]));
        let expected = "package p2 puts files below /etc/x, which is no directory";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_path_twice_in_one_package_is_refused() {
        for archive in [
            tar().file("a", "1").file("a", "2"),
            tar().file("a", "1").symlink("a", "b"),
            tar().file("usr/bin/a", "1").file("bin/a", "1"),
            tar().file("a", "1").file("b", "").hard_link("a", "b"),
        ] {
            let error = merge(&input(vec![archive.package("p")])).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.to_string().contains("package p"), "{error}");
            assert!(cause.contains("twice"), "{cause}");
        }
    }

    #[test]
    fn nothing_is_written_through_links_of_a_package() {
        for (first, second) in [
            (tar().symlink("x", "/etc"), tar().file("x/passwd", "")),
            (tar().symlink("x", "../.."), tar().file("x/passwd", "")),
        ] {
            let both = vec![first.package("p1"), second.package("p2")];
            let error = merge(&input(both)).unwrap_err().to_string();
            assert!(error.contains("package p2 puts files below /x"), "{error}");
        }
        let one = tar().symlink("x", "etc").file("x/passwd", "");
        let error = merge(&input(vec![one.package("p")])).unwrap_err().to_string();
        assert!(error.contains("package p puts files below /x"), "{error}");
    }

    #[test]
    fn identical_files_and_declared_replacements_are_fine() {
        let merged = merge(&input(vec![
            tar().file("a", "same").symlink("l", "a").package("p1"),
            tar().file("a", "same").symlink("l", "a").package("p2"),
        ]));
        assert!(merged.is_ok());
        for (package, replaced, expected) in [("p1", "p2", b"1"), ("p2", "p1", b"2")] {
            let mut input =
                input(vec![tar().file("a", "1").package("p1"), tar().file("a", "2").package("p2")]);
            input.replaces = vec![Replaces { package: package.into(), replaced: replaced.into() }];
            assert_eq!(&merge(&input).unwrap().tree.read("a").unwrap()[..], expected);
        }
    }

    #[test]
    fn the_top_of_a_merged_usr_cannot_be_bent() {
        for tar in [tar().symlink("lib", "tmp"), tar().file("bin", "x")] {
            let error = merge(&input(vec![tar.package("p")])).unwrap_err();
            assert!(matches!(error, RootfsError::Archive { .. }), "{error}");
        }
    }

    #[test]
    fn a_damaged_archive_is_named() {
        let mut package = tar().file("a", "x").package("broken");
        let crate::ArchiveData::Whole(data) = &package.data else { panic!() };
        package.data = data.slice(..600).into();
        let error = merge(&input(vec![package.clone()])).unwrap_err();
        assert_eq!(error.to_string(), "failed to read the files of package broken");
        let twice = merge(&input(vec![package.clone(), package])).unwrap_err();
        assert!(matches!(twice, RootfsError::DuplicatePackage(_)));
    }

    #[test]
    fn pruned_paths_are_not_there_and_do_not_conflict() {
        let mut input = input(vec![
            tar().file("doc/x", "1").hard_link("keep", "doc/x").package("p1"),
            tar().file("doc/x", "2").package("p2"),
        ]);
        input.prune.drop = vec!["doc".parse().unwrap()];
        let tree = merge(&input).unwrap().tree;
        assert!(!tree.exists("doc"));
        assert_eq!(&tree.read("keep").unwrap()[..], b"1");
    }

    #[test]
    fn odd_directories_and_lost_conffiles_are_noted() {
        let mut second = tar().entry(tar::EntryType::Directory, "d", "", b"").package("p2");
        second.conffiles = vec!["/etc/gone".into()];
        let mut odd =
            crate::archive::test_tar::header(tar::EntryType::Directory, "d", "", 0o700, 0);
        odd.set_cksum();
        let merged = merge(&input(vec![tar().raw(&odd, b"").package("p1"), second])).unwrap();
        let id = merged.tree.lookup(&TreePath::new("d").unwrap()).unwrap();
        assert_eq!(merged.tree.inode(id).metadata.mode, 0o700);
        assert_eq!(merged.notes.len(), 2, "{:?}", merged.notes);
    }
}
