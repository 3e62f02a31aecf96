use std::process::Command;

use super::*;
use crate::ToolVersions;
use crate::judge::{Root, is_present};

fn judged(root: &Root) -> Option<Caches> {
    if !is_present("update-mime-database", "-v") {
        return None;
    }
    let version = Command::new("update-mime-database").arg("-v").output().unwrap();
    let version = String::from_utf8(version.stderr).unwrap();
    let version = version.lines().next().unwrap().rsplit(' ').next().unwrap();
    let tools = ToolVersions { shared_mime_info: format!("{version}-1") };
    Some(root.compare(&tools, Command::new("update-mime-database").arg(root.path(DIRECTORY))))
}

fn source(root: &Root, name: &str, content: &str) {
    let namespace = "xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\"";
    let text = format!("<?xml version=\"1.0\"?>\n<mime-info {namespace}>{content}</mime-info>\n");
    root.file(&format!("{SOURCES}/{name}"), text);
}

const FEATURES: &str = r##"
  <mime-type type="text/x-Test">
    <comment>Test &amp; &lt;more&gt; "quoted"</comment>
    <comment xml:lang="de">Prüfung</comment>
    <comment xml:lang="de">Später</comment>
    <acronym>T</acronym><expanded-acronym>Test</expanded-acronym>
    <sub-class-of type="text/plain"/><sub-class-of type="application/x-base"/>
    <alias type="text/old"/><alias type="application/old"/>
    <icon name="own-icon"/><generic-icon name="text-x-generic"/><icon/>
    <glob pattern="*.TST"/><glob pattern="*.tst.gz" weight="80"/>
    <glob pattern="README"/><glob pattern="*.C" case-sensitive="true" weight="60"/>
    <glob pattern="[Mm]akefile*"/><glob pattern="*.ü"/><glob pattern="a*b"/>
    <magic priority="60">
      <match type="string" value="#!\x2fbin\0\101\n" offset="0"><match type="byte" value="0x7f" offset="3:9"/>
        <match type="host16" value="0x0102" offset="4"><match type="big32" value="7" mask="0xff" offset="1"/></match>
      </match>
      <match type="string" value="abc" mask="0xff00ff" offset="2:256"/>
      <match type="host32" value="1" offset="0"/><match type="little16" value="258" offset="0"/>
    </magic>
    <root-XML namespaceURI="http://example.org/ns" localName="root"/>
    <root-XML namespaceURI="http://example.org/ns" localName=""/>
    <root-XML namespaceURI="" localName="other"/>
    <unknown/>
    <x:own xmlns:x="urn:x" x:a="1" b='2 "3"'><x:in/>text &amp; <!-- c --></x:own>
    <x:deep xmlns:x="urn:x"><x:in><x:on a="1"/></x:in><!-- c --></x:deep>
  </mime-type>
  <mime-type type="x-content/test">
    <comment>Medium</comment>
    <treemagic priority="40"><treematch path="a/b" type="directory" non-empty="true">
      <treematch path="c" executable="true" match-case="true" mimetype="text/x-Test"/></treematch>
      <treematch path="d"/></treemagic>
    <treemagic><treematch path="e" type="file"/></treemagic>
  </mime-type>
  <mime-type type="audio/x-drop">
    <glob-deleteall/><glob pattern="*.tst"/><magic-deleteall/>
    <magic><match type="string" value="drop" offset="0"/></magic>
  </mime-type>
  <mime-type type="odd/type"/>
"##;

#[test]
fn every_feature_of_sources_gives_the_tools_files() {
    let root = Root::new(TOOL);
    source(&root, "b.xml", FEATURES);
    source(
        &root,
        "Override.xml",
        r#"<mime-type type="text/x-Test"><comment>Ours</comment><comment xml:lang="de">Unseres</comment>
            <glob pattern="*.tst" weight="10"/><icon name="better"/></mime-type>"#,
    );
    source(
        &root,
        "z.xml",
        r#"<mime-type type="text/x-Test"><comment>Theirs</comment></mime-type>
            <mime-type type="text/plain"><glob pattern="*.txt"/></mime-type>
            <mime-type type="x/with"><glob pattern="*.with" weight="100"/><glob pattern="*.with" weight="5"/></mime-type>"#,
    );
    if let Some(caches) = judged(&root) {
        assert_eq!(caches.notes(), [""; 0]);
    }
}

#[test]
fn faults_end_their_type_like_the_tool_does() {
    let root = Root::new(TOOL);
    for (index, fault) in [
        "<glob/>",
        r#"<glob pattern="*.w" weight="x"/>"#,
        r#"<magic><match type="string" value="" offset="0"/></magic>"#,
        r#"<magic><match type="string" value="a"/></magic>"#,
        r#"<magic><match type="string" value="a" offset="5:2"/></magic>"#,
        r#"<magic><match type="string" value="a" offset="x"/></magic>"#,
        r#"<magic><match type="odd" value="a" offset="0"/></magic>"#,
        r#"<magic><match value="a" offset="0"/></magic>"#,
        r#"<magic><match type="byte" value="256" offset="0"/></magic>"#,
        r#"<magic><match type="big16" value="12x" offset="0"/></magic>"#,
        r#"<magic><match type="string" value="a" mask="ff" offset="0"/></magic>"#,
        r#"<magic><match type="string" value="a" mask="0xfff" offset="0"/></magic>"#,
        "<magic/>",
        r#"<magic priority="101"><match type="byte" value="1" offset="0"/></magic>"#,
        "<magic><other/></magic>",
        "<treemagic><treematch/></treemagic>",
        r#"<treemagic><treematch path="a" type="x"/></treemagic>"#,
        r#"<alias type="none"/>"#,
        "<sub-class-of/>",
        r#"<root-XML localName="x"/>"#,
        r#"<root-XML namespaceURI="a b" localName="x"/>"#,
        r#"<root-XML namespaceURI="" localName=""/>"#,
    ]
    .iter()
    .enumerate()
    {
        let content = format!(
            "<mime-type type=\"text/n{index}\"><comment>a</comment><glob pattern=\"*.n{index}\"/>{fault}\
             <glob pattern=\"*.after{index}\"/></mime-type><mime-type type=\"text/m{index}\"/>"
        );
        source(&root, &format!("n{index}.xml"), &content);
    }
    source(&root, "o.xml", r#"<other/><mime-type/><mime-type type="x"/><mime-type type="a/b/c"/>"#);
    root.file(&format!("{SOURCES}/p.xml"), "<mime-info><mime-type type=\"text/p\"/></mime-info>");
    root.file(&format!("{SOURCES}/q.xml"), "<mime-info");
    root.file(&format!("{SOURCES}/r.txt"), "no source");
    if let Some(caches) = judged(&root) {
        assert_eq!(caches.notes().len(), 22 + 4 + 2, "{:#?}", caches.notes());
    }
}

#[test]
fn this_machines_types_give_the_tools_files() {
    let root = Root::new(TOOL);
    root.copy(SOURCES, &[".xml"]);
    judged(&root);
}

#[test]
fn hostile_names_and_nesting_are_refused() {
    let root = Root::new(TOOL);
    source(&root, "a.xml", r#"<mime-type type="../x"/><mime-type type="/"/>"#);
    let deep = "<x>".repeat(5000) + &"</x>".repeat(5000);
    source(
        &root,
        "b.xml",
        &format!("<mime-type type=\"a/b\"><y xmlns=\"urn:y\">{deep}</y></mime-type>"),
    );
    let caches = Caches::make(&root.tree(), &ToolVersions::default()).unwrap();
    assert_eq!(caches.notes().len(), 3, "{:#?}", caches.notes());
    assert!(caches.files().iter().all(|(path, _)| path.starts_with("usr/share/mime/")));
}
