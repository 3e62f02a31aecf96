use libsais::SuffixArrayConstruction;

/// Where each pair of first bytes begins among the suffixes.
const PAIRS: usize = 1 << 16;

/// All suffixes of a text in order, to find where it has most of another text.
pub(super) struct Suffixes<'a> {
    text: &'a [u8],
    order: Vec<i32>,
    /// The first suffix that begins with each pair of bytes, or with what comes after it in order.
    starts: Vec<u32>,
}

impl<'a> Suffixes<'a> {
    /// Sorts the suffixes of a text; `None` if it is too long, or memory is wanting.
    pub(super) fn new(text: &'a [u8]) -> Option<Self> {
        let sorting = SuffixArrayConstruction::for_text(text).in_owned_buffer32();
        let order = sorting.single_threaded().run().ok()?.into_vec();
        let mut starts = vec![0_u32; PAIRS + 1];
        // The last byte is a suffix of its own, and comes before all pairs that begin with it.
        for pair in text.windows(2) {
            starts[usize::from(u16::from_be_bytes([pair[0], pair[1]])) + 1] += 1;
        }
        if let Some(&last) = text.last() {
            starts[usize::from(last) << 8] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Some(Self { text, order, starts })
    }

    /// Returns where the text has the longest beginning of another one, and how long it is.
    pub(super) fn longest(&self, wanted: &[u8]) -> (usize, usize) {
        let [first, second, ..] = wanted else { return (0, 0) };
        let pair = usize::from(u16::from_be_bytes([*first, *second]));
        let (mut low, mut high) = (self.starts[pair] as usize, self.starts[pair + 1] as usize);
        // What both ends of the range have in common with the wanted text need not be compared.
        let (mut low_common, mut high_common, mut best) = (0, 0, (0, 0));
        while low < high {
            let middle = usize::midpoint(low, high);
            let Some(at) = self.order.get(middle).and_then(|&at| usize::try_from(at).ok()) else {
                break;
            };
            let Some(suffix) = self.text.get(at..) else { break };
            let known = low_common.min(high_common);
            let common = known + common(&suffix[known..], &wanted[known..]);
            if common > best.1 {
                best = (at, common);
            }
            if common == wanted.len() {
                break;
            }
            if common < suffix.len() && suffix[common] > wanted[common] {
                (high, high_common) = (middle, common);
            } else {
                (low, low_common) = (middle + 1, common);
            }
        }
        best
    }
}

/// Returns how many bytes two texts begin with in common.
pub(super) fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, _) = one.as_chunks::<16>();
    let (others, _) = other.as_chunks::<16>();
    let equal = 16 * ones.iter().zip(others).take_while(|(a, b)| a == b).count();
    equal + one[equal..].iter().zip(&other[equal..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_is_found() {
        let text = b"the same bytes, the same byte order, the end";
        let suffixes = Suffixes::new(text).unwrap();
        for (wanted, length) in
            [(&b"the same byte order?"[..], 19), (b"ende", 3), (b"xyz", 0), (b"d", 0), (b"", 0)]
        {
            let (at, found) = suffixes.longest(wanted);
            assert_eq!(found, length, "{wanted:?}");
            assert_eq!(text[at..at + found], wanted[..found]);
        }
        for start in 0..text.len() - 1 {
            assert_eq!(suffixes.longest(&text[start..]).1, text.len() - start);
        }
        assert_eq!(Suffixes::new(b"").unwrap().longest(b"ab"), (0, 0));
    }
}
