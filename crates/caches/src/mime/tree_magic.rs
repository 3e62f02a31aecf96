use std::cmp::Ordering;

use roxmltree::Node;

use super::database::{compare_types, is_own, weight};

/// The first line of the file.
const HEAD: &str = "MIME-TreeMagic\0\n";

/// How deep rules may nest.
const MAX_DEPTH: usize = 64;

type Checked<T> = Result<T, &'static str>;

/// Rules by which the type of a medium is known from the files on it.
#[derive(Clone, Debug)]
pub(super) struct TreeMagic {
    mime_type: String,
    priority: u8,
    matches: Vec<TreeMatch>,
}

#[derive(Clone, Debug)]
struct TreeMatch {
    /// The rule without what is inside it, as the file has it.
    line: String,
    matches: Vec<Self>,
}

impl TreeMagic {
    pub(super) fn read(mime_type: &str, element: Node<'_, '_>) -> Checked<Self> {
        let priority = weight(element, "priority").ok_or("a <treemagic> has no such priority")?;
        let matches = read_matches(element, MAX_DEPTH)?;
        Ok(Self { mime_type: mime_type.to_owned(), priority, matches })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let priority = other.priority.cmp(&self.priority);
        priority.then_with(|| compare_types(&self.mime_type, &other.mime_type))
    }
}

fn read_matches(parent: Node<'_, '_>, depth: usize) -> Checked<Vec<TreeMatch>> {
    let depth = depth.checked_sub(1).ok_or("a <treemagic> nests too deeply")?;
    let elements = parent.children().filter(Node::is_element);
    elements.map(|element| TreeMatch::read(element, depth)).collect()
}

impl TreeMatch {
    fn read(element: Node<'_, '_>, depth: usize) -> Checked<Self> {
        if !is_own(element) || element.tag_name().name() != "treematch" {
            return Err("a <treemagic> holds an unknown element");
        }
        let path = element.attribute("path").ok_or("a <treematch> has no path")?;
        let kind = match element.attribute("type") {
            None => "any",
            Some(kind @ ("file" | "directory" | "link")) => kind,
            Some(_) => return Err("a <treematch> has an unknown type"),
        };
        let mut line = format!(">\"{path}\"={kind}");
        for flag in ["match-case", "executable", "non-empty"] {
            if element.attribute(flag) == Some("true") {
                line.extend([",", flag]);
            }
        }
        if let Some(mime_type) = element.attribute("mimetype") {
            line.extend([",", mime_type]);
        }
        Ok(Self { line, matches: read_matches(element, depth)? })
    }

    fn write(&self, level: usize, out: &mut String) {
        if level > 0 {
            *out += &level.to_string();
        }
        out.extend([&self.line, "\n"]);
        for inner in &self.matches {
            inner.write(level + 1, out);
        }
    }
}

/// Returns the file `treemagic`, whose rules are sorted already.
pub(super) fn file(rules: &[TreeMagic]) -> String {
    let mut out = HEAD.to_owned();
    for magic in rules {
        out.extend(["[", &magic.priority.to_string(), ":", &magic.mime_type, "]\n"]);
        for rule in &magic.matches {
            rule.write(0, &mut out);
        }
    }
    out
}
