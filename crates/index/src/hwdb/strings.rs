use crate::IndexError;

/// Texts end to end, each ended by a NUL. A text that was added before, or that ends one met on the
/// way to it, shares its bytes.
///
/// Which texts share decides where they are, so the search is the tool's (systemd's `strbuf`): a
/// tree by bytes from the end, where a text hangs below the longest known tail, and every text on
/// the way is compared.
#[derive(Debug)]
pub(super) struct Strings {
    bytes: Vec<u8>,
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    offset: usize,
    len: usize,
    /// Sorted by byte.
    children: Vec<(u8, usize)>,
}

impl Strings {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0], nodes: vec![Node::default()] }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the text at an offset, up to its NUL.
    pub(super) fn text(&self, offset: u32) -> &[u8] {
        let text = &self.bytes[offset as usize..];
        let end = text.iter().position(|&b| b == 0).unwrap_or(text.len());
        &text[..end]
    }

    /// Returns where a text is; adds it if need be.
    ///
    /// # Errors
    /// [`IndexError::TooLarge`] beyond 4 GiB.
    pub(super) fn add(&mut self, text: &[u8]) -> Result<u32, IndexError> {
        let offset = self.find_or_add(text);
        u32::try_from(offset).map_err(|_| IndexError::TooLarge("the hardware database"))
    }

    fn find_or_add(&mut self, text: &[u8]) -> usize {
        let mut at = 0;
        for (depth, &byte) in text.iter().rev().enumerate() {
            let node = &self.nodes[at];
            if depth > 0 && self.bytes[node.offset..node.offset + node.len].ends_with(text) {
                return node.offset + node.len - text.len();
            }
            match node.children.binary_search_by_key(&byte, |child| child.0) {
                Ok(found) => at = node.children[found].1,
                Err(place) => return self.append(at, place, byte, text),
            }
        }
        // The whole text led here, so it ends this node's.
        let node = &self.nodes[at];
        node.offset + node.len - text.len()
    }

    fn append(&mut self, parent: usize, place: usize, byte: u8, text: &[u8]) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        let child = self.nodes.len();
        self.nodes.push(Node { offset, len: text.len(), children: Vec::new() });
        self.nodes[parent].children.insert(place, (byte, child));
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_their_tails_are_stored_once() {
        let mut strings = Strings::new();
        assert_eq!(strings.add(b"").unwrap(), 0);
        assert_eq!(strings.add(b"abc").unwrap(), 1);
        assert_eq!(strings.add(b"bc").unwrap(), 2);
        assert_eq!(strings.add(b"abc").unwrap(), 1);
        assert_eq!(strings.add(b"xbc").unwrap(), 5);
        assert_eq!(strings.add(b"c").unwrap(), 3);
        assert_eq!(strings.text(2), b"bc");
        assert_eq!(strings.bytes(), b"\0abc\0xbc\0");
    }
}
