use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use flagstone_artifact::{ImageName, Sha256Digest};

use crate::licence::Named;

/// What one image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The image.
    pub image: ImageName,
    /// The build's date, as RFC 3339 in UTC (`2026-01-02T03:04:05Z`).
    pub date: String,
    /// The program that made it, and its version: `flagstone-0.1.0`.
    pub tool: String,
    /// The distribution that the packages come from, as package URLs name it: `debian`.
    pub distribution: String,
    /// The distribution's release: `trixie`.
    pub release: String,
    /// The packages, in the order of their names.
    pub packages: Vec<Package>,
}

/// A binary package inside an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The version, as the distribution writes it.
    pub version: String,
    /// The distribution's name of the architecture, or `all`.
    pub architecture: String,
    /// The digest of the package file.
    pub sha256: Sha256Digest,
    /// The source package it was built from.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
    /// Who maintains it, as `Name <address>`.
    pub maintainer: Option<String>,
    /// Where its makers are at home.
    pub homepage: Option<String>,
    /// One line about it.
    pub summary: Option<String>,
    /// Its licences, if they are stated in a form that programs can read.
    pub licences: Option<Licences>,
    /// Packages of the bill that it depends on.
    pub depends: BTreeSet<String>,
}

/// The licences of a package, as its copyright file states them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licences {
    /// What is said about parts of the package: `GPL-2+`, `Expat or Artistic`. All of them hold.
    pub stated: BTreeSet<String>,
    /// Texts of licences by short name.
    pub texts: BTreeMap<String, String>,
}

impl Package {
    /// Returns the package URL (purl-spec, type `deb`).
    pub(crate) fn url(&self, bill: &Bill) -> String {
        let upstream = if (&self.source, &self.source_version) == (&self.name, &self.version) {
            String::new()
        } else {
            format!("&upstream={}", escape(&format!("{}@{}", self.source, self.source_version)))
        };
        format!(
            "pkg:deb/{}/{}@{}?arch={}&distro={}{upstream}",
            bill.distribution,
            escape(&self.name),
            escape(&self.version),
            self.architecture,
            escape(&bill.release),
        )
    }

    /// Returns the licences as one SPDX expression with the texts that it refers to; `None` if
    /// nothing readable was stated.
    pub(crate) fn licence(&self) -> Option<Named> {
        let licences = self.licences.as_ref()?;
        Named::all(&self.source, licences)
    }
}

impl Bill {
    /// Returns a UUID that is the same for the same content (version 8: RFC 9562, 5.8).
    pub(crate) fn uuid(&self, format: &str) -> String {
        let mut text = format!("flagstone {format} {} {}\n", self.image, self.date);
        for package in &self.packages {
            let _ = writeln!(text, "{} {}", package.name, package.sha256);
        }
        let digest = Sha256Digest::of(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest.as_bytes()[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
    }
}

/// Percent-encodes what a package URL may not hold as it stands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
