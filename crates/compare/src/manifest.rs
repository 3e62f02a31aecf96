use std::path::Path;

use flagstone_artifact::Manifest;
use serde::Deserialize;

use crate::CompareError;
use crate::release::read_all;
use crate::window::Window;

/// The format of manifests that is known.
const VERSION: u64 = 1;

/// The longest manifest: a line or two a package.
const MANIFEST_MAX: u64 = 64 << 20;

/// What says in which format the rest is.
#[derive(Deserialize)]
struct Head {
    manifest_version: u64,
}

/// Reads a manifest.
///
/// # Errors
/// [`CompareError`] if it is none, or of another version.
pub fn read_manifest(path: &Path) -> Result<Manifest, CompareError> {
    let text = read_all(&Window::open(path)?, path, MANIFEST_MAX)?;
    let error = |source| CompareError::Manifest { path: path.to_owned(), source };
    let head: Head = serde_json::from_slice(&text).map_err(error)?;
    if head.manifest_version != VERSION {
        return Err(CompareError::Unfit {
            path: path.to_owned(),
            place: "manifest_version".to_owned(),
            expected: VERSION.to_string(),
            found: head.manifest_version.to_string(),
            hint: "use the Flagstone that wrote it, or a newer one",
        });
    }
    serde_json::from_slice(&text).map_err(error)
}
