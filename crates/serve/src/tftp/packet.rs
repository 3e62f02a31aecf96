/// The most options that a request may have; there are six in all.
const MAX_OPTIONS: usize = 16;
/// Longer names are on no disk that this serves.
const MAX_TEXT: usize = 1024;

/// One packet of TFTP (RFC 1350), with options (RFC 2347). Numbers are big-endian, texts end with a
/// zero byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TftpPacket<'p> {
    /// Asks for a file.
    Read {
        /// Its name.
        file: &'p str,
        /// How it is to be sent: `octet` or `netascii`, in any case.
        mode: &'p str,
        /// What else is wished, names in any case.
        options: Vec<(&'p str, &'p str)>,
    },
    /// Asks to write a file.
    Write,
    /// A block of the file.
    Data(u16, &'p [u8]),
    /// All blocks up to this one have arrived.
    Acknowledge(u16),
    /// The transfer is over.
    Error(TftpErrorCode, &'p str),
    /// The options that hold.
    OptionAcknowledge(Vec<(&'static str, u64)>),
}

/// Why a transfer is over (RFC 1350, appendix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TftpErrorCode {
    /// See the text.
    Other,
    /// There is no such file.
    NotFound,
    /// The file is not for the client.
    Refused,
    /// The packet is no request that is known.
    Illegal,
    /// The options are not acceptable (RFC 2347).
    Options,
}

/// Bytes are not a packet of TFTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a packet of TFTP")]
pub struct TftpParseError;

impl<'p> TftpPacket<'p> {
    /// Reads a packet that a client sent.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are no packet, or one that only servers send.
    pub fn parse(bytes: &'p [u8]) -> Result<Self, TftpParseError> {
        let (code, rest) = bytes.split_first_chunk().ok_or(TftpParseError)?;
        let number =
            || rest.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or(TftpParseError);
        match u16::from_be_bytes(*code) {
            1 => request(rest),
            2 => Ok(Self::Write),
            3 => Ok(Self::Data(number()?, &rest[2..])),
            4 => Ok(Self::Acknowledge(number()?)),
            5 => {
                let code = match number()? {
                    1 => TftpErrorCode::NotFound,
                    2 => TftpErrorCode::Refused,
                    4 => TftpErrorCode::Illegal,
                    8 => TftpErrorCode::Options,
                    _ => TftpErrorCode::Other,
                };
                // Some clients forget the zero byte.
                let text = rest[2..].split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(Self::Error(code, std::str::from_utf8(text).unwrap_or_default()))
            }
            _ => Err(TftpParseError),
        }
    }

    /// Writes the packet.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let text = |out: &mut Vec<u8>, text: &str| {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        };
        match self {
            Self::Read { file, mode, options } => {
                out.extend_from_slice(&[0, 1]);
                text(&mut out, file);
                text(&mut out, mode);
                for (name, value) in options {
                    text(&mut out, name);
                    text(&mut out, value);
                }
            }
            Self::Write => out.extend_from_slice(&[0, 2]),
            Self::Data(block, data) => {
                out.reserve_exact(4 + data.len());
                out.extend_from_slice(&[0, 3]);
                out.extend_from_slice(&block.to_be_bytes());
                out.extend_from_slice(data);
            }
            Self::Acknowledge(block) => {
                out.extend_from_slice(&[0, 4]);
                out.extend_from_slice(&block.to_be_bytes());
            }
            Self::Error(code, message) => {
                let number = match code {
                    TftpErrorCode::Other => 0,
                    TftpErrorCode::NotFound => 1,
                    TftpErrorCode::Refused => 2,
                    TftpErrorCode::Illegal => 4,
                    TftpErrorCode::Options => 8,
                };
                out.extend_from_slice(&[0, 5, 0, number]);
                text(&mut out, message);
            }
            Self::OptionAcknowledge(options) => {
                out.extend_from_slice(&[0, 6]);
                for (name, value) in options {
                    text(&mut out, name);
                    text(&mut out, &value.to_string());
                }
            }
        }
        out
    }
}

fn request(bytes: &[u8]) -> Result<TftpPacket<'_>, TftpParseError> {
    let mut rest = bytes;
    let mut text = || {
        let end = rest.iter().position(|byte| *byte == 0).filter(|end| *end <= MAX_TEXT);
        let (text, tail) = rest.split_at(end.ok_or(TftpParseError)?);
        rest = &tail[1..];
        std::str::from_utf8(text).map_err(|_| TftpParseError)
    };
    let (file, mode) = (text()?, text()?);
    let mut options = Vec::new();
    while let (Ok(name), Ok(value)) = (text(), text()) {
        if options.len() == MAX_OPTIONS {
            return Err(TftpParseError);
        }
        options.push((name, value));
    }
    Ok(TftpPacket::Read { file, mode, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_and_written() {
        let bytes = b"\x00\x01a/b\0octet\0blksize\x001432\0tsize\x000\0";
        let packet = TftpPacket::Read {
            file: "a/b",
            mode: "octet",
            options: vec![("blksize", "1432"), ("tsize", "0")],
        };
        assert_eq!(TftpPacket::parse(bytes), Ok(packet.clone()));
        assert_eq!(packet.to_bytes(), bytes);
        for (bytes, packet) in [
            (&b"\0\x02a\0octet\0"[..], TftpPacket::Write),
            (b"\0\x03\x01\x02abc", TftpPacket::Data(258, b"abc")),
            (b"\0\x04\xff\xff", TftpPacket::Acknowledge(0xffff)),
            (b"\0\x05\0\x01gone\0", TftpPacket::Error(TftpErrorCode::NotFound, "gone")),
            (b"\0\x05\0\x08", TftpPacket::Error(TftpErrorCode::Options, "")),
        ] {
            assert_eq!(TftpPacket::parse(bytes), Ok(packet));
        }
        let acknowledge = TftpPacket::OptionAcknowledge(vec![("tsize", 7)]);
        assert_eq!(acknowledge.to_bytes(), b"\0\x06tsize\x007\0");
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let many = [b"\0\x01a\0octet\0".to_vec(), b"a\0b\0".repeat(17)].concat();
        let long = [b"\0\x01".to_vec(), vec![b'a'; 1025], b"\0octet\0".to_vec()].concat();
        for bytes in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"\0\x07",
            b"\x01\0",
            b"\0\x01",
            b"\0\x01a",
            b"\0\x01a\0octet",
            b"\0\x01\xff\0octet\0",
            b"\0\x03\0",
            b"\0\x04",
            b"\0\x05",
            b"\0\x06",
            &many,
            &long,
        ] {
            assert_eq!(TftpPacket::parse(bytes), Err(TftpParseError), "{bytes:?}");
        }
    }
}
