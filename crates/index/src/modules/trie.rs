//! The kernel modules' index format: a radix tree of ASCII keys.

use std::collections::BTreeMap;

use crate::IndexError;

const MAGIC: u32 = 0xB007_F457;
const VERSION: u32 = 0x0002_0001;

/// Flags in the high bits of a node's offset: which parts the node has.
const HAS_PREFIX: u32 = 0x8000_0000;
const HAS_VALUES: u32 = 0x4000_0000;
const HAS_CHILDREN: u32 = 0x2000_0000;
const OFFSET_MASK: u32 = 0x0FFF_FFFF;

/// Magic, version, offset of the root.
const HEADER_BYTES: u32 = 12;

/// The longest key, as in depmod (`PATH_MAX` without the NUL). It bounds the tree's depth.
const MAX_KEY: usize = 4095;

/// An index under construction. Keys and values are borrowed.
#[derive(Debug)]
pub(super) struct Trie<'a> {
    nodes: Vec<Node<'a>>,
}

#[derive(Debug, Default)]
struct Node<'a> {
    /// The part of the key that all children share.
    prefix: &'a [u8],
    /// (priority, value), in the order of the file.
    values: Vec<(u32, &'a [u8])>,
    children: BTreeMap<u8, usize>,
}

impl<'a> Trie<'a> {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a value. Readers meet values of one key by rising priority, the latest first among
    /// equals.
    ///
    /// # Errors
    /// [`IndexError::NotAscii`] with the module that is to blame.
    pub(super) fn insert(
        &mut self,
        key: &'a [u8],
        value: &'a [u8],
        priority: u32,
        module: &str,
    ) -> Result<(), IndexError> {
        if let Some(text) = [key, value].into_iter().find(|text| !text.is_ascii()) {
            return Err(IndexError::NotAscii {
                module: module.to_owned(),
                text: String::from_utf8_lossy(text).into_owned(),
            });
        }
        if key.len() > MAX_KEY {
            return Err(IndexError::TooLarge("a key of a module index"));
        }
        let node = self.node_for(key);
        let values = &mut self.nodes[node].values;
        let at = values.iter().position(|(other, _)| *other >= priority).unwrap_or(values.len());
        values.insert(at, (priority, value));
        Ok(())
    }

    /// Finds the node that ends a key; makes it, and splits others, where needed.
    fn node_for(&mut self, key: &'a [u8]) -> usize {
        let mut at = 0;
        let mut rest = key;
        loop {
            let prefix = self.nodes[at].prefix;
            let shared = prefix.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if shared < prefix.len() {
                self.split(at, shared);
            }
            let Some((&first, below)) = rest[shared..].split_first() else { return at };
            let Some(&child) = self.nodes[at].children.get(&first) else {
                let child = self.nodes.len();
                self.nodes.push(Node { prefix: below, ..Node::default() });
                self.nodes[at].children.insert(first, child);
                return child;
            };
            at = child;
            rest = below;
        }
    }

    /// Moves a node's content into a new child, behind the first `len` bytes of its prefix.
    fn split(&mut self, at: usize, len: usize) {
        let child = self.nodes.len();
        let mut lower = std::mem::take(&mut self.nodes[at]);
        let prefix = lower.prefix;
        lower.prefix = &prefix[len + 1..];
        self.nodes.push(lower);
        self.nodes[at].prefix = &prefix[..len];
        self.nodes[at].children.insert(prefix[len], child);
    }

    /// Returns the file.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] beyond 256 MiB, the reach of the format's offsets.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, IndexError> {
        let mut sizes = vec![0; self.nodes.len()];
        let total = self.measure(0, &mut sizes) + u64::from(HEADER_BYTES);
        if total > u64::from(OFFSET_MASK) {
            return Err(IndexError::TooLarge("a module index"));
        }
        let mut out = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
        for word in [MAGIC, VERSION, HEADER_BYTES | self.flags(0)] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        self.write(0, &sizes, &mut out);
        Ok(out)
    }

    fn flags(&self, node: usize) -> u32 {
        let node = &self.nodes[node];
        let mut flags = 0;
        for (has, flag) in [
            (!node.prefix.is_empty(), HAS_PREFIX),
            (!node.values.is_empty(), HAS_VALUES),
            (!node.children.is_empty(), HAS_CHILDREN),
        ] {
            flags |= if has { flag } else { 0 };
        }
        flags
    }

    /// Fills in the size of every node with all below it.
    fn measure(&self, at: usize, sizes: &mut [u64]) -> u64 {
        let node = &self.nodes[at];
        let mut size = self.own_size(at);
        for &child in node.children.values() {
            size += self.measure(child, sizes);
        }
        sizes[at] = size;
        size
    }

    fn own_size(&self, at: usize) -> u64 {
        let node = &self.nodes[at];
        let mut size = 0;
        if let Some((first, last)) = node.child_range() {
            size += 2 + 4 * (usize::from(last) - usize::from(first) + 1);
        }
        if !node.prefix.is_empty() {
            size += node.prefix.len() + 1;
        }
        if !node.values.is_empty() {
            size += 4 + node.values.iter().map(|(_, value)| 4 + value.len() + 1).sum::<usize>();
        }
        size as u64
    }

    /// Writes a node, then its children: parents come first in the file.
    fn write(&self, at: usize, sizes: &[u64], out: &mut Vec<u8>) {
        let node = &self.nodes[at];
        let mut child_offset = out.len() as u64 + self.own_size(at);
        if !node.prefix.is_empty() {
            out.extend_from_slice(node.prefix);
            out.push(0);
        }
        if let Some((first, last)) = node.child_range() {
            out.extend_from_slice(&[first, last]);
            for letter in first..=last {
                let word = node.children.get(&letter).map_or(0, |&child| {
                    let offset = u32::try_from(child_offset).unwrap_or(OFFSET_MASK);
                    child_offset += sizes[child];
                    offset | self.flags(child)
                });
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        if !node.values.is_empty() {
            let count = u32::try_from(node.values.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&count.to_be_bytes());
            for (priority, value) in &node.values {
                out.extend_from_slice(&priority.to_be_bytes());
                out.extend_from_slice(value);
                out.push(0);
            }
        }
        for &child in node.children.values() {
            self.write(child, sizes, out);
        }
    }
}

impl Node<'_> {
    fn child_range(&self) -> Option<(u8, u8)> {
        Some((*self.children.first_key_value()?.0, *self.children.last_key_value()?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_index_has_known_bytes() {
        let mut trie = Trie::new();
        trie.insert(b"ab", b"x", 1, "m").unwrap();
        trie.insert(b"ac", b"y", 0, "m").unwrap();
        trie.insert(b"ab", b"z", 1, "m").unwrap();
        let mut expected = vec![0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0x20, 0, 0, 12];
        // The root: one child, 'a', with children of its own.
        expected.extend([b'a', b'a', 0x20, 0, 0, 18]);
        expected.extend([b'b', b'c', 0x40, 0, 0, 28, 0x40, 0, 0, 44]);
        expected.extend([0, 0, 0, 2, 0, 0, 0, 1, b'z', 0, 0, 0, 0, 1, b'x', 0]);
        expected.extend([0, 0, 0, 1, 0, 0, 0, 0, b'y', 0]);
        assert_eq!(trie.to_bytes().unwrap(), expected);
    }

    #[test]
    fn what_the_format_cannot_hold_is_refused() {
        let mut trie = Trie::new();
        assert!(matches!(
            trie.insert("ä".as_bytes(), b"x", 0, "m"),
            Err(IndexError::NotAscii { .. })
        ));
        let long = [b'a'; MAX_KEY + 1];
        assert!(matches!(trie.insert(&long, b"x", 0, "m"), Err(IndexError::TooLarge(_))));
    }
}
