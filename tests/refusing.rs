//! Configurations that Ignition cannot carry out.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use flagstone_artifact::Sha256Digest;
use flagstone_console::Stage;

use super::installing::ignition_by_digest;
use super::{LIMIT, ignition};
use crate::boot_server::BootServer;
use crate::{guest, support};

/// The case that takes a minute and a half, of which it waits for nearly all.
const WAITING: &str = "no-disk";

/// How many machines run at a time.
const AT_ONCE: usize = 2;

/// What a machine is given, and what it says.
struct Case {
    name: &'static str,
    /// Arguments for `flagstone run`.
    arguments: Vec<String>,
    cause: &'static str,
    /// Words of the console that a person needs.
    words: &'static [&'static str],
}

fn cases(dir: &Path, port: u16) -> Vec<Case> {
    let config = |name, text: &str, cause, words| {
        let path = dir.join(format!("{name}.ign"));
        fs::write(&path, text).unwrap();
        let arguments = vec!["--ignition".to_owned(), path.display().to_string()];
        Case { name, arguments, cause, words }
    };
    vec![
        // The longest first.
        config(
            WAITING,
            "{\"ignition\":{\"version\":\"3.3.0\"},\"storage\":{\"disks\":\
             [{\"device\":\"/dev/disk/by-id/virtio-none\",\"wipeTable\":true}]}}",
            "a disk or partition of the configuration is not there",
            &["/dev/disk/by-id/virtio-none"],
        ),
        config(
            "no-server",
            "{\"ignition\":{\"version\":\"3.3.0\",\"timeouts\":{\"httpTotal\":5},\"config\":\
             {\"replace\":{\"source\":\"http://10.0.2.2:1/node.ign\"}}}}",
            "the server of the configuration did not answer in time",
            &["http://10.0.2.2:1/node.ign", "attempt #3", "connection refused"],
        ),
        config(
            "no-json",
            "{\"ignition\":{",
            "the configuration is wrong",
            &["config is not valid"],
        ),
        config(
            "no-version",
            "{\"ignition\":{\"version\":\"9.9.0\"}}",
            "the configuration is for another version of Ignition",
            &["unsupported config version"],
        ),
        Case {
            name: "no-digest",
            arguments: vec![
                "--append".to_owned(),
                ignition_by_digest(port, "ours", &Sha256Digest::of(b"another")),
            ],
            cause: "what Ignition fetched has another digest than the configuration says",
            words: &["hash verification failed"],
        },
    ]
}

#[test]
#[ignore = "boots QEMU"]
fn a_configuration_that_cannot_be_carried_out_stops_the_boot_and_says_why() {
    let dir = support::scratch("smoke-refusing");
    let image = support::build("base", &dir);
    let site = dir.join("site");
    fs::create_dir(&site).unwrap();
    ignition(&site, "ours");
    let server = BootServer::start(&[&site]);
    let cases = cases(&dir, server.port);
    let queue = Mutex::new(cases.iter());
    let work = || {
        loop {
            let Some(case) = queue.lock().unwrap().next() else { break };
            let mut arguments = vec!["--pxe", "--memory", "900"];
            arguments.extend(case.arguments.iter().map(String::as_str));
            let extras = guest::Extras {
                arguments: &arguments,
                // One of them waits, nearly all of its time.
                needs_no_place: case.name == WAITING,
                // And that one is seen to start again.
                ends_when_failed: case.name != WAITING,
                ..guest::Extras::default()
            };
            let boot = guest::boot_so(&image, &dir.join(case.name), LIMIT, &extras);
            assert_refused(case, &boot);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().expect("a case failed, see above");
        }
    });
}

fn assert_refused(case: &Case, boot: &guest::Boot) {
    let name = case.name;
    assert_eq!(boot.report.get("end"), None, "{name}: {:?}", boot.report);
    assert!(!boot.console.contains("Reached target boot-complete.target"), "{name}");
    assert_eq!(boot.stopped_at(), Some(Stage::Ignition), "{name}: {}", boot.diagnosis());
    assert!(boot.diagnosis().contains(case.cause), "{name}: {}", boot.diagnosis());
    for words in case.words {
        assert!(
            boot.console.contains(words),
            "{name}: nobody says {words:?}: {}",
            boot.diagnosis()
        );
    }
    // No later stage does half of the work, and nobody calls the machine provisioned.
    for words in ["Stage: files", "Finished flagstone-provisioned.ser"] {
        assert!(!boot.console.contains(words), "{name}: {words}");
    }
    // The machine tries again, as one whose configuration was put right must.
    assert!(boot.console.contains("starting again in 10 seconds"), "{name}");
    if name == WAITING {
        assert!(boot.console.contains("reboot: Restarting system"), "it does not");
    }
}
