//! What Ignition takes and a machine with a Flagstone image does not.

use std::collections::BTreeMap;

use flagstone_ignition::{CONFIG_MAX, Report, Shipped, Verdict, check};

fn with(version: &str, part: &str) -> String {
    format!("{{\n \"ignition\": {{ \"version\": \"{version}\" }},\n {part}\n}}\n")
}

/// Returns what is found: `f` fails, `r` refused, `d` doubtful, with line, column and message.
fn found(report: &Report) -> Vec<String> {
    let findings = report.findings.iter().map(|finding| {
        let kind = match finding.verdict {
            Verdict::Refused => 'r',
            Verdict::Fails => 'f',
            Verdict::Doubtful => 'd',
        };
        let place = finding
            .diagnostic
            .position
            .map_or_else(String::new, |position| format!(" {}:{}", position.line, position.column));
        format!("{kind}{place} {}", finding.diagnostic.message)
    });
    findings.collect()
}

#[test]
fn every_finding_has_its_place_and_its_words() {
    let cases: &[(&str, &[&str])] = &[
        (
            r#""storage": { "files": [{ "path": "/usr/local/bin/a", "mode": 755 }] }"#,
            &[
                "f 3:35 /usr is read-only",
                "d 3:63 the mode looks like octal, and JSON has decimal numbers alone",
            ],
        ),
        (r#""storage": { "files": [{ "path": "/lib/a" }] }"#, &["f 3:35 /usr is read-only"]),
        (r#""storage": { "files": [{ "path": "/libx/a", "mode": 420 }] }"#, &[]),
        (
            r#""storage": { "directories": [{ "path": "/run/a" }, { "path": "/efi/b" }, { "path": "/boot/efi" }] }"#,
            &[
                "d 3:41 what is written below /run is not there after the boot: it is empty at each boot",
                "d 3:63 what is written below /efi is not there after the boot: the EFI system partition is mounted there",
                "d 3:85 nothing reads /boot: kernels are unified images on the EFI system partition",
            ],
        ),
        (
            r#""storage": { "files": [{ "path": "/opt/a" }, { "path": "/opt/a/b" }] }"#,
            &["f 3:57 a file is below a file"],
        ),
        (
            r#""storage": { "files": [{ "path": "/opt/a", "contents": { "source": "http://a/b" } }] }"#,
            &["d 3:69 whoever is on the network's way can change what this loads"],
        ),
        (
            r#""storage": { "files": [{ "path": "/opt/a", "contents": { "source": "data:,a", "compression": "gzip" } }] }"#,
            &["f 3:95 the data is not compressed with gzip"],
        ),
        (
            r#""storage": { "files": [{ "path": "/opt/a", "contents": { "source": "data:,a", "verification": { "hash": "sha256-ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bc" } } }] }"#,
            &["f 3:106 the digest is not that of the data"],
        ),
        (
            r#""storage": { "files": [{ "path": "/opt/a", "contents": { "source": "data:,a", "verification": { "hash": "sha256-ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" } } }] }"#,
            &[],
        ),
        (
            r#""passwd": { "users": [{ "name": "core", "uid": -1, "passwordHash": "secret", "sshAuthorizedKeys": ["-----BEGIN OPENSSH PRI\u0056ATE KEY-----", "ssh-ed25519 AAAA"] }] }"#,
            &[
                "f 3:49 no uid is such a number",
                "d 3:69 this is no hash of a password that log-ins know",
                "f 3:101 this is a private key: whoever reads the configuration has it",
                "d 3:145 the ssh-ed25519 key is cut off, or none",
            ],
        ),
        (
            r#""passwd": { "users": [{ "name": "core", "passwordHash": "$y$j9T$abc$def", "sshAuthorizedKeys": ["restrict ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a@b"] }] }"#,
            &[],
        ),
        (
            r#""systemd": { "units": [{ "name": "a.service", "enabled": true, "contents": "[Servise]\nExecStart=/a\n" }] }"#,
            &[
                "d 3:77 systemd ignores the section `Servise`",
                "d 3:77 the unit has no [Service], so systemd loads nothing",
                "d 3:77 the unit is enabled, and has no [Install] that says what starts it",
            ],
        ),
        (
            r#""systemd": { "units": [{ "name": "a@.service", "enabled": true }, { "name": "a b.service" }] }"#,
            &[
                "d 3:35 a template is enabled, which needs an instance",
                "f 3:78 systemd takes no unit of this name",
            ],
        ),
        (
            r#""storage": { "disks": [{ "device": "/dev/vda", "wipeTable": true }], "filesystems": [{ "device": "/dev/vda1", "format": "xfs", "path": "/usr" }] }"#,
            &[
                "d 3:122 the image needs mkfs.xfs for it, of the package xfsprogs",
                "f 3:137 `/usr` comes from the verified image",
            ],
        ),
        (
            r#""storage": { "flies": [], "files": [{ "path": "/opt/a", "path": "/opt/b" }] }"#,
            &[
                "d 3:15 unknown key `flies` in `storage`: Ignition ignores it",
                "f 3:58 the key is there twice",
            ],
        ),
    ];
    for (part, expected) in cases {
        let report = check("a.ign", with("3.3.0", part).as_bytes(), None);
        assert_eq!(found(&report), *expected, "{part}");
        assert!(!report.refused, "{part}");
    }
}

#[test]
fn what_a_machine_needs_for_its_kernel_and_its_tpm_is_told() {
    let cases: &[(&str, &[&str])] = &[
        (
            r#""kernelArguments": { "shouldExist": ["quiet"] }"#,
            &["d 3:38 a machine with Secure Boot does not take them, and the boot fails here"],
        ),
        (
            r#""kernelArguments": { "shouldExist": ["a=\u00e4"], "shouldNotExist": ["quiet"] }"#,
            &[
                "d 3:38 a machine with Secure Boot does not take them, and the boot fails here",
                "f 3:39 the kernel does not take this",
                "d 3:70 what the kernel image itself has stays, and the boot fails here",
            ],
        ),
        (
            r#""storage": { "luks": [{ "name": "a", "device": "/dev/vda", "wipeVolume": true, "clevis": { "tpm2": true } }] }"#,
            &["d 3:91 the image needs what a TPM takes, of the package libtss2-esys-3.0.2-0t64"],
        ),
        (
            r#""storage": { "luks": [{ "name": "a", "device": "/dev/vda", "wipeVolume": true, "clevis": { "tpm2": true, "threshold": 2 } }] }"#,
            &["f 3:91 the initrd knows one pin of Clevis, the TPM's"],
        ),
        (
            r#""storage": { "luks": [{ "name": "a", "device": "/dev/vda", "clevis": { "tpm2": true, "threshold": 0 } }] }"#,
            &[
                "f 3:71 the initrd knows one pin of Clevis, the TPM's",
                "d 3:71 Ignition does not use such a volume again when it is run again, after a reset",
            ],
        ),
        (
            r#""storage": { "luks": [{ "name": "a", "device": "/dev/vda", "wipeVolume": true, "clevis": { "custom": { "pin": "tpm2", "config": "{\"pcr_ids\": \"7,11\", \"pcr_bank\": \"sha256\"}" } } }] }"#,
            &[
                "d 3:91 the image needs what a TPM takes, of the package libtss2-esys-3.0.2-0t64",
                "d 3:130 these registers change with every update, and the volume stays shut",
            ],
        ),
        (
            r#""storage": { "luks": [{ "name": "a", "device": "/dev/vda", "wipeVolume": true, "clevis": { "custom": { "pin": "tpm2", "config": "{\"pcr_ids\": [7]}" } } }] }"#,
            &["f 3:130 the initrd does not know this configuration of the pin"],
        ),
    ];
    for (part, expected) in cases {
        let report = check("a.ign", with("3.3.0", part).as_bytes(), None);
        assert_eq!(found(&report), *expected, "{part}");
        assert!(!report.refused, "{part}");
    }
}

#[test]
fn more_arguments_than_there_is_room_for_are_told() {
    for (length, expected) in [(1492, 1), (1493, 2)] {
        let part = format!(r#""kernelArguments": {{ "shouldExist": ["{}"] }}"#, "x".repeat(length));
        let found = found(&check("a.ign", with("3.3.0", &part).as_bytes(), None));
        assert_eq!(found.len(), expected, "{found:?}");
        assert_eq!(found.iter().any(|text| text.contains("no room")), expected == 2, "{found:?}");
    }
}

#[test]
fn a_key_of_a_later_version_is_ignored_with_a_warning() {
    let part = r#""storage": { "luks": [{}] }, "kernelArguments": { "shouldExist": ["quiet"] }"#;
    let report = check("a.ign", with("3.1.0", part).as_bytes(), None);
    let messages = [
        "d 3:15 `luks` is ignored by version 3.1.0; it came with 3.2.0",
        "d 3:31 `kernelArguments` is ignored by version 3.1.0; it came with 3.3.0",
    ];
    assert_eq!(found(&report), messages);
    let hints: Vec<_> = report.findings.iter().map(|f| f.diagnostic.hint.as_deref()).collect();
    assert_eq!(
        hints,
        ["3.2.0", "3.3.0"]
            .map(|since| format!("state version {since} or later"))
            .each_ref()
            .map(|hint| Some(hint.as_str()))
    );
}

#[test]
fn a_mode_in_octal_gets_the_decimal_that_was_meant() {
    for (written, meant) in
        [(644, "420 (octal 0644)"), (755, "493 (octal 0755)"), (1777, "1023 (octal 1777)")]
    {
        let part =
            format!(r#""storage": {{ "files": [{{ "path": "/opt/a", "mode": {written} }}] }}"#);
        let report = check("a.ign", with("3.3.0", &part).as_bytes(), None);
        assert_eq!(report.findings[0].diagnostic.expected.as_deref(), Some(meant));
    }
    for right in [420, 493, 384, 416, 448, 511, 256, 288, 292, 365, 488] {
        let part =
            format!(r#""storage": {{ "files": [{{ "path": "/opt/a", "mode": {right} }}] }}"#);
        let report = check("a.ign", with("3.3.0", &part).as_bytes(), None);
        assert_eq!(found(&report), [""; 0], "{right}");
    }
}

#[test]
fn an_image_tells_which_units_programs_and_defaults_it_has() {
    let paths = [
        "bin/bash",
        "lib/systemd/system/ssh.service",
        "lib/systemd/system/getty@.service",
        "sbin/sgdisk",
        "share/flagstone/etc/hosts",
        "share/flagstone/etc/own",
        "share/flagstone/etc/systemd/system/own.service",
    ];
    let mut paths: BTreeMap<String, bool> =
        paths.iter().map(|path| ((*path).to_owned(), false)).collect();
    paths.insert("share/flagstone/etc/ssh".to_owned(), true);
    let shipped = Shipped::new(paths);
    let part = r#""storage": {
  "files": [
   { "path": "/etc/hosts", "contents": { "source": "data:,a" } },
   { "path": "/etc/new", "contents": { "source": "data:,a" } },
   { "path": "/etc/own", "contents": { "source": "data:,a" }, "overwrite": true }],
  "directories": [{ "path": "/etc/ssh" }],
  "disks": [{ "device": "/dev/vda", "wipeTable": true }],
  "raid": [{ "name": "a", "level": "raid1", "devices": ["/dev/vda"] }]
 },
 "passwd": { "users": [{ "name": "a", "shell": "/bin/zsh" }, { "name": "b", "shell": "/bin/bash" }] },
 "systemd": { "units": [
  { "name": "ssh.service", "enabled": true },
  { "name": "own.service", "enabled": true },
  { "name": "getty@tty2.service", "enabled": true },
  { "name": "docker.service", "enabled": true },
  { "name": "absent.service", "enabled": false }] }"#;
    let report = check("a.ign", with("3.3.0", part).as_bytes(), Some(&shipped));
    assert_eq!(
        found(&report),
        [
            "f 5:14 the image has a file at this path",
            "f 10:22 the image needs mdadm for it, of the package mdadm",
            "d 12:48 the image has no such shell",
            "d 17:13 neither the configuration nor the image has `docker.service`",
        ]
    );
}

#[test]
fn no_configuration_is_read_beyond_its_bounds() {
    let report = check("a.ign", &vec![b' '; CONFIG_MAX + 1], None);
    assert_eq!(found(&report), ["f the file is too long for a configuration"]);
    for empty in ["", " \n"] {
        assert_eq!(found(&check("a.ign", empty.as_bytes(), None)), ["r the file is empty"]);
    }
    let many = with("3.3.0", &format!("\"x\": [{}0]", "0,".repeat(1 << 20)));
    let report = check("a.ign", many.as_bytes(), None);
    assert!(found(&report)[0].contains("more than a million values"), "{report:?}");
    let wrong =
        with("3.3.0", &format!("\"systemd\": {{ \"units\": [{}1] }}", "1,".repeat(200_000)));
    let report = check("a.ign", wrong.as_bytes(), None);
    assert_eq!((report.findings.len(), report.errors), (100, 200_001));
    assert_eq!(report.left_out(), 199_901);
    let bytes =
        [b"{\"ignition\": {\"version\": \"3.3.0\"}, \"a".as_slice(), b"\xff\": 1}"].concat();
    let report = check("a.ign", &bytes, None);
    assert_eq!(found(&report)[1], "f 1:38 the file is not UTF-8 text");
}

/// Whatever is cut off or changed gives a report, and never a panic.
#[test]
fn a_damaged_configuration_is_refused_or_read() {
    let whole = with(
        "3.3.0",
        r#""storage": { "files": [{ "path": "/opt/ä", "mode": 420, "contents": { "source": "data:;base64,aGVsbG8=" } }] },
 "systemd": { "units": [{ "name": "a.service", "contents": "[Service]\nExecStart=/a\n" }] }"#,
    );
    assert_eq!(found(&check("a.ign", whole.as_bytes(), None)), [""; 0]);
    let end = whole.trim_end().len();
    for length in 0..end {
        assert!(check("a.ign", &whole.as_bytes()[..length], None).errors > 0, "{length}");
    }
    for at in 0..end {
        for byte in [0, b'"', b'{', b'\\', 0xff] {
            let mut changed = whole.clone().into_bytes();
            changed[at] = byte;
            check("a.ign", &changed, None);
        }
    }
}
