use std::path::Path;

use crate::findings::Findings;
use crate::translate::SOURCE_MAX;
use crate::yaml_reader;

/// Tells whether a file is Butane, by its name or by what is in it.
///
/// Names that end in `.bu`, `.yaml` or `.yml` say so. Elsewhere a mapping with `variant` is Butane:
/// JSON is YAML, too, so in braces it must not state the version of Ignition as well. Text that
/// cannot be read to its end is Butane if a line begins with `variant:`.
pub fn is_butane(path: &str, data: &[u8]) -> bool {
    const EXTENSIONS: [&str; 3] = ["bu", "yaml", "yml"];
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    if extension.is_some_and(|own| EXTENSIONS.iter().any(|name| own.eq_ignore_ascii_case(name))) {
        return true;
    }
    let text = String::from_utf8_lossy(data);
    // Most are plain JSON, and long ones are slow to read twice.
    if data.len() > SOURCE_MAX || !text.contains("variant") {
        return false;
    }
    let in_braces = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    let Some(root) = yaml_reader::read(&text, &mut Findings::new(path, &text)) else {
        return !in_braces && text.lines().any(|line| line.starts_with("variant:"));
    };
    let states_ignition = || {
        let ignition = root.member("ignition");
        ignition.is_some_and(|ignition| ignition.node.member("version").is_some())
    };
    root.member("variant").is_some() && !(in_braces && states_ignition())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_languages_are_told_apart() {
        for (path, text, butane) in [
            ("-", "variant: fcos\nversion: 1.4.0\n", true),
            ("-", "# a\n---\n  'variant': fcos\n", true),
            ("-", "\u{feff}variant: fcos\n", true),
            ("a.ign", "variant: fcos\n", true),
            ("a.bu", "storage: {}\n", true),
            ("a.YAML", "{}", true),
            ("-", "{\"variant\": \"fcos\", \"version\": \"1.4.0\"}", true),
            ("-", "{variant: fcos, storage: {files: []}}", true),
            ("-", "{\"variant\": \"fcos\", \"ignition\": {\"version\": \"3.3.0\"}}", false),
            ("-", "{\"ignition\": {\"version\": \"3.3.0\"}}", false),
            ("-", "{\"storage\": {\"variant\": 1}}", false),
            ("-", "{\"variant\": \"fcos\"", false),
            ("-", "storage: {}\n", false),
            ("-", "variant: fcos\n\tversion: [\n", true),
            ("-", "a: |\n  variant: fcos\n", false),
            ("-", "variant", false),
            ("-", "", false),
        ] {
            assert_eq!(is_butane(path, text.as_bytes()), butane, "{path} {text}");
        }
    }
}
