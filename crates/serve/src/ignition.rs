use std::collections::BTreeMap;
use std::path::Path;

use crate::diagnostic::Mistake;
use crate::label::Labels;
use crate::profile::Machine;
use crate::template::{Context, FillError, Template, Values};

/// An Ignition document with variables inside its strings.
#[derive(Debug)]
pub(crate) struct Ignition(Template);

impl Ignition {
    /// Checks that the document is JSON whatever the variables are.
    pub(crate) fn new(template: Template, path: &Path) -> Result<Self, Mistake> {
        let metadata: BTreeMap<String, String> =
            template.variables().map(|(name, _)| (name.to_owned(), "x".to_owned())).collect();
        let labels = Labels::default();
        let values =
            Values { own: [("base", "x"), ("query", "x")], metadata: &metadata, labels: &labels };
        let filled = template.fill(&values, Context::JsonString).unwrap_or_default();
        let mistake = |message: String, position: Option<(usize, usize)>, hint: &str| Mistake {
            path: path.to_owned(),
            position,
            message,
            hint: Some(hint.to_owned()),
        };
        let json: serde_json::Value = serde_json::from_str(&filled).map_err(|error| {
            let place = Some((error.line(), error.column()));
            let hint = "variables stand inside strings, in quotes: \"{{name}}\"";
            // The place is in the text, too.
            let text = error.to_string();
            let why = text.split(" at line ").next().unwrap_or_default();
            mistake(format!("not JSON: {why}"), place, hint)
        })?;
        let version = json.get("ignition").and_then(|about| about.get("version"));
        if version.is_none_or(|version| !version.is_string()) {
            let hint = "it has {\"ignition\": {\"version\": \"3.3.0\"}}; `flagstone ignition \
                        translate` makes one from Butane";
            return Err(mistake("not an Ignition document".to_owned(), None, hint));
        }
        Ok(Self(template))
    }

    /// Writes the document of a machine.
    pub(crate) fn write(&self, machine: &Machine<'_>) -> Result<String, FillError> {
        machine.values(|values| self.0.fill(values, Context::JsonString))
    }
}
