//! What the conditions of maintainer scripts are on a first installation.

use crate::made::Made;
use crate::pattern::matches;
use crate::value::{Argument, Truth, Value};
use crate::{PathKind, Situation};

/// Returns what `test`, `[` or `[[` say; `words` without the command's name.
pub(crate) fn test(
    words: &[Argument],
    double: bool,
    situation: &Situation<'_>,
    made: &Made,
) -> Truth {
    Test { words, double, situation, made }.any()
}

struct Test<'a> {
    words: &'a [Argument],
    double: bool,
    situation: &'a Situation<'a>,
    made: &'a Made,
}

impl Test<'_> {
    fn on<'b>(&'b self, words: &'b [Argument]) -> Test<'b> {
        Test { words, ..*self }
    }

    /// Splits at an operator outside of parentheses.
    fn split(&self, operators: [&str; 2]) -> Option<(&[Argument], &[Argument])> {
        let mut open = 0_i32;
        for (at, word) in self.words.iter().enumerate() {
            match word.as_known() {
                Some("(") => open += 1,
                Some(")") => open -= 1,
                Some(text) if open == 0 && at > 0 && operators.contains(&text) => {
                    return Some((&self.words[..at], &self.words[at + 1..]));
                }
                _ => {}
            }
        }
        None
    }

    fn any(&self) -> Truth {
        let or = if self.double { ["||", "|"] } else { ["-o", "-o"] };
        match self.split(or) {
            Some((left, right)) => self.on(left).all().max(self.on(right).any()),
            None => self.all(),
        }
    }

    fn all(&self) -> Truth {
        let and = if self.double { ["&&", "&"] } else { ["-a", "-a"] };
        match self.split(and) {
            Some((left, right)) => self.on(left).one().min(self.on(right).all()),
            None => self.one(),
        }
    }

    fn one(&self) -> Truth {
        let texts: Vec<Option<&str>> = self.words.iter().map(Argument::as_known).collect();
        match (self.words, texts.as_slice()) {
            ([] | [_], [None]) => Truth::Unknown,
            ([], _) => Truth::False,
            ([_], [Some(text)]) => Truth::of(!text.is_empty()),
            ([_, operand], [Some(operator), _]) if *operator != "!" => {
                self.unary(operator, operand)
            }
            ([left, _, right], [_, Some(operator), _]) if is_binary(operator) => {
                self.binary(operator, left, right)
            }
            // `[[` may have an empty operator of two signs, since signs are words of their own.
            ([_, rest @ ..], [Some("!"), ..]) => self.on(rest).any().not(),
            ([_, inner @ .., _], [Some("("), .., Some(")")]) => self.on(inner).any(),
            _ => Truth::Unknown,
        }
    }

    fn binary(&self, operator: &str, left: &Argument, right: &Argument) -> Truth {
        let (Some(a), Some(b)) = (left.as_known(), right.as_known()) else {
            return differ_by_beginning(operator, left, right);
        };
        let numbers = || Some((a.trim().parse::<i64>().ok()?, b.trim().parse::<i64>().ok()?));
        let compare = |holds: fn(&i64, &i64) -> bool| {
            numbers().map_or(Truth::Unknown, |(a, b)| Truth::of(holds(&a, &b)))
        };
        match operator {
            "=" | "==" if self.double => Truth::of(matches(b, a)),
            "!=" if self.double => Truth::of(!matches(b, a)),
            "=" | "==" => Truth::of(a == b),
            "!=" => Truth::of(a != b),
            "-eq" => compare(i64::eq),
            "-ne" => compare(i64::ne),
            "-lt" => compare(i64::lt),
            "-le" => compare(i64::le),
            "-gt" => compare(i64::gt),
            "-ge" => compare(i64::ge),
            _ => Truth::Unknown,
        }
    }

    /// Tells whether a path that exists is what an operator asks for.
    fn is_kind(&self, operator: &str, operand: &Argument) -> Truth {
        let kind = operand.as_known().and_then(|path| self.situation.paths.kind(path));
        let program = operand.text.contains("bin/");
        match (operator, kind) {
            ("-e" | "-r", _)
            | ("-f" | "-s", Some(PathKind::File))
            | ("-d", Some(PathKind::Directory))
            | ("-h" | "-L", Some(PathKind::Link)) => Truth::True,
            ("-x", _) if program => Truth::True,
            ("-f" | "-s", Some(PathKind::Directory))
            | ("-d", Some(PathKind::File))
            | ("-h" | "-L", Some(PathKind::File | PathKind::Directory)) => Truth::False,
            _ => Truth::Unknown,
        }
    }

    fn unary(&self, operator: &str, operand: &Argument) -> Truth {
        match operator {
            "-n" | "-z" => {
                let filled = match &operand.value {
                    Value::Known(text) => Truth::of(!text.is_empty()),
                    Value::Prefix(_) => Truth::True,
                    Value::Temporary | Value::Unknown => Truth::Unknown,
                };
                if operator == "-n" { filled } else { filled.not() }
            }
            "-e" | "-f" | "-d" | "-x" | "-r" | "-s" | "-L" | "-h" => {
                let there = self.situation.exists(&operand.value, self.made);
                if there == Truth::True { self.is_kind(operator, operand) } else { there }
            }
            _ => Truth::Unknown,
        }
    }
}

fn is_binary(operator: &str) -> bool {
    matches!(operator, "=" | "==" | "!=" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" | "-nt")
        || matches!(operator, "-ot" | "-ef" | "=~")
}

/// Two texts of which one is known only in part may be known to differ.
fn differ_by_beginning(operator: &str, left: &Argument, right: &Argument) -> Truth {
    let differ = match (&left.value, &right.value) {
        (Value::Prefix(prefix), Value::Known(text))
        | (Value::Known(text), Value::Prefix(prefix)) => !text.starts_with(prefix.as_str()),
        _ => false,
    };
    match operator {
        "=" | "==" if differ => Truth::False,
        "!=" if differ => Truth::True,
        _ => Truth::Unknown,
    }
}

/// Returns the status of a command that asks for something, if that is known.
pub(crate) fn query(words: &[Argument], situation: &Situation<'_>, made: &Made) -> Truth {
    let texts: Vec<Option<&str>> = words.iter().map(Argument::as_known).collect();
    let Some(Some(name)) = texts.first() else { return Truth::Unknown };
    let name = name.rsplit('/').next().unwrap_or(name);
    match (name, &texts[1..]) {
        ("true" | ":", _) => Truth::True,
        ("false", _) => Truth::False,
        ("dpkg", [Some("--compare-versions"), a, operator, b]) => {
            compare_versions(*a, *operator, *b)
        }
        ("dpkg", [Some("--compare-versions"), operator, b]) => {
            // `dpkg --compare-versions $2 lt 1` without quotes: an error, which is no success.
            if operator.is_some() && b.is_some() { Truth::False } else { Truth::Unknown }
        }
        ("getent", [Some("passwd" | "group" | "shadow"), name])
        | ("id", [name] | [Some(_), name]) => match name {
            Some("root" | "nobody" | "nogroup" | "0") => Truth::True,
            Some(name) if name.starts_with('-') => Truth::Unknown,
            _ => Truth::Missing,
        },
        ("dpkg-statoverride", arguments) if arguments.contains(&Some("--list")) => Truth::Missing,
        ("which", [Some(program)]) | ("command", [Some("-v"), Some(program)]) => {
            situation.has_program(program, made)
        }
        ("grep" | "egrep" | "fgrep", arguments) => {
            let accounts = ["/etc/passwd", "/etc/group"];
            if arguments.iter().flatten().any(|word| accounts.contains(word)) {
                Truth::Missing
            } else {
                Truth::Unknown
            }
        }
        _ => Truth::Unknown,
    }
}

/// dpkg(1), "--compare-versions": an empty version is earlier than any other, but later for the
/// operators that end in `-nl`.
fn compare_versions(a: Option<&str>, operator: Option<&str>, b: Option<&str>) -> Truth {
    let (Some(""), Some(operator), Some(b)) = (a, operator, b) else { return Truth::Unknown };
    if b.is_empty() {
        return Truth::Unknown;
    }
    match operator {
        "lt" | "le" | "ne" | "<<" | "<=" | "<" | "ge-nl" | "gt-nl" => Truth::True,
        "gt" | "ge" | "eq" | ">>" | ">=" | ">" | "=" | "lt-nl" | "le-nl" => Truth::False,
        _ => Truth::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Paths, ScriptKind};

    fn words(text: &str) -> Vec<Argument> {
        let word = |word: &str| match word {
            "?" => Argument::unknown("$x"),
            "''" => Argument::known(""),
            word => Argument::known(word),
        };
        text.split(' ').filter(|word| !word.is_empty()).map(word).collect()
    }

    fn ask(text: &str) -> Truth {
        let paths = Paths::from_iter(["/usr/bin/x", "/etc/shipped"]);
        let answers = std::collections::BTreeMap::new();
        let situation = Situation {
            package: "p",
            script: ScriptKind::Postinst,
            paths: &paths,
            answers: &answers,
        };
        let mut made = Made::default();
        made.add(&words("touch /etc/made"), &[]);
        let words = words(text);
        match words.first().and_then(Argument::as_known) {
            Some("[[") => test(&words[1..], true, &situation, &made),
            Some("[") => test(&words[1..], false, &situation, &made),
            _ => query(&words, &situation, &made),
        }
    }

    #[test]
    fn tests_are_answered_as_on_a_first_installation() {
        for (text, truth) in [
            ("[ configure = configure", Truth::True),
            ("[ -n ''", Truth::False),
            ("[ -z ''", Truth::True),
            ("[ ''", Truth::False),
            ("[ ?", Truth::Unknown),
            ("[ ? = x", Truth::Unknown),
            ("[ -d /run/systemd/system", Truth::False),
            ("[ ! -e /etc/x", Truth::Presumed),
            ("[ -e /etc/made", Truth::Unknown),
            ("[ -e /etc/shipped", Truth::True),
            ("[ -f /etc/shipped", Truth::True),
            ("[ -d /etc/shipped", Truth::False),
            ("[ -x /usr/bin/x", Truth::True),
            ("[ -x /usr/bin/y", Truth::Doubted),
            ("[ -x /usr/sbin/update-rc.d", Truth::True),
            ("[ -e /proc/x", Truth::Unknown),
            ("[ a = a -a -n ''", Truth::False),
            ("[ a = b -o 2 -gt 1", Truth::True),
            ("[ ! ( a = b )", Truth::True),
            ("[", Truth::False),
            ("[ = = =", Truth::True),
            ("[[ abort-x == abort-*", Truth::True),
        ] {
            assert_eq!(ask(text), truth, "{text}");
        }
    }

    #[test]
    fn questions_are_answered_as_on_a_first_installation() {
        for (text, truth) in [
            ("dpkg --compare-versions '' lt 1.0", Truth::True),
            ("dpkg --compare-versions '' lt-nl 1.0", Truth::False),
            ("dpkg --compare-versions '' ge 1.0", Truth::False),
            ("dpkg --compare-versions '' x 1.0", Truth::Unknown),
            ("getent passwd x", Truth::Missing),
            ("id -u root", Truth::True),
            ("command -v adduser", Truth::True),
            ("command -v y", Truth::Doubted),
            ("which x", Truth::True),
            ("something", Truth::Unknown),
        ] {
            assert_eq!(ask(text), truth, "{text}");
        }
    }
}
