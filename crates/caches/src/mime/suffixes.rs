use super::database::Glob;
use crate::glib_table::GlibTable;

/// Characters of suffixes, read from the end, with what may stand before each.
///
/// A node of character 0 ends a suffix and names its type.
#[derive(Clone, Debug, Default)]
pub(super) struct Suffixes {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    End { mime_type: String, weight: i16, is_case_sensitive: bool },
    Character { character: char, before: Suffixes },
}

impl Suffixes {
    /// Collects the patterns that are a star and then plain characters.
    pub(super) fn new(globs: &GlibTable<Vec<Glob>>) -> Self {
        let mut suffixes = Self::default();
        for (pattern, globs) in globs.iter() {
            let Some(suffix) = simple_suffix(pattern) else { continue };
            for glob in globs {
                suffixes.insert(suffix, glob);
            }
        }
        suffixes
    }

    fn insert(&mut self, suffix: &str, glob: &Glob) {
        let mut at = self;
        for character in suffix.chars().rev() {
            let key = |node: &Node| match node {
                Node::End { .. } => None,
                Node::Character { character, .. } => Some(*character),
            };
            let found = at.nodes.binary_search_by(|node| key(node).cmp(&Some(character)));
            let index = found.unwrap_or_else(|index| {
                at.nodes.insert(index, Node::Character { character, before: Self::default() });
                index
            });
            match &mut at.nodes[index] {
                Node::Character { before, .. } => at = before,
                Node::End { .. } => return,
            }
        }
        at.end(glob);
    }

    fn end(&mut self, glob: &Glob) {
        let mut ends = 0;
        for node in &mut self.nodes {
            let Node::End { mime_type, weight, .. } = node else { break };
            if *mime_type == glob.mime_type {
                *weight = glob.weight.max(*weight);
                return;
            }
            ends += 1;
        }
        let end = Node::End {
            mime_type: glob.mime_type.clone(),
            weight: glob.weight,
            is_case_sensitive: glob.is_case_sensitive,
        };
        self.nodes.insert(ends, end);
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

/// How a pattern is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GlobSort {
    /// By the whole name.
    Literal,
    /// By how the name ends.
    Suffix,
    /// By trying.
    Full,
}

impl GlobSort {
    pub(super) fn of(pattern: &str) -> Self {
        let rest = pattern.strip_prefix('*');
        if rest.unwrap_or(pattern).contains(['\\', '[', '?', '*']) {
            Self::Full
        } else if rest.is_some() {
            Self::Suffix
        } else {
            Self::Literal
        }
    }
}

fn simple_suffix(pattern: &str) -> Option<&str> {
    let suffix = pattern.strip_prefix('*').filter(|suffix| !suffix.is_empty())?;
    (GlobSort::of(pattern) == GlobSort::Suffix).then_some(suffix)
}
