use flagstone_artifact::{Sha256Digest, Sha256Hasher};
use uuid::{Builder, Uuid};

/// Separates these identifiers from any other use of the same seed.
const DOMAIN: &[u8] = b"flagstone disk identifier\0";

/// Derives the identifier called `name` from a seed: SHA-256 shaped as a custom UUID (version 8,
/// RFC 9562 section 5.8).
pub(crate) fn derive(seed: &[u8], name: &str) -> Uuid {
    let mut hasher = Sha256Hasher::new();
    hasher.update(DOMAIN);
    hasher.update(&(seed.len() as u64).to_le_bytes());
    hasher.update(seed);
    hasher.update(name.as_bytes());
    Builder::from_custom_bytes(halves(&hasher.finish()).0).into_uuid()
}

/// Splits a root hash into the identifiers of the partition it protects and of its hash tree.
pub fn slot_identifiers(root_hash: &Sha256Digest) -> (Uuid, Uuid) {
    let (first, last) = halves(root_hash);
    (Uuid::from_bytes(first), Uuid::from_bytes(last))
}

fn halves(digest: &Sha256Digest) -> ([u8; 16], [u8; 16]) {
    let (mut first, mut last) = ([0; 16], [0; 16]);
    first.copy_from_slice(&digest.as_bytes()[..16]);
    last.copy_from_slice(&digest.as_bytes()[16..]);
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_hash_reads_as_two_partition_identifiers() {
        let hash = "00112233445566778899aabbccddeeff0123456789abcdef0011223344556677";
        let (usr, verity) = slot_identifiers(&hash.parse().unwrap());
        assert_eq!(usr.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(verity.to_string(), "01234567-89ab-cdef-0011-223344556677");
    }

    #[test]
    fn derived_identifiers_are_stable_distinct_and_well_shaped() {
        let esp = derive(b"seed", "esp");
        assert_eq!(esp, derive(b"seed", "esp"));
        assert_ne!(esp, derive(b"seed", "oem"));
        assert_ne!(derive(b"a", "bc"), derive(b"ab", "c"));
        assert_eq!(esp.get_version_num(), 8);
        assert_eq!(esp.get_variant(), uuid::Variant::RFC4122);
    }
}
