//! The same bytes in whatever surroundings, and with a cache in whatever state.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{run, said, sums, support};

/// The recipe `ci` on a disk that is digested quickly.
const SMALL: &str = r#"
extends = "ci"

[image]
id = "small"

[disk]
esp = "128M"
usr = "128M"
usr-verity = "2M"
oem = "1M"
root = "16M"
"#;

/// A recipe, its lock, and a cache that has its packages and nothing else.
struct Site {
    dir: support::Scratch,
    /// The digests of the artefacts, from a build with an empty cache.
    expected: String,
}

impl Site {
    fn new(name: &str) -> Self {
        let dir = support::scratch(name);
        fs::write(dir.join("small.toml"), SMALL).unwrap();
        // The packages come through the user's own cache, so that they are fetched once.
        support::build("small.toml", &dir);
        fs::rename(dir.join("out"), dir.join("first")).unwrap();
        let user = super::user_cache();
        super::copy_packages(&user, &dir.join("first"), &dir.join("cache"));
        let site = Self { expected: sums(&dir.join("first")), dir };
        assert_eq!(site.expected.lines().count(), 11);
        site
    }

    /// Returns the arguments of a build, without the program.
    fn arguments(out: &str) -> String {
        format!("build small.toml --force --offline --cache-dir cache --out '{out}'")
    }

    fn build(&self) -> Output {
        let line = format!("exec {} {}", support::FLAGSTONE, Self::arguments("out"));
        run(Command::new("sh").args(["-c", &line]).current_dir(&self.dir))
    }

    /// Builds, and says that the artefacts are what they were.
    fn builds_the_same(&self, what: &str) -> String {
        let output = self.build();
        let text = said(&output);
        assert!(output.status.success(), "{what}: {text}");
        assert_eq!(sums(&self.dir.join("out")), self.expected, "{what}: {text}");
        text
    }

    fn cache(&self, arguments: &[&str]) -> Output {
        let cache = self.dir.join("cache");
        let place = ["--cache-dir", cache.to_str().unwrap()];
        run(Command::new(support::FLAGSTONE).arg("cache").args(arguments).args(place))
    }

    /// Returns all files that builds keep, in the order of their names.
    fn kept(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for sort in ["unpacked", "extents", "initrds", "indices"] {
            let dir = fs::read_dir(self.dir.join("cache").join(sort)).unwrap();
            files.extend(dir.map(|entry| entry.unwrap().path()));
        }
        files.sort();
        files
    }
}

/// Surroundings that must not matter, each a line of `sh` that ends with the build; `%` stands for
/// the program, which puts the artefacts into `out/deep`. Every kind comes with several others, and with a cache that is cold, warm, or half
/// gone.
const SURROUNDINGS: [(&str, Keep, &str); 8] = [
    (
        "one thread, far away, nothing in PATH",
        Keep::Nothing,
        "umask 077; env -i PATH= TZ=Pacific/Kiritimati LC_ALL=tr_TR.UTF-8 % --jobs 1",
    ),
    (
        "a warm cache, many threads, no time zone",
        Keep::All,
        "umask 000; env -i TZ=nonsense LANG=C % --jobs 7",
    ),
    (
        "half a cache, another host",
        Keep::Half,
        "hostname elsewhere.example || exit 77; env HOSTNAME=elsewhere.example USER=ghost HOME=/nonexistent % --jobs 3",
    ),
    ("twenty years ago", Keep::Nothing, "faketime -f '@2006-01-02 03:04:05' %"),
    (
        "twenty years from now, half a cache",
        Keep::Half,
        "faketime -f '@2046-12-31 23:59:59 x60' % --jobs 2",
    ),
    (
        "an artefact folder on tmpfs",
        Keep::All,
        "mkdir -p out && mount -t tmpfs none out || exit 77; %",
    ),
    (
        "an artefact folder on an overlay",
        Keep::Half,
        "mkdir -p out below && mount -t tmpfs none below && mkdir below/a below/b below/c || exit 77; \
         mount -t overlay -o lowerdir=below/a,upperdir=below/b,workdir=below/c none out || \
         echo skipped: no overlay here; % --jobs 2",
    ),
    (
        "a cache that takes nothing",
        Keep::Nothing,
        "mount --bind cache cache && mount -o remount,bind,ro cache || exit 77; % --jobs 2",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    Half,
    All,
}

#[test]
#[ignore = "fetches packages"]
fn the_surroundings_do_not_matter() {
    let site = Site::new("cache-surroundings");
    site.builds_the_same("an empty cache");
    for (what, keep, line) in SURROUNDINGS {
        match keep {
            Keep::All => {}
            Keep::Half => {
                let half = site.kept().into_iter().step_by(2);
                half.for_each(|path| fs::remove_file(path).unwrap());
            }
            Keep::Nothing => assert!(site.cache(&["prune", "--all"]).status.success()),
        }
        let program = format!("{} {}", support::FLAGSTONE, Site::arguments("out/deep"));
        // What is mounted is gone when the line ends.
        let line = line.replace('%', &program) + " && cp out/deep/SHA256SUMS sums";
        let _ = fs::remove_dir_all(site.dir.join("out"));
        let _ = fs::remove_file(site.dir.join("sums"));
        let output = run(Command::new("unshare")
            .args(["--map-root-user", "--mount", "--uts", "/bin/sh", "-c", &line])
            .current_dir(&site.dir));
        assert!(output.status.success(), "{what}: {}", said(&output));
        let built = fs::read_to_string(site.dir.join("sums")).unwrap();
        assert_eq!(built, site.expected, "{what}");
    }
    let found = site.cache(&["verify"]);
    assert!(found.status.success(), "{}", said(&found));
}

type Spoil = fn(&Path);

#[test]
#[ignore = "fetches packages"]
fn a_damaged_cache_is_found_and_made_anew_and_never_used() {
    let site = Site::new("cache-damage");
    site.builds_the_same("an empty cache");
    let kept = site.kept();
    assert!(kept.len() > 80, "{} files", kept.len());
    assert!(
        kept.iter().all(|path| [0o600, 0o400].contains(&mode(path))),
        "others may read what is kept"
    );

    let damage: [(&str, Spoil); 6] = [
        ("flipped within", |path| flip(path, 1)),
        ("flipped at the end", |path| flip(path, fs::metadata(path).unwrap().len() - 20)),
        ("cut off", |path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        }),
        ("emptied", |path| fs::write(path, "").unwrap()),
        ("replaced by text", |path| fs::write(path, "edited by hand\n".repeat(100)).unwrap()),
        ("replaced by another", |path| {
            let other =
                path.parent().unwrap().read_dir().unwrap().map(|entry| entry.unwrap().path());
            let other =
                other.filter(|other| other != path).min().unwrap_or_else(|| path.to_owned());
            fs::copy(other, path).unwrap();
        }),
    ];
    for (what, spoil) in damage {
        for path in &kept {
            spoil(path);
        }
        site.builds_the_same(what);
        assert_eq!(site.kept().len(), kept.len(), "{what}");
    }

    // Damage is told, and what is damaged goes.
    kept.iter().step_by(3).for_each(|path| flip(path, 1));
    let found = site.cache(&["verify"]);
    let text = said(&found);
    assert_eq!(found.status.code(), Some(1), "{text}");
    let count = kept.len().div_ceil(3);
    assert!(text.contains(&format!(" files, {count} damaged")), "{text}");
    assert!(text.contains(&kept[0].display().to_string()), "{text}");
    let again = site.cache(&["verify", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(report["damaged"], serde_json::json!([]));
    site.builds_the_same("what was damaged is gone");

    // A package that is damaged is no package.
    let package = first_file(&site.dir.join("cache/sha256"));
    flip(&package, 100);
    let found = site.cache(&["verify"]);
    assert!(said(&found).contains(&package.display().to_string()) && !package.exists());
}

#[test]
#[ignore = "fetches packages"]
fn builds_that_run_at_once_share_a_cache_and_a_limit_holds() {
    let site = Site::new("cache-shared");
    let start = |out: &str| {
        let line = format!("exec {} {}", support::FLAGSTONE, Site::arguments(out));
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(&site.dir).stdin(Stdio::null());
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    let builds = ["one", "two", "three"].map(|out| (out, start(out)));
    for (out, build) in builds {
        let output = build.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(sums(&site.dir.join(out)), site.expected);
    }
    assert!(site.cache(&["verify"]).status.success());

    // Nothing is left over, and a limit is kept by builds and by the command.
    let info = || -> serde_json::Value {
        serde_json::from_slice(&site.cache(&["info", "--json"]).stdout).unwrap()
    };
    let bytes = |info: &serde_json::Value, from: usize| -> u64 {
        let shares = info["shares"].as_array().unwrap();
        shares[from..].iter().map(|share| share["bytes"].as_u64().unwrap()).sum()
    };
    let before = info();
    let on_disk: u64 = site.kept().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert_eq!(bytes(&before, 1), on_disk);
    let limit = on_disk / 2048;
    let limited =
        format!("exec {} {} --cache-limit {limit}K", support::FLAGSTONE, Site::arguments("out"));
    let output = run(Command::new("sh").args(["-c", &limited]).current_dir(&site.dir));
    assert!(output.status.success(), "{}", said(&output));
    let left = bytes(&info(), 1);
    assert!(left <= limit << 10 && left > 0, "{left} bytes of {on_disk}: {}", info());
    assert_eq!(sums(&site.dir.join("out")), site.expected);
    assert!(site.cache(&["prune", "--limit", "1M"]).status.success());
    assert!(bytes(&info(), 1) <= 1 << 20);
    assert_eq!(bytes(&info(), 0) - bytes(&info(), 1), bytes(&before, 0) - bytes(&before, 1));
    assert!(site.cache(&["prune", "--all", "--downloads"]).status.success());
    assert_eq!(bytes(&info(), 0), 0);
}

#[test]
#[ignore = "fetches packages"]
fn a_cache_without_room_costs_time_and_gets_a_note() {
    let site = Site::new("cache-no-room");
    for (what, prepare) in [
        (
            "full",
            "mount -t tmpfs -o size=20m none cache/unpacked; mount -t tmpfs -o size=5m none cache/extents",
        ),
        (
            "read-only",
            "mount -t tmpfs -o ro none cache/unpacked; mount -t tmpfs -o ro none cache/initrds",
        ),
    ] {
        fs::create_dir_all(site.dir.join("cache/unpacked")).unwrap();
        fs::create_dir_all(site.dir.join("cache/extents")).unwrap();
        fs::create_dir_all(site.dir.join("cache/initrds")).unwrap();
        let program = format!("{} {}", support::FLAGSTONE, Site::arguments("out"));
        let line = format!("{{ {prepare}; }} || exit 77; exec {program}");
        let output = run(Command::new("unshare")
            .args(["--map-root-user", "--mount", "/bin/sh", "-c", &line])
            .current_dir(&site.dir));
        let text = said(&output);
        assert!(output.status.success(), "{what}: {text}");
        assert!(
            text.contains("note: cache: failed to ") && text.contains("cache/unpacked"),
            "{text}"
        );
        assert_eq!(text.matches("note: cache:").count(), 2, "{text}");
        assert_eq!(sums(&site.dir.join("out")), site.expected, "{what}");
    }
    // Something else where a folder should be.
    fs::remove_dir_all(site.dir.join("cache/extents")).unwrap();
    fs::write(site.dir.join("cache/extents"), "").unwrap();
    let text = site.builds_the_same("a file in the way");
    assert!(text.contains("note: cache: failed to create the folder"), "{text}");
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn first_file(dir: &Path) -> PathBuf {
    let first = |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).min().unwrap();
    first(&first(dir))
}
