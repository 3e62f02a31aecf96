use std::fs::{self, File};
use std::path::Path;

use flagstone_payload::{Compression, CreateOptions, PayloadError, ReleaseFolder, create};

use crate::support::{noise, varied_usr, write_release};

fn create_from(dir: &Path) -> Result<Vec<u8>, PayloadError> {
    let folder = ReleaseFolder::open(dir)?;
    let path = dir.join("out");
    let _ = fs::remove_file(&path);
    let options = CreateOptions { compression: Compression::Xz, slots: 1 };
    let out = File::create_new(&path).unwrap();
    create(&folder, None, options, &tempfile::tempfile().unwrap(), &out)?;
    Ok(fs::read(path).unwrap())
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_release(dir.path(), &varied_usr(), &noise(3, (5 << 20) + 1));
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| create_from(dir.path())).unwrap()
    };
    let one = with(1);
    assert!(one == with(2) && one == with(5));
}

#[test]
fn files_that_are_not_those_of_the_build_are_refused() {
    for suffix in ["usr.erofs", "efi", "manifest.json"] {
        let dir = tempfile::tempdir().unwrap();
        write_release(dir.path(), &noise(1, 8192), &noise(2, 5000));
        let path = dir.path().join(format!("test_1.2_x86-64.{suffix}"));
        let mut data = fs::read(&path).unwrap();
        data[5] ^= 1;
        fs::write(&path, data).unwrap();
        match create_from(dir.path()).unwrap_err() {
            PayloadError::Artifact { path: refused, .. } => assert_eq!(refused, path),
            // The root hash is checked as soon as the image was read.
            PayloadError::RootHash { .. } if suffix == "usr.erofs" => {}
            error => panic!("{suffix}: {error}"),
        }
    }
}

#[test]
fn a_hash_tree_of_another_image_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write_release(dir.path(), &noise(1, 8192), &noise(2, 5000));
    write_release(other.path(), &noise(4, 8192), &noise(2, 5000));
    let name = "test_1.2_x86-64.usr.verity";
    let mut tree = fs::read(dir.path().join(name)).unwrap();
    tree[88] ^= 1;
    fs::write(dir.path().join(name), tree).unwrap();
    let error = create_from(dir.path()).unwrap_err();
    assert!(matches!(error, PayloadError::RootHash { .. }), "the salt: {error}");
}

#[test]
fn a_folder_that_is_no_build_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = ReleaseFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, PayloadError::Folder { rule: "there is no SHA256SUMS", .. }));
    fs::write(dir.path().join("SHA256SUMS"), format!("{:064}  a.raw\n", 0)).unwrap();
    let error = ReleaseFolder::open(dir.path()).unwrap_err();
    assert!(matches!(error, PayloadError::Folder { rule: "SHA256SUMS lists one manifest", .. }));
    assert!(error.hint().is_some());
}
