//! What an image brings for systemd-sysupdate, where its recipe wants that.

use bytes::Bytes;
use flagstone_recipe::{Recipe, TrustedKey, Update};
use flagstone_sysupdate::{KEYRING, TRANSFERS, takes_version, transfers};
use flagstone_tree::{Mtime, Tree};

use crate::tree_files::put_files;
use crate::{BuildError, Progress};

/// Programs without which there are no updates, and the packages that have them.
const PROGRAMS: [(&str, &str); 2] =
    [("usr/lib/systemd/systemd-sysupdate", "systemd-container"), ("usr/bin/gpg", "gpg")];

/// Checks the keyring, without which machines would trust the one that systemd brings: keys of other
/// distributions.
///
/// # Errors
/// [`BuildError::NoKeyring`]; [`BuildError::Keyring`] for one that gpg would not take.
pub(crate) fn check(update: &Update) -> Result<(), BuildError> {
    match &update.sysupdate_keyring {
        Some(TrustedKey { path, content }) if !begins_with_key(content) => {
            Err(BuildError::Keyring { path: path.clone() })
        }
        None if update.sysupdate.is_some() => Err(BuildError::NoKeyring),
        _ => Ok(()),
    }
}

/// Tells whether the first packet is that of a public key (RFC 9580, 4.2 and 5.5.1.1): tag 6, with a header of
/// the new or of the old format.
fn begins_with_key(keyring: &[u8]) -> bool {
    keyring.first().is_some_and(|first| matches!(first, 0xc6 | 0x98..=0x9a))
}

/// Puts transfer files and keyring into the tree.
pub(crate) fn install(
    recipe: &Recipe,
    tree: &mut Tree,
    date: Mtime,
    progress: &dyn Progress,
) -> Result<(), BuildError> {
    put_files(tree, date, files(recipe))?;
    let exists = |path: &str| tree.exists(path);
    for remark in remarks(recipe, exists) {
        progress.note(&remark);
    }
    Ok(())
}

fn files(recipe: &Recipe) -> Vec<(String, Bytes)> {
    let mut files = Vec::new();
    if let Some(url) = &recipe.update.sysupdate {
        let image = &recipe.image;
        for transfer in transfers(&image.id, image.architecture, url.as_str()) {
            files.push((format!("{TRANSFERS}/{}", transfer.file_name), transfer.text.into()));
        }
    }
    if let Some(keyring) = &recipe.update.sysupdate_keyring {
        files.push((KEYRING.to_owned(), keyring.content.clone().into()));
    }
    files
}

/// Returns what a person has to know before machines live with it.
fn remarks(recipe: &Recipe, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let Recipe { update, image, .. } = recipe;
    if update.sysupdate.is_none() {
        return Vec::new();
    }
    let missing = PROGRAMS.iter().filter(|(path, _)| !exists(path));
    let mut remarks: Vec<String> = missing
        .map(|(path, package)| {
            format!("updates: /{path} is not in the image: add {package} to the recipe's packages")
        })
        .collect();
    if !takes_version(&image.version) {
        remarks.push(format!("updates: systemd-sysupdate passes over version {}", image.version));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::fs;

    use flagstone_recipe::DiskReader;

    use super::*;

    fn recipe(version: &str, update: &str, keyring: &[u8]) -> Recipe {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.toml");
        let text =
            format!("extends = \"ci\"\nimage = {{ version = \"{version}\" }}\n[update]\n{update}");
        fs::write(&path, text).unwrap();
        fs::write(dir.path().join("a.gpg"), keyring).unwrap();
        Recipe::load(path.to_str().unwrap(), &DiskReader).unwrap_or_else(|error| panic!("{error}"))
    }

    const URL: &str = "sysupdate = \"https://a.example/b\"\n";
    const KEYS: &str = "sysupdate-keyring = \"a.gpg\"\n";

    #[test]
    fn a_keyring_that_gpg_would_not_take_is_refused() {
        let check = |keyring: &[u8]| check(&recipe("1", KEYS, keyring).update);
        for good in [[0x99, 1], [0x98, 51], [0xc6, 51]] {
            check(&good).unwrap();
        }
        for bad in [&b""[..], b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", &[0x95, 1], &[0xc5, 1]] {
            let error = check(bad).unwrap_err();
            assert!(error.to_string().contains("a.gpg"), "{error}");
            assert!(error.hint().unwrap().contains("gpg --export"), "{error}");
        }
    }

    #[test]
    fn an_address_without_a_keyring_is_refused() {
        let error = check(&recipe("1", URL, &[]).update).unwrap_err();
        assert!(matches!(error, BuildError::NoKeyring), "{error}");
        assert!(error.hint().unwrap().contains("sysupdate-keyring"), "{error}");
        check(&recipe("1", "", &[]).update).unwrap();
    }

    #[test]
    fn an_image_has_three_transfers_and_the_keyring() {
        let files = files(&recipe("1", &format!("{URL}{KEYS}"), &[0x99, 1]));
        let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "usr/lib/sysupdate.d/10-verity.transfer",
                "usr/lib/sysupdate.d/20-usr.transfer",
                "usr/lib/sysupdate.d/30-uki.transfer",
                "usr/lib/systemd/import-pubring.gpg",
            ]
        );
        assert_eq!(files[3].1.as_ref(), [0x99, 1]);
        let usr = String::from_utf8_lossy(&files[1].1);
        assert!(usr.contains("MatchPattern=ci_@v_x86-64_@u.usr.erofs\n"), "{usr}");
        assert!(super::files(&recipe("1", "", &[])).is_empty());
    }

    #[test]
    fn what_machines_would_miss_is_remarked() {
        let nothing = remarks(&recipe("1~rc1", URL, &[]), |_| false).join("\n");
        for word in ["systemd-container", "add gpg", "version 1~rc1"] {
            assert!(nothing.contains(word), "{nothing}");
        }
        assert!(remarks(&recipe("1", &format!("{URL}{KEYS}"), &[0x99]), |_| true).is_empty());
        assert!(remarks(&recipe("1~rc1", "", &[]), |_| false).is_empty());
    }
}
