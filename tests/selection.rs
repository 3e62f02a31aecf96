//! Chooses packages from a repository of somebody else's, from a file, and by pins, with the real
//! program over real archives.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support;

/// A folder with a repository in it.
struct Place {
    dir: support::Scratch,
}

impl Place {
    fn new(name: &str) -> Self {
        let dir = support::scratch(name);
        let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/repository");
        let status = Command::new(make).arg(&*dir).arg("1.0").status().unwrap();
        assert!(status.success());
        Self { dir }
    }

    fn write(&self, recipe: &str) {
        let head = "extends = \"ci\"\nimage = { id = \"site\", version = \"1\" }\n";
        fs::write(self.dir.join("site.toml"), head.to_owned() + recipe).unwrap();
    }

    fn flagstone(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(support::FLAGSTONE);
        command.args(arguments).current_dir(&self.dir).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs the program with the repository's place, and returns what it printed.
    fn ask(&self, arguments: &[&str]) -> String {
        let place = format!("own=file://{}", self.dir.join("repo").display());
        let output = self.flagstone(&[arguments, &["--repository", &place]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns a locked package's lines.
    fn locked(&self, name: &str) -> String {
        let lock = fs::read_to_string(self.dir.join("site.lock")).unwrap();
        let line = format!("name = \"{name}\"\n");
        let mut blocks = lock.split("\n\n").filter(|block| block.contains(&line));
        blocks.next().unwrap_or_default().to_owned()
    }
}

const REPOSITORY: &str = "\n[repositories.own]\nsuite = \"stable\"\nkey = \"key.asc\"\n";

#[test]
#[ignore = "fetches packages"]
fn a_repository_adds_packages_and_replaces_those_that_a_pin_names() {
    let place = Place::new("selection-repository");
    place.write(&format!("packages.add = [\"hello-flagstone\"]\n{REPOSITORY}"));
    let output = place.flagstone(&["lock", "./site.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no mirror is known for own/stable"), "{said}");
    assert!(said.contains("--repository own=URL"), "{said}");

    place.ask(&["lock", "./site.toml"]);
    let hello = place.locked("hello-flagstone");
    assert!(hello.contains("archive = \"own\"") && hello.contains("version = \"1.0\""), "{hello}");
    assert!(place.locked("dash").contains("archive = \"main\""), "nothing asked for another dash");

    let pin = "[pin.dash]\nrepository = \"own\"\n";
    place.write(&format!("packages.add = [\"hello-flagstone\"]\n{REPOSITORY}{pin}"));
    let output = place.flagstone(&["build", "./site.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("run `flagstone lock`"), "a pin makes the lock stale: {said}");
    place.ask(&["lock", "./site.toml"]);
    assert!(place.locked("dash").contains("version = \"99\""));
    let why = place.flagstone(&["why", "dash", "./site.toml"]);
    assert_eq!(String::from_utf8_lossy(&why.stdout), "dash 99: requested\n");

    // A key that did not sign it.
    let other = Place::new("selection-other-key");
    fs::copy(other.dir.join("key.asc"), place.dir.join("key.asc")).unwrap();
    let where_it_is = format!("own=file://{}", place.dir.join("repo").display());
    let output = place.flagstone(&["lock", "./site.toml", "--repository", &where_it_is]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("unknown keys only"), "{said}");
}

#[test]
#[ignore = "fetches packages"]
fn a_file_beside_the_recipe_is_built_in_by_digest() {
    let place = Place::new("selection-file");
    place.write("debs = [\"hello_1.0_all.deb\"]\n");
    place.ask(&["lock", "./site.toml"]);
    let hello = place.locked("hello-flagstone");
    assert!(hello.contains("archive = \"local\"") && hello.contains("requested"), "{hello}");
    let why_not = place.ask(&["why-not", "hello-flagstone=2*", "./site.toml"]);
    assert_eq!(why_not, "no archive has that version of hello-flagstone; there are 1.0\n");

    place.ask(&["build", "./site.toml"]);
    let manifest = support::artifact(&place.dir.join("out"), ".manifest.json");
    assert!(fs::read_to_string(manifest).unwrap().contains("hello-flagstone"));

    // Another file under the same name is another package.
    let path = place.dir.join("hello_1.0_all.deb");
    let mut bytes = fs::read(&path).unwrap();
    bytes.push(b'\n');
    fs::write(&path, bytes).unwrap();
    let output = place.flagstone(&["build", "./site.toml", "--force"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("run `flagstone lock`"), "{said}");

    fs::write(&path, b"no package").unwrap();
    let output = place.flagstone(&["lock", "./site.toml"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("hello_1.0_all.deb"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
