use crate::Line;

/// Something on a console that no good boot has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What it is: a few words.
    pub what: &'static str,
    /// The line.
    pub line: Line,
}

/// What it is, and words of which one stands in its line.
const PATTERNS: [(&str, &[&str]); 22] = [
    ("kernel panic", &["Kernel panic"]),
    ("kernel oops", &["Oops:", "Oops -", "Unable to handle kernel", "general protection fault"]),
    ("lockup", &["soft lockup", "hard LOCKUP", "watchdog: BUG"]),
    (
        "kernel bug",
        &["BUG:", "kernel BUG at", "bad page", "Bad page", "bad pmd", "bad pud", "bad pte"],
    ),
    ("kernel warning", &["WARNING: CPU: ", "Call Trace", "Call trace:"]),
    ("hung task", &["blocked for more than"]),
    ("RCU stall", &["detected stall", "self-detected stall", "rcu_preempt kthread starved"]),
    ("out of memory", &["invoked oom-killer", "Out of memory", "oom-kill"]),
    (
        "crash of a program",
        &["segfault at", "SIGSEGV", "=11/SEGV", "dumped core", "ore dump", "traps: "],
    ),
    ("panic of a Go program", &["] panic: ", "]: panic: ", "goroutine 1 [", "fatal error: "]),
    ("panic of a Rust program", &["panicked at "]),
    ("disk error", &["I/O error", "offline device", "Medium Error"]),
    (
        "file system error",
        &[
            "EXT4-fs error",
            "EXT4-fs warning",
            "Delayed block allocation failed",
            "erofs: error",
            "FAT-fs error",
            "Aborting journal",
            "UNEXPECTED INCONSISTENCY",
        ],
    ),
    ("damage of /usr", &["is corrupted", "device corrupted", "detected corruption"]),
    ("ordering cycle", &["ordering cycle", "Ordering cycle"]),
    (
        "emergency mode",
        &[
            "emergency.target",
            "mergency mode",
            "mergency Mode",
            "emergency shell",
            "Emergency Shell",
        ],
    ),
    (
        "failed initrd",
        &["the initrd failed", "initrd-cleanup.service: Main process exited, code=killed"],
    ),
    ("failed unit", &["[FAILED]", "Failed with result", "Dependency failed", "[DEPEND]"]),
    ("wait that was given up", &["Timed out waiting", "[ TIME ]"]),
    ("failed Ignition", &["Ignition failed", "CRITICAL : ", "context canceled"]),
    ("crash of systemd", &["Freezing execution", "systemd[1]: Caught <"]),
    ("failed generator", &["system-generators/"]),
];

/// Lines that look like trouble and are none: all words stand in the line.
const HARMLESS: [&[&str]; 4] = [
    // Without a vsock device the one of systemd 257 ends so; ssh over vsock is not wanted.
    &["system-generators/systemd-ssh-generator failed with exit status 1"],
    // What the kernel was told, which may hold any words.
    &["ommand line: "],
    // Disks and loop devices that are asked what they are without a medium in them.
    &["Buffer I/O error on dev sr"],
    &["I/O error, dev fd0"],
];

/// Finds all lines of a console that mean trouble in a boot that should go well; the text is what
/// [`plain`](crate::plain) makes. [`diagnose`](crate::diagnose) tells causes, this only finds.
pub fn trouble(text: &str) -> Vec<Trouble> {
    let found = text.lines().enumerate().filter_map(|(index, line)| {
        let has = |words: &&str| line.contains(words);
        if HARMLESS.iter().any(|all| all.iter().all(has)) {
            return None;
        }
        let (what, _) = PATTERNS.iter().find(|(_, any)| any.iter().any(has))?;
        Some(Trouble { what, line: Line::new(index + 1, line) })
    });
    found.collect()
}
