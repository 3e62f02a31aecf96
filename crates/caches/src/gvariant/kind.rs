use std::fmt;

use super::MAX_DEPTH;

/// A definite type of a value (GVariant specification, "Types").
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Byte,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Uint64,
    Handle,
    Double,
    String,
    ObjectPath,
    Signature,
    Variant,
    Maybe(Box<Self>),
    Array(Box<Self>),
    Tuple(Vec<Self>),
    /// An entry of a dictionary, which is an array of them.
    Entry(Box<Self>, Box<Self>),
}

/// The letters of the types that hold no others.
const LETTERS: [(u8, Kind); 14] = [
    (b'b', Kind::Boolean),
    (b'y', Kind::Byte),
    (b'n', Kind::Int16),
    (b'q', Kind::Uint16),
    (b'i', Kind::Int32),
    (b'u', Kind::Uint32),
    (b'x', Kind::Int64),
    (b't', Kind::Uint64),
    (b'h', Kind::Handle),
    (b'd', Kind::Double),
    (b's', Kind::String),
    (b'o', Kind::ObjectPath),
    (b'g', Kind::Signature),
    (b'v', Kind::Variant),
];

impl Kind {
    /// Parses a type string; `None` for one that is not valid, or not definite.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = Self::parse_one(text.as_bytes(), MAX_DEPTH)?;
        rest.is_empty().then_some(kind)
    }

    /// Parses types until the end; `None` unless all are valid. Such a text is a signature.
    pub(crate) fn parse_all(text: &str) -> Option<Vec<Self>> {
        let mut rest = text.as_bytes();
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (kind, after) = Self::parse_one(rest, MAX_DEPTH)?;
            all.push(kind);
            rest = after;
        }
        Some(all)
    }

    fn parse_one(text: &[u8], depth: usize) -> Option<(Self, &[u8])> {
        let depth = depth.checked_sub(1)?;
        let (&letter, rest) = text.split_first()?;
        let boxed = |(kind, rest)| (Box::new(kind), rest);
        match letter {
            b'm' => Self::parse_one(rest, depth).map(boxed).map(|(k, r)| (Self::Maybe(k), r)),
            b'a' => Self::parse_one(rest, depth).map(boxed).map(|(k, r)| (Self::Array(k), r)),
            b'(' => {
                let mut members = Vec::new();
                let mut rest = rest;
                loop {
                    if let Some(after) = rest.strip_prefix(b")") {
                        return Some((Self::Tuple(members), after));
                    }
                    let (kind, after) = Self::parse_one(rest, depth)?;
                    members.push(kind);
                    rest = after;
                }
            }
            b'{' => {
                let (key, rest) = Self::parse_one(rest, depth)?;
                let (value, rest) = Self::parse_one(rest, depth)?;
                let rest = rest.strip_prefix(b"}").filter(|_| key.is_basic())?;
                Some((Self::Entry(Box::new(key), Box::new(value)), rest))
            }
            letter => {
                let known = LETTERS.iter().find(|(known, _)| *known == letter);
                known.map(|(_, kind)| (kind.clone(), rest))
            }
        }
    }

    /// Tells whether a dictionary's keys can be of this type.
    pub(crate) fn is_basic(&self) -> bool {
        !matches!(
            self,
            Self::Variant | Self::Maybe(_) | Self::Array(_) | Self::Tuple(_) | Self::Entry(..)
        )
    }

    pub(crate) fn is_number(&self) -> bool {
        self.is_basic()
            && !matches!(self, Self::Boolean | Self::String | Self::ObjectPath | Self::Signature)
    }

    /// Returns the boundary on which values of this type start: 1, 2, 4 or 8 bytes.
    pub(crate) fn alignment(&self) -> usize {
        match self {
            Self::Boolean | Self::Byte | Self::String | Self::ObjectPath | Self::Signature => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Handle => 4,
            Self::Int64 | Self::Uint64 | Self::Double | Self::Variant => 8,
            Self::Maybe(element) | Self::Array(element) => element.alignment(),
            Self::Tuple(members) => members.iter().map(Self::alignment).max().unwrap_or(1),
            Self::Entry(key, value) => key.alignment().max(value.alignment()),
        }
    }

    /// Returns the size in bytes if all values of this type have the same.
    pub(crate) fn fixed_size(&self) -> Option<usize> {
        match self {
            Self::Boolean | Self::Byte => Some(1),
            Self::Int16 | Self::Uint16 => Some(2),
            Self::Int32 | Self::Uint32 | Self::Handle => Some(4),
            Self::Int64 | Self::Uint64 | Self::Double => Some(8),
            Self::Tuple(members) if members.is_empty() => Some(1),
            Self::Tuple(members) => self.fixed_sum(&members.iter().collect::<Vec<_>>()),
            Self::Entry(key, value) => self.fixed_sum(&[key, value]),
            _ => None,
        }
    }

    fn fixed_sum(&self, members: &[&Self]) -> Option<usize> {
        let mut end = 0_usize;
        for member in members {
            end = end.next_multiple_of(member.alignment()) + member.fixed_size()?;
        }
        Some(end.next_multiple_of(self.alignment()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maybe(element) => write!(f, "m{element}"),
            Self::Array(element) => write!(f, "a{element}"),
            Self::Tuple(members) => {
                f.write_str("(")?;
                members.iter().try_for_each(|member| member.fmt(f))?;
                f.write_str(")")
            }
            Self::Entry(key, value) => write!(f, "{{{key}{value}}}"),
            plain => {
                let letter = LETTERS.iter().find(|(_, kind)| kind == plain);
                write!(f, "{}", char::from(letter.map_or(b'*', |(letter, _)| *letter)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_they_are_written() {
        for text in ["b", "as", "a{sv}", "(yasmi(dd))", "()", "a(ss)", "ma{oa{s(nqiuxthgv)}}"] {
            assert_eq!(Kind::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "a", "ii", "(", "(s", "{sv", "{vs}", "{s}", "*", "r", "?", "z", "s)"] {
            assert_eq!(Kind::parse(bad), None, "{bad}");
        }
        assert_eq!(Kind::parse(&"a".repeat(100_000)), None);
        assert_eq!(Kind::parse_all("sa{sv}i").unwrap().len(), 3);
    }

    #[test]
    fn sizes_follow_the_alignment_of_the_members() {
        for (text, alignment, size) in [
            ("()", 1, Some(1)),
            ("(yi)", 4, Some(8)),
            ("(iy)", 4, Some(8)),
            ("(yy(tb))", 8, Some(24)),
            ("{yq}", 2, Some(4)),
            ("(ys)", 1, None),
            ("mi", 4, None),
        ] {
            let kind = Kind::parse(text).unwrap();
            assert_eq!((kind.alignment(), kind.fixed_size()), (alignment, size), "{text}");
        }
    }
}
