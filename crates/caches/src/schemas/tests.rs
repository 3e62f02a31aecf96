use std::process::Command;

use super::*;
use crate::ToolVersions;
use crate::judge::{Root, is_present};

const TOOL_HERE: &str = "usr/lib/x/glib-2.0/glib-compile-schemas";

fn judged(root: &Root) -> Option<Caches> {
    if !is_present("glib-compile-schemas", "--version") {
        return None;
    }
    let mut judge = Command::new("glib-compile-schemas");
    Some(root.compare(&ToolVersions::default(), judge.arg(root.path(DIRECTORY))))
}

fn schema(root: &Root, name: &str, content: &str) {
    let text = format!("<?xml version=\"1.0\"?>\n<schemalist>{content}</schemalist>\n");
    root.file(&format!("{DIRECTORY}/{name}"), text);
}

const ENUMS: &str = r#"
  <enum id="e.Colour"><value nick="red" value="1"/><value nick="blue" value="0x10"/>
    <value nick="none" value="-1"/></enum>
  <flags id="f.Bits"><value nick="zero" value="0"/><value nick="one" value="1"/>
    <value nick="big" value="0x80000000"/></flags>
"#;

const FEATURES: &str = r#"
  <!-- All that a schema can say. -->
  <schema id="a.b" path="/a/b/" gettext-domain="dom">
    <key name="colour" enum="e.Colour"><default>'red'</default>
      <aliases><alias value="rot" target="red"/><alias value="bleu" target="blue"/></aliases></key>
    <key name="bits" flags="f.Bits"><default>['one', 'big']</default></key>
    <key name="count" type="i"><range min="-5" max="10"/><default>7</default>
      <summary>How &lt;many&gt;</summary><description>Text
        of lines</description></key>
    <key name="open" type="u"><default>7</default><range min="1"/></key>
    <key name="ratio" type="d"><default>0.5</default><range max="1.0"/></key>
    <key name="choice" type="s"><choices><choice value="x"/><choice value="a long one to pad"/></choices>
      <aliases><alias value="y" target="x"/></aliases><default>"x"</default></key>
    <key name="many" type="as"><choices><choice value="x"/><choice value=""/></choices>
      <default>['x', '']</default></key>
    <key name="text" type="s"><default l10n="messages">
        'Hello'
      </default></key>
    <key name="when" type="s"><default l10n="time" context="clock &amp; date">'24h'</default></key>
    <key name="umlaut" type="s"><default><![CDATA['<ü>']]></default></key>
    <child name="inner" schema="a.b.inner"/>
  </schema>
  <schema id="a.b.inner"><key name="k" type="b"><default>true</default></key></schema>
  <schema id="a.base"><key name="k1" type="s"><default>''</default></key>
    <key name="k2" type="i"><default>1</default><range min="0" max="5"/></key></schema>
  <schema id="a.derived" extends="a.base" gettext-domain="dd">
    <override name="k2">3</override>
    <override name="k1" l10n="messages">'hi'</override>
    <key name="k3" type="(ii)"><default>(1, 2)</default></key></schema>
  <schema id="a.derived.again" extends="a.derived" path="/again/"><override name="k2">4</override></schema>
  <schema id="a.list" list-of="a.base" path="/list:/"/>
"#;

#[test]
fn every_feature_of_schemas_compiles_to_the_tools_bytes() {
    let root = Root::new(TOOL_HERE);
    schema(&root, "z.enums.xml", ENUMS);
    schema(&root, "a.gschema.xml", FEATURES);
    let overrides = "[a.b]\ncount=-5\ncolour='blue'\ntext='own'\n\n\
        [a.b:GNOME]\ncount=3\nbits=['one']\n[a.b:KDE]\ncount=4\n[a.b:Unity]\ncount=5\n\
        [gone.schema]\nx=1\n";
    root.file(&format!("{DIRECTORY}/10_a.gschema.override"), overrides);
    root.file(&format!("{DIRECTORY}/20_b.gschema.override"), "[a.b.inner]\nk=false\nk=true\n");
    if let Some(caches) = judged(&root) {
        assert_eq!(caches.notes(), [""; 0]);
    }
}

#[test]
fn files_and_lines_that_break_a_rule_are_ignored_like_the_tool_does() {
    let root = Root::new(TOOL_HERE);
    schema(&root, "z.enums.xml", ENUMS);
    schema(&root, "a.gschema.xml", FEATURES);
    let keys = [
        r#"<key name="k" type="i"><default>1</default><range min="2"/></key>"#,
        r#"<key name="k" type="i"><range min="2"/><default>1</default></key>"#,
        r#"<key name="k" type="i"><range min="2" max="1"/><default>1</default></key>"#,
        r#"<key name="k" type="s"><range min="2"/><default>'a'</default></key>"#,
        r#"<key name="k" type="i"/>"#,
        r#"<key name="k" type="z"><default>1</default></key>"#,
        r#"<key name="k" type="i" enum="e.Colour"><default>1</default></key>"#,
        r#"<key name="k" enum="e.Colour"><default>'rot'</default></key>"#,
        r#"<key name="k" enum="gone"><default>'rot'</default></key>"#,
        r#"<key name="k" flags="f.Bits"><default>['two']</default></key>"#,
        r#"<key name="k" type="i"><default l10n="messages">1</default></key>"#,
        r#"<key name="k" type="i"><default context="x">1</default></key>"#,
        r#"<key name="k" type="i"><default>1</default><unknown/></key>"#,
        r#"<key name="k" type="i" unknown="1"><default>1</default></key>"#,
        r#"<key name="k" type="i">text<default>1</default></key>"#,
        r#"<key name="k" type="i"><default>1<b/></default></key>"#,
        r#"<key name="K" type="i"><default>1</default></key>"#,
        r#"<key name="a--b" type="i"><default>1</default></key>"#,
        r#"<key name="a-" type="i"><default>1</default></key>"#,
        r#"<key name="1" type="i"><default>1</default></key>"#,
        r#"<key name="k" type="s"><choices/><default>'a'</default></key>"#,
        r#"<key name="k" type="s"><aliases><alias value="a" target="b"/></aliases><default>'a'</default></key>"#,
        r#"<key name="k" type="i"><default>1</default></key><key name="k" type="i"><default>1</default></key>"#,
        r#"<override name="k">1</override>"#,
        r#"<child name="c"/>"#,
        r#"<child name="c" schema="gone"/>"#,
    ];
    for (index, key) in keys.iter().enumerate() {
        // What stands before the fault is taken back, too.
        let text =
            format!("<schema id=\"ok.n{index}\"/><schema id=\"bad.n{index}\">{key}</schema>");
        schema(&root, &format!("m{index}.gschema.xml"), &text);
    }
    for (index, text) in [
        r#"<schema id="a.b"/>"#,
        r#"<schema id="n.x" extends="a.b"/>"#,
        r#"<schema id="n.x" extends="gone"/>"#,
        r#"<schema id="n.x" path="x/"/>"#,
        r#"<schema id="n.x" list-of="a.b"/>"#,
        r#"<schema id="n.x" list-of="a.base" path="/x/"/>"#,
        r#"<schema id="n.x" extends="a.base"><key name="k1" type="s"><default>''</default></key></schema>"#,
        r#"<enum id="n.e"/>"#,
        r#"<enum id="n.e"><value nick="a" value="1"/></enum>"#,
        r#"<enum id="n.e"><value nick="aa" value="x"/></enum>"#,
        r#"<enum id="n.e"><value nick="aa" value="1"/><value nick="aa" value="2"/></enum>"#,
        r#"<enum id="n.e"><value nick="aa" value="1"/><value nick="bb" value="1"/></enum>"#,
        r#"<flags id="n.e"><value nick="aa" value="3"/></flags>"#,
        "<other/>",
        r#"<schema id="n.x"><key name="k"></schema>"#,
    ]
    .iter()
    .enumerate()
    {
        schema(&root, &format!("n{index}.gschema.xml"), text);
    }
    root.file(
        &format!("{DIRECTORY}/a.gschema.override"),
        "[a.b]\ngone=1\ncount=11\ncount=x\nopen=0\ncolour='rot'\nbits=['two']\nratio=0.25\n\
         [a.b:X]\ntext='no'\nratio=2.0\n",
    );
    root.file(&format!("{DIRECTORY}/b.gschema.override"), "[a.b]\nratio=0.125\nnonsense\n");
    root.file(&format!("{DIRECTORY}/c.gschema.override"), "ratio=0.125\n[a.b]\n");
    if let Some(caches) = judged(&root) {
        let ignored = caches.notes().iter().filter(|note| note.contains(".gschema.xml")).count();
        // All but the child of a schema that is not there.
        assert_eq!(ignored, keys.len() - 1 + 15, "{:#?}", caches.notes());
    }
}

/// Texts of values, good and bad, each in a file of its own.
#[test]
fn values_have_the_tools_bytes_or_are_refused_with_it() {
    let root = Root::new(TOOL_HERE);
    let values = [
        ("b", "true"),
        ("b", "1"),
        ("y", "0x41"),
        ("y", "-0"),
        ("n", "-32768"),
        ("q", "65536"),
        ("i", "+5"),
        ("i", "077"),
        ("i", "1.0"),
        ("x", "-0x10"),
        ("t", "18446744073709551616"),
        ("h", "3"),
        ("d", "1e-3"),
        ("d", "-inf"),
        ("d", "5."),
        ("d", "0x10"),
        ("s", "'it\\'s \\\"q\\\" \\u00fc\\U0001f600 \\n\\\\'"),
        ("s", "\"x\" "),
        ("s", "'a"),
        ("s", "'\\q'"),
        ("s", "string 'x'"),
        ("o", "'/a/b_1'"),
        ("o", "'a'"),
        ("g", "'a{sv}i'"),
        ("g", "'!'"),
        ("v", "&lt;'x'&gt;"),
        ("v", "&lt;[1, 2.5]&gt;"),
        ("v", "&lt;@a{sv} {}&gt;"),
        ("v", "&lt;{'a': &lt;1&gt;, 'b': &lt;(true, byte 3)&gt;}&gt;"),
        ("v", "&lt;[]&gt;"),
        ("v", "&lt;just 5&gt;"),
        ("v", "'x'"),
        ("ms", "nothing"),
        ("ms", "just 'x'"),
        ("ms", "'x'"),
        ("mmi", "just nothing"),
        ("mmi", "5"),
        ("as", "[]"),
        ("as", "['a', 'bc',  'd']"),
        ("as", "['a',]"),
        ("as", "@as []"),
        ("as", "['a' 'b']"),
        ("ay", "b'ab\\101\\n'"),
        ("ay", "[1, 2]"),
        ("ay", "''"),
        ("a(ss)", "[('xkb', 'us'), ('xkb', 'de+nodeadkeys')]"),
        ("(ii)", "(1, 2)"),
        ("(s)", "('a',)"),
        ("(s)", "('a')"),
        ("()", "()"),
        ("(ybx)", "(1, true, 2)"),
        ("a{ss}", "{'k': 'v', 'l': 'w'}"),
        ("a{sv}", "{}"),
        ("a{sv}", "{'k': &lt;uint32 5&gt;}"),
        ("a{si}", "[{'k', 1}]"),
        ("{si}", "{'k', 1}"),
        ("aas", "[['a'], [], ['b', 'c']]"),
        ("a(sa{sv})", "[('x', {'y': &lt;@ms 'z'&gt;})]"),
        ("av", "[&lt;1&gt;, &lt;'a'&gt;, &lt;objectpath '/'&gt;]"),
        ("i", "5 5"),
        ("i", ""),
        ("i", "int32 5"),
        ("i", "nonsense 5"),
    ];
    for (index, (kind, text)) in values.iter().enumerate() {
        let key = format!("<key name=\"k\" type=\"{kind}\"><default>{text}</default></key>");
        let schema_text = format!("<schema id=\"v.n{index}\">{key}</schema>");
        schema(&root, &format!("v{index}.gschema.xml"), &schema_text);
    }
    // Long enough for offsets of two bytes.
    let long: Vec<String> = (0..300).map(|number| format!("'number {number}'")).collect();
    let key = format!("<key name=\"k\" type=\"as\"><default>[{}]</default></key>", long.join(", "));
    schema(&root, "w.gschema.xml", &format!("<schema id=\"w\">{key}</schema>"));
    judged(&root);
}

/// Many schemas with many keys, so that tables grow more than once.
#[test]
fn large_tables_are_in_the_tools_order() {
    let root = Root::new(TOOL_HERE);
    for file in 0..40 {
        let keys: Vec<String> = (0..file * 7)
            .map(|key| format!("<key name=\"key-{key}\" type=\"i\"><default>{key}</default></key>"))
            .collect();
        let schemas: Vec<String> = (0..file)
            .map(|number| format!("<schema id=\"org.s{file}.n{number}\" path=\"/p/{number}/\"/>"))
            .collect();
        let text =
            format!("<schema id=\"big.n{file}\">{}</schema>{}", keys.concat(), schemas.concat());
        schema(&root, &format!("f{file}.gschema.xml"), &text);
    }
    judged(&root);
}

#[test]
fn this_machines_schemas_compile_to_the_tools_bytes() {
    let root = Root::new(TOOL_HERE);
    root.copy(DIRECTORY, &[".enums.xml", ".gschema.xml", ".gschema.override"]);
    judged(&root);
}

#[test]
fn without_the_tool_nothing_is_made() {
    let root = Root::new("usr/bin/other");
    schema(&root, "a.gschema.xml", FEATURES);
    root.compare(&ToolVersions::default(), &mut Command::new("true"));
}
