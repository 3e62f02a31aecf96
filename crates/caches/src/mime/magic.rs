use std::cmp::Ordering;

use roxmltree::Node;

use super::database::{compare_types, is_own, weight};
use super::value::Pattern;
use crate::integer::BLANKS;

/// The first line of the file.
const HEAD: &[u8] = b"MIME-Magic\0\n";

/// What stands for bytes where a type drops all rules that were given before.
const NO_MAGIC: &str = "__NOMAGIC__";

/// How deep rules may nest.
const MAX_DEPTH: usize = 64;

type Checked<T> = Result<T, &'static str>;

/// Rules by which a type is known from a file's content.
#[derive(Clone, Debug)]
pub(super) struct Magic {
    pub(super) mime_type: String,
    pub(super) priority: u8,
    pub(super) matches: Vec<Match>,
    drops: bool,
}

/// A rule: bytes at a place, and then one of the rules inside.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) start: i64,
    /// How many places are tried, from the first on.
    pub(super) places: i64,
    /// The size of the words whose bytes depend on the machine.
    pub(super) word_size: u8,
    pub(super) pattern: Pattern,
    pub(super) matches: Vec<Self>,
}

impl Magic {
    pub(super) fn read(mime_type: &str, element: Node<'_, '_>) -> Checked<Self> {
        let priority = weight(element, "priority").ok_or("a <magic> has no such priority")?;
        let matches = read_matches(element, MAX_DEPTH)?;
        if matches.is_empty() {
            return Err("a <magic> has no rules");
        }
        Ok(Self { mime_type: mime_type.to_owned(), priority, matches, drops: false })
    }

    /// Returns what drops the rules that other sources have for a type.
    pub(super) fn dropping(mime_type: &str) -> Self {
        let pattern = Pattern { bytes: NO_MAGIC.into(), mask: None };
        let rule = Match { start: 0, places: 1, word_size: 1, pattern, matches: Vec::new() };
        Self { mime_type: mime_type.to_owned(), priority: 0, matches: vec![rule], drops: true }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let drops = other.drops.cmp(&self.drops);
        if self.drops || other.drops {
            return drops;
        }
        let priority = other.priority.cmp(&self.priority);
        priority.then_with(|| compare_types(&self.mime_type, &other.mime_type))
    }
}

fn read_matches(parent: Node<'_, '_>, depth: usize) -> Checked<Vec<Match>> {
    let depth = depth.checked_sub(1).ok_or("a <magic> nests too deeply")?;
    let elements = parent.children().filter(Node::is_element);
    elements.map(|element| Match::read(element, depth)).collect()
}

impl Match {
    fn read(element: Node<'_, '_>, depth: usize) -> Checked<Self> {
        if !is_own(element) || element.tag_name().name() != "match" {
            return Err("a <magic> holds an unknown element");
        }
        let offset = element.attribute("offset").ok_or("a <match> has no offset")?;
        let (start, places) = places(offset).ok_or("a <match> has an offset that is none")?;
        let kind = element.attribute("type").ok_or("a <match> has no type")?;
        let word_size = match kind {
            "host16" => 2,
            "host32" => 4,
            _ => 1,
        };
        let value = element.attribute("value").unwrap_or_default();
        let pattern = Pattern::parse(kind, value, element.attribute("mask"))?;
        if u16::try_from(pattern.bytes.len()).is_err() {
            return Err("a <match> has a value that is too long");
        }
        let matches = read_matches(element, depth)?;
        Ok(Self { start, places, word_size, pattern, matches })
    }

    fn write(&self, level: usize, out: &mut Vec<u8>) {
        let level_text = if level == 0 { String::new() } else { level.to_string() };
        out.extend(format!("{level_text}>{}=", self.start).bytes());
        let length = u16::try_from(self.pattern.bytes.len()).unwrap_or(u16::MAX);
        out.extend(length.to_be_bytes());
        out.extend(&self.pattern.bytes);
        if let Some(mask) = &self.pattern.mask {
            out.push(b'&');
            out.extend(mask);
        }
        if self.word_size != 1 {
            out.extend(format!("~{}", self.word_size).bytes());
        }
        if self.places != 1 {
            out.extend(format!("+{}", self.places).bytes());
        }
        out.push(b'\n');
        for inner in &self.matches {
            inner.write(level + 1, out);
        }
    }
}

/// Parses `first` or `first:last`; returns the first place and how many there are.
fn places(text: &str) -> Option<(i64, i64)> {
    let number = |text: &str| {
        let text = text.trim_start_matches(BLANKS);
        text.parse::<i32>().ok().map(i64::from)
    };
    match text.split_once(':') {
        None => Some((number(text)?, 1)),
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last)?);
            (first >= 0 && last >= first).then_some((first, last - first + 1))
        }
    }
}

/// Returns the file `magic`, whose rules are sorted already.
pub(super) fn file(rules: &[Magic]) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    for magic in rules {
        out.extend(format!("[{}:{}]\n", magic.priority, magic.mime_type).bytes());
        for rule in &magic.matches {
            rule.write(0, &mut out);
        }
    }
    out
}
