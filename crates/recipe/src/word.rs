use crate::decode::Word;

/// Declares a text with a grammar: a newtype with its parser, the pattern for the JSON schema and,
/// for editors and tests, nothing else.
macro_rules! word {
    (
        $(#[$meta:meta])*
        $name:ident, $what:literal, $rule:literal, $pattern:literal, $check:expr
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = flagstone_artifact::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> bool = $check;
                check(text).then(|| Self(text.to_owned())).ok_or_else(|| {
                    flagstone_artifact::ParseError {
                        text: text.to_owned(),
                        what: $what,
                        rule: $rule,
                    }
                })
            }
        }

        #[cfg(test)]
        crate::schema::text_schema!($name, $what, $pattern);
    };
}
pub(crate) use word;

/// Tells whether a text has a first byte of one kind, all others of another, and at most `max`.
fn shaped(text: &str, max: usize, first: fn(u8) -> bool, rest: fn(u8) -> bool) -> bool {
    text.len() <= max && text.bytes().next().is_some_and(first) && text.bytes().all(rest)
}

fn lower_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

word! {
    /// The name of a Debian package (Policy 5.6.7).
    PackageName, "a package name",
    "it has 2 to 128 of a-z, 0-9, \"+\", \"-\" and \".\", and starts with a letter or digit",
    "^[a-z0-9][a-z0-9+.-]{1,127}$",
    |text| text.len() >= 2 && shaped(text, 128, lower_or_digit, |b| {
        lower_or_digit(b) || matches!(b, b'+' | b'-' | b'.')
    })
}

word! {
    /// The version of a Debian package (Policy 5.6.12); ordering is not this crate's concern.
    PackageVersion, "a package version",
    "it has 1 to 128 of A-Z, a-z, 0-9, \".\", \"+\", \"-\", \"~\" and \":\", and starts with a digit",
    "^[0-9][A-Za-z0-9.+~:-]{0,127}$",
    |text| shaped(text, 128, |b| b.is_ascii_digit(), |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~' | b':')
    })
}

word! {
    /// The architecture of a Debian package: `amd64`, `arm64`, `all`.
    DebArchitecture, "a package architecture",
    "it has 2 to 32 of a-z, 0-9 and \"-\", and starts with a letter or digit",
    "^[a-z0-9][a-z0-9-]{1,31}$",
    |text| text.len() >= 2
        && shaped(text, 32, lower_or_digit, |b| lower_or_digit(b) || b == b'-')
}

word! {
    /// The name of a suite: `trixie`, `trixie-security`.
    SuiteName, "a suite name",
    "it has 1 to 64 of a-z, 0-9, \"-\" and \".\", and starts with a letter",
    "^[a-z][a-z0-9.-]{0,63}$",
    |text| shaped(text, 64, |b| b.is_ascii_lowercase(), |b| {
        lower_or_digit(b) || matches!(b, b'-' | b'.')
    })
}

word! {
    /// The name of a component of a suite: `main`.
    Component, "a component",
    "it has 1 to 64 of a-z, 0-9 and \"-\", and starts with a letter",
    "^[a-z][a-z0-9-]{0,63}$",
    |text| shaped(text, 64, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
}

word! {
    /// A package version, or how it starts, with a `*` at the end.
    VersionPattern, "a version or the start of one",
    "it starts with a digit, has A-Z, a-z, 0-9, \".\", \"+\", \"-\", \"~\" and \":\", and may end with \"*\"",
    "^[0-9][A-Za-z0-9.+~:-]{0,126}[*]?$",
    |text| shaped(text.strip_suffix('*').unwrap_or(text), 127, |b| b.is_ascii_digit(), |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'~' | b':')
    })
}

word! {
    /// The name that a recipe gives to a repository of somebody else's.
    RepositoryName, "a repository's name",
    "it has 1 to 32 of a-z, 0-9 and \"-\", starts with a letter, and is not \"main\", \"security\" or \"local\"",
    "^[a-z][a-z0-9-]{0,31}$",
    |text| !matches!(text, "main" | "security" | "local")
        && shaped(text, 32, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
}

word! {
    /// The name of a user or group.
    ///
    /// The grammar is the strict one that systemd accepts everywhere (`systemd.io/USER_NAMES`).
    AccountName, "a user or group name",
    "it has 1 to 31 of a-z, 0-9, \"_\" and \"-\", and starts with a letter or \"_\"",
    "^[a-z_][a-z0-9_-]{0,30}$",
    |text| shaped(text, 31, |b| b.is_ascii_lowercase() || b == b'_', |b| {
        lower_or_digit(b) || matches!(b, b'_' | b'-')
    })
}

word! {
    /// The comment field of a user (GECOS).
    Gecos, "a user's description",
    "it has 1 to 200 characters, no control characters, no \":\"",
    "^[^:\\u0000-\\u001f\\u007f-\\u009f]{1,200}$",
    |text| (1..=200).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() || c == ':')
}

word! {
    /// The name of a kernel module, without `.ko`.
    ModuleName, "a module name",
    "it has 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\"",
    "^[A-Za-z0-9_-]{1,64}$",
    |text| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        shaped(text, 64, allowed, allowed)
    }
}

word! {
    /// Parameters of a kernel module, as `modprobe` takes them: `hashsize=65536`.
    ModuleOptions, "a module's options",
    "it is one line of 1 to 512 ASCII characters without backslashes, and starts with no blank",
    "^[!-\\[\\]-~][ -\\[\\]-~]{0,511}$",
    |text| shaped(text, 512, |b| b != b' ', |b| matches!(b, b' '..=b'~') && b != b'\\')
}

word! {
    /// One argument of the kernel's command line.
    ///
    /// Quotes and backslashes are refused because the kernel, systemd and the loaders disagree on
    /// what they mean.
    CmdlineArg, "a kernel argument",
    "it has 1 to 512 visible ASCII characters, no space, quote or backslash",
    "^[!#-&(-\\[\\]-~]{1,512}$",
    |text| shaped(text, 512, |_| true, |b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\'))
}

word! {
    /// The key of a kernel parameter, with dots or slashes: `net.ipv4.ip_forward`.
    SysctlKey, "a sysctl key",
    "it has words of A-Z, a-z, 0-9, \"_\", \"-\" and \"*\", at least two, joined by \".\" or \"/\"",
    "^[A-Za-z0-9_*-]{1,64}([./][A-Za-z0-9_*-]{1,64})+$",
    |text| {
        let word = |word: &str| shaped(word, 64, |_| true, |b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'*')
        });
        text.len() <= 255 && text.contains(['.', '/']) && text.split(['.', '/']).all(word)
    }
}

word! {
    /// The name of a systemd unit, with its suffix.
    UnitName, "a unit name",
    "it has a systemd suffix such as \".service\" after 1 or more of A-Z, a-z, 0-9, \":\", \"-\", \"_\", \".\", \"\\\" and at most one \"@\"",
    "^[A-Za-z0-9:_.\\\\-]+(@[A-Za-z0-9:_.\\\\-]*)?\\.(service|socket|target|mount|automount|timer|path|slice|scope|swap)$",
    is_unit_name
}

word! {
    /// The name of an update channel.
    Channel, "a channel",
    "it has 1 to 32 of a-z, 0-9 and \"-\", and starts with a letter",
    "^[a-z][a-z0-9-]{0,31}$",
    |text| shaped(text, 32, |b| b.is_ascii_lowercase(), |b| lower_or_digit(b) || b == b'-')
}

word! {
    /// Where updates are looked for.
    UpdateUrl, "an update URL",
    "it starts with \"https://\" or \"http://\" and has visible ASCII characters only",
    "^https?://[!#-.0-;=?-\\[\\]_a-z~][!#-;=?-\\[\\]_a-z~]{0,1999}$",
    |text| {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        rest.is_some_and(|rest| shaped(rest, 2000, |b| b != b'/', |b| {
            b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        }))
    }
}

word! {
    /// Why a package is locked, for people: `requested`, `needed by openssh-server`.
    Why, "a reason",
    "it is one line of 1 to 200 characters without quotes and backslashes",
    "^[^\"\\\\\\u0000-\\u001f\\u007f-\\u009f]{1,200}$",
    |text| (1..=200).contains(&text.chars().count())
        && !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\'))
}

word! {
    /// The name of a maintainer script: `preinst`, `postinst`, …
    ScriptName, "a maintainer script",
    "it is \"preinst\", \"postinst\", \"prerm\", \"postrm\", \"config\" or \"triggers\"",
    "^(preinst|postinst|prerm|postrm|config|triggers)$",
    |text| matches!(text, "preinst" | "postinst" | "prerm" | "postrm" | "config" | "triggers")
}

/// The suffixes of units that a recipe can name (systemd.unit(5)); devices and scopes of the
/// kernel's making are not configured by files.
const UNIT_SUFFIXES: [&str; 10] = [
    "service",
    "socket",
    "target",
    "mount",
    "automount",
    "timer",
    "path",
    "slice",
    "scope",
    "swap",
];

/// The longest unit name (systemd's `UNIT_NAME_MAX` without the final NUL).
const UNIT_NAME_MAX: usize = 255;

fn is_unit_name(text: &str) -> bool {
    let Some((stem, suffix)) = text.rsplit_once('.') else {
        return false;
    };
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let allowed =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'-' | b'_' | b'.' | b'\\');
    text.len() <= UNIT_NAME_MAX
        && UNIT_SUFFIXES.contains(&suffix)
        && !prefix.is_empty()
        && prefix.bytes().all(allowed)
        && instance.bytes().all(allowed)
}

impl Word for PackageName {
    fn hint(text: &str) -> Option<String> {
        let (name, _) = text.split_once(['=', ':', '/', ' '])?;
        let name: PackageName = name.parse().ok()?;
        Some(format!("write `{name}` alone: versions and architectures are the lock's concern"))
    }
}

impl Why {
    /// Returns the package that needs the one that this is the reason for, if it says so.
    pub fn needed_by(&self) -> Option<PackageName> {
        self.0.strip_prefix("needed by ")?.split(' ').next()?.parse().ok()
    }
}

impl Word for UnitName {
    fn hint(text: &str) -> Option<String> {
        if text.contains('.') {
            return None;
        }
        let service: UnitName = format!("{text}.service").parse().ok()?;
        Some(format!("did you mean `{service}`?"))
    }
}

impl Word for CmdlineArg {
    fn hint(text: &str) -> Option<String> {
        text.contains(' ').then(|| "give each argument an element of its own".to_owned())
    }
}

impl Word for ModuleName {
    fn hint(text: &str) -> Option<String> {
        let name = text.split_once(".ko")?.0.rsplit('/').next()?;
        name.parse::<Self>().ok().map(|name| format!("did you mean `{name}`?"))
    }
}

impl Word for AccountName {}
impl Word for Channel {}
impl Word for Component {}
impl Word for DebArchitecture {}
impl Word for Gecos {}
impl Word for ModuleOptions {}
impl Word for PackageVersion {}
impl Word for RepositoryName {}
impl Word for ScriptName {}
impl Word for SuiteName {}
impl Word for SysctlKey {}
impl Word for UpdateUrl {}
impl Word for VersionPattern {}
impl Word for Why {}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;
    use schemars::{JsonSchema, SchemaGenerator};

    use super::*;

    fn check<T: Word>(good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(text.parse::<T>().is_ok(), "{text:?} should be accepted");
        }
        for text in bad {
            assert!(text.parse::<T>().is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn words_keep_their_grammar() {
        check::<PackageName>(
            &["libc6", "g++", "7zip", "libstdc++6"],
            &["", "a", "Bash", "-x", "a b", "a_b"],
        );
        check::<PackageVersion>(&["1", "1:2.3~rc1-4+b1"], &["", "a1", "1 2", "1\"", "1_2"]);
        check::<SuiteName>(&["trixie", "trixie-security"], &["", "Trixie", "a/b", "../x"]);
        check::<AccountName>(
            &["core", "_ssh", "systemd-network"],
            &["", "0a", "Core", "a:b", "a b", "a.b"],
        );
        check::<Gecos>(&["Core User", "é,room 1"], &["", "a:b", "a\nb"]);
        check::<ModuleName>(&["virtio_blk", "8021q"], &["", "a.ko", "a/b"]);
        check::<CmdlineArg>(
            &["quiet", "console=ttyS0,115200", "a=#"],
            &["", "a b", "a=\"b\"", "a'", "a\\", "a\nb", "é"],
        );
        check::<SysctlKey>(
            &["kernel.panic", "net.ipv4.conf.*.rp_filter", "net/ipv4/conf/eth0.1/x"],
            &["", "kernel", "kernel.", ".panic", "a..b", "a.b c", "a.b=c", "../x"],
        );
        check::<UnitName>(
            &[
                "ssh.service",
                "getty@tty1.service",
                "getty@.service",
                "dev-disk-by\\x2duuid.mount",
                "a.b.timer",
            ],
            &[
                "",
                "ssh",
                ".service",
                "@a.service",
                "a@b@c.service",
                "a b.service",
                "a/b.service",
                "a.conf",
                "a.device",
            ],
        );
        check::<UpdateUrl>(
            &["https://updates.example/v1", "http://[::1]:80/"],
            &["", "https://", "ftp://x", "https:///x", "https://a b", "https://é", "HTTPS://x"],
        );
        check::<Why>(&["requested", "needed by a | b (>= 1)"], &["", "a\nb", "\"", "\\"]);
        check::<ScriptName>(&["postinst"], &["", "postinst2"]);
        check::<VersionPattern>(&["1", "6.12.*", "1:2*"], &["", "*", "a*", "1*2", "1 "]);
        check::<RepositoryName>(&["docker", "own-2"], &["", "main", "local", "Own", "2own"]);
    }

    /// Checks that the parser accepts what the JSON schema does.
    fn check_pattern<T: Word + JsonSchema>() {
        let name = T::schema_name();
        let schema = T::json_schema(&mut SchemaGenerator::default());
        let pattern = schema.get("pattern").and_then(serde_json::Value::as_str).unwrap();
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        let texts = string_regex(inner).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut runner = TestRunner::deterministic();
        for _ in 0..200 {
            let text = texts.new_tree(&mut runner).unwrap().current();
            assert!(text.parse::<T>().is_ok(), "{name}: {text:?}");
        }
    }

    #[test]
    fn what_the_schema_accepts_the_parser_accepts() {
        check_pattern::<AccountName>();
        check_pattern::<Channel>();
        check_pattern::<CmdlineArg>();
        check_pattern::<Component>();
        check_pattern::<DebArchitecture>();
        check_pattern::<Gecos>();
        check_pattern::<ModuleName>();
        check_pattern::<ModuleOptions>();
        check_pattern::<PackageName>();
        check_pattern::<PackageVersion>();
        check_pattern::<RepositoryName>();
        check_pattern::<crate::RunName>();
        check_pattern::<ScriptName>();
        check_pattern::<SuiteName>();
        check_pattern::<UnitName>();
        check_pattern::<UpdateUrl>();
        check_pattern::<VersionPattern>();
        check_pattern::<Why>();
        check_pattern::<crate::ByteSize>();
        check_pattern::<crate::Compression>();
        check_pattern::<crate::RootEncryption>();
        check_pattern::<crate::FileCapabilities>();
        check_pattern::<crate::Mode>();
        check_pattern::<crate::TmpfilesLine>();
    }

    #[test]
    fn hints_name_what_was_meant() {
        assert_eq!(UnitName::hint("ssh").unwrap(), "did you mean `ssh.service`?");
        assert_eq!(ModuleName::hint("virtio_blk.ko.xz").unwrap(), "did you mean `virtio_blk`?");
        assert!(PackageName::hint("bash=5.2").unwrap().contains("`bash`"));
        assert!(CmdlineArg::hint("quiet splash").is_some());
    }
}
