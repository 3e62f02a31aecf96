use crate::decode::Word;
use crate::word::word;

word! {
    /// A path in the image in which `*` stands for any characters of one name and `?` for one.
    ///
    /// It covers what it matches and everything below.
    PathPattern, "a path pattern",
    "it is an absolute path below a top directory without empty names, \".\", \"..\" and \"**\"",
    "^(/[^/]+){2,}$",
    |text| text.len() <= 4095 && text.strip_prefix('/').is_some_and(|path| {
        path.split('/').count() >= 2 && path.split('/').all(|name| {
            !matches!(name, "" | "." | "..")
                && !name.contains("**")
                && !name.chars().any(char::is_control)
        }) && !path.starts_with(['*', '?'])
    })
}

impl PathPattern {
    /// Tells whether the pattern covers `path`, given relative to the root as bytes: whether it
    /// matches the path or a directory above it.
    pub fn covers(&self, path: &[u8]) -> bool {
        let mut names = path.split(|&b| b == b'/');
        self.as_str()
            .trim_start_matches('/')
            .split('/')
            .all(|pattern| names.next().is_some_and(|name| matches(pattern.as_bytes(), name)))
    }
}

/// Matches one name. Goes back to the last `*` only, which finds a match whenever there is one and
/// takes at most `pattern.len() * name.len()` steps.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => (p, n) = (p + 1, n + 1),
            Some(&b) if b == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((star_p, star_n)) => {
                    star = Some((star_p, star_n + 1));
                    (p, n) = (star_p + 1, star_n + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

impl Word for PathPattern {
    fn hint(text: &str) -> Option<String> {
        if text.contains("**") {
            return Some("a directory is left out with everything below it".to_owned());
        }
        let absolute = format!("/{text}");
        absolute.parse::<Self>().ok().map(|_| format!("did you mean `{absolute}`?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_lies_below() {
        for (pattern, path, covers) in [
            ("/usr/share/doc", "usr/share/doc", true),
            ("/usr/share/doc", "usr/share/doc/bash/copyright", true),
            ("/usr/share/doc", "usr/share/doc-base", false),
            ("/usr/share/doc", "usr/share", false),
            ("/usr/share/doc", "", false),
            ("/usr/share/locale/*/LC_MESSAGES", "usr/share/locale/de/LC_MESSAGES/x.mo", true),
            ("/usr/share/locale/*/LC_MESSAGES", "usr/share/locale/locale.alias", false),
            ("/usr/lib/*.a", "usr/lib/libc.a", true),
            ("/usr/lib/*.a", "usr/lib/x86/libc.a", false),
            ("/usr/lib/*a*b", "usr/lib/xaxbxab", true),
            ("/usr/lib/*a*b", "usr/lib/xaxbxa", false),
            ("/usr/lib/?", "usr/lib/x", true),
            ("/usr/lib/?", "usr/lib/xy", false),
            ("/usr/lib/x*", "usr/lib/x", true),
        ] {
            let parsed: PathPattern = pattern.parse().unwrap();
            assert_eq!(parsed.covers(path.as_bytes()), covers, "{pattern} {path}");
        }
    }

    #[test]
    fn patterns_that_would_take_everything_are_refused() {
        for bad in ["", "/", "/usr", "/*", "/*/x", "usr/share", "/usr/**", "/usr/../x", "/usr//x"] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn many_stars_do_not_take_long() {
        let pattern: PathPattern = format!("/usr/{}b", "*a".repeat(60)).parse().unwrap();
        let name = format!("usr/{}", "a".repeat(250));
        assert!(!pattern.covers(name.as_bytes()));
    }
}
