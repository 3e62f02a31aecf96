//! Commands, harmless and hostile, in a real sandbox; as the user who runs the tests, and as nobody
//! where that is root.
//!
//! This program is three things: the tests, the entry into the sandbox, and the command inside.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use flagstone_sandbox::{Changes, Command, ENTRY, SandboxError, Staged, enter};
use flagstone_tree::{Inode, Kind, Metadata, Mtime, Tree, TreePath};

#[path = "commands/act.rs"]
mod act;

/// The first argument of the command inside.
const ACT: &str = "act";

/// The first argument of a process that forbids itself namespaces.
const FORBIDDEN: &str = "forbidden";

/// The program's path in the tree.
const PROGRAM: &str = "/usr/bin/act";

const DATE: Mtime = Mtime::from_seconds(1_700_000_000);
const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(5));

/// The number of `nobody` and `nogroup`.
const NOBODY: u32 = 65_534;

/// A test and its name.
type Test = (&'static str, fn());

const TESTS: [Test; 11] = [
    ("what_changes_is_reported_and_keeps_its_owner", what_changes_is_reported),
    ("hard_links_are_read_back", hard_links_are_read_back),
    ("closed_files_are_read_back", closed_files_are_read_back),
    ("a_command_that_fails_says_why", a_command_that_fails_says_why),
    ("nothing_of_the_machine_is_there", nothing_of_the_machine_is_there),
    ("the_machine_cannot_be_harmed", the_machine_cannot_be_harmed),
    ("links_are_read_back_as_links", links_are_read_back_as_links),
    ("what_lingers_ends_with_the_command", what_lingers_ends_with_the_command),
    ("what_no_image_holds_is_refused", what_no_image_holds_is_refused),
    ("the_folder_goes_whatever_is_in_it", the_folder_goes_whatever_is_in_it),
    ("a_machine_that_forbids_namespaces_gets_a_hint", a_machine_that_forbids_namespaces),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().map(|first| first.as_bytes()) {
        Some(first) if first == ENTRY.as_bytes() => return enter(&arguments[1..]),
        Some(first) if first == ACT.as_bytes() => return act::act(&arguments[1..]),
        Some(first) if first == FORBIDDEN.as_bytes() => return forbidden(),
        Some(b"--list") => return ExitCode::SUCCESS,
        _ => {}
    }
    if !namespaces_are_allowed() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "this user may not make namespaces");
        println!("skipped: this user may not make namespaces");
        return ExitCode::SUCCESS;
    }
    for (name, test) in TESTS {
        println!("test {name} ...");
        test();
    }
    if rustix::process::geteuid().is_root() {
        as_nobody();
    }
    ExitCode::SUCCESS
}

/// Runs this program anew without any right.
fn as_nobody() {
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("commands");
    fs::copy("/proc/self/exe", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(place.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    println!("as nobody:");
    let status = std::process::Command::new(program)
        .env("TMPDIR", place.path())
        .current_dir(place.path())
        .uid(NOBODY)
        .gid(NOBODY)
        .status()
        .unwrap();
    assert!(status.success(), "as nobody: {status}");
}

fn namespaces_are_allowed() -> bool {
    let place = tempfile::tempdir().unwrap();
    match stage(place.path()).run(&command(&["nothing"]), Path::new("/proc/self/exe")) {
        Ok(changes) => {
            assert_eq!(changes, Changes::default());
            true
        }
        Err(SandboxError::Confine { .. }) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// A small system: this program with its libraries, and files to change.
fn system() -> Tree {
    let mut tree = Tree::new(META);
    let put = |tree: &mut Tree, path: &str, inode: Inode| {
        tree.put(path, META, inode).unwrap();
    };
    for (link, target) in [("lib", "usr/lib"), ("lib64", "usr/lib64"), ("bin", "usr/bin")] {
        put(&mut tree, link, Inode::symlink(DATE, target));
    }
    let own = fs::read("/proc/self/exe").unwrap();
    put(&mut tree, "usr/bin/act", Inode::file(META, own));
    for library in libraries() {
        let path = library.trim_start_matches('/');
        let path = if path.starts_with("usr/") { path.to_owned() } else { format!("usr/{path}") };
        put(&mut tree, &path, Inode::file(META, fs::read(&library).unwrap()));
        let name = path.rsplit('/').next().unwrap();
        if name.starts_with("ld-linux") {
            for dir in ["usr/lib", "usr/lib64"].map(|dir| format!("{dir}/{name}")) {
                put(&mut tree, &dir, Inode::symlink(DATE, format!("/{path}")));
            }
        }
    }
    let service = Metadata { uid: 101, gid: 102, ..META };
    put(&mut tree, "usr/bin/tool", Inode::file(service, "tool"));
    put(&mut tree, "usr/bin/other", Inode::file(Metadata { mode: 0o4755, ..META }, "other"));
    put(&mut tree, "etc/known", Inode::file(Metadata { mode: 0o640, ..service }, "one\n"));
    put(&mut tree, "etc/link", Inode::symlink(DATE, "known"));
    put(&mut tree, "usr/share/gone/a", Inode::file(META, "a"));
    put(&mut tree, "run/kept", Inode::file(META, "unseen"));
    put(&mut tree, "etc/closed", Inode::directory(Metadata { mode: 0o500, ..META }));
    tree
}

/// Returns the files of the libraries that this program runs with.
fn libraries() -> BTreeSet<String> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    files.filter(|file| file.contains(".so")).map(str::to_owned).collect()
}

fn stage(place: &Path) -> Staged {
    Staged::new(system(), &place.join("tree"), DATE).unwrap()
}

fn command(words: &[&str]) -> Command {
    Command {
        name: words[0].to_owned(),
        program: PROGRAM.to_owned(),
        arguments: [&[ACT], words].concat().into_iter().map(str::to_owned).collect(),
    }
}

/// Runs one command in a fresh system.
fn run(words: &[&str]) -> Result<(Tree, Changes), SandboxError> {
    let place = tempfile::tempdir().unwrap();
    let mut staged = stage(place.path());
    let result = staged.run(&command(words), Path::new("/proc/self/exe"));
    let tree = staged.into_tree();
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "the folder is left over");
    result.map(|changes| (tree, changes))
}

fn inode<'t>(tree: &'t Tree, path: &str) -> &'t Inode {
    tree.inode(tree.lookup(&TreePath::new(path).unwrap()).unwrap())
}

fn texts(paths: &[TreePath]) -> Vec<String> {
    paths.iter().map(ToString::to_string).collect()
}

fn what_changes_is_reported() {
    let (tree, changes) = run(&["change"]).unwrap();
    assert_eq!(texts(&changes.added), ["etc/new"]);
    assert_eq!(texts(&changes.changed), ["etc/known", "etc/link", "usr/bin/tool"]);
    assert_eq!(texts(&changes.removed), ["usr/share/gone", "usr/share/gone/a"]);
    let known = inode(&tree, "etc/known");
    let service = Metadata { uid: 101, gid: 102, mode: 0o640, mtime: DATE };
    assert_eq!(known.metadata, service);
    assert_eq!(&tree.read("etc/known").unwrap()[..], b"one\ntwo\n");
    assert_eq!(inode(&tree, "etc/new").metadata, Metadata::root(0o644, DATE));
    let tool = inode(&tree, "usr/bin/tool").metadata;
    assert_eq!(tool, Metadata { uid: 101, gid: 102, mode: 0o700, ..META });
    assert_eq!(inode(&tree, "usr/bin/other").metadata.mode, 0o4755);
    assert_eq!(inode(&tree, "etc/closed").metadata.mode, 0o500);
    assert!(tree.exists("run/kept") && !tree.exists("proc") && !tree.exists("dev"));

    // A folder that is there already is somebody else's.
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("tree")).unwrap();
    assert!(Staged::new(system(), &place.path().join("tree"), DATE).is_err());
    assert!(place.path().join("tree").exists());

    // The next command finds what the last one left.
    let place = tempfile::tempdir().unwrap();
    let mut staged = stage(place.path());
    let entry = Path::new("/proc/self/exe");
    staged.run(&command(&["change"]), entry).unwrap();
    assert_eq!(staged.run(&command(&["nothing"]), entry).unwrap(), Changes::default());
}

fn hard_links_are_read_back() {
    let (tree, changes) = run(&["hard-link"]).unwrap();
    assert_eq!(texts(&changes.added), ["usr/bin/tool2"]);
    assert_eq!(changes.changed, []);
    let id = |path: &str| tree.lookup(&TreePath::new(path).unwrap());
    assert_eq!(id("usr/bin/tool"), id("usr/bin/tool2"));
}

fn closed_files_are_read_back() {
    let (tree, changes) = run(&["close"]).unwrap();
    assert_eq!(texts(&changes.added), ["etc/closed/file", "etc/shut", "etc/shut/file"]);
    assert_eq!(inode(&tree, "etc/shut").metadata.mode, 0);
    assert_eq!(inode(&tree, "etc/shut/file").metadata.mode, 0);
    assert_eq!(&tree.read("etc/shut/file").unwrap()[..], b"x");
}

fn a_command_that_fails_says_why() {
    let failed = |words: &[&str]| match run(words).unwrap_err() {
        SandboxError::Failed { status, output, .. } => (status, output.to_string()),
        other => panic!("{other:?}"),
    };
    let (status, output) = failed(&["fail"]);
    assert_eq!((status.as_str(), output.as_str()), ("exit status 3", "on stdout\nno such font"));
    assert_eq!(failed(&["abort"]).0, "signal 6");
    let place = tempfile::tempdir().unwrap();
    let missing = Command { program: "/usr/bin/none".to_owned(), ..command(&["nothing"]) };
    let error = stage(place.path()).run(&missing, Path::new("/proc/self/exe")).unwrap_err();
    assert!(matches!(error, SandboxError::Start { .. }), "{error:?}");
}

fn nothing_of_the_machine_is_there() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("file"), "secret").unwrap();
    // An open folder that is handed on to every child.
    let folder = fs::File::open(secret.path()).unwrap();
    rustix::io::fcntl_setfd(&folder, rustix::io::FdFlags::empty()).unwrap();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    let path = secret.path().join("file");
    run(&["look", path.to_str().unwrap(), &port]).unwrap_or_else(|e| panic!("{e:?}"));
}

fn the_machine_cannot_be_harmed() {
    let null = || fs::metadata("/dev/null").unwrap().permissions();
    let before = null();
    run(&["harm"]).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(null(), before);
}

fn links_are_read_back_as_links() {
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("known"), "secret").unwrap();
    let path = secret.path().to_str().unwrap();
    let (tree, changes) = run(&["link", path]).unwrap();
    let target = |name: &str| match &inode(&tree, name).kind {
        Kind::Symlink(target) => String::from_utf8_lossy(target).into_owned(),
        other => panic!("{other:?}"),
    };
    assert_eq!(target("etc"), path);
    assert_eq!(target("usr/share/gone"), "../../../../../../../..");
    assert_eq!(target("usr/bin/tool"), format!("{path}/known"));
    assert!(texts(&changes.removed).contains(&"etc/known".to_owned()), "{changes:?}");
    let contents = tree.walk().filter_map(|entry| entry.inode.content().cloned());
    assert!(contents.into_iter().all(|content| &content.to_bytes().unwrap()[..] != b"secret"));
    assert_eq!(fs::read(secret.path().join("known")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(secret.path()).unwrap().count(), 1);
}

fn what_lingers_ends_with_the_command() {
    let begin = std::time::Instant::now();
    let (tree, _) = run(&["background"]).unwrap();
    assert!(begin.elapsed().as_secs() < 30, "it waited for what lingers");
    assert!(tree.exists("etc/tick"));
}

fn what_no_image_holds_is_refused() {
    let error = run(&["pipe"]).unwrap_err();
    assert_eq!(error.to_string(), "the command left a socket, pipe or device at /etc/pipe");
    let error = run(&["control"]).unwrap_err();
    assert_eq!(error.to_string(), "the command left a name with control characters in /etc");
    let error = run(&["huge"]).unwrap_err();
    assert_eq!(error.to_string(), "the command left more than 4 GiB of new content");
}

fn the_folder_goes_whatever_is_in_it() {
    let error = run(&["deep"]).unwrap_err();
    assert_eq!(error.to_string(), "the command left more than 128 folders in each other");
}

fn a_machine_that_forbids_namespaces() {
    let mut process = std::process::Command::new("/proc/self/exe");
    assert!(process.arg(FORBIDDEN).status().unwrap().success());
}

/// Forbids namespaces, in one where this user may, and then needs some.
fn forbidden() -> ExitCode {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).unwrap();
    fs::write("/proc/self/setgroups", "deny").unwrap();
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw())).unwrap();
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw())).unwrap();
    fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
    let error = run(&["nothing"]).unwrap_err();
    let expected = "nothing cannot be kept away from this machine: failed to make namespaces";
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("sysctl"), "{error:?}");
    ExitCode::SUCCESS
}
