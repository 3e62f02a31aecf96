//! From the short names of Debian's machine-readable copyright files (copyright-format 1.0) to SPDX
//! licence expressions (SPDX 2.3, annex D).

use std::collections::{BTreeMap, BTreeSet};

use crate::Licences;

/// The longest statement that is read; real ones have some words.
const STATEMENT_MAX: usize = 4096;

/// Debian's names that are not SPDX's in any case of letters.
const OWN_NAMES: [(&str, &str); 16] = [
    ("Apache-2", "Apache-2.0"),
    ("Artistic", "Artistic-1.0-Perl"),
    ("Artistic-1", "Artistic-1.0"),
    ("Artistic-2", "Artistic-2.0"),
    ("BSD-2", "BSD-2-Clause"),
    ("BSD-3", "BSD-3-Clause"),
    ("CC0", "CC0-1.0"),
    ("Expat", "MIT"),
    ("GFDL-NIV-1.1+", "GFDL-1.1-no-invariants-or-later"),
    ("GFDL-NIV-1.2+", "GFDL-1.2-no-invariants-or-later"),
    ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("GFDL-NIV-1.3", "GFDL-1.3-no-invariants-only"),
    ("MPL-1", "MPL-1.0"),
    ("MPL-2", "MPL-2.0"),
    ("OpenLDAP-2.8", "OLDAP-2.8"),
    ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
];

/// Exceptions by the word that Debian's statements use.
const EXCEPTIONS: [(&str, &str); 8] = [
    ("Autoconf", "Autoconf-exception-2.0"),
    ("Autoconf-data", "Autoconf-exception-2.0"),
    ("Bison", "Bison-exception-2.2"),
    ("Classpath", "Classpath-exception-2.0"),
    ("GCC", "GCC-exception-3.1"),
    ("GCC-Runtime", "GCC-exception-3.1"),
    ("Libtool", "Libtool-exception"),
    ("Linux-syscall-note", "Linux-syscall-note"),
];

/// Licences as one SPDX expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// The expression.
    pub(crate) expression: String,
    /// Name and text of each `LicenseRef` in it, by identifier.
    pub(crate) references: BTreeMap<String, (String, String)>,
}

impl Named {
    /// Names everything that is stated about one source package.
    pub(crate) fn all(source: &str, licences: &Licences) -> Option<Self> {
        let mut namer = Namer { source, licences, references: BTreeMap::new() };
        let parts: BTreeSet<String> = licences
            .stated
            .iter()
            .filter(|stated| stated.len() <= STATEMENT_MAX)
            .filter_map(|stated| namer.statement(stated))
            .collect();
        let single = parts.len() == 1;
        let grouped = parts
            .into_iter()
            .map(|part| if part.contains(" OR ") && !single { format!("({part})") } else { part });
        let expression = grouped.collect::<Vec<_>>().join(" AND ");
        (!expression.is_empty()).then_some(Self { expression, references: namer.references })
    }
}

struct Namer<'a> {
    source: &'a str,
    licences: &'a Licences,
    references: BTreeMap<String, (String, String)>,
}

impl Namer<'_> {
    /// Names one statement. A comma binds weaker than `and` and `or`, and `and` tighter than `or`
    /// (copyright-format 1.0, "License specification syntax").
    fn statement(&mut self, text: &str) -> Option<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut groups: Vec<(&str, Vec<&str>)> = vec![("", Vec::new())];
        for word in words {
            // A comma ends a group; the conjunction after it joins the groups.
            let (bare, comma) = word.strip_suffix(',').map_or((word, false), |bare| (bare, true));
            let after_comma = groups.len() > 1;
            let (joint, group) = groups.last_mut()?;
            if after_comma && group.is_empty() && joint.is_empty() && is_joint(bare) {
                *joint = bare;
                continue;
            }
            if !bare.is_empty() {
                group.push(bare);
            }
            if comma {
                groups.push(("", Vec::new()));
            }
        }
        let mut expression = String::new();
        for (joint, group) in groups {
            let Some(named) = self.group(&group) else { continue };
            if expression.is_empty() {
                expression = named;
                continue;
            }
            let operator = if joint == "or" { "OR" } else { "AND" };
            expression = format!("{} {operator} {}", grouped(&expression), grouped(&named));
        }
        (!expression.is_empty()).then_some(expression)
    }

    /// Names words without commas.
    fn group(&mut self, words: &[&str]) -> Option<String> {
        let mut choices = Vec::new();
        for choice in words.split(|word| *word == "or" || *word == "and/or") {
            let all: Vec<String> = choice
                .split(|word| *word == "and")
                .filter(|licence| !licence.is_empty())
                .map(|licence| self.licence(licence))
                .collect();
            match all.as_slice() {
                [] => {}
                [only] => choices.push(only.clone()),
                several => {
                    let several: Vec<String> = several.iter().map(|part| grouped(part)).collect();
                    choices.push(several.join(" AND "));
                }
            }
        }
        (!choices.is_empty()).then(|| choices.join(" OR "))
    }

    /// Names a single licence, with its exception if it has one.
    fn licence(&mut self, words: &[&str]) -> String {
        let full = words.join(" ");
        if let [licence] = words
            && let Some(name) = known(licence)
        {
            return name;
        }
        if let [licence, "with", exception, ..] = words
            && let Some(name) = known(licence)
            && let Some(exception) = known_exception(exception)
            && !name.contains(' ')
        {
            return format!("{name} WITH {exception}");
        }
        self.reference(&full)
    }

    /// Makes an identifier for a licence that has none.
    fn reference(&mut self, name: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let id = format!("LicenseRef-{}-{name}", self.source);
        let id: String = id.chars().map(plain).collect();
        let text = self.licences.texts.get(name).map(String::as_str).unwrap_or_default();
        let text = if text.is_empty() {
            format!("See the copyright file of the package {}.", self.source)
        } else {
            text.to_owned()
        };
        self.references.insert(id.clone(), (name.to_owned(), text));
        id
    }
}

fn is_joint(word: &str) -> bool {
    matches!(word, "and" | "or" | "and/or")
}

/// Puts an expression with an operator in parentheses.
fn grouped(expression: &str) -> String {
    if expression.contains(" OR ") { format!("({expression})") } else { expression.to_owned() }
}

/// Returns the SPDX name of a licence, if it has one.
fn known(short: &str) -> Option<String> {
    let same = |name: &str| name.eq_ignore_ascii_case(short);
    if let Some((_, name)) = OWN_NAMES.iter().find(|(own, _)| same(own)) {
        return Some((*name).to_owned());
    }
    if let Some(name) = gnu(short) {
        return Some(name);
    }
    let licence = spdx::identifiers::LICENSES.iter().find(|licence| same(licence.name))?;
    (!spdx::license_id(licence.name)?.is_deprecated()).then(|| licence.name.to_owned())
}

/// Returns the SPDX name of a licence of the GNU project: `GPL-2+` is `GPL-2.0-or-later`.
fn gnu(short: &str) -> Option<String> {
    let (family, version) = short.split_once('-')?;
    let family = ["GPL", "LGPL", "AGPL", "GFDL"].into_iter().find(|f| family == *f)?;
    let (version, suffix) = match version.strip_suffix('+') {
        Some(version) => (version, "or-later"),
        None => (version, "only"),
    };
    let version = if version.contains('.') { version.to_owned() } else { format!("{version}.0") };
    let name = format!("{family}-{version}-{suffix}");
    spdx::license_id(&name).map(|id| id.name.to_owned())
}

fn known_exception(word: &str) -> Option<&'static str> {
    let bare = word.trim_end_matches("-exception");
    EXCEPTIONS.iter().find(|(own, _)| own.eq_ignore_ascii_case(bare)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(stated: &[&str]) -> Named {
        let stated = stated.iter().map(ToString::to_string).collect();
        let texts = BTreeMap::from([("own".to_owned(), "Do as you like.".to_owned())]);
        Named::all("src", &Licences { stated, texts }).unwrap()
    }

    #[test]
    fn short_names_become_spdx_expressions_that_parse() {
        for (stated, expected) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2", "GPL-2.0-only"),
            ("LGPL-2.1+", "LGPL-2.1-or-later"),
            ("gpl-3.0-only", "GPL-3.0-only"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
            ("GPL-2+ or Artistic", "GPL-2.0-or-later OR Artistic-1.0-Perl"),
            ("GPL-2 and Expat or ISC", "GPL-2.0-only AND MIT OR ISC"),
            ("GPL-2 or ISC, and Expat", "(GPL-2.0-only OR ISC) AND MIT"),
            ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
            ("GPL-2+ with strange exception", "LicenseRef-src-GPL-2--with-strange-exception"),
            ("public-domain", "LicenseRef-src-public-domain"),
            ("Perl and Expat", "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND MIT"),
        ] {
            let named = named(&[stated]);
            assert_eq!(named.expression, expected, "{stated}");
            spdx::Expression::parse(&named.expression).unwrap();
        }
    }

    #[test]
    fn all_statements_of_a_package_hold_together() {
        let named = named(&["own", "GPL-2+ or Expat", "ISC"]);
        assert_eq!(named.expression, "(GPL-2.0-or-later OR MIT) AND ISC AND LicenseRef-src-own");
        let own = &named.references["LicenseRef-src-own"];
        assert_eq!(own, &("own".to_owned(), "Do as you like.".to_owned()));
    }

    #[test]
    fn statements_that_say_nothing_name_nothing() {
        let long = "x ".repeat(STATEMENT_MAX);
        for stated in ["", ",", "and", "or ,", " , , ", long.as_str()] {
            let licences =
                Licences { stated: BTreeSet::from([stated.to_owned()]), ..Licences::default() };
            let named = Named::all("src", &licences);
            assert!(named.is_none(), "{stated:?} gave {named:?}");
        }
    }
}
