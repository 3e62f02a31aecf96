use flagstone_artifact::Architecture;
use flagstone_image::verity::{HashTree, Parameters};

use super::*;

/// Makes a folder as a build leaves it, as far as it is published.
fn release(home: &Path, name: &str, version: &str, kernel: &[u8]) -> PathBuf {
    let folder = home.join(name);
    fs::create_dir(&folder).unwrap();
    let usr: Vec<u8> = version.bytes().cycle().take(3 * 4096).collect();
    let tree = HashTree::of(&usr, Parameters::new([1; 32], [2; 16]).unwrap()).unwrap();
    let manifest = format!(
        r#"{{"manifest_version":1,"flagstone_version":"0","id":"a","version":"{version}",
        "architecture":"arm64","source_date":1,"root_hash":"{}","hermetic":true,"artifacts":{{}},
        "packages":{{}}}}"#,
        tree.root_hash
    );
    let mut sums = Sha256Sums::default();
    for (suffix, data) in [
        ("efi", kernel),
        ("manifest.json", manifest.as_bytes()),
        ("usr.erofs", &usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("a_{version}_arm64.{suffix}");
        fs::write(folder.join(&name), data).unwrap();
        sums.insert(&name, Sha256Digest::of(data));
    }
    fs::write(folder.join(Sha256Sums::FILE_NAME), sums.to_string()).unwrap();
    folder
}

/// Returns the names of what lies in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let site = home.path().join("site");
    (home, site)
}

#[test]
fn versions_lie_beside_each_other_and_the_list_comes_last() {
    let (home, site) = home();
    let (one, two) = (release(home.path(), "1", "1", b"k1"), release(home.path(), "2", "2", b"k2"));
    let first = Addition::prepare(&one, &site).unwrap();
    let files = first.files().to_vec();
    assert_eq!(first.image().architecture, Architecture::Arm64);
    assert!(!site.join(Sha256Sums::FILE_NAME).exists());
    assert_eq!(names(&site).len(), 3);
    first.finish(Some(b"signature 1")).unwrap();
    let list = fs::read(site.join("SHA256SUMS")).unwrap();
    for name in &files {
        let listed = Sha256Sums::parse(&list).unwrap().get(name).unwrap();
        assert_eq!(listed, Sha256Digest::of(&fs::read(site.join(name)).unwrap()));
    }

    // Before the second list there are new files, and nothing else has changed.
    let second = Addition::prepare(&two, &site).unwrap();
    assert_eq!(fs::read(site.join("SHA256SUMS")).unwrap(), list);
    assert_eq!(fs::read(site.join(SIGNATURE)).unwrap(), b"signature 1");
    assert!(!second.is_signed());
    let text = second.list().to_vec();
    second.finish(None).unwrap();
    assert_eq!(fs::read(site.join("SHA256SUMS")).unwrap(), text);
    assert!(!site.join(SIGNATURE).exists(), "a signature that fits nothing");
    assert_eq!(Sha256Sums::parse(&text).unwrap().iter().count(), 6);
    assert_eq!(names(&site).len(), 7);
}

#[test]
fn the_same_release_again_leaves_the_signature() {
    let (home, site) = home();
    let one = release(home.path(), "1", "1", b"k1");
    Addition::prepare(&one, &site).unwrap().finish(Some(b"signature")).unwrap();
    let again = Addition::prepare(&one, &site).unwrap();
    assert!(again.is_signed());
    again.finish(None).unwrap();
    assert_eq!(fs::read(site.join(SIGNATURE)).unwrap(), b"signature");
    // A file that was damaged since is made good.
    let uki = site.join("a_1_arm64.efi");
    fs::write(&uki, "k").unwrap();
    Addition::prepare(&one, &site).unwrap();
    assert_eq!(fs::read(uki).unwrap(), b"k1");
}

#[test]
fn what_is_published_never_changes() {
    let (home, site) = home();
    let (one, other) =
        (release(home.path(), "1", "1", b"k1"), release(home.path(), "other", "1", b"k2"));
    Addition::prepare(&one, &site).unwrap().finish(None).unwrap();
    let before = fs::read(site.join("SHA256SUMS")).unwrap();
    let error = Addition::prepare(&other, &site).unwrap_err();
    assert!(matches!(&error, SysupdateError::Differs { name } if name == "a_1_arm64.efi"));
    assert!(error.hint().is_some());
    assert_eq!(fs::read(site.join("SHA256SUMS")).unwrap(), before);
    assert_eq!(fs::read(site.join("a_1_arm64.efi")).unwrap(), b"k1");
}

#[test]
fn files_that_are_not_what_was_built_are_refused() {
    for suffix in ["efi", "usr.erofs", "usr.verity"] {
        let (home, site) = home();
        let one = release(home.path(), "1", "1", b"k1");
        let path = one.join(format!("a_1_arm64.{suffix}"));
        let mut data = fs::read(&path).unwrap();
        *data.last_mut().unwrap() ^= 1;
        fs::write(&path, &data).unwrap();
        let error = Addition::prepare(&one, &site).unwrap_err();
        assert!(matches!(error, SysupdateError::Digest { .. }), "{suffix}: {error}");
        data.pop();
        fs::write(&path, &data).unwrap();
        let error = Addition::prepare(&one, &site).unwrap_err();
        assert!(matches!(error, SysupdateError::Digest { .. }), "{suffix}: {error}");
        let there = names(&site);
        assert!(!there.iter().any(|name| name.ends_with(suffix) || name == "SHA256SUMS"));
    }
}

#[test]
fn a_list_that_lacks_something_or_is_none_is_refused() {
    let (home, site) = home();
    let one = release(home.path(), "1", "1", b"k1");
    let list = one.join("SHA256SUMS");
    let text = fs::read_to_string(&list).unwrap();
    let without: String = text
        .lines()
        .filter(|line| !line.ends_with("verity"))
        .flat_map(|line| [line, "\n"])
        .collect();
    fs::write(&list, without).unwrap();
    let error = Addition::prepare(&one, &site).unwrap_err();
    assert!(matches!(error, SysupdateError::Missing { .. }), "{error}");
    fs::remove_file(&list).unwrap();
    let error = Addition::prepare(&one, &site).unwrap_err();
    assert!(matches!(error, SysupdateError::Release { .. }), "{error}");
    fs::write(&list, text).unwrap();
    fs::create_dir_all(&site).unwrap();
    fs::write(site.join("SHA256SUMS"), "nothing\n").unwrap();
    let error = Addition::prepare(&one, &site).unwrap_err();
    assert!(matches!(error, SysupdateError::List { .. }), "{error}");
    assert_eq!(names(&site), ["SHA256SUMS"]);
}

#[test]
fn a_version_that_no_machine_would_find_is_refused() {
    for version in ["2~rc1", "2^x"] {
        let (home, site) = home();
        let release = release(home.path(), version, version, b"k");
        let error = Addition::prepare(&release, &site).unwrap_err();
        assert!(matches!(error, SysupdateError::Version { .. }), "{error}");
        assert!(!site.exists());
    }
}

#[test]
fn two_at_a_time_are_refused() {
    let (home, site) = home();
    let one = release(home.path(), "1", "1", b"k1");
    let first = Addition::prepare(&one, &site).unwrap();
    let error = Addition::prepare(&one, &site).unwrap_err();
    assert!(matches!(error, SysupdateError::Busy { .. }), "{error}");
    first.finish(None).unwrap();
    Addition::prepare(&one, &site).unwrap();
}
