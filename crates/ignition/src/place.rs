use std::ops::Range;

use flagstone_artifact::quote;

use crate::report::{Collector, Problem};

/// The longest path that Linux takes (`PATH_MAX`, with its NUL).
pub(crate) const PATH_MAX: usize = 4096;

/// Checks what has to be an absolute path in its simplest form; tells whether it is.
pub(crate) fn check_path(path: &str, span: &Range<usize>, out: &mut Collector<'_>) -> bool {
    let problem = if path.is_empty() {
        Problem::refused(span, "there is no path")
    } else if !path.starts_with('/') {
        Problem::refused(span, "the path is not absolute").found(quote(path))
    } else if !is_clean(path) {
        let simple = quote(&cleaned(path));
        Problem::refused(span, "the path is not in its simplest form")
            .expected(simple)
            .found(quote(path))
    } else if path.len() >= PATH_MAX {
        Problem::fails(span, format!("the path has {} bytes, Linux takes 4095", path.len()))
    } else if path.contains('\0') {
        Problem::fails(span, "the path has a NUL in it")
    } else {
        return true;
    };
    out.add(problem);
    false
}

fn is_clean(path: &str) -> bool {
    path == "/" || path[1..].split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Returns an absolute path without `.`, `..` and what is empty.
pub(crate) fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns what lies above a clean path, the nearest first, without the root.
pub(crate) fn above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at]).filter(|above| !above.is_empty())
}

/// Tells whether a path is another one, or below it.
pub(crate) fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        assert_eq!(cleaned("//a/./b/../../../c/"), "/c");
        assert_eq!(above("/a/b/c").collect::<Vec<_>>(), ["/a/b", "/a"]);
        assert!(is_within("/usr", "/usr") && is_within("/usr/a", "/usr"));
        assert!(!is_within("/usrx", "/usr"));
        for (path, clean) in [
            ("/", true),
            ("/a", true),
            ("/a/", false),
            ("//", false),
            ("/a/..b", true),
            ("/a/..", false),
        ] {
            assert_eq!(is_clean(path), clean, "{path}");
        }
    }
}
