//! Judges both documents by public validators, whose Python `FLAGSTONE_SBOM_PYTHON` names.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Output};

use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_sbom::{Bill, Licences, Package};

/// Fails with what is wrong with an SPDX document, then with a `CycloneDX` document.
const JUDGE: &str = include_str!("judge.py");

fn package(name: &str, licences: Option<&[&str]>, depends: &[&str]) -> Package {
    let licences = licences.map(|stated| Licences {
        stated: stated.iter().map(ToString::to_string).collect(),
        texts: BTreeMap::from([("own".to_owned(), "Do as you like.\n\nReally.".to_owned())]),
    });
    Package {
        name: name.to_owned(),
        version: "2:1.0~rc1+b2-3".to_owned(),
        architecture: "amd64".to_owned(),
        sha256: Sha256Digest::of(name.as_bytes()),
        source: "source".to_owned(),
        source_version: "2:1.0~rc1-3".to_owned(),
        maintainer: Some("Some One (of them), and others <one@example.org>".to_owned()),
        homepage: Some("https://example.org/?a=b".to_owned()),
        summary: Some("a \"summary\" with ünicode".to_owned()),
        licences,
        depends: depends.iter().map(ToString::to_string).collect(),
    }
}

fn bill() -> Bill {
    let mut bare = package("bare", None, &[]);
    (bare.maintainer, bare.homepage, bare.summary) = (None, None, None);
    let mut odd = package("odd", None, &[]);
    odd.homepage = Some("see <the> page".to_owned());
    Bill {
        image: ImageName {
            id: "base".parse().unwrap(),
            version: "1.2".parse().unwrap(),
            architecture: Architecture::X86_64,
        },
        date: "2026-01-02T03:04:05Z".to_owned(),
        tool: "flagstone-0.1.0".to_owned(),
        distribution: "debian".to_owned(),
        release: "trixie".to_owned(),
        packages: vec![
            bare,
            package("libstdc++6", Some(&["GPL-3+ with GCC exception", "Expat or own"]), &["bare"]),
            odd,
            package("x", Some(&["own", "GPL-2+ or Artistic, and strange licence"]), &["bare"]),
        ],
    }
}

fn judge(spdx: &str, cyclonedx: &str) -> Option<Output> {
    let Some(python) = std::env::var_os("FLAGSTONE_SBOM_PYTHON") else {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "FLAGSTONE_SBOM_PYTHON names no Python with the validators");
        println!("skipped: FLAGSTONE_SBOM_PYTHON is not set");
        return None;
    };
    let dir = tempfile::tempdir().unwrap();
    let paths = [dir.path().join("a.spdx.json"), dir.path().join("a.cdx.json")];
    fs::write(&paths[0], spdx).unwrap();
    fs::write(&paths[1], cyclonedx).unwrap();
    Some(Command::new(python).args(["-c", JUDGE]).args(&paths).output().unwrap())
}

#[test]
fn public_validators_accept_both_documents() {
    let bill = bill();
    let Some(output) = judge(&bill.to_spdx(), &bill.to_cyclonedx()) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_validators_refuse_what_is_wrong() {
    let bill = bill();
    let (spdx, cyclonedx) = (bill.to_spdx(), bill.to_cyclonedx());
    let no_licence = spdx.replace("GPL-2.0-or-later", "GPL-9");
    let lost = spdx.replace(
        "\"relatedSpdxElement\": \"SPDXRef-deb-bare\"",
        "\"relatedSpdxElement\": \"SPDXRef-no\"",
    );
    let no_hash = cyclonedx.replace("SHA-256", "SHA-7");
    for (spdx, cyclonedx) in [(&no_licence, &cyclonedx), (&lost, &cyclonedx), (&spdx, &no_hash)] {
        let Some(output) = judge(spdx, cyclonedx) else { return };
        assert!(!output.status.success(), "a broken document was accepted");
    }
}

#[test]
fn the_same_bill_gives_the_same_documents_and_another_gives_others() {
    let (one, mut other) = (bill(), bill());
    assert_eq!(one.to_spdx(), bill().to_spdx());
    other.packages[0].sha256 = Sha256Digest::of(b"changed");
    let namespace = |bill: &Bill| {
        let value: serde_json::Value = serde_json::from_str(&bill.to_spdx()).unwrap();
        value["documentNamespace"].as_str().unwrap().to_owned()
    };
    assert_ne!(namespace(&one), namespace(&other));
}

#[test]
fn both_documents_name_every_package_once() {
    let bill = bill();
    let value: serde_json::Value = serde_json::from_str(&bill.to_cyclonedx()).unwrap();
    let urls: BTreeSet<&str> = value["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["purl"].as_str().unwrap())
        .collect();
    assert_eq!(urls.len(), bill.packages.len());
    let expected = "pkg:deb/debian/libstdc%2B%2B6@2%3A1.0~rc1%2Bb2-3?arch=amd64&distro=trixie\
                    &upstream=source%402%3A1.0~rc1-3";
    assert!(urls.contains(expected), "{urls:?}");
}
