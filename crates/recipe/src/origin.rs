use std::fmt;
use std::path::{Component, Path, PathBuf};

use flagstone_artifact::Architecture;

use flagstone_artifact::did_you_mean;

/// The recipes inside the program, by name.
const SHIPPED: [(&str, &str); 6] = [
    ("base", include_str!("../../../recipes/base.toml")),
    ("ci", include_str!("../../../recipes/ci.toml")),
    ("docker", include_str!("../../../recipes/docker.toml")),
    ("edge", include_str!("../../../recipes/edge.toml")),
    ("edge-metal", include_str!("../../../recipes/edge-metal.toml")),
    ("k8s-node", include_str!("../../../recipes/k8s-node.toml")),
];

/// Returns the recipes that are shipped inside the program, as (name, text), by name.
pub fn shipped() -> &'static [(&'static str, &'static str)] {
    &SHIPPED
}

/// Returns where the lock of a recipe lies: beside its file, with the extension `lock`; in the
/// working directory for a shipped recipe. Another architecture than the recipe's own stands before
/// the extension ([`Recipe::retarget`](crate::Recipe::retarget)).
pub fn lock_path(name_or_path: &str, retarget: Option<Architecture>) -> PathBuf {
    let extension = match retarget {
        Some(architecture) => format!("{architecture}.lock"),
        None => "lock".to_owned(),
    };
    if names_a_file(name_or_path) {
        Path::new(name_or_path).with_extension(extension)
    } else {
        PathBuf::from(format!("{name_or_path}.{extension}"))
    }
}

/// Tells whether a reference is a path, not the name of a shipped recipe.
fn names_a_file(reference: &str) -> bool {
    reference.contains('/')
        || Path::new(reference).extension().is_some_and(|extension| extension == "toml")
}

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A recipe inside the program.
    Shipped {
        /// Its name.
        name: &'static str,
        /// What it says.
        text: &'static str,
    },
    /// A file, its path without `.` and without `..` that could be taken back.
    File(PathBuf),
}

impl Origin {
    pub(crate) fn file(path: impl AsRef<Path>) -> Self {
        Self::File(normalize(path.as_ref()))
    }

    /// Finds what a user or the `extends` of `from` names.
    ///
    /// # Errors
    /// What is wrong with the reference, and a hint.
    pub(crate) fn find(reference: &str, from: Option<&Self>) -> Result<Self, (String, String)> {
        if !names_a_file(reference) {
            return find_shipped(reference);
        }
        match from {
            None => Ok(Self::file(reference)),
            Some(from) => from.beside(reference).map(Self::File).ok_or_else(|| {
                let what = "a shipped recipe cannot name files".to_owned();
                (what, "name another shipped recipe".to_owned())
            }),
        }
    }

    /// Resolves a path relative to this file; `None` if this is no file.
    pub(crate) fn beside(&self, path: &str) -> Option<PathBuf> {
        match self {
            Self::Shipped { .. } => None,
            Self::File(own) => {
                Some(normalize(&own.parent().unwrap_or_else(|| Path::new("")).join(path)))
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped { name, .. } => write!(f, "{name} (shipped)"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

fn find_shipped(name: &str) -> Result<Origin, (String, String)> {
    if let Some(&(name, text)) = SHIPPED.iter().find(|(known, _)| *known == name) {
        return Ok(Origin::Shipped { name, text });
    }
    let names = SHIPPED.map(|(name, _)| name);
    let shown: String = name.chars().take(60).collect();
    let hint = did_you_mean(name, names).unwrap_or_else(|| {
        format!("shipped are {}; the name of a file ends in .toml", names.join(", "))
    });
    Err((format!("no shipped recipe is called {shown:?}"), hint))
}

/// Takes `.` and `..` out of a path by its text alone.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(normal.components().next_back(), Some(Component::Normal(_))) =>
            {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_lie_beside_their_recipes() {
        for (recipe, lock) in [
            ("base", "base.lock"),
            ("site/edge.toml", "site/edge.lock"),
            ("./edge.toml", "./edge.lock"),
            ("a.b/c", "a.b/c.lock"),
        ] {
            assert_eq!(lock_path(recipe, None), PathBuf::from(lock), "{recipe}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        let from = Origin::file("sites/./berlin/edge.toml");
        for (path, found) in [
            ("motd", "sites/berlin/motd"),
            ("../common.toml", "sites/common.toml"),
            ("../../../up.toml", "../up.toml"),
            ("/etc/x", "/etc/x"),
        ] {
            assert_eq!(from.beside(path), Some(PathBuf::from(found)), "{path}");
        }
    }

    #[test]
    fn shipped_recipes_are_found_by_name_and_in_order() {
        assert!(SHIPPED.is_sorted());
        assert!(matches!(Origin::find("ci", None), Ok(Origin::Shipped { name: "ci", .. })));
        let (_, hint) = Origin::find("bsae", None).unwrap_err();
        assert_eq!(hint, "did you mean `base`?");
        let ci = Origin::find("ci", None).unwrap();
        assert!(Origin::find("x.toml", Some(&ci)).is_err());
    }
}
