use std::collections::BTreeSet;

use flagstone_artifact::Architecture;
use flagstone_index::{DlopenPolicy, KernelModules, LibraryDirs, closure, decompress_modules};
use flagstone_tree::{Inode, Kind, Metadata, Mtime, Tree, TreeError, TreePath};

use super::own_files::{
    IGNITION, IGNITION_FILES, IGNITION_LINKS, OWN_DIRECTORIES, OWN_FILES, OWN_LINKS,
};
use crate::{EFI_DIR, addon_template};

use super::{ContentItem, ContentKind, ContentList, InitrdError};

/// Where systemd's units lie.
const UNIT_DIR: &str = "usr/lib/systemd/system";

/// What an initrd is made from.
#[derive(Clone, Copy, Debug)]
pub struct InitrdRequest<'a> {
    /// The finished tree, with `usr` and `etc` at its top.
    pub tree: &'a Tree,
    /// The kernel's modules, read from that tree.
    pub modules: &'a KernelModules,
    /// What to take.
    pub content: &'a ContentList,
    /// The architecture of the tree.
    pub architecture: Architecture,
    /// The time of what Flagstone itself adds.
    pub mtime: Mtime,
}

/// An assembled initrd, all of it but the file that names the release ([`release_part`]): an initrd
/// is the same from release to release where its files are.
#[derive(Clone, Debug)]
pub struct Initrd {
    /// Its files, kernel modules as the image stores them.
    pub tree: Tree,
    /// Optional items that the image's tree does not have.
    pub absent: BTreeSet<String>,
    kernel: String,
    mtime: Mtime,
}

impl Initrd {
    /// Returns the files as the archive shall hold them: kernel modules stored plainly, since the
    /// whole is compressed afterwards, with indices of their own.
    ///
    /// This is a pure function of the fields, and takes longer than the assembly.
    ///
    /// # Errors
    /// [`InitrdError::Modules`] for a module that cannot be read.
    pub fn into_archive(mut self) -> Result<Tree, InitrdError> {
        decompress_modules(&mut self.tree, &self.kernel)
            .and_then(|_| KernelModules::read(&self.tree, &self.kernel))
            .and_then(|modules| modules.write_indices(&mut self.tree, self.mtime))
            .map_err(InitrdError::Modules)?;
        Ok(self.tree)
    }
}

/// Returns the part of an initrd that names the release, by which systemd knows that it runs in one.
///
/// # Errors
/// [`InitrdError::Tree`], never for this fixed path.
pub fn release_part(release: &str, mtime: Mtime) -> Result<Tree, InitrdError> {
    let directory = Metadata::root(0o755, mtime);
    let file = Inode::file(Metadata::root(0o644, mtime), release.to_owned());
    let mut tree = Tree::new(directory);
    tree.put("etc/initrd-release", directory, file).map_err(InitrdError::Tree)?;
    Ok(tree)
}

/// Assembles the initrd from the image's own files.
///
/// Nothing is run, and nothing that the list and its closures do not name is taken.
///
/// # Errors
/// [`InitrdError`] for what is listed and not there.
pub fn build_initrd(request: &InitrdRequest<'_>) -> Result<Initrd, InitrdError> {
    let directory = Metadata::root(0o755, request.mtime);
    let mut assembly = Assembly {
        from: request.tree,
        to: Tree::new(directory),
        directory,
        absent: BTreeSet::new(),
        multiarch: request.architecture.multiarch(),
    };
    let content = &request.content.for_tree(request.tree);
    assembly.lay_out().map_err(InitrdError::Tree)?;
    if request.tree.exists(IGNITION) {
        assembly.make_addon(request.architecture)?;
    }
    assembly.copy_files(content)?;
    assembly.copy_programs(content)?;
    assembly.copy_units(content)?;
    assembly.copy_accounts(content)?;
    assembly.copy_modules(request.modules, content)?;
    Ok(Initrd {
        tree: assembly.to,
        absent: assembly.absent,
        kernel: request.modules.version().to_owned(),
        mtime: request.mtime,
    })
}

struct Assembly<'a> {
    from: &'a Tree,
    to: Tree,
    /// Of directories that only exist to hold something.
    directory: Metadata,
    absent: BTreeSet<String>,
    multiarch: &'static str,
}

impl Assembly<'_> {
    fn lay_out(&mut self) -> Result<(), TreeError> {
        for path in OWN_DIRECTORIES {
            self.to.create_dirs(path, self.directory)?;
        }
        let ignition = self.from.exists(IGNITION);
        let files = OWN_FILES.iter().chain(IGNITION_FILES.iter().filter(|_| ignition));
        for own in files {
            let metadata = Metadata { mode: own.mode, ..self.directory };
            self.to.put(own.path, self.directory, Inode::file(metadata, own.text))?;
        }
        let links = OWN_LINKS.iter().chain(IGNITION_LINKS.iter().filter(|_| ignition));
        for &(path, target) in links {
            let link = Inode::symlink(self.directory.mtime, target);
            self.to.put(path, self.directory, link)?;
        }
        Ok(())
    }

    /// Makes the template of what adds to the kernel's command line, if Ignition is told to.
    fn make_addon(&mut self, architecture: Architecture) -> Result<(), InitrdError> {
        let path = format!("{EFI_DIR}/addon{}.efi.stub", architecture.efi());
        let stub = self.from.read(&path);
        let stub = stub.map_err(|source| InitrdError::Absent { what: path, source })?;
        let addon = addon_template(&stub).map_err(InitrdError::Addon)?;
        let metadata = Metadata { mode: 0o644, ..self.directory };
        let file = Inode::file(metadata, addon);
        self.to.put("usr/lib/flagstone/addon", self.directory, file).map_err(InitrdError::Tree)?;
        Ok(())
    }

    fn copy_files(&mut self, list: &ContentList) -> Result<(), InitrdError> {
        for item in list.of(ContentKind::File) {
            let copied = match &item.to {
                Some(to) => self.copy_as(&item.name, to),
                None => self.copy(item.name.as_bytes()),
            };
            self.note(item, copied)?;
        }
        Ok(())
    }

    /// Copies one file to another place.
    fn copy_as(&mut self, path: &str, to: &str) -> Result<(), TreeError> {
        let (_, id) = self.from.resolve(path)?;
        let inode = self.from.inode(id).clone();
        self.to.put(to, self.directory, inode)?;
        Ok(())
    }

    fn copy_programs(&mut self, list: &ContentList) -> Result<(), InitrdError> {
        let dirs = LibraryDirs::read(self.from, "etc/ld.so.conf").map_err(InitrdError::Tree)?;
        let mut roots = Vec::new();
        for item in list.of(ContentKind::Exec) {
            let path = item.name.replace("{multiarch}", self.multiarch);
            let found = self.from.resolve(&path).and_then(|_| TreePath::new(&path));
            if let Some(path) = self.note(item, found)? {
                roots.push((path, item.to.as_deref()));
            }
        }
        let paths: Vec<TreePath> = roots.iter().map(|(path, _)| path.clone()).collect();
        let closure = closure(self.from, &paths, &dirs, &DlopenPolicy::recommended())
            .map_err(InitrdError::Closure)?;
        for (path, to) in &roots {
            let copied = match to {
                Some(to) => self.copy_as(&path.to_string(), to),
                None => self.copy(path.as_bytes()),
            };
            copied.map_err(InitrdError::Tree)?;
        }
        // Each is a file, or a link that must not be followed: it may lead to a whole directory.
        let moved = |path: &&TreePath| roots.iter().any(|(root, to)| root == *path && to.is_some());
        for path in closure.files.iter().filter(|path| !moved(path)) {
            if let Some(id) = self.from.lookup(path) {
                let inode = self.from.inode(id).clone();
                self.put_once(path, inode).map_err(InitrdError::Tree)?;
            }
        }
        Ok(())
    }

    fn copy_units(&mut self, list: &ContentList) -> Result<(), InitrdError> {
        let listed: BTreeSet<&str> =
            list.of(ContentKind::Unit).map(|item| item.name.as_str()).collect();
        for item in list.of(ContentKind::Unit) {
            let copied = self.copy(format!("{UNIT_DIR}/{}", item.name).as_bytes());
            if self.note(item, copied)?.is_none() {
                continue;
            }
            let drop_ins = format!("{UNIT_DIR}/{}.d", item.name);
            if self.from.exists(&drop_ins) {
                self.copy(drop_ins.as_bytes()).map_err(InitrdError::Tree)?;
            }
            for relation in ["wants", "requires"] {
                let dir = format!("{UNIT_DIR}/{}.{relation}", item.name);
                self.copy_relations(&dir, &listed).map_err(InitrdError::Tree)?;
            }
        }
        Ok(())
    }

    /// Copies those links of a `.wants` or `.requires` directory that name a listed unit.
    fn copy_relations(&mut self, dir: &str, listed: &BTreeSet<&str>) -> Result<(), TreeError> {
        let id = TreePath::new(dir).map(|path| self.from.lookup(&path))?;
        let Some(children) = id.and_then(|id| self.from.inode(id).children()) else {
            return Ok(());
        };
        for (name, &link) in children {
            if listed.contains(name.to_string().as_str()) {
                let link = self.from.inode(link).clone();
                self.to.put(format!("{dir}/{name}"), self.directory, link)?;
            }
        }
        Ok(())
    }

    fn copy_accounts(&mut self, list: &ContentList) -> Result<(), InitrdError> {
        let tables =
            [(ContentKind::User, "user", "etc/passwd"), (ContentKind::Group, "group", "etc/group")];
        for (kind, word, path) in tables {
            let table = self.from.read_text(path).map_err(InitrdError::Tree)?;
            let mut kept = String::new();
            for item in list.of(kind) {
                let line = table.lines().find(|line| line.split(':').next() == Some(&item.name));
                match line {
                    Some(line) => {
                        kept.push_str(line);
                        kept.push('\n');
                    }
                    None if item.optional => {}
                    None => {
                        return Err(InitrdError::NoAccount { kind: word, name: item.name.clone() });
                    }
                }
            }
            let metadata = Metadata { mode: 0o644, ..self.directory };
            let file = Inode::file(metadata, kept);
            self.to.put(path, self.directory, file).map_err(InitrdError::Tree)?;
        }
        Ok(())
    }

    fn copy_modules(
        &mut self,
        modules: &KernelModules,
        content: &ContentList,
    ) -> Result<(), InitrdError> {
        let names = |optional| -> Vec<&str> {
            let items = content.of(ContentKind::Module);
            items.filter(|item| item.optional == optional).map(|item| item.name.as_str()).collect()
        };
        let chosen =
            modules.closure(&names(false), &names(true), false).map_err(InitrdError::Modules)?;
        self.absent.extend(chosen.absent.iter().map(|name| format!("module {name}")));
        let directory = modules.directory();
        let lists = ["modules.order", "modules.builtin", "modules.builtin.modinfo"]
            .map(|name| format!("{directory}/{name}"));
        for path in lists.iter().filter(|path| self.from.exists(path)) {
            self.copy(path.as_bytes()).map_err(InitrdError::Tree)?;
        }
        for path in &chosen.paths {
            self.copy(path.as_bytes()).map_err(InitrdError::Tree)?;
        }
        Ok(())
    }

    /// Turns the absence of an optional item into a note.
    fn note<T>(
        &mut self,
        item: &ContentItem,
        found: Result<T, TreeError>,
    ) -> Result<Option<T>, InitrdError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(TreeError::NotFound(_)) if item.optional => {
                self.absent.insert(item.name.clone());
                Ok(None)
            }
            Err(source) => Err(InitrdError::Absent { what: item.name.clone(), source }),
        }
    }

    /// Copies what a path names, with all below it, and the links on the way.
    fn copy(&mut self, path: &[u8]) -> Result<(), TreeError> {
        let trail = self.from.trail(path)?;
        for link in &trail.links {
            if let Some(id) = self.from.lookup(link) {
                let link_inode = self.from.inode(id).clone();
                self.put_once(link, link_inode)?;
            }
        }
        self.copy_inode(&trail.path)
    }

    fn copy_inode(&mut self, path: &TreePath) -> Result<(), TreeError> {
        let id = self.from.lookup(path).ok_or_else(|| TreeError::NotFound(path.clone()))?;
        let inode = self.from.inode(id);
        match &inode.kind {
            Kind::Directory(children) => {
                self.to.create_dirs(path, inode.metadata)?;
                children.keys().try_for_each(|name| self.copy_inode(&path.join(name)))
            }
            _ => self.put_once(path, inode.clone()),
        }
    }

    fn put_once(&mut self, path: &TreePath, inode: Inode) -> Result<(), TreeError> {
        if self.to.lookup(path).is_none() {
            self.to.put(path, self.directory, inode)?;
        }
        Ok(())
    }
}
