use crate::decode::Word;
use crate::word::word;

word! {
    /// A path in the image in which `*` stands for any characters of one name and `?` for one.
    ///
    /// It means what it matches and everything below. The grammar is a part of the one that `rootfs`
/// matches by; matching is no concern of this crate.
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
    fn patterns_that_would_take_everything_are_refused() {
        for bad in ["", "/", "/usr", "/*", "/*/x", "usr/share", "/usr/**", "/usr/../x", "/usr//x"] {
            assert!(bad.parse::<PathPattern>().is_err(), "{bad}");
        }
        for good in ["/usr/share", "/usr/share/doc/*/copyright", "/etc/sv", "/usr/lib/?.a"] {
            assert!(good.parse::<PathPattern>().is_ok(), "{good}");
        }
    }

    #[test]
    fn hints_name_what_was_meant() {
        assert_eq!(PathPattern::hint("usr/share/x").unwrap(), "did you mean `/usr/share/x`?");
        assert!(PathPattern::hint("/usr/**/x").is_some());
        assert_eq!(PathPattern::hint("/usr"), None);
    }
}
