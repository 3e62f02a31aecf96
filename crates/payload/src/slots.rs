use flagstone_signature::{KEYS_MAX, KeyId, Purpose, Signature, Signatures};

use crate::PayloadError;

/// Bytes of the place for one signature.
pub const SLOT_BYTES: usize = 81;
/// The most signatures that a payload has room for.
pub const SLOTS_MAX: usize = KEYS_MAX;

/// Bytes of what the schema calls `data`: a key id and a signature.
const DATA_BYTES: u8 = 72;
/// Field 1 of `Signatures`, 79 bytes; in it field 2 of `Signature`, 72 bytes.
const BEFORE: [u8; 4] = [0x0a, 0x4f, 0x12, DATA_BYTES];
/// Field 3 of `Signature`, four bytes, little-endian: how many bytes of `data` count.
const AFTER: u8 = 0x1d;
/// Where the data ends.
const DATA_END: usize = BEFORE.len() + DATA_BYTES as usize;

/// Writes signatures into so many slots, each an element of the schema's `Signatures` message:
/// 4 bytes `0a 4f 12 48`, the id of the key (8), its signature (64), `1d`, and 72 as four bytes,
/// little-endian. Slots that are not used come last; their id, signature and number are zero.
///
/// Every slot has the same size, so that signatures can be added when others have signed the sizes.
pub(crate) fn encode_slots(signatures: &Signatures, slots: usize) -> Result<Vec<u8>, PayloadError> {
    let used = signatures.iter().count();
    if used > slots {
        return Err(PayloadError::NoSlot { slots });
    }
    let mut bytes = Vec::with_capacity(slots * SLOT_BYTES);
    for (id, signature) in signatures.iter() {
        push(&mut bytes, *id.as_bytes(), signature.as_bytes(), DATA_BYTES);
    }
    (used..slots).for_each(|_| push(&mut bytes, [0; 8], &[0; 64], 0));
    Ok(bytes)
}

/// Returns so many slots that are not used.
pub(crate) fn empty_slots(slots: usize) -> Vec<u8> {
    let none = Signatures::new(Purpose::payload());
    encode_slots(&none, slots).expect("nothing always fits")
}

fn push(bytes: &mut Vec<u8>, id: [u8; 8], signature: &[u8; 64], length: u8) {
    bytes.extend(BEFORE);
    bytes.extend(id);
    bytes.extend(signature);
    bytes.extend([AFTER, length, 0, 0, 0]);
}

/// Reads slots; there is one spelling, and no other is taken.
pub(crate) fn decode_slots(bytes: &[u8], purpose: Purpose) -> Result<Signatures, PayloadError> {
    let (slots, rest) = bytes.as_chunks::<SLOT_BYTES>();
    let mut signatures = Signatures::new(purpose.clone());
    let mut last: Option<KeyId> = None;
    let mut ended = false;
    for (index, slot) in slots.iter().enumerate() {
        let wrong = |rule| PayloadError::Slot { purpose: purpose.clone(), slot: index + 1, rule };
        let (id, signature) = (first::<8>(&slot[4..]), first::<64>(&slot[12..]));
        if slot[..4] != BEFORE || slot[DATA_END] != AFTER || slot[DATA_END + 2..] != [0; 3] {
            return Err(wrong("it is not framed as a signature"));
        }
        match slot[DATA_END + 1] {
            0 if id != [0; 8] || signature != [0; 64] => {
                return Err(wrong("a slot that is not used is zero"));
            }
            0 => ended = true,
            DATA_BYTES if ended => return Err(wrong("slots that are not used come last")),
            DATA_BYTES => {
                let id = KeyId::from_bytes(id);
                if last.is_some_and(|last| last >= id) {
                    return Err(wrong("each key is there once, in the order of the ids"));
                }
                last = Some(id);
                signatures.add(id, Signature::from_bytes(signature)).map_err(|source| {
                    PayloadError::Signature { purpose: purpose.clone(), source }
                })?;
            }
            _ => return Err(wrong("a signature has 72 bytes with its id")),
        }
    }
    if rest.is_empty() {
        Ok(signatures)
    } else {
        let slot = slots.len() + 1;
        Err(PayloadError::Slot { purpose, slot, rule: "it has 81 bytes" })
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    std::array::from_fn(|i| bytes[i])
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct SchemaSignatures {
        #[prost(message, repeated, tag = "1")]
        signatures: Vec<SchemaSignature>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct SchemaSignature {
        #[prost(bytes = "vec", optional, tag = "2")]
        data: Option<Vec<u8>>,
        #[prost(fixed32, optional, tag = "3")]
        unpadded_signature_size: Option<u32>,
    }

    fn signatures() -> Signatures {
        let mut signatures = Signatures::new(Purpose::payload());
        for n in [7, 3] {
            signatures.add(KeyId::from_bytes([n; 8]), Signature::from_bytes([n; 64])).unwrap();
        }
        signatures
    }

    #[test]
    fn slots_are_a_message_of_the_schema() {
        let bytes = encode_slots(&signatures(), 3).unwrap();
        assert_eq!(bytes.len(), 3 * SLOT_BYTES);
        let message = SchemaSignatures::decode(bytes.as_slice()).unwrap();
        let sizes: Vec<u32> =
            message.signatures.iter().map(|s| s.unpadded_signature_size.unwrap()).collect();
        assert_eq!(sizes, [72, 72, 0]);
        assert_eq!(message.signatures[0].data(), [3; 72]);
        assert_eq!(message.encode_to_vec(), bytes);
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let bytes = encode_slots(&signatures(), 4).unwrap();
        assert_eq!(decode_slots(&bytes, Purpose::payload()).unwrap(), signatures());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                // A change is refused, or it is another signature.
                if let Ok(other) = decode_slots(&changed, Purpose::payload()) {
                    assert_ne!(other, signatures(), "byte {at}");
                    assert_eq!(encode_slots(&other, 4).unwrap(), changed);
                }
            }
        }
        assert!(decode_slots(&bytes[1..], Purpose::payload()).is_err());
        assert!(matches!(encode_slots(&signatures(), 1), Err(PayloadError::NoSlot { slots: 1 })));
    }

    #[test]
    fn order_gaps_and_twins_are_refused() {
        let bytes = encode_slots(&signatures(), 3).unwrap();
        let (slots, _) = bytes.as_chunks::<SLOT_BYTES>();
        for order in [[1, 0, 2], [0, 0, 1], [0, 2, 1], [2, 0, 1]] {
            let changed = order.map(|index| slots[index]).concat();
            assert!(decode_slots(&changed, Purpose::payload()).is_err(), "{order:?}");
        }
    }
}
