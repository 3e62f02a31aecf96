use crate::decode::Word;
use crate::word::word;

/// The longest path (Linux's `PATH_MAX` without the final NUL) and name.
const PATH_MAX: usize = 4095;
const NAME_MAX: usize = 255;

/// Tells whether a path starts at the root and has only ordinary names.
fn is_normal(path: &str) -> bool {
    path.len() <= PATH_MAX && path.strip_prefix('/').is_some_and(is_normal_relative)
}

fn is_normal_relative(path: &str) -> bool {
    path.split('/').all(|name| {
        !matches!(name, "" | "." | "..")
            && name.len() <= NAME_MAX
            && !name.chars().any(char::is_control)
    })
}

word! {
    /// An absolute path below `/usr` or `/etc`, the two trees that an image has content for.
    ImagePath, "a path in the image",
    "it is an absolute path below /usr or /etc without empty names, \".\" and \"..\"",
    "^/(usr|etc)(/[^/]+)+$",
    |text| is_normal(text) && (text.starts_with("/usr/") || text.starts_with("/etc/"))
}

impl ImagePath {
    /// Returns the path relative to the root: without the leading slash.
    pub fn relative(&self) -> &str {
        self.as_str().trim_start_matches('/')
    }
}

word! {
    /// An absolute path anywhere on the machine.
    AbsolutePath, "an absolute path",
    "it starts with \"/\" and has no empty names, \".\" and \"..\"",
    "^(/[^/]+)+$",
    |text| is_normal(text) && !text.contains(':')
}

word! {
    /// The target of a symbolic link, absolute or relative to the link's directory.
    LinkTarget, "a link target",
    "it has 1 to 4095 bytes and no control characters",
    "^[^\\u0000-\\u001f\\u007f-\\u009f]{1,4095}$",
    |text| (1..=PATH_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

word! {
    /// A path below the root of a package archive: `pool/main/b/bash/bash_5.2.37-2_amd64.deb`.
    PoolPath, "a path in the archive",
    "it is relative, without empty names, \".\" and \"..\", and has A-Z, a-z, 0-9 and \"._+~:%@=-\" only",
    "^[A-Za-z0-9._+~:%@=-]+(/[A-Za-z0-9._+~:%@=-]+)*$",
    |text| text.len() <= PATH_MAX && is_normal_relative(text) && text.bytes().all(|b| {
        b.is_ascii_alphanumeric() || b"/._+~:%@=-".contains(&b)
    })
}

impl Word for ImagePath {
    fn hint(text: &str) -> Option<String> {
        let (top, rest) = text.trim_start_matches('/').split_once('/')?;
        match top {
            "bin" | "sbin" | "lib" | "lib64" => {
                Some(format!("/{top} is a link into /usr: write /usr/{top}/{rest}"))
            }
            "usr" | "etc" => (!text.starts_with('/')).then(|| format!("did you mean `/{text}`?")),
            _ => Some(
                "the rest of the file system belongs to the machine: let a line of tmpfiles.d under \
                 [tmpfiles] make it at boot"
                    .to_owned(),
            ),
        }
    }
}

impl Word for AbsolutePath {}
impl Word for LinkTarget {}
impl Word for PoolPath {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_paths_below_usr_and_etc_are_accepted() {
        for good in ["/usr/bin/x", "/etc/motd", "/etc/a b", "/usr/lib/..x", "/etc/é"] {
            assert!(good.parse::<ImagePath>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "/usr",
            "/etc",
            "/etc/",
            "etc/motd",
            "/etc//x",
            "/etc/./x",
            "/etc/../x",
            "/usr/..",
            "/var/x",
            "/usrlocal/x",
            "//etc/x",
            "/etc/a\nb",
            "/etc/a\0",
        ] {
            assert!(bad.parse::<ImagePath>().is_err(), "{bad:?}");
        }
        assert!(format!("/etc/{}", "x".repeat(256)).parse::<ImagePath>().is_err());
        assert_eq!("/etc/motd".parse::<ImagePath>().unwrap().relative(), "etc/motd");
    }

    #[test]
    fn archive_paths_stay_in_the_archive() {
        assert!("pool/main/g/g++/g++_4%3a14.2.0-1_amd64.deb".parse::<PoolPath>().is_ok());
        for bad in ["", "/pool/x", "pool/../x", "pool//x", "a b", "http://x/y", "a\"b", "x/"] {
            assert!(bad.parse::<PoolPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hints_tell_where_the_file_belongs() {
        assert!(ImagePath::hint("/bin/x").unwrap().ends_with("/usr/bin/x"));
        assert!(ImagePath::hint("/var/lib/x").unwrap().contains("tmpfiles.d"));
        assert!(ImagePath::hint("etc/motd").unwrap().contains("`/etc/motd`"));
        assert_eq!(ImagePath::hint("/etc/../x"), None);
    }
}
