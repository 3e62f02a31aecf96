use crate::{PayloadError, SLOT_BYTES, SLOTS_MAX};

/// Bytes of the header.
pub const HEADER_BYTES: usize = 24;
/// The longest manifest, in bytes: some 80,000 operations.
pub const MANIFEST_MAX: u64 = 8 << 20;

const MAGIC: [u8; 4] = *b"CrAU";
/// The major version that has a metadata signature and named partitions.
const MAJOR_VERSION: u64 = 2;

/// The first 24 bytes of a payload: magic `CrAU`, then, big-endian, the major version (8 bytes), the
/// size of the manifest (8 bytes) and the size of the metadata signatures (4 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the manifest, which follows the header: 1 to [`MANIFEST_MAX`].
    pub manifest_size: u64,
    /// How many signatures follow the manifest, in slots of [`SLOT_BYTES`]: 1 to [`SLOTS_MAX`].
    pub slots: usize,
}

impl Header {
    /// Reads the bytes, and bounds what they ask to be read next.
    ///
    /// # Errors
    /// [`PayloadError::Header`] with the rule that they break.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, PayloadError> {
        let wrong = |rule| PayloadError::Header { rule };
        let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        let signature_size = u32::from_be_bytes(std::array::from_fn(|i| bytes[20 + i]));
        if bytes[..4] != MAGIC {
            return Err(wrong("it does not begin with CrAU"));
        }
        if number(4) != MAJOR_VERSION {
            return Err(wrong("its major version is not 2"));
        }
        let manifest_size = number(12);
        if !(1..=MANIFEST_MAX).contains(&manifest_size) {
            return Err(wrong("its manifest has 1 byte to 8 MiB"));
        }
        let slots = slots_in(signature_size.into())
            .ok_or(wrong("its metadata has 1 to 64 signatures of 81 bytes each"))?;
        Ok(Self { manifest_size, slots })
    }

    /// Returns the bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let signature_size =
            u32::try_from(self.slots.saturating_mul(SLOT_BYTES)).unwrap_or(u32::MAX);
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&MAJOR_VERSION.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.manifest_size.to_be_bytes());
        bytes[20..].copy_from_slice(&signature_size.to_be_bytes());
        bytes
    }
}

/// Returns how many slots so many bytes are, if a payload can have as many.
pub(crate) fn slots_in(bytes: u64) -> Option<usize> {
    let bytes = usize::try_from(bytes).ok()?;
    let slots = bytes / SLOT_BYTES;
    (bytes.is_multiple_of(SLOT_BYTES) && (1..=SLOTS_MAX).contains(&slots)).then_some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { manifest_size: 0x0102, slots: 2 };

    #[test]
    fn the_bytes_are_the_known_ones() {
        let expected = b"CrAU\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x01\x02\0\0\0\xa2";
        assert_eq!(&HEADER.to_bytes(), expected);
        assert_eq!(Header::parse(expected).unwrap(), HEADER);
    }

    #[test]
    fn sizes_that_nobody_needs_are_refused() {
        let refused = |at: usize, bytes: &[u8]| {
            let mut header = HEADER.to_bytes();
            header[at..at + bytes.len()].copy_from_slice(bytes);
            Header::parse(&header).unwrap_err().to_string()
        };
        assert!(refused(0, b"X").contains("CrAU"));
        assert!(refused(4, &1_u64.to_be_bytes()).contains("version"));
        for size in [0, MANIFEST_MAX + 1, u64::MAX] {
            assert!(refused(12, &size.to_be_bytes()).contains("manifest"), "{size}");
        }
        for size in [0, 80, 82, 81 * 65, u32::MAX] {
            assert!(refused(20, &size.to_be_bytes()).contains("signatures"), "{size}");
        }
    }
}
