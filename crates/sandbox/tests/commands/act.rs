//! What the command does inside: changes, failures, and attempts to get out.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode};
use rustix::mount::{MountFlags, UnmountFlags};

/// What a command finds in its environment.
const ENVIRONMENT: [&str; 9] = [
    "DEBIAN_FRONTEND",
    "HOME",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SOURCE_DATE_EPOCH",
    "TZ",
    "USER",
];

pub(crate) fn act(words: &[OsString]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
    match words[..] {
        ["nothing"] => {}
        ["change"] => change(),
        ["hard-link"] => fs::hard_link("/usr/bin/tool", "/usr/bin/tool2").unwrap(),
        ["close"] => close(),
        ["fail"] => {
            println!("on stdout");
            eprintln!("no such font");
            return ExitCode::from(3);
        }
        ["abort"] => std::process::abort(),
        ["look", secret, port] => look(secret, port.parse().unwrap()),
        ["harm"] => harm(),
        ["link", target] => link(target),
        ["background"] => background(),
        ["linger"] => linger(),
        ["pipe"] => {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(CWD, "/etc/pipe", FileType::Fifo, mode, 0).unwrap();
        }
        ["control"] => fs::write("/etc/a\nb", "x").unwrap(),
        ["huge"] => File::create("/etc/huge").unwrap().set_len(1 << 40).unwrap(),
        ["deep"] => deep(),
        _ => panic!("{words:?}"),
    }
    ExitCode::SUCCESS
}

fn change() {
    fs::write("/etc/new", "new").unwrap();
    let mut known = OpenOptions::new().append(true).open("/etc/known").unwrap();
    known.write_all(b"two\n").unwrap();
    fs::remove_file("/etc/link").unwrap();
    symlink("new", "/etc/link").unwrap();
    fs::set_permissions("/usr/bin/tool", fs::Permissions::from_mode(0o700)).unwrap();
    fs::remove_dir_all("/usr/share/gone").unwrap();
    for unseen in ["/tmp/file", "/run/file", "/dev/shm/file"] {
        fs::write(unseen, "x").unwrap();
    }
}

fn close() {
    let none = || fs::Permissions::from_mode(0o000);
    fs::write("/etc/closed/file", "x").unwrap();
    fs::create_dir("/etc/shut").unwrap();
    fs::write("/etc/shut/file", "x").unwrap();
    fs::set_permissions("/etc/shut/file", none()).unwrap();
    fs::set_permissions("/etc/shut", none()).unwrap();
    fs::set_permissions("/", none()).unwrap();
}

fn look(secret: &str, port: u16) {
    assert!(fs::metadata(secret).is_err(), "a file of the machine is there");
    let names = |dir: &str| -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let processes = names("/proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
    assert_eq!(processes.collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(names("/proc/self/fd").len(), 4, "more is open than the standard streams");
    let mut environment: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    environment.sort();
    assert_eq!(environment, ENVIRONMENT);
    assert_eq!(std::env::var("SOURCE_DATE_EPOCH").unwrap(), "1700000000");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), "flagstone\n");
    assert_eq!(names("/tmp"), [""; 0]);
    assert_eq!(names("/run"), [""; 0]);
    assert!(fs::metadata("/sys").is_err());
    assert!(rustix::process::geteuid().is_root());
    assert_eq!(rustix::process::umask(Mode::empty()).as_raw_mode(), 0o022);

    let soon = Duration::from_secs(2);
    for address in [SocketAddr::from(([127, 0, 0, 1], port)), ([192, 0, 2, 1], 80).into()] {
        assert!(TcpStream::connect_timeout(&address, soon).is_err(), "{address} is there");
    }
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    assert!(socket.send_to(b"x", "192.0.2.1:53").is_err());
    assert!(File::open("/dev/tty").is_err());
    for (device, bytes) in [("/dev/zero", [0; 4]), ("/dev/full", [0; 4])] {
        let mut read = [1; 4];
        std::io::Read::read_exact(&mut File::open(device).unwrap(), &mut read).unwrap();
        assert_eq!(read, bytes);
    }
    fs::write("/dev/null", "x").unwrap();
}

/// Nothing of this would do harm where it succeeds, and all of it would be a way to.
fn harm() {
    let mode = |mode| fs::Permissions::from_mode(mode);
    let same = fs::metadata("/dev/null").unwrap().permissions();
    assert!(fs::set_permissions("/dev/null", same).is_err(), "devices can be changed");
    for path in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj"]
    {
        assert!(OpenOptions::new().write(true).open(path).is_err(), "{path} can be written");
    }
    for path in ["/proc/1/environ", "/proc/1/root", "/proc/1/mem", "/proc/1/fd/1"] {
        assert!(File::open(path).is_err(), "{path} can be read");
    }
    let mount = rustix::mount::mount("tmpfs", "/etc", "tmpfs", MountFlags::empty(), c"");
    assert!(mount.is_err(), "mounting works");
    assert!(rustix::mount::mount_remount("/proc", MountFlags::BIND, c"").is_err());
    assert!(rustix::mount::unmount("/proc", UnmountFlags::DETACH).is_err(), "unmounting works");
    for namespaces in [
        nix::sched::CloneFlags::CLONE_NEWUSER,
        nix::sched::CloneFlags::CLONE_NEWNS,
        nix::sched::CloneFlags::CLONE_NEWNET,
    ] {
        assert!(nix::sched::unshare(namespaces).is_err(), "{namespaces:?} can be made");
    }
    assert!(rustix::system::sethostname(b"other").is_err());
    let device = rustix::fs::makedev(1, 3);
    let node = rustix::fs::mknodat(CWD, "/etc/node", FileType::CharacterDevice, Mode::RUSR, device);
    assert!(node.is_err(), "devices can be made");
    assert!(std::os::unix::fs::chown("/etc/known", Some(1), None).is_err(), "others can own");

    // Out of a root in the root, as far up as it goes: the tree is there, and nothing else.
    fs::create_dir("/tmp/jail").unwrap();
    let jail = File::open("/").unwrap();
    rustix::process::chroot("/tmp/jail").unwrap();
    rustix::process::fchdir(&jail).unwrap();
    for _ in 0..16 {
        rustix::process::chdir("..").unwrap();
    }
    rustix::process::chroot(".").unwrap();
    assert!(fs::metadata("/etc/known").is_ok(), "there is something above the tree");
    assert!(fs::set_permissions("/etc/known", mode(0o640)).is_ok());
}

fn link(target: &str) {
    fs::remove_dir_all("/usr/share/gone").unwrap();
    symlink("../../../../../../../..", "/usr/share/gone").unwrap();
    fs::remove_file("/usr/bin/tool").unwrap();
    symlink(format!("{target}/known"), "/usr/bin/tool").unwrap();
    fs::rename("/etc", "/moved").unwrap();
    symlink(target, "/etc").unwrap();
}

/// Leaves a process that holds the standard streams and goes on writing.
fn background() {
    let lingering = Command::new("/proc/self/exe").args([super::ACT, "linger"]).spawn().unwrap();
    std::mem::forget(lingering);
    while fs::metadata("/etc/tick").is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn linger() {
    let _ = rustix::process::setsid();
    for tick in 0_u32.. {
        fs::write("/etc/tick", tick.to_string()).unwrap();
        eprintln!("{tick}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn deep() {
    std::env::set_current_dir("/etc").unwrap();
    for _ in 0..500 {
        fs::create_dir("d").unwrap();
        std::env::set_current_dir("d").unwrap();
    }
    fs::write("file", "x").unwrap();
}
