//! A folder as a build leaves it, as far as publishing needs it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_image::verity::{HashTree, Parameters};

/// Writes a small release of the image `a` into a new folder; returns its name and root hash.
pub(crate) fn write(
    folder: &Path,
    version: &str,
    architecture: Architecture,
) -> (ImageName, Sha256Digest) {
    fs::create_dir(folder).unwrap();
    let usr: Vec<u8> = version.bytes().cycle().take(3 * 4096).collect();
    let tree = HashTree::of(&usr, Parameters::new([1; 32], [2; 16]).unwrap()).unwrap();
    let manifest = format!(
        r#"{{"manifest_version":1,"flagstone_version":"0","id":"a","version":"{version}",
        "architecture":"{architecture}","source_date":1,"root_hash":"{}","hermetic":true,"artifacts":{{}},
        "packages":{{}}}}"#,
        tree.root_hash
    );
    let image =
        ImageName { id: "a".parse().unwrap(), version: version.parse().unwrap(), architecture };
    let mut sums = String::new();
    for (suffix, data) in [
        ("efi", format!("kernel {version}").as_bytes()),
        ("manifest.json", manifest.as_bytes()),
        ("usr.erofs", &usr),
        ("usr.verity", &tree.bytes),
    ] {
        let name = format!("{image}.{suffix}");
        fs::write(folder.join(&name), data).unwrap();
        writeln!(sums, "{}  {name}", Sha256Digest::of(data)).unwrap();
    }
    fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    (image, tree.root_hash)
}
