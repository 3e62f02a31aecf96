use std::collections::{BTreeSet, HashMap};

/// A table of NUL-terminated texts, in which a text that ends another shares its bytes.
pub(super) struct StringTable<'a> {
    bytes: Vec<u8>,
    offsets: HashMap<&'a [u8], usize>,
}

impl<'a> StringTable<'a> {
    /// Lays out texts in glibc's order: falling, as read from their ends.
    pub(super) fn new(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let unique: BTreeSet<&[u8]> = texts.collect();
        let mut sorted: Vec<&[u8]> = unique.into_iter().collect();
        sorted.sort_by(|a, b| b.iter().rev().cmp(a.iter().rev()));
        let mut table = Self { bytes: Vec::new(), offsets: HashMap::new() };
        let mut previous: (&[u8], usize) = (&[], 0);
        for text in sorted {
            let (last, last_at) = previous;
            let at = if last.ends_with(text) && !table.bytes.is_empty() {
                last_at + last.len() - text.len()
            } else {
                let at = table.bytes.len();
                table.bytes.extend_from_slice(text);
                table.bytes.push(0);
                at
            };
            table.offsets.insert(text, at);
            previous = (text, at);
        }
        table
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns where a text of this table starts.
    pub(super) fn offset(&self, text: &[u8]) -> usize {
        self.offsets[text]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_share_bytes() {
        let texts: [&[u8]; 4] = [b"b", b"ab", b"xab", b"c"];
        let table = StringTable::new(texts.into_iter());
        assert_eq!(table.bytes(), b"c\0xab\0");
        assert_eq!(texts.map(|text| table.offset(text)), [4, 3, 2, 0]);
    }
}
