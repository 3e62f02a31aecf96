use twox_hash::xxhash3_128::Hasher;

/// XXH3 with 128 bits, little-endian.
pub(crate) type Checksum = [u8; 16];

/// Returns the checksum of bytes at hand.
pub(crate) fn of(data: &[u8]) -> Checksum {
    Hasher::oneshot(data).to_le_bytes()
}

/// A checksum of bytes that come piece by piece.
pub(crate) struct Running(Hasher);

impl Running {
    pub(crate) fn new() -> Self {
        Self(Hasher::new())
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        self.0.write(data);
    }

    pub(crate) fn finish(&self) -> Checksum {
        self.0.finish_128().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answers_come_out_at_once_and_in_pieces() {
        // From `xxh128sum` of xxHash 0.8.
        assert_eq!(of(b""), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f_u128.to_le_bytes());
        let data: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let mut running = Running::new();
        data.chunks(77).for_each(|piece| running.update(piece));
        assert_eq!(running.finish(), of(&data));
    }
}
