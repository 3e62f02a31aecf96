use std::collections::BTreeMap;

use rayon::prelude::*;

use super::layout::Place;

/// Bytes of which a mark is made.
const WINDOW: usize = 16;
/// One in so many windows is a mark, whatever is before and after it.
const SAMPLED: u64 = 128;
/// A mark in more places than these tells nothing.
const PLACES_MAX: usize = 16;

/// Which old places have what new content has: marks of all old content, in order.
pub(super) struct Kin {
    marks: Vec<(u64, u32)>,
}

impl Kin {
    /// Reads all places; those that cannot be read have no marks.
    pub(super) fn new(places: &[Place], read: &(dyn Fn(&Place) -> Option<Vec<u8>> + Sync)) -> Self {
        let marks_of = |(place, index): (&Place, u32)| {
            let content = read(place).unwrap_or_default();
            marks(&content).into_iter().map(move |mark| (mark, index)).collect::<Vec<_>>()
        };
        let indices = 0..u32::try_from(places.len()).unwrap_or(u32::MAX);
        let all = places.par_iter().zip(indices.into_par_iter()).map(marks_of);
        let mut marks: Vec<(u64, u32)> = all.flatten_iter().collect();
        marks.par_sort_unstable();
        marks.dedup();
        Self { marks }
    }

    /// Returns the places that together have most of the marks of a content, in the order in which
    /// each has most of those that the ones before have not.
    pub(super) fn of(&self, content: &[u8]) -> Vec<usize> {
        let marks = marks(content);
        let mut by_place: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (mark, number) in marks.iter().zip(0..) {
            let first = self.marks.partition_point(|(other, _)| other < mark);
            let found = self.marks[first..].iter().take_while(|(other, _)| other == mark);
            let found: Vec<u32> = found.take(PLACES_MAX + 1).map(|&(_, place)| place).collect();
            if found.len() <= PLACES_MAX {
                for place in found {
                    by_place.entry(place).or_default().push(number);
                }
            }
        }
        let mut covered = vec![false; marks.len()];
        let mut order = Vec::new();
        loop {
            let gain = |numbers: &[usize]| numbers.iter().filter(|&&n| !covered[n]).count();
            let gains = by_place.iter().map(|(&place, numbers)| (gain(numbers), place));
            let best = gains.max_by_key(|&(gain, place)| (gain, std::cmp::Reverse(place)));
            let Some((1.., place)) = best else { return order };
            for number in by_place.remove(&place).unwrap_or_default() {
                covered[number] = true;
            }
            order.push(place as usize);
        }
    }
}

/// Returns the marks of a content in order, each once.
fn marks(content: &[u8]) -> Vec<u64> {
    /// Odd numbers without a pattern: the fractions of the golden ratio and of the root of two.
    const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909];
    let mut marks = Vec::new();
    for window in content.windows(WINDOW) {
        let (words, _) = window.as_chunks::<8>();
        let [one, two] = [0, 1].map(|n| u64::from_le_bytes(words[n]));
        let hash = (one.wrapping_mul(FACTORS[0]) ^ two.rotate_left(32)).wrapping_mul(FACTORS[1]);
        // The highest bits depend on all others. Zeros and the like are everywhere.
        if hash >> 32 & (SAMPLED - 1) == 0 && one != two {
            marks.push(hash);
        }
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::{OldSegment, Storage};

    fn noise(seed: u32) -> Vec<u8> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .take(20_000)
        .collect()
    }

    #[test]
    fn places_are_found_by_what_is_in_them() {
        let place = |position| {
            let segments = OldSegment::new(Storage::Plain, 1, 1).into_iter().collect();
            Place { position, segments }
        };
        let places: Vec<Place> = (0..6).map(place).collect();
        let read = |place: &Place| {
            (place.position != 3).then(|| noise(u32::try_from(place.position).unwrap() + 1))
        };
        let kin = Kin::new(&places, &read);
        let content = [&noise(5)[..9000], &noise(2)[..], &noise(4), &[0; 9000]].concat();
        assert_eq!(kin.of(&content), [1, 4]);
        assert!(kin.of(&[0; 9000]).is_empty());
    }
}
