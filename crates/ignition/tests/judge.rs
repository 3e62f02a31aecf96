//! Debian's `ignition-validate` as the judge: what it refuses, [`flagstone_ignition::check`] calls
//! refused, and nothing else.

mod support;

use std::process::Command;

use flagstone_ignition::check;
use support::{configurations, judge};

#[test]
fn ignition_refuses_what_is_called_refused_and_nothing_else() {
    let Some(judge) = judge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.ign");
    let mut wrong = Vec::new();
    let mut counts = [0, 0];
    for (name, text) in configurations() {
        std::fs::write(&path, &text).unwrap();
        let run = Command::new(&judge).arg(&path).output().unwrap();
        let report = check(&name, text.as_bytes(), None);
        let refuses = !run.status.success();
        counts[usize::from(refuses)] += 1;
        if refuses != report.refused {
            let said = String::from_utf8_lossy(&run.stdout).into_owned()
                + &String::from_utf8_lossy(&run.stderr);
            let found: Vec<_> =
                report.findings.iter().map(|f| f.diagnostic.message.as_str()).collect();
            wrong.push(format!(
                "{name}: Ignition refuses: {refuses} ({said}), we: {found:?}\n{text}"
            ));
        }
    }
    println!("{} taken, {} refused by both", counts[0], counts[1]);
    assert!(wrong.is_empty(), "{} of {counts:?}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

/// What Ignition warns of, has a warning of ours at the same line.
#[test]
fn what_ignition_warns_of_is_found_on_the_same_line() {
    let Some(judge) = judge() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.ign");
    let mut compared = 0;
    for (name, text) in configurations() {
        std::fs::write(&path, &text).unwrap();
        let run = Command::new(&judge).arg(&path).output().unwrap();
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let report = check(&name, text.as_bytes(), None);
        for line in said.lines().filter(|line| line.starts_with("warning at")) {
            // `null` where an object may be puzzles it, and means nothing.
            if line.contains("context tree does not match") {
                continue;
            }
            let Some((_, place)) = line.split_once(", line ") else { continue };
            let number: usize = place.split_whitespace().next().unwrap().parse().unwrap();
            let mut ours = report.findings.iter().filter_map(|finding| finding.diagnostic.position);
            assert!(ours.any(|ours| ours.line == number), "{name}: {line}\n{text}\n{report:?}");
            compared += 1;
        }
    }
    assert!(compared > 3, "{compared}");
}
