use std::cmp::Ordering;

use super::Kind;

/// A value whose [`Kind`] is known from elsewhere; containers hold values of the right kinds alone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Boolean(bool),
    Byte(u8),
    Int16(i16),
    Uint16(u16),
    /// A handle too.
    Int32(i32),
    Uint32(u32),
    Int64(i64),
    Uint64(u64),
    Double(f64),
    /// A string, an object's path or a signature.
    Text(String),
    Variant(Box<(Kind, Self)>),
    Maybe(Option<Box<Self>>),
    Array(Vec<Self>),
    /// A tuple or an entry of a dictionary.
    Tuple(Vec<Self>),
}

impl Value {
    /// Returns the bytes, little-endian (GVariant specification, "Serialisation format").
    pub(crate) fn to_bytes(&self, kind: &Kind) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(kind, &mut out);
        out
    }

    /// Appends the bytes to a container whose start is aligned at least as this value has to be.
    fn write(&self, kind: &Kind, out: &mut Vec<u8>) {
        match (self, kind) {
            (Self::Boolean(value), _) => out.push(u8::from(*value)),
            (Self::Byte(value), _) => out.push(*value),
            (Self::Int16(value), _) => out.extend(value.to_le_bytes()),
            (Self::Uint16(value), _) => out.extend(value.to_le_bytes()),
            (Self::Int32(value), _) => out.extend(value.to_le_bytes()),
            (Self::Uint32(value), _) => out.extend(value.to_le_bytes()),
            (Self::Int64(value), _) => out.extend(value.to_le_bytes()),
            (Self::Uint64(value), _) => out.extend(value.to_le_bytes()),
            (Self::Double(value), _) => out.extend(value.to_le_bytes()),
            (Self::Text(text), _) => {
                out.extend(text.as_bytes());
                out.push(0);
            }
            (Self::Variant(inner), _) => {
                let (kind, value) = &**inner;
                out.extend(value.to_bytes(kind));
                out.push(0);
                out.extend(kind.to_string().as_bytes());
            }
            (Self::Maybe(None), _) => {}
            (Self::Maybe(Some(value)), Kind::Maybe(element)) => {
                out.extend(value.to_bytes(element));
                if element.fixed_size().is_none() {
                    out.push(0);
                }
            }
            (Self::Array(values), Kind::Array(element)) => {
                out.extend(array(values, element));
            }
            (Self::Tuple(values), Kind::Tuple(kinds)) => {
                out.extend(tuple(values, &kinds.iter().collect::<Vec<_>>(), kind));
            }
            (Self::Tuple(values), Kind::Entry(key, value)) => {
                out.extend(tuple(values, &[key, value], kind));
            }
            (Self::Maybe(_) | Self::Array(_) | Self::Tuple(_), _) => {
                debug_assert!(false, "{self:?} is no {kind}");
            }
        }
    }

    /// Compares two numbers of one kind.
    pub(crate) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Byte(a), Self::Byte(b)) => Some(a.cmp(b)),
            (Self::Int16(a), Self::Int16(b)) => Some(a.cmp(b)),
            (Self::Uint16(a), Self::Uint16(b)) => Some(a.cmp(b)),
            (Self::Int32(a), Self::Int32(b)) => Some(a.cmp(b)),
            (Self::Uint32(a), Self::Uint32(b)) => Some(a.cmp(b)),
            (Self::Int64(a), Self::Int64(b)) => Some(a.cmp(b)),
            (Self::Uint64(a), Self::Uint64(b)) => Some(a.cmp(b)),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}

fn align(out: &mut Vec<u8>, kind: &Kind) {
    out.resize(out.len().next_multiple_of(kind.alignment()), 0);
}

fn array(values: &[Value], element: &Kind) -> Vec<u8> {
    let mut out = Vec::new();
    let mut ends = Vec::new();
    for value in values {
        align(&mut out, element);
        out.extend(value.to_bytes(element));
        ends.push(out.len());
    }
    if element.fixed_size().is_none() {
        append_ends(&mut out, &ends);
    }
    out
}

/// Writes the members one after the other, then, last first, where each of those ends whose end
/// nothing else tells.
fn tuple(values: &[Value], kinds: &[&Kind], whole: &Kind) -> Vec<u8> {
    if kinds.is_empty() {
        return vec![0];
    }
    let mut out = Vec::new();
    let mut ends = Vec::new();
    for (index, (value, kind)) in values.iter().zip(kinds).enumerate() {
        align(&mut out, kind);
        out.extend(value.to_bytes(kind));
        if kind.fixed_size().is_none() && index + 1 < kinds.len() {
            ends.push(out.len());
        }
    }
    if whole.fixed_size().is_some() {
        align(&mut out, whole);
    }
    ends.reverse();
    append_ends(&mut out, &ends);
    out
}

/// Appends offsets in the smallest size that can tell the container's whole length.
fn append_ends(out: &mut Vec<u8>, ends: &[usize]) {
    let fits = |bytes: usize| (out.len() + bytes * ends.len()) >> (8 * bytes) == 0;
    let bytes = [1, 2, 4].into_iter().find(|&bytes| fits(bytes)).unwrap_or(8);
    for end in ends {
        out.extend(&end.to_le_bytes()[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn bytes(kind: &str, text: &str) -> Vec<u8> {
        let kind = Kind::parse(kind).unwrap();
        parse(&kind, text).unwrap().to_bytes(&kind)
    }

    /// The examples of the specification ("Serialisation examples").
    #[test]
    fn the_specifications_examples_have_their_bytes() {
        assert_eq!(bytes("s", "'hello world'"), b"hello world\0");
        assert_eq!(bytes("ms", "just 'hello world'"), b"hello world\0\0");
        assert_eq!(bytes("ab", "[true, false, false, true, true]"), [1, 0, 0, 1, 1]);
        assert_eq!(bytes("(si)", "('foo', -1)"), b"foo\0\xff\xff\xff\xff\x04");
        assert_eq!(
            bytes("a(si)", "[('hi', -2), ('bye', -1)]"),
            b"hi\0\0\xfe\xff\xff\xff\x03\0\0\0bye\0\xff\xff\xff\xff\x04\x09\x15"
        );
        assert_eq!(
            bytes("as", "['i', 'can', 'has', 'strings?']"),
            b"i\0can\0has\0strings?\0\x02\x06\x0a\x13"
        );
        assert_eq!(
            bytes("((ys)as)", "((byte 0x69, 'can'), ['has', 'strings?'])"),
            b"ican\0has\0strings?\0\x04\x0d\x05"
        );
        assert_eq!(bytes("{si}", "{'a key', 514}"), b"a key\0\0\0\x02\x02\0\0\x06");
        assert_eq!(bytes("(yy)", "(0x70, 0x80)"), [0x70, 0x80]);
        assert_eq!(bytes("(iy)", "(96, 0x70)"), [0x60, 0, 0, 0, 0x70, 0, 0, 0]);
        assert_eq!(bytes("ay", "[4, 5, 6, 7]"), [4, 5, 6, 7]);
        assert_eq!(bytes("ai", "[4, 258]"), [4, 0, 0, 0, 2, 1, 0, 0]);
        assert_eq!(bytes("v", "<'x'>"), b"x\0\0s");
        assert_eq!(bytes("()", "()"), [0]);
        assert_eq!(bytes("mmi", "just 5"), [5, 0, 0, 0, 0]);
    }
}
