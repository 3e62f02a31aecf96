//! Configurations that Ignition cannot carry out, and such that are only unusual.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use flagstone_console::Stage;

use super::{LIMIT, assert_provisioned, assert_sound, ignition, manifest};
use crate::boot_server::BootServer;
use crate::{guest, support};

/// How large an unusually large configuration is.
const LARGE: usize = 10 << 20;

/// How many machines run at a time.
const AT_ONCE: usize = 2;

/// A configuration, and what becomes of it.
struct Case {
    name: &'static str,
    config: String,
    /// The cause that the console shows; none if the machine boots.
    cause: Option<&'static str>,
    /// Words of the console that a person needs.
    words: &'static [&'static str],
}

fn cases(dir: &Path, port: u16) -> Vec<Case> {
    let bad = |name, config: &str, cause, words| Case {
        name,
        config: config.to_owned(),
        cause: Some(cause),
        words,
    };
    let ours = fs::read_to_string(ignition(dir, "large")).unwrap();
    let first_file = "\"files\": [";
    let large = format!(
        "{first_file} {{ \"path\": \"/var/lib/large\", \"contents\": {{ \"source\": \"data:,{}\" }} }},",
        "x".repeat(LARGE)
    );
    fs::write(dir.join("site/large.ign"), ours.replace(first_file, &large)).unwrap();
    vec![
        bad(
            "no-server",
            "{\"ignition\":{\"version\":\"3.3.0\",\"timeouts\":{\"httpTotal\":20},\"config\":\
             {\"replace\":{\"source\":\"http://10.0.2.2:1/node.ign\"}}}}",
            "the server of the configuration did not answer in time",
            &["http://10.0.2.2:1/node.ign", "attempt #3", "connection refused"],
        ),
        bad(
            "no-disk",
            "{\"ignition\":{\"version\":\"3.3.0\"},\"storage\":{\"disks\":\
             [{\"device\":\"/dev/disk/by-id/virtio-none\",\"wipeTable\":true}]}}",
            "a disk or partition of the configuration is not there",
            &["/dev/disk/by-id/virtio-none"],
        ),
        bad("no-json", "{\"ignition\":{", "the configuration is wrong", &["config is not valid"]),
        bad(
            "no-version",
            "{\"ignition\":{\"version\":\"9.9.0\"}}",
            "the configuration is for another version of Ignition",
            &["unsupported config version"],
        ),
        Case {
            name: "large",
            // Over the network: the emulator's own way for configurations takes a quarter of an hour for it.
            config: format!(
                "{{\"ignition\":{{\"version\":\"3.3.0\",\"config\":\
                 {{\"replace\":{{\"source\":\"http://10.0.2.2:{port}/files/large.ign\"}}}}}}}}"
            ),
            cause: None,
            words: &[],
        },
        Case { name: "empty", config: String::new(), cause: None, words: &[] },
    ]
}

#[test]
#[ignore = "boots QEMU"]
fn a_configuration_that_cannot_be_carried_out_stops_the_boot_and_says_why() {
    let dir = support::scratch("smoke-refusing");
    let image = support::build("base", &dir);
    let manifest = manifest(&dir.join("out"));
    fs::create_dir(dir.join("site")).unwrap();
    let server = BootServer::start(&[&dir.join("site")]);
    let cases = cases(&dir, server.port);
    let queue = Mutex::new(cases.iter());
    let work = || {
        loop {
            let Some(case) = queue.lock().unwrap().next() else { break };
            let config = dir.join(format!("{}.ign", case.name));
            fs::write(&config, &case.config).unwrap();
            let config = config.display().to_string();
            let arguments = ["--pxe", "--memory", "900", "--ignition", &config];
            let boot = guest::boot_with(&image, &dir.join(case.name), LIMIT, &arguments);
            assert_case(case, &boot, &manifest);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            worker.join().expect("a case failed, see above");
        }
    });
}

fn assert_case(expected: &Case, boot: &guest::Boot, manifest: &serde_json::Value) {
    let name = expected.name;
    let Some(cause) = expected.cause else {
        assert_sound(boot, manifest);
        if name == "large" {
            assert_provisioned(boot, name);
        }
        return;
    };
    assert_eq!(boot.report.get("end"), None, "{name}: {:?}", boot.report);
    assert!(!boot.console.contains("Reached target boot-complete.target"), "{name}");
    assert_eq!(boot.stopped_at(), Some(Stage::Ignition), "{name}: {}", boot.diagnosis());
    assert!(boot.diagnosis().contains(cause), "{name}: {}", boot.diagnosis());
    for words in expected.words {
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
}
