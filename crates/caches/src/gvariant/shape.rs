use super::Kind;

/// What is known of a value's type from its text alone.
///
/// `[]` may be an array of anything, `1` any number; values side by side in an array agree on what
/// all of them can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Any,
    Number,
    Text,
    /// A type that holds no others.
    Plain(Kind),
    Maybe(Box<Self>),
    Array(Box<Self>),
    Tuple(Vec<Self>),
    Entry(Box<Self>, Box<Self>),
    /// A value that may stand for itself or be wrapped in any number of maybes.
    Loose(Box<Self>),
}

impl Shape {
    pub(super) fn loose(self) -> Self {
        Self::Loose(Box::new(self))
    }

    /// Returns the shape of all that both allow.
    pub(super) fn unify(self, other: Self) -> Option<Self> {
        let pair = |a: Box<Self>, b: Box<Self>| Some(Box::new((*a).unify(*b)?));
        Some(match (self, other) {
            (Self::Any, shape) | (shape, Self::Any) => shape,
            (Self::Loose(a), Self::Loose(b)) => Self::Loose(pair(a, b)?),
            (Self::Loose(a), Self::Maybe(b)) | (Self::Maybe(b), Self::Loose(a)) => {
                Self::Maybe(Box::new(Self::Loose(a).unify(*b)?))
            }
            (Self::Loose(a), b) | (b, Self::Loose(a)) => a.unify(b)?,
            (Self::Maybe(a), Self::Maybe(b)) => Self::Maybe(pair(a, b)?),
            (Self::Array(a), Self::Array(b)) => Self::Array(pair(a, b)?),
            (Self::Entry(a, b), Self::Entry(c, d)) => Self::Entry(pair(a, c)?, pair(b, d)?),
            (Self::Tuple(a), Self::Tuple(b)) if a.len() == b.len() => {
                let members = a.into_iter().zip(b).map(|(a, b)| a.unify(b));
                Self::Tuple(members.collect::<Option<_>>()?)
            }
            (Self::Number, Self::Number) => Self::Number,
            (Self::Text, Self::Text) => Self::Text,
            (Self::Number, Self::Plain(kind)) | (Self::Plain(kind), Self::Number)
                if kind.is_number() =>
            {
                Self::Plain(kind)
            }
            (Self::Text, Self::Plain(kind)) | (Self::Plain(kind), Self::Text)
                if matches!(kind, Kind::String | Kind::ObjectPath | Kind::Signature) =>
            {
                Self::Plain(kind)
            }
            (Self::Plain(a), Self::Plain(b)) if a == b => Self::Plain(a),
            _ => return None,
        })
    }

    /// Settles what is open: texts are strings, numbers are of 32 bits, nothing is a maybe that
    /// need not be. `None` for a shape that could be anything.
    pub(super) fn settle(&self) -> Option<Kind> {
        let settled = |shape: &Self| shape.settle().map(Box::new);
        Some(match self {
            Self::Any => return None,
            Self::Number => Kind::Int32,
            Self::Text => Kind::String,
            Self::Plain(kind) => kind.clone(),
            Self::Maybe(element) => Kind::Maybe(settled(element)?),
            Self::Array(element) => Kind::Array(settled(element)?),
            Self::Tuple(members) => {
                Kind::Tuple(members.iter().map(Self::settle).collect::<Option<_>>()?)
            }
            Self::Entry(key, value) => Kind::Entry(settled(key)?, settled(value)?),
            Self::Loose(inner) => inner.settle()?,
        })
    }

    /// Returns the shape of a declared type.
    pub(super) fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Maybe(element) => Self::Maybe(Box::new(Self::of(element))),
            Kind::Array(element) => Self::Array(Box::new(Self::of(element))),
            Kind::Tuple(members) => Self::Tuple(members.iter().map(Self::of).collect()),
            Kind::Entry(key, value) => {
                Self::Entry(Box::new(Self::of(key)), Box::new(Self::of(value)))
            }
            plain => Self::Plain(plain.clone()),
        }
    }
}
