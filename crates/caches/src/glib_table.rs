//! GLib's hash table, for the order in which it gives its entries back.

/// The smallest table has 2³ slots.
const MIN_SHIFT: u32 = 3;

/// The primes that hashes are reduced by, one for each power of two (`prime_mod` of GLib's
/// `ghash.c`): the greatest that is at most as large.
const PRIMES: [u32; 32] = [
    1,
    2,
    3,
    7,
    13,
    31,
    61,
    127,
    251,
    509,
    1021,
    2039,
    4093,
    8191,
    16_381,
    32_749,
    65_521,
    131_071,
    262_139,
    524_287,
    1_048_573,
    2_097_143,
    4_194_301,
    8_388_593,
    16_777_213,
    33_554_393,
    67_108_859,
    134_217_689,
    268_435_399,
    536_870_909,
    1_073_741_789,
    2_147_483_647,
];

/// Hashes below this mark slots that are free or were; a real one that small becomes it.
const FIRST_REAL_HASH: u32 = 2;

#[derive(Clone, Debug)]
struct Node<V> {
    hash: u32,
    key: String,
    value: V,
}

#[derive(Clone, Debug)]
enum Slot<V> {
    Free,
    Removed,
    Taken(Node<V>),
}

/// A map from strings that iterates in the order of GLib's `GHashTable` with `g_str_hash`.
///
/// Tools that are made with GLib write many of their files in that order, which depends on the keys
/// and on the history of insertions and removals. Files can be equal to theirs only if the same
/// history gives the same order: the slots are probed, grown and shrunk as GLib 2.58 and later do.
#[derive(Clone, Debug)]
pub(crate) struct GlibTable<V> {
    slots: Vec<Slot<V>>,
    prime: u32,
    len: usize,
    /// Slots that are not free, removed ones included.
    occupied: usize,
}

impl<V> GlibTable<V> {
    pub(crate) fn new() -> Self {
        let (size, prime) = dimensions(MIN_SHIFT);
        Self { slots: free_slots(size), prime, len: 0, occupied: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        match &self.slots[self.find(key, string_hash(key))] {
            Slot::Taken(node) => Some(&node.value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let at = self.find(key, string_hash(key));
        match &mut self.slots[at] {
            Slot::Taken(node) => Some(&mut node.value),
            _ => None,
        }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets a key's value.
    pub(crate) fn insert(&mut self, key: &str, value: V) {
        let hash = string_hash(key);
        let at = self.find(key, hash);
        let was_free = match &mut self.slots[at] {
            Slot::Taken(node) => {
                node.value = value;
                return;
            }
            slot => matches!(slot, Slot::Free),
        };
        self.slots[at] = Slot::Taken(Node { hash, key: key.to_owned(), value });
        self.len += 1;
        if was_free {
            self.occupied += 1;
            self.resize_if_needed();
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        let at = self.find(key, string_hash(key));
        if matches!(self.slots[at], Slot::Taken(_)) {
            self.slots[at] = Slot::Removed;
            self.len -= 1;
            self.resize_if_needed();
        }
    }

    /// Visits the entries in GLib's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Taken(node) => Some((node.key.as_str(), &node.value)),
            _ => None,
        })
    }

    /// Takes the table apart in GLib's order.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, V)> {
        self.slots.into_iter().filter_map(|slot| match slot {
            Slot::Taken(node) => Some((node.key, node.value)),
            _ => None,
        })
    }

    /// Returns the keys in byte order.
    pub(crate) fn sorted_keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys
    }

    /// Returns the slot of a key or, if it has none, the one that it would get.
    fn find(&self, key: &str, hash: u32) -> usize {
        let mut removed = None;
        for at in probe(home(hash, self.prime), self.slots.len()) {
            match &self.slots[at] {
                Slot::Free => return removed.unwrap_or(at),
                Slot::Removed => removed = removed.or(Some(at)),
                Slot::Taken(node) if node.hash == hash && node.key == key => return at,
                Slot::Taken(_) => {}
            }
        }
        // Never reached: a table always has free slots, and a probe meets them all.
        removed.unwrap_or(0)
    }

    fn resize_if_needed(&mut self) {
        let size = self.slots.len();
        let sparse = size > self.len * 4 && size > 1 << MIN_SHIFT;
        if sparse || size <= self.occupied + self.occupied / 16 {
            self.resize();
        }
    }

    /// Moves every entry to its place in a table of the size that suits their number.
    ///
    /// GLib does so in place, from the first slot on: an entry whose place is taken by one that was
    /// not moved yet drives that one out, which is then moved next.
    fn resize(&mut self) {
        let wanted = usize::BITS - (self.len * 1333 / 1000).leading_zeros();
        let (size, prime) = dimensions(wanted.max(MIN_SHIFT));
        self.prime = prime;
        let old_size = self.slots.len();
        if size > old_size {
            self.slots.resize_with(size, || Slot::Free);
        }
        let mut settled = vec![false; self.slots.len()];
        for from in 0..old_size {
            if settled[from] {
                continue;
            }
            let mut moving = std::mem::replace(&mut self.slots[from], Slot::Free);
            while let Slot::Taken(node) = moving {
                let mut places = probe(home(node.hash, prime), size);
                let Some(to) = places.find(|&at| !settled[at]) else { break };
                settled[to] = true;
                moving = std::mem::replace(&mut self.slots[to], Slot::Taken(node));
            }
        }
        self.slots.truncate(size);
        self.occupied = self.len;
    }
}

fn free_slots<V>(size: usize) -> Vec<Slot<V>> {
    std::iter::repeat_with(|| Slot::Free).take(size).collect()
}

/// Returns size and prime of the table with 2^`shift` slots.
fn dimensions(shift: u32) -> (usize, u32) {
    let shift = shift.min(31);
    (1 << shift, PRIMES[shift as usize])
}

/// Returns the slot where the search for a hash begins.
fn home(hash: u32, prime: u32) -> usize {
    (hash.wrapping_mul(11) % prime) as usize
}

/// Returns the slots that are looked at from one on, ever further apart; all of them in the end,
/// since the size is a power of two.
fn probe(home: usize, size: usize) -> impl Iterator<Item = usize> {
    (0..size).scan(home & (size - 1), move |at, step| {
        *at = (*at + step) & (size - 1);
        Some(*at)
    })
}

/// Hashes a string as `g_str_hash` does: Bernstein's hash over signed bytes.
pub(crate) fn bernstein(text: &str) -> u32 {
    text.bytes().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add_signed(i32::from(byte.cast_signed()))
    })
}

fn string_hash(text: &str) -> u32 {
    bernstein(text).max(FIRST_REAL_HASH)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn bytes_above_127_are_negative() {
        assert_eq!(bernstein(""), 5381);
        assert_eq!(bernstein("a"), 177_670);
        assert_eq!(bernstein("\u{e9}"), (5381 * 33 - 61) * 33 - 87);
    }

    #[test]
    fn a_table_is_a_map_whatever_its_history() {
        let mut table = GlibTable::new();
        let mut map = BTreeMap::new();
        let mut state = 7_u32;
        for turn in 0..4000_u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let key = format!("key {}", (state >> 16) % 700);
            if turn % 3 == 2 || (turn > 3000 && turn % 3 != 0) {
                table.remove(&key);
                map.remove(&key);
            } else {
                table.insert(&key, turn);
                map.insert(key, turn);
            }
            assert_eq!(table.len(), map.len());
        }
        for (key, value) in &map {
            assert_eq!(table.get(key), Some(value));
        }
        let entries: BTreeMap<String, u32> = table.into_entries().collect();
        assert_eq!(entries, map);
    }

    #[test]
    fn few_entries_lie_at_their_hashes() {
        let mut table = GlibTable::new();
        for key in ["b", "a", "c"] {
            table.insert(key, ());
        }
        // 11 times the hash, modulo 7: 2 for "b", 5 for "a", 6 for "c".
        assert_eq!(table.iter().map(|(key, ())| key).collect::<Vec<_>>(), ["b", "a", "c"]);
    }
}
