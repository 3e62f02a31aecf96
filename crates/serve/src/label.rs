use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::percent;

/// More labels than any machine has.
const MAX_LABELS: usize = 32;
/// Longer than serial numbers and host names (253) are.
const MAX_VALUE: usize = 255;

/// The labels that `/boot.ipxe` asks every machine for.
pub(crate) const STANDARD: [&str; 5] = ["mac", "uuid", "serial", "hostname", "arch"];

/// Why a text is no label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LabelError {
    #[error(
        "{0:?} is not a label's name: it has up to 32 of a-z, 0-9, `-` and `_`, a letter first"
    )]
    Name(String),
    #[error("the label `{0}` has a value that is not printable ASCII of up to 255 characters")]
    Value(LabelName),
    #[error("the label `mac` is not a MAC address: it is written 52:54:00:12:34:56")]
    Mac,
    #[error("the label `{0}` is given twice")]
    Twice(LabelName),
    #[error("the query is not percent-encoded text")]
    Encoding,
    #[error("there are more than 32 labels")]
    TooMany,
}

/// The name of a label: up to 32 of `a-z`, `0-9`, `-` and `_`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LabelName(String);

impl LabelName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LabelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LabelName {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let sound = text.len() <= 32
            && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && text.bytes().all(known);
        let shown = || text.chars().take(40).collect();
        if sound { Ok(Self(text.to_owned())) } else { Err(LabelError::Name(shown())) }
    }
}

/// What a machine says about itself: names and values, the values in one spelling.
///
/// MAC addresses are written with colons, they, UUIDs and architectures in lower case, however the
/// machine wrote them. What a machine leaves empty is no label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels(BTreeMap<LabelName, String>);

impl Labels {
    /// Reads the query of a URL.
    pub(crate) fn from_query(query: &str) -> Result<Self, LabelError> {
        let mut labels = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = percent::decode(name, true).ok_or(LabelError::Encoding)?.parse()?;
            let value = percent::decode(value, true).ok_or(LabelError::Encoding)?;
            labels.insert(name, &value)?;
        }
        Ok(labels)
    }

    /// Adds a label; an empty value adds none.
    pub(crate) fn insert(&mut self, name: LabelName, value: &str) -> Result<(), LabelError> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        let printable = value.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !printable || value.len() > MAX_VALUE {
            return Err(LabelError::Value(name));
        }
        let value = match name.as_str() {
            "mac" => mac(value).ok_or(LabelError::Mac)?,
            "uuid" | "arch" => value.to_ascii_lowercase(),
            _ => value.to_owned(),
        };
        if self.0.len() == MAX_LABELS {
            return Err(LabelError::TooMany);
        }
        match self.0.insert(name.clone(), value) {
            Some(_) => Err(LabelError::Twice(name)),
            None => Ok(()),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether every label of this set is in `other`, with the same value.
    pub(crate) fn all_in(&self, other: &Self) -> bool {
        self.0.iter().all(|(name, value)| other.0.get(name) == Some(value))
    }

    /// Returns the labels as the query of a URL.
    pub(crate) fn to_query(&self) -> String {
        let pairs =
            self.iter().map(|(name, value)| format!("{name}={}", percent::encode(value, ":")));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// Reads a MAC address with colons, hyphens, or neither.
fn mac(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-')).collect();
    let sound = digits.len() == 12
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
        && (text.len() == 12 || text.len() == 17);
    let digits = digits.to_ascii_lowercase();
    sound.then(|| {
        let pairs: Vec<&str> = (0..6).map(|i| &digits[i * 2..i * 2 + 2]).collect();
        pairs.join(":")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_labels_in_one_spelling() {
        let query =
            "mac=52-54-00-AB-CD-EF&uuid=6F9619FF-8B86&serial=To+Be%20Filled&hostname=&rack=a1";
        let labels = Labels::from_query(query).unwrap();
        let shown: Vec<_> = labels.iter().collect();
        assert_eq!(
            shown,
            [
                ("mac", "52:54:00:ab:cd:ef"),
                ("rack", "a1"),
                ("serial", "To Be Filled"),
                ("uuid", "6f9619ff-8b86")
            ]
        );
        assert_eq!(Labels::from_query(&labels.to_query()).unwrap(), labels);
    }

    #[test]
    fn what_is_no_label_is_refused() {
        let long = format!("serial={}", "x".repeat(256));
        let many: Vec<String> = (0..33).map(|i| format!("l{i}=1")).collect();
        for query in [
            "mac=1",
            "mac=52:54:00:ab:cd",
            "mac=zz:54:00:ab:cd:ef",
            "serial=a%0Aboot",
            "serial=%00",
            "serial=%",
            "serial=%ff",
            "serial=%c3%a4",
            "Serial=1",
            "a.b=1",
            "=1",
            "serial=1&serial=2",
            &long,
            &many.join("&"),
        ] {
            assert!(Labels::from_query(query).is_err(), "{query}");
        }
    }
}
