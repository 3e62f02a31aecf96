//! HTTP as clients see it, over loopback.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use crate::support::{config, has_judge, pattern, split, start};

#[test]
fn files_arrive_whole_in_parts_and_not_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(3_000_001);
    fs::write(dir.path().join("a.efi"), &data).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    let server = start(&config(dir.path(), ""));
    let whole = server.get("/files/a.efi");
    assert_eq!((whole.status, whole.body == data), (200, true));
    assert_eq!(whole.header("content-type"), Some("application/efi"));
    let (etag, modified) = (whole.header("etag").unwrap(), whole.header("last-modified").unwrap());
    for (headers, status, part) in [
        ("Range: bytes=0-0".to_owned(), 206, 0..1),
        ("Range: bytes=1000000-2999999".to_owned(), 206, 1_000_000..3_000_000),
        ("Range: bytes=-1000001".to_owned(), 206, 2_000_000..3_000_001),
        ("Range: bytes=5-, x".to_owned(), 200, 0..3_000_001),
        ("Range: bytes=0-1,4-5".to_owned(), 200, 0..3_000_001),
        (format!("Range: bytes=7-8\r\nIf-Range: {etag}"), 206, 7..9),
        (format!("Range: bytes=7-8\r\nIf-Range: {modified}"), 206, 7..9),
        ("Range: bytes=7-8\r\nIf-Range: \"other\"".to_owned(), 200, 0..3_000_001),
        (format!("If-None-Match: {etag}"), 304, 0..0),
        (format!("If-Modified-Since: {modified}"), 304, 0..0),
    ] {
        let answer = server.get_with("/files/a.efi", &headers);
        assert_eq!(answer.status, status, "{headers}");
        assert!(answer.body == data[part], "{headers}");
    }
    let none = server.get_with("/files/a.efi", "Range: bytes=3000001-");
    assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */3000001")));
    assert_eq!(server.get("/files/empty").header("content-length"), Some("0"));
    let head = server.ask("HEAD /files/a.efi HTTP/1.0\r\n\r\n");
    assert_eq!((head.header("content-length"), head.body.len()), (Some("3000001"), 0));
    for (request, status) in [
        ("GET /files/none HTTP/1.0\r\n\r\n", 404),
        ("GET /none HTTP/1.0\r\n\r\n", 404),
        ("GET /files HTTP/1.0\r\n\r\n", 404),
        ("DELETE /files/a.efi HTTP/1.0\r\n\r\n", 405),
        ("POST /files/a.efi HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 405),
        ("GET /report HTTP/1.0\r\n\r\n", 405),
        ("nonsense\r\n\r\n", 400),
    ] {
        assert_eq!(server.ask(request).status, status, "{request}");
    }
}

#[test]
fn one_connection_carries_many_answers_even_if_asked_for_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(2_500_000);
    fs::write(dir.path().join("a"), &data).unwrap();
    let server = start(&config(dir.path(), ""));
    let mut stream = TcpStream::connect(server.addresses.http).unwrap();
    let one = "GET /files/a HTTP/1.1\r\nHost: x\r\nRange: bytes=";
    let last = "0-\r\nConnection: close\r\n\r\n";
    let ranges = ["0-1000000\r\n\r\n", "5-9\r\n\r\n", "1000000-\r\n\r\n", last];
    let requests: String = ranges.iter().flat_map(|range| [one, range]).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    for part in [0..1_000_001, 5..10, 1_000_000..2_500_000, 0..2_500_000] {
        let answer = split(&bytes);
        assert_eq!(answer.status, 206, "{}", answer.head);
        let (body, _) = answer.body.split_at(part.len());
        assert!(body == &data[part.clone()], "{part:?}");
        bytes.drain(..answer.head.len() + 4 + part.len());
    }
    assert!(bytes.is_empty());
}

#[test]
fn nothing_outside_the_folder_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let served = dir.path().join("served");
    fs::create_dir_all(served.join("sub/.git")).unwrap();
    for path in ["secret", "served/.hidden", "served/sub/.git/config", "served/sub/file"] {
        fs::write(dir.path().join(path), "secret").unwrap();
    }
    symlink("../secret", served.join("link")).unwrap();
    symlink("/etc/passwd", served.join("passwd")).unwrap();
    symlink("..", served.join("up")).unwrap();
    let mut config = config(dir.path(), "");
    config.folders = vec![served];
    let running = start(&config);
    assert_eq!(running.get("/files/sub/file").status, 200);
    for path in [
        "../secret",
        "%2e%2e/secret",
        "%2E%2E%2fsecret",
        "..%2fsecret",
        "%252e%252e/secret",
        "..\\secret",
        "..%5csecret",
        "sub/../../secret",
        "sub/%2e%2e/%2e%2e/secret",
        "/../secret",
        "secret%00",
        "%00",
        "./sub/file",
        "sub//../../secret",
        "/etc/passwd",
        "//etc/passwd",
        "%2fetc/passwd",
        "link",
        "passwd",
        "up/secret",
        "up/served/sub/file",
        ".hidden",
        "%2ehidden",
        "sub/.git/config",
        "sub",
        "sub/",
        "",
        "%c0%ae%c0%ae/secret",
        "%",
        "%ff",
        "....//secret",
        "..;/secret",
        "up%2fsecret",
    ] {
        let answer = running.get(&format!("/files/{path}"));
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.head);
        assert!(!answer.text().contains("secret"), "{path}");
    }
    for path in ["/../secret", "/files/../../secret", "/%66iles/sub/file"] {
        assert!([400, 404].contains(&running.get(path).status), "{path}");
    }
}

#[test]
fn five_hundred_clients_at_once_get_their_file() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(1 << 20);
    fs::write(dir.path().join("a"), &data).unwrap();
    let server = start(&config(dir.path(), ""));
    std::thread::scope(|scope| {
        let client = || {
            let answer = server.get("/files/a");
            assert!(answer.status == 200 && answer.body == data);
        };
        let small = || std::thread::Builder::new().stack_size(256 << 10);
        let clients: Vec<_> =
            (0..500).map(|_| small().spawn_scoped(scope, client).unwrap()).collect();
        for client in clients {
            client.join().unwrap();
        }
    });
    let metrics = server.get("/metrics");
    let metric = format!("flagstone_http_sent_bytes_total {}\n", 500_u64 << 20);
    assert!(metrics.text().contains(&metric), "{}", metrics.text());
}

#[test]
fn clients_that_are_slow_or_rude_do_not_stop_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), pattern(64 << 20)).unwrap();
    let mut config = config(dir.path(), "[limits]\nheader-seconds = 1\nwrite-seconds = 1\n");
    config.limits.header_bytes = 8 << 10;
    let server = start(&config);
    // Sends half a head, and nothing more.
    let mut half = TcpStream::connect(server.addresses.http).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    // Says nothing at all.
    let mut idle = TcpStream::connect(server.addresses.http).unwrap();
    // Sends one byte of a head at a time.
    let mut drip = TcpStream::connect(server.addresses.http).unwrap();
    let dripping = std::thread::spawn(move || {
        (0..200).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            drip.write_all(b"x").is_err()
        })
    });
    // Asks for much and reads nothing.
    let mut deaf = TcpStream::connect(server.addresses.http).unwrap();
    deaf.write_all(b"GET /files/a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(server.get("/healthz").text(), "ok\n");
    let long = format!("Cookie: {}", "x".repeat(20_000));
    assert_eq!(server.get_with("/healthz", &long).status, 431);
    let many = "A: b\r\n".repeat(100) + "C: d";
    assert_eq!(server.get_with("/healthz", &many).status, 431);
    for silent in [&mut half, &mut idle] {
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        silent.read_to_end(&mut Vec::new()).unwrap();
    }
    assert!(dripping.join().unwrap(), "a head may take forever");
    let line = server.log.wait_for(&["path=/files/a", "aborted=true"]);
    assert!(line.contains("status=200"), "{line}");
    assert!(server.get("/metrics").text().contains("flagstone_slow_clients_total 1\n"));
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn a_file_that_shrinks_ends_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, pattern(64 << 20)).unwrap();
    let server = start(&config(dir.path(), ""));
    let mut stream = TcpStream::connect(server.addresses.http).unwrap();
    stream.write_all(b"GET /files/a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 1000];
    stream.read_exact(&mut first).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20);
    server.log.wait_for(&["path=/files/a", "aborted=true"]);
}

#[test]
fn a_transfer_may_end_when_the_server_stops() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(64 << 20);
    fs::write(dir.path().join("a"), &data).unwrap();
    let mut server = start(&config(dir.path(), ""));
    let mut stream = TcpStream::connect(server.addresses.http).unwrap();
    stream.write_all(b"GET /files/a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut bytes = vec![0; 1000];
    stream.read_exact(&mut bytes).unwrap();
    let idle = TcpStream::connect(server.addresses.http).unwrap();
    server.stop().now();
    server.log.wait_for(&["stopping"]);
    stream.read_to_end(&mut bytes).unwrap();
    assert!(split(&bytes).body == data);
    server.ended();
    assert!(TcpStream::connect(server.addresses.http).is_err());
    drop(idle);
}

#[test]
fn a_server_with_all_its_connections_taken_still_stops() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), pattern(64 << 20)).unwrap();
    let text = "[limits]\nconnections = 2\ngrace-seconds = 0\n";
    let mut server = start(&config(dir.path(), text));
    let deaf: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addresses.http).unwrap();
            stream.write_all(b"GET /files/a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for mut stream in &deaf[..2] {
        stream.read_exact(&mut [0; 1000]).unwrap();
    }
    server.stop().now();
    server.ended();
    server.log.wait_for(&["transfers were cut off"]);
}

#[test]
fn a_second_signal_ends_transfers_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), pattern(64 << 20)).unwrap();
    let mut server = start(&config(dir.path(), ""));
    let mut stream = TcpStream::connect(server.addresses.http).unwrap();
    stream.write_all(b"GET /files/a HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    server.stop().now();
    server.log.wait_for(&["stopping"]);
    assert!(!server.has_ended());
    server.stop().now();
    server.ended();
}

#[test]
fn curl_agrees_about_ranges_and_resuming() {
    if !has_judge("curl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(5_000_000);
    fs::write(dir.path().join("a"), &data).unwrap();
    let server = start(&config(dir.path(), ""));
    let url = format!("http://{}/files/a", server.addresses.http);
    let half = dir.path().join("half");
    let half_name = half.to_str().unwrap().to_owned();
    fs::write(&half, &data[..1_234_567]).unwrap();
    let curl = |arguments: &[&str]| {
        let out = Command::new("curl").args(["-sf", &url]).args(arguments).output().unwrap();
        assert!(out.status.success(), "{arguments:?}");
        out.stdout
    };
    assert!(curl(&[]) == data);
    assert!(curl(&["-r", "100-4999999"]) == data[100..]);
    assert!(curl(&["-r", "-10"]) == data[4_999_990..]);
    curl(&["-C", "-", "-o", &half_name]);
    assert!(fs::read(&half).unwrap() == data);
}

#[test]
fn over_tls_files_are_the_same() {
    if !has_judge("curl") || !has_judge("openssl") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (data, path) = (pattern(3_000_000), |name: &str| dir.path().join(name));
    fs::write(path("a"), &data).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args([&"-keyout".into(), &path("key.pem"), &"-out".into(), &path("cert.pem")])
        .output()
        .unwrap();
    assert!(made.status.success());
    let text = "[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let server = start(&config(dir.path(), text));
    let url = format!("https://{}", server.addresses.http);
    let get = |path: &str, arguments: &[&str]| {
        let cert = dir.path().join("cert.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sf", "--cacert"]).arg(cert).args(arguments).arg(format!("{url}{path}"));
        curl.output().unwrap().stdout
    };
    assert!(get("/files/a", &[]) == data);
    assert!(get("/files/a", &["--tls-max", "1.2", "-r", "1000000-"]) == data[1_000_000..]);
    let script = String::from_utf8(get("/boot.ipxe", &[])).unwrap();
    assert!(script.contains(&format!("chain --replace {url}/ipxe?mac=")), "{script}");
    assert_eq!(get("/healthz", &["--insecure"]), b"ok\n");
    // Who speaks no TLS gets nothing, and nobody else notices.
    assert_eq!(server.get("/healthz").status, 0);
    assert_eq!(get("/healthz", &[]), b"ok\n");
}
