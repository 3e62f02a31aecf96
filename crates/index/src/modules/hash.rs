//! The hash that orders depmod's tables (Paul Hsieh's `SuperFastHash`).
//!
//! It shows in the files: `modules.symbols` lists symbols bucket by bucket.

/// Returns the bucket of a key in a table of `buckets`, which must be a power of two.
pub(super) fn bucket(key: &str, buckets: u32) -> usize {
    (superfast(key.as_bytes()) & (buckets - 1)) as usize
}

fn superfast(key: &[u8]) -> u32 {
    let half = |at: usize| u32::from(u16::from_le_bytes([key[at], key[at + 1]]));
    // Single bytes count as signed, as `char` is on x86.
    let byte = |at: usize| i32::from(key[at].cast_signed()).cast_unsigned();
    let mut hash = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let whole = key.len() / 4 * 4;
    for at in (0..whole).step_by(4) {
        hash = hash.wrapping_add(half(at));
        let mixed = (half(at + 2) << 11) ^ hash;
        hash = (hash << 16) ^ mixed;
        hash = hash.wrapping_add(hash >> 11);
    }
    match key.len() - whole {
        3 => {
            hash = hash.wrapping_add(half(whole));
            hash ^= hash << 16;
            hash ^= byte(whole + 2) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        2 => {
            hash = hash.wrapping_add(half(whole));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        1 => {
            hash = hash.wrapping_add(byte(whole));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    hash ^= hash << 3;
    hash = hash.wrapping_add(hash >> 5);
    hash ^= hash << 4;
    hash = hash.wrapping_add(hash >> 17);
    hash ^= hash << 25;
    hash.wrapping_add(hash >> 6)
}
