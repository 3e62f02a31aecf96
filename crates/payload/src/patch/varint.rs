/// Appends a number, seven bits a byte from the lowest, all bytes but the last with the highest bit.
pub(super) fn put(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Takes a number off the front; `None` if it is cut off, longer than it need be, or beyond 2^63.
pub(super) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

/// Appends a number with a sign: twice its amount, less one if it is negative.
pub(super) fn put_signed(value: i64, out: &mut Vec<u8>) {
    let double = value.unsigned_abs().saturating_mul(2);
    put(if value < 0 { double - 1 } else { double }, out);
}

/// Takes a number with a sign off the front.
pub(super) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let value = take(bytes)?;
    let amount = i64::try_from(value.div_ceil(2)).ok()?;
    Some(if value % 2 == 1 { -amount } else { amount })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_taken() {
        for value in [0, 1, 127, 128, 300, 1 << 32, (1 << 63) - 1] {
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            let mut left = bytes.as_slice();
            assert_eq!((take(&mut left), left), (Some(value), &[][..]));
            assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None);
        }
        for value in [0, -1, 1, -64, 64, 1 << 40, -(1 << 40)] {
            let mut bytes = Vec::new();
            put_signed(value, &mut bytes);
            assert_eq!(take_signed(&mut bytes.as_slice()), Some(value));
        }
        let mut bytes = Vec::new();
        put(300, &mut bytes);
        put_signed(-3, &mut bytes);
        assert_eq!(bytes, [0xac, 0x02, 0x05]);
    }

    #[test]
    fn there_is_one_spelling_of_a_number() {
        for bytes in [&[0x80, 0][..], &[0xff; 12], &[0x80], &[]] {
            assert_eq!(take(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
