//! Configurations, good and bad, by what they are about.

use std::path::{Path, PathBuf};

/// Returns the judge; a test without it says so and passes, unless `FLAGSTONE_REQUIRE_JUDGES=1`.
pub(crate) fn judge() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("ignition-validate"))
        .find(|path| Path::is_file(path));
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(found.is_some() || !required, "ignition-validate is missing");
    if found.is_none() {
        println!("skipped: ignition-validate is missing");
    }
    found
}

/// Returns every configuration with a name.
pub(crate) fn configurations() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for text in WHOLE {
        all.push((format!("whole {text}"), (*text).to_owned()));
    }
    for version in ["3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0-experimental"] {
        for (key, values) in PARTS {
            for value in *values {
                // One key a line, so that lines tell places apart.
                let text = format!(
                    "{{\n\"ignition\": {{\"version\": \"{version}\"}},\n\"{key}\":\n{value}\n}}\n"
                );
                all.push((format!("{version} {key}: {value}"), text));
            }
        }
        for value in IGNITION {
            let text = format!("{{\"ignition\": {{\"version\": \"{version}\", {value}}}}}");
            all.push((format!("{version} ignition: {value}"), text));
        }
        for source in SOURCES {
            let text = format!(
                "{{\"ignition\": {{\"version\": \"{version}\"}}, \"storage\": {{\"files\": [{{\"path\": \"/a\", \"contents\": {source}}}]}}}}"
            );
            all.push((format!("{version} contents: {source}"), text));
        }
        for unit in UNITS {
            let text = format!(
                "{{\"ignition\": {{\"version\": \"{version}\"}}, \"systemd\": {{\"units\": [{{\"name\": \"a.service\", \"enabled\": true, \"contents\": \"{unit}\"}}]}}}}"
            );
            all.push((format!("{version} unit: {unit}"), text));
        }
    }
    all
}

const WHOLE: &[&str] = &[
    "",
    "{}",
    "[]",
    "null",
    "3",
    "{",
    "x",
    "{\"ignition\": {}}",
    "{\"ignition\": null}",
    "{\"ignition\": {\"version\": null}}",
    "{\"ignition\": {\"version\": \"\"}}",
    "{\"ignition\": {\"version\": 3}}",
    "{\"ignition\": {\"version\": \"3\"}}",
    "{\"ignition\": {\"version\": \"3.3\"}}",
    "{\"ignition\": {\"version\": \"3.3.0\"}}",
    "{\"ignition\": {\"version\": \"3.3.0\",}}",
    "{\"ignition\": {\"version\": \"3.3.0\"}} x",
    "{\"ignition\": {\"version\": \"3.3.0\"}} {}",
    "// a\n{\"ignition\": {\"version\": \"3.3.0\"}}",
    "\u{feff}{\"ignition\": {\"version\": \"3.3.0\"}}",
    "{\"ignition\": {\"version\": \"3.3.1\"}}",
    "{\"ignition\": {\"version\": \"3.4.0\"}}",
    "{\"ignition\": {\"version\": \"3.4.0-experimental\"}}",
    "{\"ignition\": {\"version\": \"3.5.0\"}}",
    "{\"ignition\": {\"version\": \"4.0.0\"}}",
    "{\"ignition\": {\"version\": \"2.3.0\"}}",
    "{\"ignition\": {\"version\": \"2.2.0\", \"config\": {\"append\": []}}}",
    "{\"ignitionVersion\": 1}",
    "{\"Ignition\": {\"VERSION\": \"3.3.0\"}}",
    "{\"ignition\": {\"version\": \"3.3.0\"}, \"ignition\": {\"version\": \"3.2.0\"}}",
    "{\"ignition\": {\"version\": \"3.3.0\"}, \"other\": {\"a\": [1, 2.5e3, true, null, {}]}}",
    "{\"ignition\": {\"version\": \"3.3.0\"}, \"Storage\": {\"files\": [{\"Path\": \"/a\"}]}}",
];

const PARTS: &[(&str, &[&str])] = &[
    (
        "storage",
        &[
            "null",
            "[]",
            "{\"files\": {}}",
            "{\"files\": [null]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 420, \"overwrite\": true, \"contents\": {\"source\": \"data:,\"}}]}",
            "{\"files\": [{\"path\": \"/a\", \"overwrite\": true}]}",
            "{\"files\": [{\"path\": \"a\"}]}",
            "{\"files\": [{\"path\": \"/a/\"}]}",
            "{\"files\": [{\"path\": \"/a/../b\"}]}",
            "{\"files\": [{\"path\": \"\"}]}",
            "{\"files\": [{}]}",
            "{\"files\": [{\"path\": 1}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": \"0644\"}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 0644}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 644}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 4096}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": -1}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 420.0}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 2541}]}",
            "{\"files\": [{\"path\": \"/a\", \"mode\": 99999999999999999999}]}",
            "{\"files\": [{\"path\": \"/a\", \"moed\": 420}]}",
            "{\"files\": [{\"path\": \"/a\", \"filesystem\": \"root\"}]}",
            "{\"files\": [{\"path\": \"/a\"}, {\"path\": \"/a\"}]}",
            "{\"files\": [{\"path\": \"/a\"}], \"directories\": [{\"path\": \"/a\"}]}",
            "{\"files\": [{\"path\": \"/a\"}], \"links\": [{\"path\": \"/a\", \"target\": \"/b\"}]}",
            "{\"files\": [{\"path\": \"/a\"}, {\"path\": \"/a/b\"}]}",
            "{\"files\": [{\"path\": \"/a/b/c\"}], \"links\": [{\"path\": \"/a\", \"target\": \"/b\"}]}",
            "{\"directories\": [{\"path\": \"/a/b\"}], \"links\": [{\"path\": \"/a\", \"target\": \"/b\"}]}",
            "{\"links\": [{\"path\": \"/a/b\", \"target\": \"c\"}, {\"path\": \"/a\", \"target\": \"/b\"}]}",
            "{\"links\": [{\"path\": \"/a\", \"target\": \"\"}]}",
            "{\"links\": [{\"path\": \"/a\"}]}",
            "{\"links\": [{\"path\": \"/a\", \"target\": \"/b/\", \"hard\": true}], \"directories\": [{\"path\": \"/b\"}]}",
            "{\"links\": [{\"path\": \"/a\", \"target\": \"b\", \"hard\": true}], \"directories\": [{\"path\": \"/b\"}]}",
            "{\"files\": [{\"path\": \"/a\", \"user\": {\"id\": 0, \"name\": \"core\"}}]}",
            "{\"files\": [{\"path\": \"/a\", \"user\": {\"id\": 0, \"name\": \"\"}, \"group\": {\"name\": \"x\"}}]}",
            "{\"files\": [{\"path\": \"/usr/bin/a\"}], \"directories\": [{\"path\": \"/run/a\", \"mode\": 755}]}",
            "{\"files\": [{\"path\": \"/a\", \"append\": [{\"source\": \"data:,a\"}, {\"source\": \"data:,a\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"wipeTable\": true, \"partitions\": [{\"number\": 1, \"label\": \"a\", \"startMiB\": 1, \"sizeMiB\": 10, \"resize\": true}, {\"label\": \"b\"}]}]}",
            "{\"disks\": [{\"device\": \"vda\"}]}",
            "{\"disks\": [{}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\"}, {\"device\": \"/dev/vda\"}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1}, {\"number\": 1}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"label\": \"a\"}, {\"label\": \"a\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"label\": \"a:b\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"label\": \"1234567890123456789012345678901234567\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"label\": \"123456789012345678901234567890123456\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"guid\": \"x\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"typeGuid\": \"\", \"guid\": \"01234567-89ab-CDEF-0123-456789abcdef\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"startMiB\": 1, \"sizeMiB\": 10}, {\"number\": 2, \"startMiB\": 10, \"sizeMiB\": 5}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"startMiB\": 1, \"sizeMiB\": 10}, {\"number\": 2, \"startMiB\": 11, \"sizeMiB\": 0}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"startMiB\": 20, \"sizeMiB\": 0}, {\"number\": 2, \"startMiB\": 1, \"sizeMiB\": 100}, {\"number\": 3, \"startMiB\": 0, \"sizeMiB\": 100}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"shouldExist\": false}, {\"label\": \"a\"}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"shouldExist\": false, \"wipePartitionEntry\": true}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"shouldExist\": false, \"sizeMiB\": 1}]}]}",
            "{\"disks\": [{\"device\": \"/dev/vda\", \"partitions\": [{\"number\": 1, \"size\": 1}]}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"raid1\", \"devices\": [\"/dev/vda\", \"/dev/vdb\"], \"spares\": 1}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"raid0\", \"devices\": [\"/dev/vda\"], \"spares\": 1}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"raid7\", \"devices\": [\"/dev/vda\"]}]}",
            "{\"raid\": [{\"name\": \"a\", \"devices\": [\"/dev/vda\"]}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"1\", \"devices\": []}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"1\", \"devices\": [\"vda\"]}]}",
            "{\"raid\": [{\"name\": \"a\", \"level\": \"1\", \"devices\": [\"/dev/vda\", \"/dev/vda\"]}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"ext4\", \"label\": \"a\", \"path\": \"/var\", \"options\": [\"-q\", \"-q\"], \"mountOptions\": [\"noatime\", \"noatime\"]}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"ext3\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"none\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"path\": \"/var\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"mountOptions\": [\"noatime\"]}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"vfat\", \"label\": \"123456789012\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"swap\", \"label\": \"123456789012345\"}]}",
            "{\"filesystems\": [{\"device\": \"/dev/vda1\", \"format\": \"xfs\", \"path\": \"var\"}]}",
            "{\"filesystems\": [{\"format\": \"btrfs\"}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"tpm2\": true}}]}",
            "{\"luks\": [{\"name\": \"a/b\", \"device\": \"/dev/vda\"}]}",
            "{\"luks\": [{\"name\": \"a\"}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"label\": \"123456789012345678901234567890123456789012345678\"}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"keyFile\": {\"source\": \"file:///a\"}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"tang\": [{\"url\": \"https://a\", \"thumbprint\": \"x\"}], \"threshold\": 1}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"tang\": [{\"url\": \"a\"}]}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"custom\": {\"pin\": \"tpm2\", \"config\": \"{}\"}, \"tpm2\": true}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"custom\": {\"needsNetwork\": true}}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"custom\": {\"pin\": \"x\"}}}]}",
            "{\"luks\": [{\"name\": \"a\", \"device\": \"/dev/vda\", \"clevis\": {\"custom\": {}, \"tpm2\": true}}]}",
        ],
    ),
    (
        "passwd",
        &[
            "{\"users\": [{\"name\": \"core\", \"sshAuthorizedKeys\": [\"ssh-ed25519 AAAA\", \"x\"], \"groups\": [\"a\"], \"shouldExist\": true, \"uid\": 1000}]}",
            "{\"users\": [{\"name\": \"core\", \"sshAuthorizedKeys\": [\"x\", \"x\"]}]}",
            "{\"users\": [{\"name\": \"core\", \"groups\": [\"a\", \"a\"]}]}",
            "{\"users\": [{\"name\": \"core\"}, {\"name\": \"core\"}]}",
            "{\"users\": [{\"name\": \"\"}]}",
            "{\"users\": [{}]}",
            "{\"users\": [{\"name\": \"a b\", \"uid\": -1}]}",
            "{\"users\": [{\"name\": \"a\", \"uid\": \"1\"}]}",
            "{\"users\": [{\"name\": \"a\", \"noCreateHome\": \"true\"}]}",
            "{\"users\": [{\"name\": \"a\", \"create\": {}}]}",
            "{\"groups\": [{\"name\": \"a\", \"gid\": 5, \"passwordHash\": \"x\", \"system\": false}]}",
            "{\"groups\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}",
            "{\"groups\": \"a\"}",
        ],
    ),
    (
        "systemd",
        &[
            "{\"units\": [{\"name\": \"a.service\"}]}",
            "{\"units\": [{\"name\": \"a\"}]}",
            "{\"units\": [{\"name\": \"a.servic\"}]}",
            "{\"units\": [{}]}",
            "{\"units\": [{\"name\": \"a.snapshot\", \"mask\": true}]}",
            "{\"units\": [{\"name\": \"a.service\"}, {\"name\": \"a.service\"}]}",
            "{\"units\": [{\"name\": \"a.service\", \"dropins\": [{\"name\": \"a.conf\", \"contents\": \"[Service]\\nA=b\\n\"}]}]}",
            "{\"units\": [{\"name\": \"a.service\", \"dropins\": [{\"name\": \"a.cnf\"}]}]}",
            "{\"units\": [{\"name\": \"a.service\", \"dropins\": [{\"name\": \"a.conf\"}, {\"name\": \"a.conf\"}]}]}",
            "{\"units\": [{\"name\": \"a.service\", \"dropins\": [{\"name\": \"a.conf\", \"contents\": \"[Service\"}]}]}",
            "{\"units\": [{\"name\": \"a.service\", \"enable\": true}]}",
            "{\"units\": [{\"name\": \"a.service\", \"enabled\": \"yes\"}]}",
        ],
    ),
    (
        "kernelArguments",
        &[
            "{\"shouldExist\": [\"a\"], \"shouldNotExist\": [\"b\"]}",
            "{\"shouldExist\": [\"a\", \"a\"]}",
            "{\"shouldExist\": [\"a\"], \"shouldNotExist\": [\"a\"]}",
            "{\"shouldExist\": \"a\"}",
        ],
    ),
];

const IGNITION: &[&str] = &[
    "\"config\": {\"merge\": [{\"source\": \"https://a/b\"}, {\"source\": \"https://a/c\"}]}",
    "\"config\": {\"merge\": [{\"source\": \"https://a/b\"}, {\"source\": \"https://a/b\"}]}",
    "\"config\": {\"merge\": [{\"source\": \"a\"}]}",
    "\"config\": {\"merge\": [{\"source\": \"\"}]}",
    "\"config\": {\"merge\": [{}]}",
    "\"config\": {\"merge\": {}}",
    "\"config\": {\"append\": [{}]}",
    "\"config\": {\"replace\": {}}",
    "\"config\": {\"replace\": {\"source\": \"http://a\", \"compression\": \"xz\"}}",
    "\"config\": {\"replace\": {\"source\": \"https://a\", \"httpHeaders\": [{\"name\": \"A\"}]}}",
    "\"proxy\": {\"httpProxy\": \"http://a\", \"httpsProxy\": \"http://a\", \"noProxy\": [\"a\", \"b\"]}",
    "\"proxy\": {\"httpProxy\": \"a:80\"}",
    "\"proxy\": {\"httpProxy\": \"\"}",
    "\"proxy\": {\"noProxy\": [\"a\", \"a\"]}",
    "\"timeouts\": {\"httpTotal\": -1, \"httpResponseHeaders\": 0}",
    "\"timeouts\": {\"httpTotal\": \"1\"}",
    "\"timeouts\": {\"httpTotal\": 1.5}",
    "\"security\": {\"tls\": {\"certificateAuthorities\": [{\"source\": \"data:,a\"}]}}",
    "\"security\": {\"tls\": {\"certificateAuthorities\": [{}]}}",
    "\"security\": {\"tls\": {\"certificateAuthorities\": [{\"source\": \"x:y\"}]}}",
];

const SOURCES: &[&str] = &[
    "{}",
    "{\"source\": \"\"}",
    "{\"source\": null}",
    "{\"source\": \"data:,a%20b\"}",
    "{\"source\": \"data:,a b\"}",
    "{\"source\": \"data:,%zz\"}",
    "{\"source\": \"data:,a#b\"}",
    "{\"source\": \"data:;base64,aGVsbG8=\"}",
    "{\"source\": \"data:;base64,aGVsbG8\"}",
    "{\"source\": \"data:;base64,aGVs\\nbG8=\"}",
    "{\"source\": \"data:;base64,a===\"}",
    "{\"source\": \"data:;base64,ab=c\"}",
    "{\"source\": \"data:text/plain;charset=utf-8;base64,aGVsbG8=\"}",
    "{\"source\": \"data:text/plain,a\"}",
    "{\"source\": \"data:plain,a\"}",
    "{\"source\": \"data:foo/bar,a\"}",
    "{\"source\": \"data:x-foo/bar;a=\\\"b\\\",a\"}",
    "{\"source\": \"data:;gzip,a\"}",
    "{\"source\": \"data:abc\"}",
    "{\"source\": \"DATA:,a\"}",
    "{\"source\": \"http://a/b?c=d#e\"}",
    "{\"source\": \"HTTPS://a\"}",
    "{\"source\": \"https://a:b/\"}",
    "{\"source\": \"https://a b/\"}",
    "{\"source\": \"https://a/%zz\"}",
    "{\"source\": \"https://[::1]/\"}",
    "{\"source\": \"https://[::1/\"}",
    "{\"source\": \"https:a\"}",
    "{\"source\": \"tftp://a/b\"}",
    "{\"source\": \"ftp://a/b\"}",
    "{\"source\": \"file:///a\"}",
    "{\"source\": \"oem:///a\"}",
    "{\"source\": \"/a/b\"}",
    "{\"source\": \"a\"}",
    "{\"source\": \":a\"}",
    "{\"source\": \"1a:b\"}",
    "{\"source\": \"s3://b/o\"}",
    "{\"source\": \"s3://b/o?versionId=\"}",
    "{\"source\": \"s3://b/o?versionId=x\"}",
    "{\"source\": \"gs://b/o\"}",
    "{\"source\": \"arn:aws:s3:::b/o\"}",
    "{\"source\": \"arn:aws:s3:::b\"}",
    "{\"source\": \"arn:aws:s3:r:1:accesspoint/b/object/o\"}",
    "{\"source\": \"arn:aws:s3:r:1:accesspoint/b\"}",
    "{\"source\": \"arn:aws:iam::1:user/x\"}",
    "{\"source\": \"arn:x\"}",
    "{\"source\": \"data:,a\", \"compression\": \"gzip\"}",
    "{\"source\": \"data:,a\", \"compression\": \"\"}",
    "{\"source\": \"data:,a\", \"compression\": null}",
    "{\"source\": \"data:,a\", \"compression\": \"zstd\"}",
    "{\"source\": \"https://a\", \"httpHeaders\": [{\"name\": \"A\", \"value\": \"b\"}]}",
    "{\"source\": \"https://a\", \"httpHeaders\": [{\"name\": \"A\", \"value\": \"\"}]}",
    "{\"source\": \"https://a\", \"httpHeaders\": [{\"value\": \"b\"}]}",
    "{\"source\": \"https://a\", \"httpHeaders\": [{\"name\": \"A\"}, {\"name\": \"A\"}]}",
    "{\"source\": \"data:,\", \"httpHeaders\": [{\"name\": \"A\", \"value\": \"b\"}]}",
    "{\"httpHeaders\": [{\"name\": \"A\", \"value\": \"b\"}]}",
    "{\"source\": \"data:,\", \"httpHeaders\": []}",
    "{\"verification\": {\"hash\": \"sha512-00\"}}",
    "{\"source\": \"https://a\", \"verification\": {}}",
    "{\"source\": \"https://a\", \"verification\": {\"hash\": \"sha512-00\"}}",
    "{\"source\": \"https://a\", \"verification\": {\"hash\": \"\"}}",
    "{\"source\": \"https://a\", \"verification\": {\"hash\": \"md5-00\"}}",
    "{\"source\": \"https://a\", \"verification\": {\"hash\": \"sha256-zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"}}",
    "{\"source\": \"https://a\", \"verification\": {\"hash\": \"sha256-0000000000000000000000000000000000000000000000000000000000000000\"}}",
    "{\"verification\": {\"hash\": \"sha256-0000000000000000000000000000000000000000000000000000000000000000\"}}",
];

const UNITS: &[&str] = &[
    "",
    "[Service]\\nExecStart=/a\\n",
    "[Service]\\nExecStart=/a\\n[Install]\\nWantedBy=b.target\\n",
    "[Service]\\nExecStart=/a \\\\\\n[b\\n c\\n",
    "[Service]\\nExecStart\\n",
    "[Service]\\nExecStart",
    "[Service",
    "[Service\\nExecStart=/a\\n",
    "[Service] x\\nExecStart=/a\\n",
    "x\\n[Service]\\nExecStart=/a\\n",
    "x\\n",
    "# a \\\\\\n[Service\\n[Service]\\n",
    "[Service]\\n# a \\\\\\nb\\nC=d\\n",
    "[Service]\\n;a\\n  \\n  C=d\\n",
    "[Service]\\nA=\\nB=c\\n",
    "[Service]\\n  A\\n",
    "[A]\\n\\n[B]\\nc=d",
    "[Service]\\r\\nA=b\\r\\n",
];
