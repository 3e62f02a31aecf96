use std::collections::BTreeMap;

use super::packet::DhcpParseError;

/// Filler, without a length.
const PAD: u8 = 0;
/// The last one, without a length.
const END: u8 = 255;

/// Options inside other fields (RFC 2132, section 9.3).
pub(crate) const OVERLOAD: u8 = 52;
/// What kind of message it is (RFC 2132, section 9.6).
pub(crate) const MESSAGE_TYPE: u8 = 53;
/// The server's address (RFC 2132, section 9.7).
pub(crate) const SERVER: u8 = 54;
/// What kind of client it is (RFC 2132, section 9.13).
pub(crate) const CLASS: u8 = 60;
/// Options of that kind of client (RFC 2132, section 8.4).
pub(crate) const VENDOR: u8 = 43;
/// The name of the server with the boot file (RFC 2132, section 9.4).
pub(crate) const BOOT_SERVER: u8 = 66;
/// The name of the boot file (RFC 2132, section 9.5).
pub(crate) const BOOT_FILE: u8 = 67;
/// The class of its user (RFC 3004); iPXE says who it is here.
pub(crate) const USER_CLASS: u8 = 77;
/// The architecture of its firmware (RFC 4578, section 2.1).
pub(crate) const ARCHITECTURE: u8 = 93;
/// The UUID of the machine (RFC 4578, section 2.3).
pub(crate) const MACHINE: u8 = 97;
/// What iPXE can do; nobody else sends it.
pub(crate) const IPXE: u8 = 175;

/// Reads options up to the last one, or the end of the field.
pub(crate) fn read(
    mut bytes: &[u8],
    options: &mut BTreeMap<u8, Vec<u8>>,
) -> Result<(), DhcpParseError> {
    while let Some((number, rest)) = bytes.split_first() {
        match *number {
            PAD => bytes = rest,
            END => break,
            number => {
                let (len, rest) = rest.split_first().ok_or(DhcpParseError)?;
                let (value, rest) = rest.split_at_checked((*len).into()).ok_or(DhcpParseError)?;
                options.entry(number).or_default().extend_from_slice(value);
                bytes = rest;
            }
        }
    }
    Ok(())
}

/// Writes options and their end; the kind of the message comes first, where old firmware looks.
pub(crate) fn write(options: &BTreeMap<u8, Vec<u8>>, out: &mut Vec<u8>) {
    let first = options.get_key_value(&MESSAGE_TYPE).into_iter();
    let others = options.iter().filter(|(number, _)| **number != MESSAGE_TYPE);
    for (number, value) in first.chain(others) {
        if value.is_empty() {
            out.extend_from_slice(&[*number, 0]);
        }
        for part in value.chunks(255) {
            out.extend_from_slice(&[*number, u8::try_from(part.len()).unwrap_or(u8::MAX)]);
            out.extend_from_slice(part);
        }
    }
    out.push(END);
}
