//! What an image brings so that it merges system extensions: those that are signed, and no others.

use bytes::Bytes;
use flagstone_certificate::TrustedCertificate;
use flagstone_recipe::{Recipe, TrustedKey};
use flagstone_tree::{Mtime, Tree};

use crate::tree_files::{fixed, put_files, put_links};
use crate::{BuildError, Progress};

/// Where systemd looks for certificates of root hashes.
const CERTIFICATES: &str = "usr/lib/verity.d";

/// What merges extensions, and how.
const FILES: [(&str, &str); 2] = [
    (
        "usr/lib/systemd/system/systemd-sysext.service.d/50-flagstone.conf",
        include_str!("../assets/extensions/systemd-sysext.conf"),
    ),
    (
        "usr/lib/systemd/system/flagstone-extensions.service",
        include_str!("../assets/extensions/flagstone-extensions.service"),
    ),
];

/// What pulls the units in: path and target of links.
const LINKS: [(&str, &str); 2] = [
    (
        "usr/lib/systemd/system/sysinit.target.wants/systemd-sysext.service",
        "../systemd-sysext.service",
    ),
    (
        "usr/lib/systemd/system/sysinit.target.wants/flagstone-extensions.service",
        "../flagstone-extensions.service",
    ),
];

/// The program that merges.
const PROGRAM: &str = "usr/bin/systemd-sysext";

/// Checks the certificates.
///
/// # Errors
/// [`BuildError::ExtensionCertificate`].
pub(crate) fn check(recipe: &Recipe) -> Result<(), BuildError> {
    certificates(recipe).map(drop)
}

/// Puts certificates, units and settings into the tree of a recipe that has certificates.
pub(crate) fn install(
    recipe: &Recipe,
    tree: &mut Tree,
    date: Mtime,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    let certificates = certificates(recipe)?;
    if certificates.is_empty() {
        return Ok(());
    }
    let named = certificates.into_iter().map(|(certificate, content)| {
        let name = certificate.fingerprint().to_string();
        (format!("{CERTIFICATES}/{}.crt", &name[..16]), content)
    });
    put_files(tree, date, named)?;
    put_files(tree, date, fixed(&FILES))?;
    put_links(tree, date, &LINKS)?;
    if !tree.exists(PROGRAM) {
        progress.note(&format!(
            "extensions: /{PROGRAM} is not in the image: add systemd to the recipe's packages"
        ));
    }
    Ok(())
}

fn certificates(recipe: &Recipe) -> Result<Vec<(TrustedCertificate, Bytes)>, BuildError> {
    let read = |TrustedKey { path, content }: &TrustedKey| {
        let certificate = TrustedCertificate::from_pem(content).map_err(|source| {
            BuildError::ExtensionCertificate { path: path.clone(), source: Box::new(source) }
        })?;
        Ok((certificate, content.clone().into()))
    };
    recipe.extension_certificates.iter().map(read).collect()
}
