//! Debconf's questions (debconf-devel(7)).

use std::collections::BTreeMap;

/// Returns the default answers of a templates file, without those that the `config` script gives.
pub(crate) fn answers(templates: &[u8], config: &[u8]) -> BTreeMap<String, String> {
    let mut answers = defaults(&String::from_utf8_lossy(templates));
    let config = String::from_utf8_lossy(config);
    let words: Vec<&str> = config.split_ascii_whitespace().collect();
    for pair in words.windows(2) {
        let [command, question] = pair else { continue };
        if !matches!(command.trim_matches(['"', '\'', '(']), "db_set" | "SET" | "db_reset" | "set")
        {
            continue;
        }
        let question = question.trim_matches(['"', '\'', ',', ';']);
        if question.contains(['$', '`']) {
            // It may be any of those that begin so.
            let prefix = question.split(['$', '`']).next().unwrap_or_default();
            answers.retain(|name, _| !name.starts_with(prefix));
        } else {
            answers.remove(question);
        }
    }
    answers
}

/// Reads the stanzas: `Template` names a question, `Default` is its answer on one line.
fn defaults(templates: &str) -> BTreeMap<String, String> {
    let mut answers = BTreeMap::new();
    let mut question: Option<&str> = None;
    for line in templates.lines() {
        if line.is_empty() {
            question = None;
        } else if let Some(name) = line.strip_prefix("Template:") {
            question = Some(name.trim());
        } else if let (Some(name), Some(text)) = (question, line.strip_prefix("Default:")) {
            answers.insert(name.to_owned(), text.trim().to_owned());
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_answers_unless_config_says_otherwise() {
        let templates = b"Template: a/b\nType: boolean\nDefault: false\nDescription: x\n Default: no\n\n\
                          Template: a/c\nDefault: x y\n\nTemplate: a/d\nType: string\n\nTemplate: z\nDefault:\n";
        let all = answers(templates, b"");
        assert_eq!(all.len(), 3);
        assert_eq!(
            (all["a/b"].as_str(), all["a/c"].as_str(), all["z"].as_str()),
            ("false", "x y", "")
        );
        assert_eq!(answers(templates, b"db_set a/b true").len(), 2);
        assert_eq!(answers(templates, b"db_set \"a/$x\" true").len(), 1);
        assert_eq!(answers(templates, b"db_set \"$x\" true").len(), 0);
        assert_eq!(answers(templates, b"db_input high a/b").len(), 3);
    }
}
