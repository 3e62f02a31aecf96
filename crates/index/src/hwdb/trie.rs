use super::source::Property;
use super::strings::Strings;
use crate::IndexError;

const MAGIC: &[u8] = b"KSLPHHRH";

/// The sizes of the file's structures, which its header repeats.
const HEADER_WORDS: usize = 9;
const HEADER_BYTES: u64 = 80;
const NODE_BYTES: u64 = 24;
const CHILD_BYTES: u64 = 16;
const VALUE_BYTES: u64 = 32;

/// A radix tree of matches, with the properties of each.
#[derive(Debug)]
pub(super) struct Trie {
    strings: Strings,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    /// Where the text is that all children share.
    prefix: u32,
    /// Sorted by byte.
    children: Vec<(u8, usize)>,
    /// Sorted by key.
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    key: u32,
    text: u32,
    file: u32,
    line: u32,
    priority: u16,
}

/// The source that properties come from.
pub(super) struct Origin<'a> {
    path: &'a [u8],
    /// Where the path is, once the first property was stored.
    offset: Option<u32>,
    priority: u16,
}

impl<'a> Origin<'a> {
    pub(super) fn new(path: &'a [u8], priority: usize) -> Result<Self, IndexError> {
        let priority = u16::try_from(priority)
            .map_err(|_| IndexError::TooLarge("the list of hardware database files"))?;
        Ok(Self { path, offset: None, priority })
    }
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { strings: Strings::new(), nodes: vec![Node::default()] }
    }

    /// Gives a property to each match.
    pub(super) fn insert_all(
        &mut self,
        matches: &[&[u8]],
        property: &Property<'_>,
        origin: &mut Origin<'_>,
    ) -> Result<(), IndexError> {
        let mut stored: Option<Value> = None;
        for text in matches {
            // Texts are stored in the order in which they are first needed: node, then property.
            let node = self.node_for(text)?;
            let value = match stored {
                Some(value) => value,
                None => self.store(property, origin)?,
            };
            stored = Some(value);
            self.set(node, value);
        }
        Ok(())
    }

    fn store(
        &mut self,
        property: &Property<'_>,
        origin: &mut Origin<'_>,
    ) -> Result<Value, IndexError> {
        let key = self.strings.add(property.key)?;
        let text = self.strings.add(property.value)?;
        let file = match origin.offset {
            Some(offset) => offset,
            None => self.strings.add(origin.path)?,
        };
        origin.offset = Some(file);
        Ok(Value { key, text, file, line: property.line, priority: origin.priority })
    }

    /// Adds a value to a node, in place of an earlier one of the same key.
    fn set(&mut self, node: usize, value: Value) {
        let strings = &self.strings;
        let key = strings.text(value.key);
        let values = &mut self.nodes[node].values;
        match values.binary_search_by(|other| strings.text(other.key).cmp(key)) {
            Ok(found) => values[found] = Value { key: values[found].key, ..value },
            Err(place) => values.insert(place, value),
        }
    }

    /// Finds the node that ends a match; makes it, and splits others, where needed.
    fn node_for(&mut self, text: &[u8]) -> Result<usize, IndexError> {
        let mut at = 0;
        let mut rest = text;
        loop {
            let prefix = self.strings.text(self.nodes[at].prefix);
            let shared = prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if shared < prefix.len() {
                self.split(at, shared)?;
            }
            let Some((&first, below)) = rest[shared..].split_first() else { return Ok(at) };
            match self.nodes[at].children.binary_search_by_key(&first, |child| child.0) {
                Ok(found) => at = self.nodes[at].children[found].1,
                Err(place) => {
                    let prefix = self.strings.add(below)?;
                    let child = self.nodes.len();
                    self.nodes.push(Node { prefix, ..Node::default() });
                    self.nodes[at].children.insert(place, (first, child));
                    return Ok(child);
                }
            }
            rest = below;
        }
    }

    /// Moves a node's content into a new child, behind the first `len` bytes of its prefix.
    fn split(&mut self, at: usize, len: usize) -> Result<(), IndexError> {
        let mut lower = std::mem::take(&mut self.nodes[at]);
        let prefix = self.strings.text(lower.prefix);
        let byte = prefix[len];
        let upper = prefix[..len].to_vec();
        // The rest of the prefix is a tail of its bytes; the length was checked when it was added.
        lower.prefix += u32::try_from(len + 1).unwrap_or_default();
        let child = self.nodes.len();
        self.nodes.push(lower);
        self.nodes[at].prefix = self.strings.add(&upper)?;
        self.nodes[at].children.push((byte, child));
        Ok(())
    }

    pub(super) fn to_bytes(&self, tool_version: u64) -> Vec<u8> {
        let children: usize = self.nodes.iter().map(|node| node.children.len()).sum();
        let values: usize = self.nodes.iter().map(|node| node.values.len()).sum();
        let nodes_len = NODE_BYTES * self.nodes.len() as u64
            + CHILD_BYTES * children as u64
            + VALUE_BYTES * values as u64;
        let strings_at = HEADER_BYTES + nodes_len;
        let strings = self.strings.bytes();
        let size = strings_at + strings.len() as u64;

        let mut out = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let header_len = MAGIC.len() + 8 * HEADER_WORDS;
        out.resize(header_len, 0);
        let root = self.write(0, strings_at, &mut out);
        out.extend_from_slice(strings);
        let words: [u64; HEADER_WORDS] = [
            tool_version,
            size,
            HEADER_BYTES,
            NODE_BYTES,
            CHILD_BYTES,
            VALUE_BYTES,
            root,
            nodes_len,
            strings.len() as u64,
        ];
        let header = [MAGIC, &words.map(u64::to_le_bytes).concat()].concat();
        out[..header_len].copy_from_slice(&header);
        out
    }

    /// Writes a node after its children; returns where it is.
    fn write(&self, at: usize, strings_at: u64, out: &mut Vec<u8>) -> u64 {
        let node = &self.nodes[at];
        let children: Vec<(u8, u64)> = node
            .children
            .iter()
            .map(|&(byte, child)| (byte, self.write(child, strings_at, out)))
            .collect();
        let offset = out.len() as u64;
        put(out, strings_at + u64::from(node.prefix));
        put(out, children.len() as u64);
        put(out, node.values.len() as u64);
        for (byte, child) in children {
            put(out, u64::from(byte));
            put(out, child);
        }
        for value in &node.values {
            for text in [value.key, value.text, value.file] {
                put(out, strings_at + u64::from(text));
            }
            out.extend_from_slice(&value.line.to_le_bytes());
            out.extend_from_slice(&value.priority.to_le_bytes());
            out.extend_from_slice(&[0, 0]);
        }
        offset
    }
}

fn put(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}
