use std::collections::BTreeSet;

/// A text with variables: `{{name}}`, and `{{"{{"}}` for two braces that are meant as such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A variable's name, and where it stands in the text.
    Variable(String, usize),
}

/// Why a text is no template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateError {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// Where a value is put, which decides how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// A word of a line of an iPXE script. iPXE has no quoting, so what it would read as more than
    /// a word is refused.
    ScriptWord,
    /// The inside of a JSON string.
    JsonString,
}

/// Why a template cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    #[error("`{0}` is needed and has no value")]
    Missing(String),
    #[error(
        "the value of `{0}` cannot stand in a boot script: only letters, digits and -._~:/@,+= can"
    )]
    NotAWord(String),
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|found| at + found) {
            parts.push(Part::Text(text[at..open].to_owned()));
            let error = |message: String| TemplateError { offset: open, message };
            if text[open..].starts_with(LITERAL) {
                parts.push(Part::Text("{{".to_owned()));
                at = open + LITERAL.len();
                continue;
            }
            let close = text[open..].find("}}").map(|found| open + found);
            let close = close.ok_or_else(|| error("`{{` is never closed by `}}`".to_owned()))?;
            let name = text[open + 2..close].trim();
            if !is_name(name) {
                let shown: String = name.chars().take(40).collect();
                return Err(error(format!("{shown:?} is not the name of a variable")));
            }
            parts.push(Part::Variable(name.to_owned(), open));
            at = close + 2;
        }
        parts.push(Part::Text(text[at..].to_owned()));
        Ok(Self(parts))
    }

    /// Returns the names of the variables and where each stands.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, usize)> {
        self.0.iter().filter_map(|part| match part {
            Part::Variable(name, offset) => Some((name.as_str(), *offset)),
            Part::Text(_) => None,
        })
    }

    /// Puts values in the places of the variables.
    pub(crate) fn fill(&self, values: &Values<'_>, context: Context) -> Result<String, FillError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(name, _) => match (values.get(name), context) {
                    (None, _) => return Err(FillError::Missing(name.clone())),
                    (Some(Value::Own(text)), Context::ScriptWord) => out.push_str(text),
                    (Some(Value::Given(text)), Context::ScriptWord) => {
                        if !is_script_word(text) {
                            return Err(FillError::NotAWord(name.clone()));
                        }
                        out.push_str(text);
                    }
                    (Some(Value::Own(text) | Value::Given(text)), Context::JsonString) => {
                        push_json(&mut out, text);
                    }
                },
            }
        }
        Ok(out)
    }
}

/// What stands for two opening braces.
const LITERAL: &str = "{{\"{{\"}}";

/// Tells whether a text can be the name of a variable.
pub(crate) fn is_name(text: &str) -> bool {
    text.parse::<crate::label::LabelName>().is_ok()
}

/// Tells whether iPXE reads a value as part of one word and expands nothing in it.
pub(crate) fn is_script_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/@,+=".contains(&b))
}

fn push_json(out: &mut String, text: &str) {
    let quoted = serde_json::Value::from(text).to_string();
    out.push_str(&quoted[1..quoted.len() - 1]);
}

/// A variable's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'v> {
    /// From the server itself, made to stand in a script.
    Own(&'v str),
    /// From a machine or the configuration.
    Given(&'v str),
}

/// Where variables get their values from.
pub(crate) struct Values<'v> {
    /// `base` and `query`.
    pub(crate) own: [(&'static str, &'v str); 2],
    /// Metadata of the group, which goes before labels.
    pub(crate) metadata: &'v std::collections::BTreeMap<String, String>,
    /// What the machine said.
    pub(crate) labels: &'v crate::label::Labels,
}

impl<'v> Values<'v> {
    fn get(&self, name: &str) -> Option<Value<'v>> {
        let own = self.own.iter().find(|(known, _)| *known == name);
        own.map(|(_, value)| Value::Own(value))
            .or_else(|| self.metadata.get(name).map(|value| Value::Given(value)))
            .or_else(|| self.labels.get(name).map(Value::Given))
    }
}

/// The variables that the server itself gives: its base URL, and the machine's labels as a query.
pub(crate) const OWN: [&str; 2] = ["base", "query"];

/// Returns what may be used where groups have `metadata` in common and `labels` are declared.
pub(crate) fn declared<'a>(
    labels: impl IntoIterator<Item = &'a str>,
    metadata: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    OWN.into_iter().chain(labels).chain(metadata).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::label::Labels;

    fn fill(text: &str, value: &str, context: Context) -> Result<String, FillError> {
        let metadata = BTreeMap::from([("a".to_owned(), value.to_owned())]);
        let labels = Labels::default();
        let own = [("base", "http://b"), ("query", "x=1&y=2")];
        let values = Values { own, metadata: &metadata, labels: &labels };
        Template::parse(text).unwrap().fill(&values, context)
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, filled) in [
            ("", ""),
            ("x={{a}}", "x=v"),
            ("{{ a }}{{a}}", "vv"),
            ("{{\"{{\"}}.Name}}", "{{.Name}}"),
            ("${net0/mac} { {", "${net0/mac} { {"),
            ("{{base}}/ignition?{{query}}", "http://b/ignition?x=1&y=2"),
        ] {
            assert_eq!(fill(text, "v", Context::ScriptWord).as_deref(), Ok(filled), "{text}");
        }
        assert_eq!(fill("{{a}}", "{{base}}", Context::JsonString).as_deref(), Ok("{{base}}"));
        assert_eq!(fill("{{b}}", "", Context::ScriptWord), Err(FillError::Missing("b".into())));
    }

    #[test]
    fn no_value_leaves_its_word_or_string() {
        for value in ["a b", "a\nboot", "${x}", "||", "&&", "#", "a\"", "ä", ";"] {
            let refused = fill("{{a}}", value, Context::ScriptWord);
            assert_eq!(refused, Err(FillError::NotAWord("a".into())), "{value}");
            let json = fill("{\"k\": \"{{a}}\"}", value, Context::JsonString).unwrap();
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json["k"], value);
        }
    }

    #[test]
    fn what_is_no_template_says_where() {
        for (text, offset) in [("ab{{", 2), ("{{a}} {{b c}}", 6), ("{{}}", 0), ("{{A}}", 0)] {
            assert_eq!(Template::parse(text).unwrap_err().offset, offset, "{text}");
        }
    }
}
