use flagstone_artifact::{did_you_mean, quote};

use crate::findings::{Findings, Problem};
use crate::yaml::{Node, Value};

/// Which Butane a configuration is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) variant: Variant,
    pub(crate) version: &'static str,
    /// The minor number of the version of Ignition's specification that it stands for.
    pub(crate) minor: u8,
}

/// Whose machines a configuration was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Fcos,
    Flatcar,
}

/// The minor number of the newest version of the specification that the images' Ignition knows and
/// that lasts (Debian's 2.14.0).
pub(crate) const NEWEST: u8 = 3;

/// Versions with the minor number of the specification that each stands for.
const FCOS: [(&str, u8); 8] = [
    ("1.0.0", 0),
    ("1.1.0", 1),
    ("1.2.0", 2),
    ("1.3.0", 2),
    ("1.4.0", 3),
    ("1.5.0", 4),
    ("1.6.0", 5),
    ("1.7.0", 6),
];
const FLATCAR: [(&str, u8); 2] = [("1.0.0", 3), ("1.1.0", 4)];

impl Variant {
    const ALL: [Self; 2] = [Self::Fcos, Self::Flatcar];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fcos => "fcos",
            Self::Flatcar => "flatcar",
        }
    }

    const fn versions(self) -> &'static [(&'static str, u8)] {
        match self {
            Self::Fcos => &FCOS,
            Self::Flatcar => &FLATCAR,
        }
    }

    /// Returns the first version that stands for a version of the specification.
    pub(crate) fn version_of(self, minor: u8) -> Option<&'static str> {
        let mut versions = self.versions().iter();
        versions.find(|(_, stands_for)| *stands_for >= minor).map(|(version, _)| *version)
    }
}

impl Release {
    /// Reads `variant` and `version`; what is wrong with them goes into `out`.
    pub(crate) fn read(root: &Node, out: &mut Findings<'_>) -> Option<Self> {
        let (span, text) = stated(root, "variant");
        let Some(variant) = Variant::ALL.into_iter().find(|variant| variant.name() == text) else {
            const KNOWN: &str = "`variant: fcos` or `variant: flatcar`";
            let problem = if text.is_empty() {
                let hint = "Ignition's JSON is told by a name without .bu, .yaml and .yml";
                Problem::new(&span, "the configuration has no `variant`").hint(hint)
            } else {
                let names = Variant::ALL.map(Variant::name);
                Problem::new(&span, "this variant is not read here")
                    .found(quote(text))
                    .maybe_hint(did_you_mean(text, names))
            };
            out.error(problem.expected(KNOWN));
            return None;
        };
        let (span, text) = stated(root, "version");
        let known = variant.versions().iter().find(|(version, _)| *version == text);
        if let Some((version, minor)) = known {
            return Some(Self { variant, version, minor: *minor });
        }
        let versions: Vec<&str> = variant.versions().iter().map(|(version, _)| *version).collect();
        let expected = format!("a version of {}: {}", variant.name(), versions.join(", "));
        let problem = if text.is_empty() {
            Problem::new(&span, "the configuration has no `version`")
        } else if text.ends_with("-experimental") {
            let message = "an experimental version is not read: nothing promises what it means";
            Problem::new(&span, message).found(quote(text))
        } else {
            Problem::new(&span, "this version is not read here").found(quote(text))
        };
        out.error(problem.expected(expected));
        None
    }

    /// Returns the version of the specification that the JSON states.
    pub(crate) fn ignition(self) -> String {
        format!("3.{}.0", self.minor.min(NEWEST))
    }
}

/// Returns what a key of the top states, and its place.
fn stated<'n>(root: &'n Node, key: &str) -> (std::ops::Range<usize>, &'n str) {
    match root.member(key).map(|member| &member.node) {
        Some(Node { span, value: Value::Scalar(scalar) }) if !scalar.is_null() => {
            (span.clone(), &scalar.text)
        }
        Some(node) => (node.span.clone(), ""),
        None => (root.span.start..root.span.start, ""),
    }
}
