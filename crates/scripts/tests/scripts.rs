//! Scripts as packages have them, in small and in own words, and scripts as nobody should.

use flagstone_scripts::{Declaration, Findings, Knowledge, Paths, Report, ScriptKind, Survey};
use proptest::prelude::*;

fn paths() -> Paths {
    Paths::from_iter([
        "usr/bin/tool",
        "usr/sbin/daemon",
        "usr/share/daemon/daemon.conf",
        "etc/daemon",
        "var/lib/daemon",
    ])
}

fn survey(kind: ScriptKind, text: &str) -> Report {
    let paths = paths();
    let mut survey = Survey::new(&paths);
    survey.script("daemon", kind, format!("#!/bin/sh\n{text}").as_bytes());
    let mut knowledge = Knowledge::default();
    knowledge.users.extend(["root".to_owned(), "nobody".to_owned()]);
    knowledge.groups.extend(["root".to_owned(), "nogroup".to_owned(), "adm".to_owned()]);
    survey.finish(&knowledge)
}

fn findings(kind: ScriptKind, text: &str) -> Findings {
    survey(kind, text).scripts.into_values().next().expect("it has one script")
}

/// Returns the unknown commands of a postinst.
fn unknown(text: &str) -> Vec<String> {
    let findings = findings(ScriptKind::Postinst, text);
    assert_eq!(findings.error, None, "{text}");
    findings.unknown().map(|finding| finding.command.clone()).collect()
}

fn declarations(text: &str) -> Vec<Declaration> {
    survey(ScriptKind::Postinst, text).declarations.into_iter().map(|(_, d)| d).collect()
}

#[test]
fn only_what_a_first_installation_runs_is_looked_at() {
    for (text, expected) in [
        ("case \"$1\" in configure) yes ;; abort-*|triggered) no ;; esac", "yes"),
        ("case \"$1\" in upgrade) no ;; *) yes ;; esac", "yes"),
        ("if [ \"$1\" = configure ] && [ -n \"$2\" ]; then no; else yes; fi", "yes"),
        ("if [ \"$1\" = configure -a -z \"$2\" ]; then yes; fi", "yes"),
        ("if dpkg --compare-versions \"$2\" lt-nl 1.0; then no; fi; yes", "yes"),
        ("if dpkg --compare-versions \"$2\" lt 1.0; then yes; fi", "yes"),
        ("if [ -d /run/systemd/system ]; then no; fi; yes", "yes"),
        ("test -z \"$DPKG_ROOT\" || no; yes", "yes"),
        ("[ \"$1\" != configure ] || yes; exit 0; no", "yes"),
        ("helper() { yes \"$1\"; return; no; }\nunused() { no; }\nhelper a b", "yes a"),
        ("for name in a b; do yes $name; done", "yes a|yes b"),
        ("while read -r line; do yes; done < /proc/mounts", "yes"),
        ("name=x; ( name=y; yes $name ); yes $name", "yes x|yes y"),
        ("yes | grep x > /dev/null && also", "also|yes"),
        ("value=$(yes) && echo \"$value\"", "yes"),
        ("cat <<EOF\n$(yes) no\nEOF\ncat <<'EOF'\n$(no)\nEOF\n", "yes"),
        ("cat <<-A >&2; yes\n\tno\n\tA\n", "yes"),
        ("set -e\nif ! tool; then yes; fi", "tool|yes"),
        ("eval \"ye\"s", "yes"),
        ("find /etc/daemon -name x -exec yes {} \\;", "yes {}"),
        ("ls | xargs -r yes -a", "yes -a …"),
        ("sh -c 'yes now'", "yes now"),
        ("exec yes \"$@\"", "yes configure ''"),
        ("version=1.2.3; yes ${version%.*} ${3:-none} ${2:+no}", "yes 1.2 none"),
    ] {
        let mut found = unknown(text);
        found.sort();
        assert_eq!(found.join("|"), expected, "{text}");
    }
}

#[test]
fn a_preinst_is_called_without_a_version() {
    let text = "case $1 in install) yes $# \"$2\" ;; upgrade) no ;; esac";
    let found = findings(ScriptKind::Preinst, text);
    assert_eq!(found.unknown().next().unwrap().command, "yes 1 ''");
}

#[test]
fn covered_and_needless_commands_are_told_from_unknown_ones() {
    for (text, expected) in [
        ("ldconfig", ""),
        ("deb-systemd-helper enable daemon.service > /dev/null || true", ""),
        (". /usr/share/debconf/confmodule; db_get daemon/port; db_stop", ""),
        ("py3compile -p daemon", ""),
        ("dpkg-maintscript-helper rm_conffile /etc/old 1.0 -- \"$@\"", ""),
        ("echo hello >&2; echo hello > /dev/null 2>&1", ""),
        ("echo hello > /etc/hello", ""),
        ("date > /etc/hello", "date > /etc/hello"),
        ("if tool; then echo hello > /etc/hello; fi", "tool|echo hello > /etc/hello"),
        ("rm -f /etc/gone /var/lib/gone/*", ""),
        ("rm -f /usr/bin/tool", "rm -f /usr/bin/tool"),
        ("rm -rf \"$nothing\"", "rm -rf \"$nothing\""),
        ("mv /etc/old /etc/new", ""),
        ("if [ -e /etc/gone ]; then something /etc/gone; fi", ""),
        ("if [ -e /etc/daemon ]; then something; fi", "something"),
        ("cp /usr/bin/tool /etc/x; if [ -e /etc/x ]; then something; fi", "something"),
        ("mkdir -p /run/daemon; touch /tmp/x", ""),
        ("t=$(mktemp); daemon > $t; rm -f $t", "daemon > $t"),
        ("sed -i s/a/b/ /etc/daemon", "sed -i s/a/b/ /etc/daemon"),
        ("sed s/a/b/ /etc/daemon", ""),
        ("$command now", "$command now"),
        ("perl -e 'unlink'", "perl -e unlink"),
        (
            "dpkg-divert --package daemon --add --rename /usr/bin/tool",
            "dpkg-divert --package daemon --add --rename /usr/bin/tool",
        ),
        ("dpkg-divert --package daemon --add --rename /usr/bin/other", ""),
    ] {
        assert_eq!(unknown(text).join("|"), expected, "{text}");
    }
}

#[test]
fn accounts_are_covered_only_if_the_finisher_can_make_them() {
    let plain = "if ! getent passwd daemon >/dev/null; then\n\
                 adduser --system --group --home /run/d --no-create-home daemon\nfi\n\
                 chown daemon:adm /var/lib/daemon\n";
    assert_eq!(unknown(plain), Vec::<String>::new());
    assert_eq!(declarations(plain).len(), 3);
    for text in [
        "adduser daemon",
        "adduser --system \"$NAME\"",
        "if tool; then adduser --system daemon; fi",
        "adduser --system --ingroup strangers daemon",
        "chown stranger /var/lib/daemon",
        "adduser root strangers",
    ] {
        let found = unknown(text).into_iter().filter(|command| command != "tool").count();
        assert_eq!(found, 1, "{text}");
        assert_eq!(declarations(text), [], "{text}");
    }
}

#[test]
fn alternatives_are_read_with_their_slaves() {
    let text = "for name in vi ex; do update-alternatives --install /usr/bin/$name $name \
                /usr/bin/tool 30 --slave /usr/share/man/$name.1 $name.1 /usr/share/man/tool.1; done";
    let found = declarations(text);
    let [Declaration::Alternative(vi), Declaration::Alternative(ex)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((vi.link.as_str(), ex.slaves[0].0.as_str()), ("/usr/bin/vi", "/usr/share/man/ex.1"));
}

#[test]
fn marks_that_are_taken_away_again_are_not_made() {
    let text = "touch /etc/mark\nrm -f /etc/mark";
    assert_eq!(declarations(text), []);
    assert_eq!(unknown(text), Vec::<String>::new());
}

#[test]
fn programs_that_are_no_shell_are_unknown_as_a_whole() {
    let paths = paths();
    for (text, error) in [
        ("#!/usr/bin/perl -w\nprint 1;", "it is run by perl, not by a shell"),
        ("#!/usr/bin/env python3\n", "it is run by python3, not by a shell"),
        ("\x7fELF", "it is run by an unknown program, not by a shell"),
        ("", "it is run by an unknown program, not by a shell"),
    ] {
        let mut survey = Survey::new(&paths);
        survey.script("p", ScriptKind::Postinst, text.as_bytes());
        let report = survey.finish(&Knowledge::default());
        let findings = report.scripts.values().next().unwrap();
        assert_eq!(findings.error.as_ref().unwrap().to_string(), error);
        assert!(!findings.is_classified());
    }
}

#[test]
fn what_no_shell_would_take_is_an_error_with_its_line() {
    for (text, error) in [
        ("echo 'x", "a single quote is not closed"),
        ("echo \"x", "a double quote is not closed"),
        ("echo `x", "a backquote is not closed"),
        ("echo $(x", "a parenthesis is not closed"),
        ("echo ${x", "a brace is not closed"),
        ("if true; then", "a compound command lacks its end"),
        ("fi", "something closes what was not opened"),
        ("case x in a", "a compound command lacks its end"),
        ("a && ", "a command is missing"),
        ("a() ", "a command is missing"),
        ("a\0b", "it holds a zero byte"),
        ("cat < ", "a redirection leads nowhere"),
    ] {
        let findings = findings(ScriptKind::Postinst, text);
        let found = findings.error.unwrap_or_else(|| panic!("{text:?}")).to_string();
        assert!(found.ends_with(error) && found.starts_with("line 2: "), "{text:?}: {found}");
    }
}

#[test]
fn depth_length_and_steps_are_bounded() {
    let deep = |open: &str, close: &str| open.repeat(10_000) + "x" + &close.repeat(10_000);
    let loops = "for a in 1 2 3 4 5 6 7 8 9; do ".repeat(9) + "x;" + &"done;".repeat(9);
    for text in [
        deep("(", ")"),
        deep("$(", ")"),
        deep("{ ", "; }"),
        deep("${x:-", "}"),
        deep("\"$(", ")\""),
        deep("if x; then ", "; fi"),
        deep("! ", ""),
        deep("f() ", ""),
        deep("[ ! ", " ]"),
        deep("`", "`"),
        loops,
        "f() { f; }; f".to_owned(),
        "f() { eval f; }; f".to_owned(),
        "a=aaaaaaaa;".to_owned() + &"a=$a$a;".repeat(64) + "x $a",
        "set -- $1 $1; ".repeat(3000) + "x",
        "#".repeat(2 << 20),
    ] {
        let _ = findings(ScriptKind::Postinst, &text);
    }
}

proptest! {
    #[test]
    fn any_text_is_followed_without_a_panic(text in "([a-c$\"'`(){};|&<>\\\\ \n=#!?*\\[\\]/-]|if |then |fi|for |in |do |done|case |esac|\\$\\(|\\$\\{|<<a\n|a\n|é){0,60}") {
        let _ = findings(ScriptKind::Postinst, &text);
    }

    #[test]
    fn any_bytes_are_followed_without_a_panic(bytes in any::<Vec<u8>>()) {
        let paths = Paths::default();
        let mut survey = Survey::new(&paths);
        survey.script("p", ScriptKind::Preinst, &[b"#!/bin/sh\n", bytes.as_slice()].concat());
        survey.triggers("p", &bytes);
        let _ = survey.finish(&Knowledge::default());
    }
}

/// Writes the rules as docs/scripts.md shows them.
fn tables() -> String {
    let rows = |rules: Vec<&flagstone_scripts::Rule>| {
        let row = |rule: &&flagstone_scripts::Rule| {
            let who = rule.finisher.map_or("needless", flagstone_scripts::Finisher::name);
            format!("| {} | {who} | {} |\n", rule.commands, rule.reason)
        };
        rules.iter().map(row).collect::<String>()
    };
    format!(
        "\n| commands | finisher | reason |\n|---|---|---|\n{}\nInterests in triggers:\n\n\
         | trigger | finisher | reason |\n|---|---|---|\n{}\n",
        rows(flagstone_scripts::rules()),
        rows(flagstone_scripts::trigger_rules())
    )
}

/// `FLAGSTONE_BLESS` writes the rules into the documentation.
#[test]
fn the_documented_rules_are_the_programs() {
    const MARKS: [&str; 2] = ["<!-- rules -->\n", "<!-- end of rules -->\n"];
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scripts.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (shown, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("FLAGSTONE_BLESS").is_some() {
        let text = [before, MARKS[0], &tables(), MARKS[1], after].concat();
        std::fs::write(&path, text).unwrap();
    } else {
        assert_eq!(shown, tables(), "run the test with FLAGSTONE_BLESS=1");
    }
}
