//! Everything that is refused says where, what, and what would be right.

use std::fmt::Write as _;

use flagstone_artifact::Diagnostic;
use flagstone_butane::{SOURCE_MAX, translate};

const HEAD: &str = "variant: fcos\nversion: 1.4.0\n";

/// Returns what is said of a text: `LINE:COLUMN: MESSAGE (expected …, found …; hint …)`.
fn said(text: &str) -> Vec<String> {
    match translate("a.bu", text.as_bytes(), None, false) {
        Ok(translation) => translation.warnings.iter().map(line).collect(),
        Err(refusal) => refusal.errors.iter().map(line).collect(),
    }
}

fn line(found: &Diagnostic) -> String {
    let place = found.position.map_or("-".to_owned(), |at| format!("{}:{}", at.line, at.column));
    let mut line = format!("{place}: {}", found.message);
    for (word, text) in
        [("expected", &found.expected), ("found", &found.found), ("hint", &found.hint)]
    {
        if let Some(text) = text {
            let _ = write!(line, " | {word} {text}");
        }
    }
    line
}

#[test]
fn what_is_wrong_at_the_top_is_said() {
    for (text, expected) in [
        (
            "",
            "-: the file is empty | hint `variant: fcos` and `version: 1.4.0` make one that does nothing",
        ),
        (
            "- a\n",
            "1:1: a configuration is a mapping | expected `variant: fcos` and other keys | found a list",
        ),
        (
            "a: 1\n",
            "1:1: the configuration has no `variant` | expected `variant: fcos` or `variant: flatcar` | hint Ignition's JSON is told by a name without .bu, .yaml and .yml",
        ),
        (
            "variant: openshift\nversion: 4.8.0\n",
            "1:10: this variant is not read here | expected `variant: fcos` or `variant: flatcar` | found `openshift`",
        ),
        (
            "variant: fcso\n",
            "1:10: this variant is not read here | expected `variant: fcos` or `variant: flatcar` | found `fcso` | hint did you mean `fcos`?",
        ),
        (
            "variant: fcos\n",
            "1:1: the configuration has no `version` | expected a version of fcos: 1.0.0, 1.1.0, 1.2.0, 1.3.0, 1.4.0, 1.5.0, 1.6.0, 1.7.0",
        ),
        (
            "variant: flatcar\nversion: 1.4.0\n",
            "2:10: this version is not read here | expected a version of flatcar: 1.0.0, 1.1.0 | found `1.4.0`",
        ),
        (
            "variant: flatcar\nversion: 1.2.0-experimental\n",
            "2:10: an experimental version is not read: nothing promises what it means | expected a version of flatcar: 1.0.0, 1.1.0 | found `1.2.0-experimental`",
        ),
    ] {
        assert_eq!(said(text), [expected], "{text}");
    }
}

#[test]
fn what_is_no_sound_yaml_is_refused_at_its_place() {
    for (rest, expected) in [
        ("storage: [\n", "3:10: this is no YAML"),
        (
            "\tstorage: {}\n",
            "2:10: this is no YAML: while scanning a plain scalar, found a tab | hint YAML is",
        ),
        ("storage:\n\tfiles: []\n", "4:2: this is no YAML"),
        ("storage: *none\n", "3:10: this is no YAML"),
        (
            "storage: {}\n---\na: b\n",
            "4:1: a second document begins here | hint one file is one configuration",
        ),
        ("storage: &a [*a]\n", "3:14: an alias stands inside of what it repeats"),
        ("storage: {}\nstorage: {}\n", "4:1: the key is there twice | hint the first is in line 3"),
        ("[a]: b\n", "3:1: a key is no text"),
        ("storage: !secret {}\n", "3:18: the tag `!secret` means nothing here"),
        (
            "storage: !!binary aGk=\n",
            "3:19: `!!binary` is not read here | hint put the data into a file, and name it as `local`",
        ),
        ("storage: {<<: 5}\n", "3:15: `<<` takes a mapping, or a list of them"),
    ] {
        let said = said(&format!("{HEAD}{rest}"));
        assert!(said.len() == 1 && said[0].starts_with(expected), "{rest}: {said:?}");
    }
    let error = translate("a.bu", b"variant: \xff\n", None, false).unwrap_err();
    assert_eq!(line(&error.errors[0]), "1:10: the file is not UTF-8 text");
}

#[test]
fn keys_and_values_are_refused_at_their_place() {
    for (rest, expected) in [
        (
            "storge: {}\n",
            "3:1: unknown key `storge` at the top level | hint did you mean `storage`?",
        ),
        (
            "storage: {files: [{path: /a, Mode: 1}]}\n",
            "3:30: unknown key `Mode` in a file | hint did you mean `mode`?",
        ),
        (
            "ignition: {version: 3.3.0}\n",
            "3:12: unknown key `version` in `ignition` | hint known are config, proxy, security, timeouts",
        ),
        (
            "boot_device: {luks: {tpm2: true}}\n",
            "3:1: `boot_device` is not read here: it describes the disk of Fedora CoreOS; images have their own layout",
        ),
        (
            "grub: {}\n",
            "3:1: `grub` is not read here: images have no GRUB: they boot unified kernel images",
        ),
        (
            "passwd: {users: [{ssh_authorized_keys_local: [a]}]}\n",
            "3:19: fcos 1.4.0 has no `ssh_authorized_keys_local` in a user | hint it came with `version: 1.5.0`",
        ),
        (
            "storage: {luks: [{discard: true}]}\n",
            "3:19: `discard` came with version 3.4.0 of the specification | expected keys up to 3.3.0, which images read",
        ),
        (
            "storage: {files: {path: /a}}\n",
            "3:18: the value is of the wrong type | expected a list | found a mapping | hint write `- ` before its first key",
        ),
        (
            "passwd: {users: [{groups: wheel}]}\n",
            "3:27: the value is of the wrong type | expected a list | found a text | hint write it in [ ], or `- ` before it",
        ),
        (
            "passwd: [a]\n",
            "3:9: the value is of the wrong type | expected a mapping | found a list | hint write its keys without `- `",
        ),
        (
            "passwd: {users: [{name: [a]}]}\n",
            "3:25: the value is of the wrong type | expected a text | found a list | hint write it in quotes",
        ),
        (
            "passwd: {users: [{system: 1}]}\n",
            "3:27: the value is of the wrong type | expected true or false | found a number",
        ),
        (
            "passwd: {users: [{uid: '5'}]}\n",
            "3:24: a number has no quotes | expected a whole number | found `5`",
        ),
        (
            "storage: {files: [{mode: 0888}]}\n",
            "3:26: an octal number has the digits 0 to 7 | expected a whole number | found `0888`",
        ),
        (
            "storage: {files: [{mode: rw}]}\n",
            "3:26: this is no whole number | expected a whole number | found `rw`",
        ),
        (
            "storage: {files: [{contents: {inline: a, source: b}}]}\n",
            "3:50: contents come from one place | expected one of `source`, `inline` and `local`",
        ),
        (
            "storage: {files: [{contents: {local: a}}]}\n",
            "3:38: a file is to be embedded, and there is no folder of files | hint --files-dir names it",
        ),
        (
            "storage: {trees: [{path: /a}]}\n",
            "3:19: a tree has no `local` | expected the path of a folder in that of files",
        ),
        (
            "storage: {trees: [{local: a}]}\n",
            "3:27: a file is to be embedded, and there is no folder of files | hint --files-dir names it",
        ),
        (
            "storage: {filesystems: [{with_mount_unit: true}]}\n",
            "3:43: a file system with a unit needs a `format`",
        ),
        (
            "storage: {filesystems: [{format: ext4, with_mount_unit: true}]}\n",
            "3:57: a file system that is to be mounted needs a `path`",
        ),
        ("passwd: {users: [~]}\n", "3:18: an item is empty, and is left out"),
    ] {
        assert_eq!(said(&format!("{HEAD}{rest}")), [expected], "{rest}");
    }
}

#[test]
fn what_depends_on_the_version_is_refused_at_its_place() {
    let newer = "variant: fcos\nversion: 1.5.0\n";
    let sticky = format!("{newer}storage: {{directories: [{{path: /a, mode: 01777}}]}}\n");
    assert_eq!(
        said(&sticky),
        [
            "3:42: setuid, setgid and sticky bits have no effect in version 3.3.0 of the specification \
          | expected at most 0777 | found 01777"
        ]
    );
    // What looks like a slip is not spoken of twice.
    assert!(said(&sticky.replace("01777", "755")).is_empty());
    assert_eq!(said(&sticky.replace("01777", "1777")).len(), 1);
    let clevis = "variant: flatcar\nversion: 1.0.0\nstorage: {luks: [{clevis: {tpm2: true}}]}\n";
    assert_eq!(said(clevis), ["3:19: flatcar has no `clevis`"]);
    let swap = "variant: fcos\nversion: 1.3.0\nstorage: {filesystems: [{format: swap, path: /a, with_mount_unit: on}]}\n";
    assert_eq!(said(swap), ["3:34: units for swap came with `version: 1.4.0`"]);
}

#[test]
fn all_that_is_wrong_is_said_by_place() {
    let text = format!("{HEAD}systemd: {{unit: 1}}\nstorage:\n  files: 1\n  link: []\n");
    let places: Vec<String> =
        said(&text).iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(places, ["3:11", "5:10", "6:3"]);
}

#[test]
fn hostile_texts_are_bounded() {
    let mut laughs = String::from(HEAD);
    laughs.push_str("l0: &l0 [a, a, a, a, a, a, a, a, a, a]\n");
    for at in 1..20 {
        let again = vec![format!("*l{}", at - 1); 10].join(", ");
        let _ = writeln!(laughs, "l{at}: &l{at} [{again}]");
    }
    let long = format!("{HEAD}a: &a \"{}\"\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(100));
    let mut chain = format!("{HEAD}c0: &c0 {}{}\n", "[".repeat(40), "]".repeat(40));
    let _ = writeln!(chain, "c1: {}*c0{}", "[".repeat(40), "]".repeat(40));
    for (text, message) in [
        (laughs, "there are more than a million values"),
        (long, "aliases repeat more than 10 MiB"),
        (chain, "values lie more than 64 deep within each other"),
        (
            format!("{HEAD}a: {}", "[".repeat(100_000)),
            "values lie more than 64 deep within each other",
        ),
        (format!("{HEAD}{}", "- ".repeat(100_000)), "this is no YAML"),
        (
            format!("{HEAD}a: {}", "&x [".repeat(1000)),
            "values lie more than 64 deep within each other",
        ),
        ("x".repeat(SOURCE_MAX + 1), "the file is too long for a configuration"),
    ] {
        let refusal = translate("a.bu", text.as_bytes(), None, false).unwrap_err();
        let found = &refusal.errors.last().unwrap().message;
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn many_mistakes_are_counted_and_not_all_kept() {
    let mut text = String::from(HEAD);
    for at in 0..1000 {
        let _ = writeln!(text, "k{at}: 1");
    }
    let refusal = translate("a.bu", text.as_bytes(), None, false).unwrap_err();
    assert_eq!((refusal.errors.len(), refusal.left_out), (100, 900));
}
