use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::options;

/// The part before the options (RFC 2131, section 2): fixed fields, `sname` and `file`.
const HEAD: usize = 236;
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;
/// The longest name that fits the field `file`, in bytes.
pub(crate) const MAX_FILE: usize = FILE.end - FILE.start - 1;
/// What options begin with (RFC 2131, section 3).
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Some firmware drops what is shorter than a packet of BOOTP (RFC 951: 300 bytes).
const MIN_LEN: usize = 300;

/// One packet of DHCP (RFC 2131). Numbers are big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhcpPacket {
    /// Whether a client sent it.
    pub is_request: bool,
    /// Kind of the hardware address; 1 for Ethernet.
    pub hardware: u8,
    /// How many bytes of `client` are the address, at most 16.
    pub hardware_len: u8,
    /// Chosen by the client, to tell its answers by.
    pub transaction: [u8; 4],
    /// The first bit asks for an answer by broadcast.
    pub flags: u16,
    /// The address that the client has.
    pub client_address: Ipv4Addr,
    /// The server that has the boot file.
    pub next_server: Ipv4Addr,
    /// The relay between both.
    pub relay: Ipv4Addr,
    /// The hardware address.
    pub client: [u8; 16],
    /// The name of the boot file, at most 127 bytes.
    pub file: Vec<u8>,
    /// Options by number; those that came in several parts are joined (RFC 3396).
    pub options: BTreeMap<u8, Vec<u8>>,
}

/// Bytes are not a packet of DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of DHCP")]
pub struct DhcpParseError;

impl DhcpPacket {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// Fails if it is cut off, if an option runs over the end of its field, or if it is not one of
    /// DHCP at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, DhcpParseError> {
        let (head, rest) = bytes.split_at_checked(HEAD).ok_or(DhcpParseError)?;
        let rest = rest.strip_prefix(&COOKIE).ok_or(DhcpParseError)?;
        let mut options = BTreeMap::new();
        options::read(rest, &mut options)?;
        let overload = options.get(&options::OVERLOAD).and_then(|value| value.first()).copied();
        let overload = overload.unwrap_or(0);
        if overload & 1 != 0 {
            options::read(&head[FILE], &mut options)?;
        }
        if overload & 2 != 0 {
            options::read(&head[SNAME], &mut options)?;
        }
        let address = |at: usize| Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]);
        let file = if overload & 1 == 0 { &head[FILE] } else { &[] };
        let file = file.split(|byte| *byte == 0).next().unwrap_or_default();
        let mut client = [0; 16];
        client.copy_from_slice(&head[28..44]);
        match head[0] {
            1 | 2 if head[2] <= 16 => Ok(Self {
                is_request: head[0] == 1,
                hardware: head[1],
                hardware_len: head[2],
                transaction: [head[4], head[5], head[6], head[7]],
                flags: u16::from_be_bytes([head[10], head[11]]),
                client_address: address(12),
                next_server: address(20),
                relay: address(24),
                client,
                file: file.to_vec(),
                options,
            }),
            _ => Err(DhcpParseError),
        }
    }

    /// Writes the packet; an option longer than 255 bytes in parts, a file's name cut to what fits.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0; HEAD];
        out[0] = if self.is_request { 1 } else { 2 };
        out[1] = self.hardware;
        out[2] = self.hardware_len;
        out[4..8].copy_from_slice(&self.transaction);
        out[10..12].copy_from_slice(&self.flags.to_be_bytes());
        out[12..16].copy_from_slice(&self.client_address.octets());
        out[20..24].copy_from_slice(&self.next_server.octets());
        out[24..28].copy_from_slice(&self.relay.octets());
        out[28..44].copy_from_slice(&self.client);
        let file = &self.file[..self.file.len().min(FILE.len() - 1)];
        out[FILE.start..FILE.start + file.len()].copy_from_slice(file);
        out.extend_from_slice(&COOKIE);
        options::write(&self.options, &mut out);
        out.resize(out.len().max(MIN_LEN), 0);
        out
    }

    /// Returns the text of an option, if it is one.
    pub(crate) fn text(&self, option: u8) -> Option<&str> {
        let text = std::str::from_utf8(self.options.get(&option)?).ok()?;
        Some(text.trim_end_matches('\0'))
    }

    /// Returns the hardware address with colons.
    pub(crate) fn client_text(&self) -> String {
        let bytes = &self.client[..usize::from(self.hardware_len.min(16))];
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
    }
}

#[cfg(test)]
pub(crate) fn example() -> DhcpPacket {
    let options = [
        (options::MESSAGE_TYPE, vec![1]),
        (options::CLASS, b"PXEClient:Arch:00007:UNDI:003016".to_vec()),
        (options::ARCHITECTURE, vec![0, 7]),
        (options::MACHINE, [vec![0], vec![7; 16]].concat()),
    ];
    DhcpPacket {
        is_request: true,
        hardware: 1,
        hardware_len: 6,
        transaction: [1, 2, 3, 4],
        flags: 0x8000,
        client_address: Ipv4Addr::UNSPECIFIED,
        next_server: Ipv4Addr::UNSPECIFIED,
        relay: Ipv4Addr::UNSPECIFIED,
        client: [0x52, 0x54, 0, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        file: Vec::new(),
        options: BTreeMap::from(options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_survives_writing_and_reading() {
        let mut packet = example();
        packet.options.insert(224, vec![9; 600]);
        packet.file = b"undionly.kpxe".to_vec();
        assert_eq!(DhcpPacket::parse(&packet.to_bytes()), Ok(packet));
        let bytes = example().to_bytes();
        assert_eq!(bytes[..8], [1, 1, 6, 0, 1, 2, 3, 4]);
        assert_eq!(bytes[236..243], [99, 130, 83, 99, 53, 1, 1]);
        assert!(bytes.len() >= MIN_LEN);
    }

    #[test]
    fn options_go_on_in_the_fields_that_are_lent_to_them() {
        let mut bytes = example().to_bytes();
        bytes.truncate(HEAD + 4);
        bytes.extend_from_slice(&[52, 1, 3, 255]);
        bytes[FILE.start..FILE.start + 5].copy_from_slice(&[77, 2, b'i', b'P', 255]);
        bytes[SNAME.start..SNAME.start + 5].copy_from_slice(&[77, 2, b'X', b'E', 255]);
        let packet = DhcpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.text(77), Some("iPXE"));
        assert!(packet.file.is_empty());
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let sound = example().to_bytes();
        for len in [0, 1, HEAD, HEAD + 3, HEAD + 5, HEAD + 6] {
            assert_eq!(DhcpPacket::parse(&sound[..len]), Err(DhcpParseError), "{len}");
        }
        for (at, value) in [(0, 0), (0, 3), (2, 17), (236, 0), (241, 200)] {
            let mut bytes = sound.clone();
            bytes[at] = value;
            assert_eq!(DhcpPacket::parse(&bytes), Err(DhcpParseError), "{at}");
        }
    }
}
