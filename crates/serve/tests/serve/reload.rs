//! A configuration that is read anew while the server runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

use crate::support::{config, pattern, split, start};
use flagstone_serve::Config;

fn profile(kernel: &str) -> String {
    format!("[profiles.a]\nkernel = \"{kernel}\"\n[groups.g]\nprofile = \"a\"\n")
}

#[test]
fn a_configuration_that_is_read_anew_is_in_force_and_transfers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(64 << 20);
    fs::write(dir.path().join("old"), &data).unwrap();
    fs::write(dir.path().join("new"), "new").unwrap();
    let server = start(&config(dir.path(), &profile("old")));
    assert!(server.get("/ipxe").text().contains("/files/old"));
    let mut stream = TcpStream::connect(server.addresses.http).unwrap();
    stream.write_all(b"GET /files/old HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = vec![0; 1000];
    stream.read_exact(&mut bytes).unwrap();
    // The new one serves another folder, which does not have the file.
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("new"), "new").unwrap();
    assert!(server.reloader.reload(Ok(config(other.path(), &profile("new")))));
    assert!(server.get("/ipxe").text().contains("/files/new"));
    assert_eq!(server.get("/files/old").status, 404);
    stream.read_to_end(&mut bytes).unwrap();
    assert!(split(&bytes).body == data, "a transfer that was going on ended early");
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("flagstone_reloads_total{result=\"accepted\"} 1\n"));
    assert!(metrics.text().contains("flagstone_http_requests_total{code=\"2xx\"} 3\n"));
}

#[test]
fn one_that_is_wrong_changes_nothing_and_every_mistake_is_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k"), "k").unwrap();
    let server = start(&config(dir.path(), &profile("k")));
    let wrong = "[profiles.a]\nkernel = \"x\"\ninitrd = [\"y\"]\n[groups.g]\nprofile = \"a\"\n";
    assert!(!server.reloader.reload(Ok(config(dir.path(), wrong))));
    for word in ["the file `x` cannot be served", "the file `y` cannot be served"] {
        server.log.wait_for(&["event=error", "serve.toml:", word]);
    }
    let path = dir.path().join("none.toml");
    assert!(!server.reloader.reload(Config::load(&path)));
    server.log.wait_for(&["event=error", "failed to read", "No such file"]);
    fs::write(&path, "lissen = 1\n[log]\nx = 1\n").unwrap();
    assert!(!server.reloader.reload(Config::load(&path)));
    server.log.wait_for(&["event=error", "unknown key `lissen`; hint: did you mean `listen`?"]);
    server.log.wait_for(&["event=error", "none.toml:3:1: unknown key `x`"]);
    assert!(server.get("/ipxe").text().contains("/files/k"));
    let metrics = server.get("/metrics");
    assert!(metrics.text().contains("flagstone_reloads_total{result=\"refused\"} 3\n"));
}

#[test]
fn what_needs_a_restart_is_told_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k"), "k").unwrap();
    let server = start(&config(dir.path(), &profile("k")));
    let mut other = config(dir.path(), &profile("k"));
    assert!(server.reloader.reload(Ok(other.clone())));
    assert!(!server.log.text().contains("restart"), "{}", server.log.text());
    other.listen = "127.0.0.1:9".parse().unwrap();
    other.tftp = Some(Config::TFTP);
    other.limits.connections = 7;
    assert!(server.reloader.reload(Ok(other)));
    for what in ["`listen`", "[tftp]", "[limits]"] {
        server.log.wait_for(&["event=note", &format!("{what} changed: that needs a restart")]);
    }
    assert!(!server.log.text().contains("[log] changed"));
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_file_is_compared_with_a_list_that_was_mended() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("k"), "k").unwrap();
    let list = |digest: String| {
        fs::write(dir.path().join("SHA256SUMS"), format!("{digest}  k\n")).unwrap();
    };
    let status = |path: &Path, running: &crate::support::Running| {
        assert!(running.reloader.reload(Ok(config(path, &profile("k")))));
        running.get("/files/k").status
    };
    list("0".repeat(64));
    let server = start(&config(dir.path(), &profile("k")));
    assert_eq!(server.get("/files/k").status, 503);
    list(flagstone_artifact::Sha256Digest::of(b"k").to_string());
    assert_eq!(status(dir.path(), &server), 200);
}
