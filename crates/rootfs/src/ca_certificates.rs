//! The certificates that the system trusts, as programs look for them.

use std::collections::{BTreeMap, BTreeSet};

use flagstone_tree::{Mtime, Tree, TreePath};

use crate::certificate::Certificate;
use crate::edit::{Edit, tree_path};
use crate::{Note, RootfsError};

const STEP: &str = "ca certificates";

/// Where certificates are shipped, by packages and by recipes.
const SOURCES: &str = "usr/share/ca-certificates";

/// Where programs look for them.
const TRUSTED: &str = "etc/ssl/certs";

/// Makes the bundle, a link for each certificate, and the links by subject that OpenSSL follows, as
/// `update-ca-certificates` and `openssl rehash` do.
///
/// Every `*.crt` below `/usr/share/ca-certificates` is trusted, a recipe's own too. The list goes
/// into `/etc/ca-certificates.conf`, so that the tool can be used on the machine.
pub(crate) fn install(
    tree: &mut Tree,
    date: Mtime,
    notes: &mut Vec<Note>,
) -> Result<(), RootfsError> {
    let paths = sources(tree)?;
    if paths.is_empty() {
        return Ok(());
    }
    let mut edit = Edit::new(tree, date, STEP);
    let mut bundle = String::new();
    let mut list =
        "# Made by Flagstone: certificates below /usr/share/ca-certificates.\n".to_owned();
    // By the names of links, which is the order in which numbers are given to equal hashes.
    let mut single: BTreeMap<String, Certificate> = BTreeMap::new();
    for path in &paths {
        let text = edit.text(&path.to_string())?.unwrap_or_default();
        let invalid = |reason| RootfsError::Certificate { path: path.clone(), reason };
        let found = Certificate::read_pem(&text).ok_or(invalid("its base64 is damaged"))?;
        let name = link_name(path);
        edit.symlink(&format!("{TRUSTED}/{name}"), &format!("/{path}"))?;
        match found.as_slice() {
            [] => return Err(invalid("it holds none in PEM form")),
            [one] => drop(single.insert(name, one.clone())),
            _ => {
                // The link may have been another file's.
                single.remove(&name);
                let text = "holds several certificates; OpenSSL finds them in the bundle only";
                notes.push(Note::new(STEP, format!("/{path} {text}")));
            }
        }
        bundle += &text;
        if !bundle.ends_with('\n') {
            bundle.push('\n');
        }
        let relative = path.to_string();
        list += relative.strip_prefix(SOURCES).unwrap_or(&relative).trim_start_matches('/');
        list.push('\n');
    }
    edit.file(&format!("{TRUSTED}/ca-certificates.crt"), 0o644, bundle)?;
    edit.default_file("etc/ca-certificates.conf", 0o644, list)?;
    link_by_subject(&mut edit, &single)
}

/// Returns the certificates' files, in byte order of their paths.
fn sources(tree: &Tree) -> Result<Vec<TreePath>, RootfsError> {
    let top = tree_path(SOURCES, STEP)?;
    let Some(id) = tree.lookup(&top) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let mut todo = vec![(top, id)];
    while let Some((path, id)) = todo.pop() {
        let inode = tree.inode(id);
        if let Some(children) = inode.children() {
            todo.extend(children.iter().map(|(name, &child)| (path.join(name), child)));
        } else if path.as_bytes().ends_with(b".crt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the name of a certificate's link: blanks and commas become `_`, brackets `=`.
fn link_name(path: &TreePath) -> String {
    let name = String::from_utf8_lossy(path.file_name().unwrap_or_default()).into_owned();
    let stem = name.strip_suffix(".crt").unwrap_or(&name);
    let plain = stem.chars().map(|c| match c {
        ' ' | ',' => '_',
        '(' | ')' => '=',
        c => c,
    });
    plain.chain(".pem".chars()).collect()
}

/// Links `<hash>.<n>` to each certificate; `n` tells apart different ones with one hash.
fn link_by_subject(
    edit: &mut Edit<'_>,
    certificates: &BTreeMap<String, Certificate>,
) -> Result<(), RootfsError> {
    let mut known = BTreeSet::new();
    let mut numbers: BTreeMap<u32, usize> = BTreeMap::new();
    for (name, certificate) in certificates {
        let hash = certificate.subject_hash().ok_or_else(|| RootfsError::Certificate {
            path: TreePath::new(format!("{TRUSTED}/{name}")).unwrap_or_default(),
            reason: "its structure is damaged",
        })?;
        if known.insert(certificate.fingerprint()) {
            let number = numbers.entry(hash).or_default();
            edit.symlink(&format!("{TRUSTED}/{hash:08x}.{number}"), name)?;
            *number += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use flagstone_tree::{Inode, Kind, Metadata};

    use super::*;

    const META: Metadata = Metadata::root(0o644, Mtime::from_seconds(0));

    fn installed(files: &[(String, String)]) -> Result<(Tree, Vec<Note>), RootfsError> {
        let mut tree = Tree::new(META);
        for (name, text) in files {
            let path = format!("{SOURCES}/own/{name}");
            tree.put(path, META, Inode::file(META, text.clone())).unwrap();
        }
        let mut notes = Vec::new();
        install(&mut tree, Mtime::default(), &mut notes)?;
        Ok((tree, notes))
    }

    fn links(tree: &Tree) -> BTreeMap<String, String> {
        let prefix = format!("{TRUSTED}/");
        tree.walk()
            .filter_map(|entry| match &entry.inode.kind {
                Kind::Symlink(target) => {
                    let name = entry.path.to_string().strip_prefix(&prefix)?.to_owned();
                    Some((name, String::from_utf8_lossy(target).into_owned()))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn files_that_are_no_certificates_are_refused() {
        for (text, expected) in [
            (
                "",
                "/usr/share/ca-certificates/own/a.crt is no certificate: it holds none in PEM form",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nA*==\n-----END CERTIFICATE-----\n",
                "/usr/share/ca-certificates/own/a.crt is no certificate: its base64 is damaged",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
                "/etc/ssl/certs/a.pem is no certificate: its structure is damaged",
            ),
        ] {
            let error = installed(&[("a.crt".into(), text.into())]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let (tree, _) = installed(&[]).unwrap();
        assert!(!tree.exists("etc"));
    }

    #[test]
    fn link_names_have_no_blanks_and_brackets() {
        let path = TreePath::new("a/b/Some CA, (2).crt").unwrap();
        assert_eq!(link_name(&path), "Some_CA__=2=.pem");
    }

    /// Certificates of all sorts of names, made by `openssl req`.
    fn samples(dir: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = [
            "/CN=Plain",
            "/C=DE/O= Some  Company  /OU=Für Ümläute/CN=ROOT ca",
            "/CN=twin",
            "/CN=TWIN",
            "/O=Multi+OU=Valued+CN=Set/emailAddress=Ca@Example.ORG",
            "/DC=org/DC=example/serialNumber=12 34/CN=日本",
        ]
        .iter()
        .enumerate()
        .map(|(index, subject)| (format!("{index}.crt"), make_certificate(dir, subject)))
        .collect();
        files.push(("duplicate of 0.crt".into(), files[0].1.trim_end().to_owned()));
        files.push(("odd, (name).crt".into(), make_certificate(dir, "/CN=Odd")));
        files.push(("several.crt".into(), format!("{}{}", files[0].1, files[1].1)));
        files
    }

    /// The links in a directory, by name; targets in the trees of the judges as in an image.
    fn links_on_disk(certs: &Path, root: &Path) -> BTreeMap<String, String> {
        std::fs::read_dir(certs)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_symlink())
            .map(|path| {
                let target = std::fs::read_link(&path).unwrap().to_str().unwrap().to_owned();
                let target = target.replace(root.to_str().unwrap(), "");
                (path.file_name().unwrap().to_str().unwrap().to_owned(), target)
            })
            .collect()
    }

    /// The judge of the hashes: `openssl rehash`.
    #[test]
    fn openssl_rehash_makes_the_same_links() {
        if !crate::judge::is_present("openssl", "version") {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let files = samples(dir.path());
        let (tree, notes) = installed(&files).unwrap();
        assert_eq!(notes.len(), 1);
        let certs = dir.path().join("certs");
        std::fs::create_dir(&certs).unwrap();
        for (name, text) in &files {
            let path = TreePath::new(name).unwrap();
            std::fs::write(certs.join(link_name(&path)), text).unwrap();
        }
        let out = Command::new("openssl").arg("rehash").arg(&certs).output().unwrap();
        assert!(out.status.success());
        let ours: BTreeMap<String, String> =
            links(&tree).into_iter().filter(|(_, target)| !target.starts_with('/')).collect();
        assert_eq!(ours, links_on_disk(&certs, dir.path()));
        assert_eq!(ours.len(), 7);
    }

    /// The judge of the whole: `update-ca-certificates`, from our own list.
    #[test]
    fn update_ca_certificates_makes_the_same_bundle_and_links() {
        if !crate::judge::has_file("/usr/sbin/update-ca-certificates")
            || !crate::judge::is_present("openssl", "version")
        {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let files = samples(dir.path());
        let (tree, _) = installed(&files).unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in [SOURCES, &format!("{SOURCES}/own"), TRUSTED] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        for (name, text) in &files {
            std::fs::write(path(&format!("{SOURCES}/own/{name}")), text).unwrap();
        }
        let list = tree.read_text("etc/ca-certificates.conf").unwrap();
        std::fs::write(path("etc/ca-certificates.conf"), list).unwrap();
        let out = Command::new("/usr/sbin/update-ca-certificates")
            .arg("--certsconf")
            .arg(path("etc/ca-certificates.conf"))
            .arg("--certsdir")
            .arg(path(SOURCES))
            .arg("--etccertsdir")
            .arg(path(TRUSTED))
            .args(["--localcertsdir", "/nonexistent", "--hooksdir", "/nonexistent"])
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        assert_eq!(links(&tree), links_on_disk(&path(TRUSTED), dir.path()));
        let bundle = format!("{TRUSTED}/ca-certificates.crt");
        let theirs = std::fs::read_to_string(path(&bundle)).unwrap();
        assert_eq!(tree.read_text(&bundle).unwrap(), theirs);
        assert_eq!(theirs.matches("-----BEGIN CERTIFICATE-----\n").count(), 10);
    }

    fn make_certificate(dir: &Path, subject: &str) -> String {
        let out = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-utf8", "-multivalue-rdn", "-days", "2", "-subj", subject, "-keyout"])
            .arg(dir.join("key"))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}
