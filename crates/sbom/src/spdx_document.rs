use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Bill, Package};

/// The identifier of the image inside a document.
const IMAGE: &str = "SPDXRef-image";

impl Bill {
    /// Returns the bill as SPDX 2.3 in JSON, UTF-8 with a final line feed.
    pub fn to_spdx(&self) -> String {
        let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
        let mut packages = vec![self.image_package()];
        let mut texts = BTreeMap::new();
        for package in &self.packages {
            let licence = package.licence();
            relationships.push(relationship(IMAGE, "CONTAINS", &id(&package.name)));
            for other in &package.depends {
                relationships.push(relationship(&id(&package.name), "DEPENDS_ON", &id(other)));
            }
            let expression = licence.as_ref().map(|licence| licence.expression.as_str());
            packages.push(self.spdx_package(package, expression));
            texts.extend(licence.into_iter().flat_map(|licence| licence.references));
        }
        let texts: Vec<Value> = texts
            .into_iter()
            .map(|(id, (name, text))| json!({"licenseId": id, "name": name, "extractedText": text}))
            .collect();
        let mut document = json!({
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": self.image.to_string(),
            "documentNamespace": format!("urn:uuid:{}", self.uuid("spdx")),
            "creationInfo": {
                "created": self.date,
                "creators": [format!("Tool: {}", self.tool)],
                "licenseListVersion": list_version(),
            },
            "packages": packages,
            "relationships": relationships,
        });
        if !texts.is_empty() {
            document["hasExtractedLicensingInfos"] = texts.into();
        }
        format!("{document:#}\n")
    }

    fn image_package(&self) -> Value {
        json!({
            "SPDXID": IMAGE,
            "name": self.image.id.as_str(),
            "versionInfo": self.image.version.as_str(),
            "primaryPackagePurpose": "OPERATING-SYSTEM",
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
        })
    }

    fn spdx_package(&self, package: &Package, licence: Option<&str>) -> Value {
        let mut value = json!({
            "SPDXID": id(&package.name),
            "name": package.name,
            "versionInfo": package.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "checksums": [{
                "algorithm": "SHA256",
                "checksumValue": package.sha256.to_string(),
            }],
            "sourceInfo": format!("built from {} {}", package.source, package.source_version),
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": licence.unwrap_or("NOASSERTION"),
            "copyrightText": "NOASSERTION",
            "supplier": package.maintainer.as_deref().map_or("NOASSERTION".to_owned(), supplier),
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": package.url(self),
            }],
        });
        if let Some(summary) = &package.summary {
            value["summary"] = summary.as_str().into();
        }
        if let Some(homepage) = package.homepage.as_deref().filter(|h| is_web_address(h)) {
            value["homepage"] = homepage.into();
        }
        value
    }
}

fn relationship(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

/// Returns a package's identifier inside the document: letters, digits, `.` and `-`. Debian's names
/// have `+` besides.
fn id(name: &str) -> String {
    format!("SPDXRef-deb-{}", name.replace('+', ".plus."))
}

/// Writes `Name <address>` as SPDX has it.
fn supplier(maintainer: &str) -> String {
    match maintainer.trim_end_matches('>').rsplit_once('<') {
        Some((name, address)) => format!("Organization: {} ({})", name.trim(), address.trim()),
        None => format!("Organization: {}", maintainer.trim()),
    }
}

pub(crate) fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && rest.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b))
    })
}

/// Returns the version of the licence list, as two numbers.
fn list_version() -> String {
    spdx::license_version().split('.').take(2).collect::<Vec<_>>().join(".")
}
