//! What Ignition would say of the JSON is said of the YAML.

use flagstone_butane::translate;
use flagstone_ignition::{Report, Written, check_translated};

fn judged(text: &str) -> Report {
    let translation = translate("a.bu", text.as_bytes(), None, false);
    let translation = translation.expect("it can be translated");
    let written = Written { path: "a.bu", text, place: &|at| translation.places.of(at) };
    check_translated(&translation.json, &written, None)
}

#[test]
fn findings_stand_at_the_yaml_and_in_its_words() {
    let text = "\
variant: fcos
version: 1.4.0
storage:
  files:
    - path: /usr/bin/a
      mode: 644
    - path: /etc/b
      mode: 0620
      overwrite: true
    - path: /etc/b
  filesystems:
    - device: /dev/vdb
      format: ext4
      path: /usr/x
      with_mount_unit: true
systemd:
  units:
    - name: a.servcie
    - name: b.service
      contents: |
        [Service]
        ExecStart=/opt/b

        nonsense
";
    let report = judged(text);
    let found: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            let diagnostic = &finding.diagnostic;
            let at = diagnostic.position.unwrap();
            format!("{}:{}: {}", at.line, at.column, diagnostic.message)
        })
        .collect();
    assert_eq!(
        found,
        [
            "5:13: /usr is read-only",
            "6:13: the mode looks like octal, and is decimal without a 0 before it",
            "9:18: a file is to be overwritten by nothing",
            "10:13: `/etc/b` is there twice",
            "14:13: `/usr/x` comes from the verified image",
            "18:13: the name of a unit does not end in a type",
            "24:9: line 4 of the unit is wrong: an option has no =",
        ]
    );
    let mode = &report.findings[1].diagnostic;
    assert_eq!(mode.expected.as_deref(), Some("0644"));
    let overwrite = &report.findings[2].diagnostic;
    assert_eq!(overwrite.hint.as_deref(), Some("an empty file has `inline: \"\"`"));
    assert_eq!(report.findings[6].diagnostic.excerpt.as_ref().unwrap().line, "        nonsense");
}

#[test]
fn what_is_made_of_sugar_stands_at_the_sugar() {
    let text = "\
variant: fcos
version: 1.4.0
storage:
  filesystems:
    - device: \"/dev/vd\\nb\"
      format: ext4
      path: /var
      with_mount_unit: true
";
    let report = judged(text);
    let places: Vec<(usize, &str)> = report
        .findings
        .iter()
        .map(|finding| {
            let diagnostic = &finding.diagnostic;
            (diagnostic.position.unwrap().line, diagnostic.message.as_str())
        })
        .collect();
    assert!(
        places.iter().any(|(line, message)| *line == 8 && message.contains("of the unit is wrong")),
        "{places:?}"
    );
}

#[test]
fn a_line_of_a_text_in_quotes_has_the_place_of_the_text() {
    let text = "variant: fcos\nversion: 1.4.0\nsystemd:\n  units:\n    - name: a.service\n      contents: \"[Service]\\nnonsense\"\n";
    let report = judged(text);
    let at = report.findings[0].diagnostic.position.unwrap();
    assert_eq!((at.line, at.column), (6, 17));
}
