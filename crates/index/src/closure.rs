use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use flagstone_tree::{Tree, TreeError, TreePath};

use crate::program::{Object, Program};
use crate::trail::{Trail, follow};
use crate::{ClosureError, DlopenNote, DlopenPriority, LibraryDirs};

/// Where `/usr/bin/env` looks for a script's interpreter.
const COMMAND_DIRS: [&[u8]; 4] = [b"usr/local/bin", b"usr/bin", b"usr/sbin", b"bin"];

/// Which of the libraries that objects open at run time belong to them.
///
/// Those an object calls required always do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DlopenPolicy {
    /// Takes notes of these priorities, if the tree has the library.
    pub priorities: BTreeSet<DlopenPriority>,
    /// Takes notes for these features, whatever their priority; the tree must have the library.
    pub features: BTreeSet<String>,
}

impl DlopenPolicy {
    /// Takes what is required or recommended.
    pub fn recommended() -> Self {
        let priorities = [DlopenPriority::Required, DlopenPriority::Recommended].into();
        Self { priorities, features: BTreeSet::new() }
    }

    fn must_have(&self, note: &DlopenNote) -> bool {
        note.priority == DlopenPriority::Required || self.features.contains(&note.feature)
    }

    fn takes(&self, note: &DlopenNote) -> bool {
        self.must_have(note) || self.priorities.contains(&note.priority)
    }
}

/// A file that a program needs and the tree lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The library's name, or the interpreter's path.
    pub name: String,
    /// The file that needs it.
    pub needed_by: TreePath,
    /// For a library opened at run time, how much it is wanted.
    pub priority: Option<DlopenPriority>,
}

/// The files that some programs need to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// Every regular file, and every symbolic link that leads to one; no directory.
    pub files: BTreeSet<TreePath>,
    /// What was wanted, is not there, and can be done without.
    pub absent: BTreeSet<Missing>,
}

/// Finds what must be copied out of a tree so that the given files run.
///
/// Follows the interpreters of programs and scripts, the libraries they ask for and those that
/// their `.note.dlopen` names. Libraries are searched as glibc's loader does: `DT_RPATH` or
/// `DT_RUNPATH`, the configured directories, the default ones (under `/lib`, then under
/// `/usr/lib`). Variants in `glibc-hwcaps` are left out, since a plain one always goes with them.
/// Nothing is taken from this machine.
///
/// # Errors
/// [`ClosureError::Missing`] with all that is not there, [`ClosureError::Tree`] for a root that is
/// not a file, [`ClosureError::Elf`] for an object that cannot be read.
pub fn closure(
    tree: &Tree,
    roots: &[TreePath],
    dirs: &LibraryDirs,
    dlopen: &DlopenPolicy,
) -> Result<Closure, ClosureError> {
    let mut search = Search {
        tree,
        dirs,
        dlopen,
        programs: BTreeMap::new(),
        started: BTreeSet::new(),
        missing: BTreeSet::new(),
        closure: Closure::default(),
    };
    for root in roots {
        let trail = follow(tree, root.as_bytes())
            .ok_or_else(|| ClosureError::Tree(TreeError::NotFound(root.clone())))?;
        if trail.inode.content().is_none() {
            return Err(ClosureError::Tree(TreeError::NotAFile(root.clone())));
        }
        search.start(&trail)?;
    }
    if search.missing.is_empty() {
        Ok(search.closure)
    } else {
        Err(ClosureError::Missing(search.missing.into_iter().collect()))
    }
}

struct Search<'a> {
    tree: &'a Tree,
    dirs: &'a LibraryDirs,
    dlopen: &'a DlopenPolicy,
    /// What each file is, by its path without links.
    programs: BTreeMap<TreePath, Rc<Program>>,
    /// The files that were followed as programs.
    started: BTreeSet<TreePath>,
    missing: BTreeSet<Missing>,
    closure: Closure,
}

/// A process as the loader sees it.
struct Process<'a> {
    /// The program, or a library taken by itself.
    root: &'a Object,
    /// The names of the libraries that are loaded; each is loaded once.
    loaded: BTreeSet<Vec<u8>>,
    /// The libraries whose own needs are yet to be loaded.
    queue: VecDeque<Rc<Program>>,
}

impl<'a> Search<'a> {
    /// Adds a file, and what it needs if it is a program, a script or a library.
    fn start(&mut self, trail: &Trail<'_>) -> Result<(), ClosureError> {
        self.take(trail);
        if !self.started.insert(trail.end.clone()) {
            return Ok(());
        }
        match &*self.program(trail)? {
            Program::Data => Ok(()),
            Program::Script { interpreter, argument } => {
                self.start_named(interpreter, &trail.end)?;
                match argument {
                    Some(command) if interpreter.ends_with(b"/env") => {
                        self.start_command(command, &trail.end)
                    }
                    _ => Ok(()),
                }
            }
            Program::Object(object) => {
                if let Some(interpreter) = &object.interpreter {
                    self.start_named(interpreter, &trail.end)?;
                }
                self.load(object)
            }
        }
    }

    fn start_named(&mut self, path: &[u8], needed_by: &TreePath) -> Result<(), ClosureError> {
        self.start_found(self.find_file(path), path, needed_by)
    }

    fn start_command(&mut self, name: &[u8], needed_by: &TreePath) -> Result<(), ClosureError> {
        let found =
            COMMAND_DIRS.iter().find_map(|dir| self.find_file(&[dir, &b"/"[..], name].concat()));
        self.start_found(found, name, needed_by)
    }

    fn start_found(
        &mut self,
        found: Option<Trail<'_>>,
        name: &[u8],
        needed_by: &TreePath,
    ) -> Result<(), ClosureError> {
        if let Some(trail) = found {
            return self.start(&trail);
        }
        self.miss(name, needed_by);
        Ok(())
    }

    fn find_file(&self, path: &[u8]) -> Option<Trail<'a>> {
        follow(self.tree, path).filter(|trail| trail.inode.content().is_some())
    }

    /// Loads an object's libraries, breadth first, as the loader does for one process.
    fn load(&mut self, root: &Object) -> Result<(), ClosureError> {
        let mut process = Process { root, loaded: BTreeSet::new(), queue: VecDeque::new() };
        self.load_needs(root, &mut process)?;
        while let Some(library) = process.queue.pop_front() {
            if let Some(library) = library.object() {
                self.load_needs(library, &mut process)?;
            }
        }
        Ok(())
    }

    fn load_needs(
        &mut self,
        object: &Object,
        process: &mut Process<'_>,
    ) -> Result<(), ClosureError> {
        for name in &object.needed {
            if !self.load_one(name, object, process)? {
                self.miss(name, &object.path);
            }
        }
        for note in object.notes.iter().filter(|note| self.dlopen.takes(note)) {
            self.load_noted(note, object, process)?;
        }
        Ok(())
    }

    /// Loads one library and queues it; tells whether it is there.
    fn load_one(
        &mut self,
        name: &[u8],
        object: &Object,
        process: &mut Process<'_>,
    ) -> Result<bool, ClosureError> {
        if process.loaded.contains(name) {
            return Ok(true);
        }
        let Some((trail, library)) = self.find_library(name, object, process.root)? else {
            return Ok(false);
        };
        self.take(&trail);
        process.loaded.insert(name.to_vec());
        process.loaded.extend(library.object().and_then(|library| library.soname.clone()));
        process.queue.push_back(library);
        Ok(true)
    }

    fn load_noted(
        &mut self,
        note: &DlopenNote,
        object: &Object,
        process: &mut Process<'_>,
    ) -> Result<(), ClosureError> {
        for name in &note.soname {
            if self.load_one(name.as_bytes(), object, process)? {
                return Ok(());
            }
        }
        let missing = Missing {
            name: note.soname.join(" or "),
            needed_by: object.path.clone(),
            priority: Some(note.priority),
        };
        if self.dlopen.must_have(note) {
            self.missing.insert(missing);
        } else {
            self.closure.absent.insert(missing);
        }
        Ok(())
    }

    /// Finds the first library of this name that the object could load.
    fn find_library(
        &mut self,
        name: &[u8],
        object: &Object,
        root: &Object,
    ) -> Result<Option<(Trail<'a>, Rc<Program>)>, ClosureError> {
        let candidates = if name.contains(&b'/') {
            vec![object.expand(name)]
        } else {
            let dirs = object.library_dirs(root).into_iter().chain(self.dirs.iter().map(Vec::from));
            dirs.chain(object.default_dirs()).map(|dir| [&dir, &b"/"[..], name].concat()).collect()
        };
        for path in candidates {
            let Some(trail) = self.find_file(&path) else { continue };
            let program = self.program(&trail)?;
            if program.object().is_some_and(|library| library.runs_with(object)) {
                return Ok(Some((trail, program)));
            }
        }
        Ok(None)
    }

    fn program(&mut self, trail: &Trail<'_>) -> Result<Rc<Program>, ClosureError> {
        if let Some(known) = self.programs.get(&trail.end) {
            return Ok(Rc::clone(known));
        }
        let program = Rc::new(Program::read(&trail.end, trail.inode)?);
        self.programs.insert(trail.end.clone(), Rc::clone(&program));
        Ok(program)
    }

    fn take(&mut self, trail: &Trail<'_>) {
        self.closure.files.extend(trail.links.iter().cloned());
        self.closure.files.insert(trail.end.clone());
    }

    fn miss(&mut self, name: &[u8], needed_by: &TreePath) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.missing.insert(Missing { name, needed_by: needed_by.clone(), priority: None });
    }
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;
    use crate::elf::tests::sample;

    const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));
    const LOADER: &str = "/lib64/ld.so";

    fn add(tree: &mut Tree, path: &str, data: Vec<u8>) {
        tree.put(path, META, Inode::file(META, data)).unwrap();
    }

    fn system() -> Tree {
        let mut tree = Tree::new(META);
        for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64"), ("bin", "usr/bin")] {
            tree.insert(link, Inode::symlink(Mtime::default(), target)).unwrap();
        }
        let dir = "usr/lib/x86_64-linux-gnu";
        add(&mut tree, &format!("{dir}/ld-2.so"), sample(&[(14, "ld.so")], None, ""));
        add(&mut tree, &format!("{dir}/libc.so.6"), sample(&[(14, "libc.so.6")], None, ""));
        let a = sample(&[(1, "libc.so.6"), (14, "liba.so.1"), (29, "${ORIGIN}/private")], None, "");
        add(&mut tree, &format!("{dir}/liba.so.1.2"), a);
        tree.insert(format!("{dir}/liba.so.1"), Inode::symlink(Mtime::default(), "liba.so.1.2"))
            .unwrap();
        let loader = Inode::symlink(Mtime::default(), "../lib/x86_64-linux-gnu/ld-2.so");
        tree.put("usr/lib64/ld.so", META, loader).unwrap();
        add(&mut tree, "usr/bin/sh", sample(&[(1, "libc.so.6")], Some(LOADER), ""));
        tree
    }

    fn run(tree: &Tree, roots: &[&str], policy: &DlopenPolicy) -> Result<Closure, ClosureError> {
        let roots: Vec<TreePath> = roots.iter().map(|root| TreePath::new(root).unwrap()).collect();
        closure(tree, &roots, &LibraryDirs::default(), policy)
    }

    fn texts(closure: &Closure) -> Vec<String> {
        closure.files.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_program_brings_its_loader_its_libraries_and_the_links_to_them() {
        let mut tree = system();
        add(&mut tree, "usr/bin/p", sample(&[(1, "liba.so.1")], Some(LOADER), ""));
        let closure = run(&tree, &["bin/p"], &DlopenPolicy::default()).unwrap();
        let dir = "usr/lib/x86_64-linux-gnu";
        let expected = [
            "bin".to_owned(),
            "lib".to_owned(),
            "lib64".to_owned(),
            "usr/bin/p".to_owned(),
            format!("{dir}/ld-2.so"),
            format!("{dir}/liba.so.1"),
            format!("{dir}/liba.so.1.2"),
            format!("{dir}/libc.so.6"),
            "usr/lib64/ld.so".to_owned(),
        ];
        assert_eq!(texts(&closure), expected);
    }

    #[test]
    fn origin_is_the_directory_of_the_object_that_asks() {
        let mut tree = system();
        let private = "usr/lib/x86_64-linux-gnu/private/libp.so";
        let a = sample(&[(1, "libp.so"), (29, "$ORIGIN/private")], None, "");
        tree.remove("usr/lib/x86_64-linux-gnu/liba.so.1.2").unwrap();
        add(&mut tree, "usr/lib/x86_64-linux-gnu/liba.so.1.2", a);
        add(&mut tree, private, sample(&[], None, ""));
        add(&mut tree, "usr/bin/p", sample(&[(1, "liba.so.1")], Some(LOADER), ""));
        let closure = run(&tree, &["usr/bin/p"], &DlopenPolicy::default()).unwrap();
        assert!(closure.files.contains(&TreePath::new(private).unwrap()));
    }

    #[test]
    fn scripts_bring_their_interpreter_and_the_command_of_env() {
        let mut tree = system();
        add(&mut tree, "usr/bin/env", sample(&[], None, ""));
        add(&mut tree, "usr/bin/script", b"#!/usr/bin/env -S sh -e\n".to_vec());
        let closure = run(&tree, &["usr/bin/script"], &DlopenPolicy::default()).unwrap();
        for path in ["usr/bin/env", "usr/bin/sh", "usr/lib/x86_64-linux-gnu/libc.so.6"] {
            assert!(closure.files.contains(&TreePath::new(path).unwrap()), "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_who_needs_it() {
        let mut tree = system();
        add(&mut tree, "usr/bin/p", sample(&[(1, "libx.so.1"), (1, "liby.so")], Some("/ld"), ""));
        let error = run(&tree, &["usr/bin/p"], &DlopenPolicy::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the image lacks /ld (needed by /usr/bin/p), libx.so.1 (needed by /usr/bin/p), \
             liby.so (needed by /usr/bin/p)"
        );
        assert!(error.hint().is_some());
        let error = run(&tree, &["usr/nothing"], &DlopenPolicy::default()).unwrap_err();
        assert!(matches!(error, ClosureError::Tree(TreeError::NotFound(_))));
    }

    #[test]
    fn libraries_opened_at_run_time_follow_the_policy() {
        let note = r#"[{"feature":"a","priority":"suggested","soname":["no.so","liba.so.1"]},
            {"feature":"b","priority":"recommended","soname":["absent.so"]}]"#;
        let mut tree = system();
        add(&mut tree, "usr/bin/p", sample(&[], Some(LOADER), note));
        let library = TreePath::new("usr/lib/x86_64-linux-gnu/liba.so.1.2").unwrap();

        let closure = run(&tree, &["usr/bin/p"], &DlopenPolicy::recommended()).unwrap();
        assert!(!closure.files.contains(&library));
        assert_eq!(closure.absent.first().map(|one| one.name.as_str()), Some("absent.so"));

        let mut policy = DlopenPolicy { features: ["a".to_owned()].into(), ..Default::default() };
        let closure = run(&tree, &["usr/bin/p"], &policy).unwrap();
        assert!(closure.files.contains(&library));

        policy.features.insert("b".to_owned());
        let error = run(&tree, &["usr/bin/p"], &policy).unwrap_err();
        assert!(error.to_string().contains("absent.so (recommended by /usr/bin/p)"), "{error}");
    }

    #[test]
    fn libraries_of_another_architecture_are_passed_over() {
        let mut tree = system();
        let mut foreign = sample(&[], None, "");
        foreign[0x12] = 183;
        let other = "usr/lib/x86_64-linux-gnu/libf.so";
        add(&mut tree, other, foreign);
        add(&mut tree, "usr/lib/libf.so", sample(&[], None, ""));
        add(&mut tree, "usr/bin/p", sample(&[(1, "libf.so")], Some(LOADER), ""));
        let closure = run(&tree, &["usr/bin/p"], &DlopenPolicy::default()).unwrap();
        assert!(!closure.files.contains(&TreePath::new(other).unwrap()));
        assert!(closure.files.contains(&TreePath::new("usr/lib/libf.so").unwrap()));
    }
}
