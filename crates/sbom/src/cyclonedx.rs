use serde_json::{Value, json};

use crate::spdx_document::is_web_address;
use crate::{Bill, Package};

/// The identifier of the image inside a document.
const IMAGE: &str = "image";

impl Bill {
    /// Returns the bill as `CycloneDX` 1.6 in JSON, UTF-8 with a final line feed.
    pub fn to_cyclonedx(&self) -> String {
        let (tool, version) = self.tool.rsplit_once('-').unwrap_or((&self.tool, ""));
        let components: Vec<Value> = self.packages.iter().map(|p| self.component(p)).collect();
        let all: Vec<String> = self.packages.iter().map(|package| package.url(self)).collect();
        let mut dependencies = vec![json!({"ref": IMAGE, "dependsOn": all})];
        for package in &self.packages {
            let on = self.packages.iter().filter(|other| package.depends.contains(&other.name));
            let on: Vec<String> = on.map(|other| other.url(self)).collect();
            dependencies.push(json!({"ref": package.url(self), "dependsOn": on}));
        }
        let document = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": format!("urn:uuid:{}", self.uuid("cyclonedx")),
            "version": 1,
            "metadata": {
                "timestamp": self.date,
                "tools": {
                    "components": [{"type": "application", "name": tool, "version": version}],
                },
                "component": {
                    "type": "operating-system",
                    "bom-ref": IMAGE,
                    "name": self.image.id.as_str(),
                    "version": self.image.version.as_str(),
                },
            },
            "components": components,
            "dependencies": dependencies,
        });
        format!("{document:#}\n")
    }

    fn component(&self, package: &Package) -> Value {
        let url = package.url(self);
        let mut value = json!({
            "type": "library",
            "bom-ref": url,
            "purl": url,
            "name": package.name,
            "version": package.version,
            "hashes": [{"alg": "SHA-256", "content": package.sha256.to_string()}],
            "properties": [
                {"name": "flagstone:source", "value": package.source},
                {"name": "flagstone:source-version", "value": package.source_version},
            ],
        });
        if let Some(maintainer) = &package.maintainer {
            let name = maintainer.split('<').next().unwrap_or_default().trim();
            value["supplier"] = json!({"name": name});
        }
        if let Some(summary) = &package.summary {
            value["description"] = summary.as_str().into();
        }
        if let Some(homepage) = package.homepage.as_deref().filter(|h| is_web_address(h)) {
            value["externalReferences"] = json!([{"type": "website", "url": homepage}]);
        }
        if let Some(licence) = package.licence() {
            value["licenses"] = json!([{"expression": licence.expression}]);
        }
        value
    }
}
