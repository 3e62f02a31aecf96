/// The most bytes a string may have: 17 words with the frame around it.
const MAX_LENGTH: usize = 65;

const VALUE: u8 = 0xff;
const ALIAS: u8 = 0xfe;

/// The strings that a key accepts, with the number of each or the string that each stands for.
///
/// In the file it is an array of 32-bit words: a number, then the string, framed by a byte for its
/// sort and one for its end and padded to words, at least two. The number of an alias is the word at
/// which the entry that it stands for starts.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    text: String,
    number: u32,
    sort: u8,
}

impl Words {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Tells whether a string is known, as a value or as an alias.
    pub(super) fn knows(&self, text: &str) -> bool {
        self.entries.iter().any(|entry| entry.text == text)
    }

    /// Tells whether a string is a value.
    pub(super) fn accepts(&self, text: &str) -> bool {
        self.entries.iter().any(|entry| entry.text == text && entry.sort == VALUE)
    }

    pub(super) fn has_number(&self, number: u32) -> bool {
        self.entries.iter().any(|entry| entry.number == number && entry.sort == VALUE)
    }

    /// Adds a value; `None` if the string is too long for the format.
    pub(super) fn add(&mut self, text: &str, number: u32) -> Option<()> {
        self.push(text, number, VALUE)
    }

    /// Adds a string that stands for another; `None` if there is no such value.
    pub(super) fn add_alias(&mut self, text: &str, target: &str) -> Option<()> {
        let is_target = |entry: &&Entry| entry.text != target || entry.sort != VALUE;
        let before = self.entries.iter().take_while(is_target);
        let words: usize = before.map(|entry| 1 + string_words(&entry.text)).sum();
        let number = u32::try_from(words).ok().filter(|_| self.accepts(target))?;
        self.push(text, number, ALIAS)
    }

    fn push(&mut self, text: &str, number: u32, sort: u8) -> Option<()> {
        let fits = text.len() <= MAX_LENGTH && !text.contains('\0');
        fits.then(|| self.entries.push(Entry { text: text.to_owned(), number, sort }))
    }

    /// Returns the array's words.
    pub(super) fn to_words(&self) -> Vec<u32> {
        let mut words = Vec::new();
        for entry in &self.entries {
            let mut bytes = vec![0; 4 * string_words(&entry.text)];
            bytes[0] = entry.sort;
            bytes[1..=entry.text.len()].copy_from_slice(entry.text.as_bytes());
            if let Some(last) = bytes.last_mut() {
                *last = VALUE;
            }
            words.push(entry.number);
            let chunks = bytes.as_chunks::<4>().0;
            words.extend(chunks.iter().map(|word| u32::from_le_bytes(*word)));
        }
        words
    }
}

/// Returns how many words a string takes with its frame and its NUL.
fn string_words(text: &str) -> usize {
    (text.len() + 3).div_ceil(4).max(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the doc of GLib's `strinfo.c`.
    #[test]
    fn an_alias_tells_where_its_target_is() {
        let mut words = Words::default();
        words.add("foo", 1).unwrap();
        words.add("bar", 2).unwrap();
        words.add_alias("baz", "bar").unwrap();
        assert_eq!(words.add_alias("x", "baz"), None);
        let bytes: Vec<u8> = words.to_words().iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(
            bytes,
            b"\x01\0\0\0\xfffoo\0\0\0\xff\x02\0\0\0\xffbar\0\0\0\xff\x03\0\0\0\xfebaz\0\0\0\xff"
        );
    }

    #[test]
    fn strings_are_padded_to_words() {
        assert_eq!([0, 1, 5, 6, 9, 65].map(|n| string_words(&"x".repeat(n))), [2, 2, 2, 3, 3, 17]);
        assert_eq!(Words::default().add(&"x".repeat(66), 0), None);
    }
}
