use crate::decode::Word;
use crate::word::word;

word! {
    /// One line of tmpfiles.d(5): what the machine makes, or removes, at boot.
    ///
    /// The fields that are paths or numbers are checked; what a type makes of its argument is
    /// systemd's concern.
    TmpfilesLine, "a line of tmpfiles.d",
    "it has a type such as \"d\", an absolute path without blanks, then as needed mode, user, group, age and argument, each \"-\" or said",
    "^[fwdDevqQpLcbCxXrRzZtThHaA][-+!=~^$?]{0,8} +/[!#-&(-\\[\\]-~]{1,255}( +(-|[:~]{0,2}[0-7]{3,4})( +(-|:?[A-Za-z0-9_-]{1,31})( +(-|:?[A-Za-z0-9_-]{1,31})( +(-|[~A-Za-z0-9:]{1,64})( +[!-~][ -~]{0,1023})?)?)?)?)?$",
    is_line
}

/// What a line can do with its path (tmpfiles.d(5), "Type").
const TYPES: &[u8] = b"fwdDevqQpLcbCxXrRzZtThHaA";

fn is_line(text: &str) -> bool {
    if text.len() > 2000 || !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return false;
    }
    let mut fields = text.splitn(2, ' ');
    let Some(kind) = fields.next() else { return false };
    let mut rest = fields.next().unwrap_or_default().trim_start_matches(' ');
    let mut field = || {
        let (field, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after.trim_start_matches(' ');
        field
    };
    is_kind(kind)
        && is_path(field())
        && is_absent_or(field(), is_mode)
        && is_absent_or(field(), is_account)
        && is_absent_or(field(), is_account)
        && is_absent_or(field(), is_age)
}

fn is_kind(kind: &str) -> bool {
    let [first, modifiers @ ..] = kind.as_bytes() else { return false };
    TYPES.contains(first)
        && modifiers.len() <= 8
        && modifiers.iter().all(|b| b"-+!=~^$?".contains(b))
}

/// A quote or a backslash would change where the path ends.
fn is_path(path: &str) -> bool {
    path.len() >= 2
        && path.len() <= 256
        && path.starts_with('/')
        && !path.contains(['"', '\'', '\\'])
}

/// An empty field is one that the line ends before.
fn is_absent_or(field: &str, check: fn(&str) -> bool) -> bool {
    matches!(field, "" | "-") || check(field)
}

fn is_mode(mode: &str) -> bool {
    let digits = mode.trim_start_matches([':', '~']);
    mode.len() - digits.len() <= 2
        && matches!(digits.len(), 3 | 4)
        && digits.bytes().all(|b| matches!(b, b'0'..=b'7'))
}

fn is_account(name: &str) -> bool {
    let name = name.strip_prefix(':').unwrap_or(name);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    (1..=31).contains(&name.len()) && name.bytes().all(allowed)
}

fn is_age(age: &str) -> bool {
    age.len() <= 64 && age.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'~' | b':'))
}

impl Word for TmpfilesLine {
    fn hint(text: &str) -> Option<String> {
        let kind = text.split(' ').next().unwrap_or_default();
        if text.starts_with('/') {
            return Some(format!("to make a directory: \"d {text} 0755 root root\""));
        }
        if !is_kind(kind) {
            return Some(format!(
                "the type `{kind}` is not known: `d` makes a directory, `L` a link, `f` a file, \
                 `C` a copy; see tmpfiles.d(5)"
            ));
        }
        let path = text.split(' ').filter(|field| !field.is_empty()).nth(1)?;
        (!path.starts_with('/')).then(|| format!("the path `{path}` is not absolute"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tmpfiles_d_are_accepted() {
        for good in [
            "d /srv",
            "d /opt/bin 0755 root root",
            "d /opt/bin  0755  -  -  10d",
            "L+ /opt/cni/bin/bridge - - - - /usr/lib/cni/bridge",
            "f /run/x 0644 root root - two words",
            "D! /var/cache/x :0750 :daemon - ~10d",
            "r! /var/lib/dpkg/status",
        ] {
            assert!(good.parse::<TmpfilesLine>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "d",
            "/srv",
            "d srv",
            "y /srv",
            "d /srv 755x",
            "d /srv 0955",
            "d /srv 0755 a:b",
            "d /srv 0755 root root 1/2",
            "d \"/a b\"",
            "d /srv\n",
            "d\t/srv",
            "# d /srv",
        ] {
            assert!(bad.parse::<TmpfilesLine>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hints_tell_what_a_line_lacks() {
        let hint = |text| TmpfilesLine::hint(text).unwrap();
        assert_eq!(hint("/srv"), "to make a directory: \"d /srv 0755 root root\"");
        assert!(hint("y /srv").contains("`y`"));
        assert_eq!(hint("d srv"), "the path `srv` is not absolute");
        assert_eq!(TmpfilesLine::hint("d /srv 9"), None);
    }
}
