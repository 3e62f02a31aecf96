use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::Mode;

use crate::report::Report;
use crate::{confine, mounts};

/// The first argument of a program that shall go through [`enter`] and do nothing else.
pub const ENTRY: &str = "inside-tree";

/// Marks the second start, as the first process inside.
const FIRST: &str = "--first";

/// The running program, whatever became of its file.
const THIS: &str = "/proc/self/exe";

/// The name of every machine that a command sees.
const HOST_NAME: &[u8] = b"flagstone";

/// What a command finds in its environment, besides `SOURCE_DATE_EPOCH`.
const ENVIRONMENT: [(&str, &str); 8] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("LOGNAME", "root"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("SHELL", "/bin/sh"),
    ("TZ", "UTC"),
    ("USER", "root"),
];

/// Confines the calling process and runs a command with the working directory as its root.
///
/// For a process that [`Staged::run`](crate::Staged::run) started, with the arguments after
/// [`ENTRY`]: it runs before anything else, while there is one thread. The standard output
/// takes one line for the process that started it, the standard error what the command prints.
pub fn enter(arguments: &[OsString]) -> ExitCode {
    let report = match arguments {
        [first, command @ ..] if first == FIRST => first_inside(command),
        command => match leave_the_machine(command) {
            Ok(code) => return code,
            Err(report) => report,
        },
    };
    let told = writeln!(io::stdout(), "{report}");
    if told.is_ok() && report == Report::Exit(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes the namespaces and starts the first process inside; that one reports, if it starts.
fn leave_the_machine(command: &[OsString]) -> Result<ExitCode, Report> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    step("close what is open", confine::close_inherited)?;
    step("make namespaces", confine::new_namespaces)?;
    step("become root inside", || confine::map_root(uid.as_raw(), gid.as_raw()))?;
    step("follow the build's end", confine::end_with_parent)?;
    let first = Command::new(THIS).args([ENTRY, FIRST]).args(command).status();
    let status = first.map_err(|error| Report::step("start the first process", &error))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Goes into the tree and runs the command; when this process ends, all others inside do.
fn first_inside(arguments: &[OsString]) -> Report {
    match try_first_inside(arguments) {
        Ok(never) => match never {},
        Err(report) => report,
    }
}

fn try_first_inside(arguments: &[OsString]) -> Result<Infallible, Report> {
    let [date, program, arguments @ ..] = arguments else {
        let error = io::Error::from(rustix::io::Errno::INVAL);
        return Err(Report::step("read the arguments", &error));
    };
    step("follow the build's end", confine::end_with_parent)?;
    step("leave the terminal", || Ok(rustix::process::setsid().map(drop)?))?;
    step("forbid more namespaces", confine::forbid_namespaces)?;
    mounts::enter_root().map_err(|(step, error)| Report::step(&step, &error))?;
    step("name the machine", || {
        rustix::system::sethostname(HOST_NAME)?;
        Ok(rustix::system::setdomainname(b"(none)")?)
    })?;
    step("drop rights", confine::drop_rights)?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let status = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .env("SOURCE_DATE_EPOCH", date)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status();
    Err(match status {
        Err(error) => Report::Start(error.raw_os_error().unwrap_or_default()),
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Report::Exit(code),
            (None, signal) => Report::Signal(signal.unwrap_or_default()),
        },
    })
}

fn step(name: &str, action: impl FnOnce() -> io::Result<()>) -> Result<(), Report> {
    action().map_err(|error| Report::step(name, &error))
}
