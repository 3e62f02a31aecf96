//! TFTP and proxy DHCP as firmware sees them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::support::{config, has_judge, pattern, start};
use flagstone_serve::{DhcpPacket, Server, TftpPacket};

const TFTP: &str = "[tftp]\nenable = true\nlisten = PORT\n";

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

/// Fetches a file with a window; every `lossy`th packet is passed over.
fn fetch(
    server: SocketAddr,
    file: &str,
    options: &[(&str, &str)],
    lossy: usize,
) -> Result<Vec<u8>, String> {
    let socket = socket();
    let request = TftpPacket::Read { file, mode: "octet", options: options.to_vec() };
    socket.send_to(&request.to_bytes(), server).unwrap();
    let option = |name: &str, usual: usize| {
        let found = options.iter().find(|(known, _)| *known == name);
        found.map_or(usual, |(_, value)| value.parse().unwrap())
    };
    let (block_size, window) = (option("blksize", 512), option("windowsize", 1));
    let (mut data, mut buffer, mut received) = (Vec::new(), vec![0; 66_000], 0_usize);
    loop {
        let (len, peer) = socket.recv_from(&mut buffer).unwrap();
        received += 1;
        let next = data.len() / block_size + 1;
        let acknowledge = |block: usize| {
            let packet = TftpPacket::Acknowledge(u16::try_from(block & 0xffff).unwrap());
            socket.send_to(&packet.to_bytes(), peer).unwrap();
        };
        if buffer[..2] == [0, 6] {
            acknowledge(0);
            continue;
        }
        match TftpPacket::parse(&buffer[..len]).unwrap() {
            _ if lossy > 0 && received.is_multiple_of(lossy) => {}
            TftpPacket::Data(block, part) if usize::from(block) == next & 0xffff => {
                data.extend_from_slice(part);
                if part.len() < block_size {
                    acknowledge(next);
                    return Ok(data);
                }
                if next.is_multiple_of(window) {
                    acknowledge(next);
                }
            }
            TftpPacket::Data(..) => acknowledge(next - 1),
            TftpPacket::Error(_, text) => return Err(text.to_owned()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn tftp_sends_files_with_every_option_and_over_lossy_networks() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(1_000_000);
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/a"), &data).unwrap();
    fs::write(dir.path().join("even"), &data[..5120]).unwrap();
    let server = start(&config(dir.path(), TFTP));
    let address = server.addresses.tftp.unwrap();
    assert!(fetch(address, "even", &[], 0) == Ok(data[..5120].to_vec()));
    for (file, options, lossy) in [
        ("sub/a", &[("blksize", "1432"), ("tsize", "0")][..], 0),
        ("/sub/a", &[("blksize", "1432"), ("windowsize", "16")], 0),
        ("files/sub/a", &[("blksize", "65464"), ("windowsize", "3"), ("timeout", "1")], 0),
        ("//sub/a", &[("blksize", "8192"), ("windowsize", "8"), ("timeout", "1")], 31),
    ] {
        assert!(fetch(address, file, options, lossy) == Ok(data.clone()), "{file} {options:?}");
    }
    server.log.wait_for(&["event=tftp", "path=sub/a", "bytes=1000000"]);
    assert!(server.get("/").text().contains("tftp:sub/a"));
}

#[test]
fn tftp_serves_nothing_else_and_survives_anything() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "a").unwrap();
    let server = start(&config(dir.path(), TFTP));
    let address = server.addresses.tftp.unwrap();
    for file in ["none", "../a", "/../../etc/passwd", "..\\a", ".hidden", "", "a/", "%2e%2e/a"] {
        let refused = fetch(address, file, &[], 0);
        assert_eq!(refused, Err("no served folder has this file".to_owned()), "{file}");
    }
    let socket = socket();
    for (bytes, code) in [
        (&b"\0\x01a\0netascii\0"[..], 4),
        (b"\0\x02a\0octet\0", 2),
        (b"\0\x04\0\x01", 4),
        (b"", 4),
        (b"\xff\xff\xff", 4),
    ] {
        socket.send_to(bytes, address).unwrap();
        let mut answer = [0; 600];
        socket.recv_from(&mut answer).unwrap();
        assert_eq!(answer[..4], [0, 5, 0, code], "{bytes:?}");
    }
    // Firmware asks for the size, and says that this is all.
    socket.send_to(b"\0\x01a\0octet\0tsize\x000\0", address).unwrap();
    let mut answer = [0; 600];
    let (len, peer) = socket.recv_from(&mut answer).unwrap();
    assert_eq!(&answer[..len], b"\0\x06tsize\x001\0");
    socket.send_to(b"\0\x05\0\x08enough\0", peer).unwrap();
    server.log.wait_for(&["event=tftp", "enough"]);
    assert_eq!(fetch(address, "a", &[], 0), Ok(b"a".to_vec()));
}

#[test]
fn other_clients_of_tftp_get_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let data = pattern(300_000);
    fs::write(dir.path().join("a"), &data).unwrap();
    let server = start(&config(dir.path(), TFTP));
    let address = server.addresses.tftp.unwrap();
    let out = dir.path().join("got");
    if has_judge("tftp") {
        let got = Command::new("tftp")
            .args(["-m", "binary", "127.0.0.1", &address.port().to_string(), "-c", "get", "a"])
            .arg(&out)
            .status()
            .unwrap();
        assert!(got.success() && fs::read(&out).unwrap() == data);
    }
    let curl = Command::new("curl").arg("--version").output();
    let speaks = curl.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(" tftp"));
    if speaks {
        let url = format!("tftp://{address}/a");
        let got = Command::new("curl").args(["-sf", "--tftp-blksize", "1432", &url]).output();
        assert!(got.unwrap().stdout == data);
    }
}

fn request(kind: u8, class: &str, architecture: u8) -> DhcpPacket {
    let options = BTreeMap::from([
        (53, vec![kind]),
        (60, class.as_bytes().to_vec()),
        (93, vec![0, architecture]),
        (97, vec![0; 17]),
    ]);
    let mut client = [0; 16];
    client[..6].copy_from_slice(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    DhcpPacket {
        is_request: true,
        hardware: 1,
        hardware_len: 6,
        transaction: *b"flag",
        flags: 0x8000,
        client_address: Ipv4Addr::UNSPECIFIED,
        next_server: Ipv4Addr::UNSPECIFIED,
        relay: Ipv4Addr::UNSPECIFIED,
        client,
        file: Vec::new(),
        options,
    }
}

#[test]
fn proxy_dhcp_starts_firmware_and_then_ipxe() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["undionly.kpxe", "snponly.efi"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let text = "[tftp]\nlisten = PORT\n[dhcp]\nproxy = true\nlisten = PORT\nboot = PORT\n";
    let server = start(&config(dir.path(), text));
    server.log.wait_for(&["event=note", "arm64", "cannot be started"]);
    let (listen, boot) = server.addresses.dhcp.unwrap();
    let socket = socket();
    let mut buffer = [0; 2000];
    let mut ask = |packet: &DhcpPacket, address: SocketAddr| {
        socket.send_to(&packet.to_bytes(), address).unwrap();
        let (len, _) = socket.recv_from(&mut buffer).unwrap();
        DhcpPacket::parse(&buffer[..len]).unwrap()
    };
    // What is not for it, or not a packet, stays without an answer; the next one is answered.
    for silent in [&b""[..], b"nonsense", &[1; 300], &request(1, "MSFT 5.0", 0).to_bytes()] {
        socket.send_to(silent, listen).unwrap();
    }
    let http = server.addresses.http;
    for (packet, address, kind, file) in [
        (request(1, "PXEClient", 0), listen, 2, "undionly.kpxe".to_owned()),
        (request(1, "PXEClient", 7), listen, 2, "snponly.efi".to_owned()),
        (request(3, "PXEClient", 7), boot, 5, "snponly.efi".to_owned()),
        (request(1, "HTTPClient", 16), listen, 2, format!("http://{http}/files/snponly.efi")),
    ] {
        let answer = ask(&packet, address);
        assert_eq!((answer.options[&53][0], answer.transaction), (kind, *b"flag"));
        assert_eq!(String::from_utf8(answer.options[&67].clone()).unwrap(), file);
        assert_eq!(answer.next_server, Ipv4Addr::LOCALHOST);
    }
    let mut ipxe = request(1, "PXEClient", 0);
    ipxe.options.insert(77, b"iPXE".to_vec());
    let answer = ask(&ipxe, listen);
    assert_eq!(answer.file, format!("http://{http}/boot.ipxe").into_bytes());
    let metrics = server.get("/metrics");
    for line in ["{result=\"answered\"} 5", "{result=\"ignored\"} 1", "{result=\"malformed\"} 3"] {
        let metric = format!("flagstone_dhcp_packets_total{line}\n");
        assert!(metrics.text().contains(&metric), "{}", metrics.text());
    }
}

/// The machine is known by its MAC address already when its firmware asks.
#[test]
fn firmware_that_boots_by_http_gets_the_uki_of_its_own_profile() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["ipxe.efi", "k", "a.efi", "b.efi"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let text = "[tftp]\nlisten = PORT\n\
        [dhcp]\nproxy = true\nlisten = PORT\nboot = PORT\nhttp-boot = \"uki\"\n\
        [profiles.a]\nkernel = \"k\"\nuki = \"a.efi\"\n\
        [profiles.b]\nkernel = \"k\"\nuki = \"b.efi\"\n\
        [profiles.c]\nkernel = \"k\"\n\
        [groups.a]\nprofile = \"a\"\n\
        [groups.b]\nprofile = \"b\"\nmatch = { mac = \"52:54:00:12:34:56\" }\n\
        [groups.c]\nprofile = \"c\"\nmatch = { mac = \"52:54:00:12:34:57\" }\n";
    let server = start(&config(dir.path(), text));
    let (listen, _) = server.addresses.dhcp.unwrap();
    let socket = socket();
    let mut buffer = [0; 2000];
    for (last, file) in [(0x55, "a.efi"), (0x56, "b.efi"), (0x57, "ipxe.efi")] {
        let mut packet = request(1, "HTTPClient:Arch:00016:UNDI:003001", 16);
        packet.client[5] = last;
        socket.send_to(&packet.to_bytes(), listen).unwrap();
        let (len, _) = socket.recv_from(&mut buffer).unwrap();
        let answer = DhcpPacket::parse(&buffer[..len]).unwrap();
        let url = format!("http://{}/files/{file}", server.addresses.http);
        assert_eq!(String::from_utf8(answer.options[&67].clone()).unwrap(), url);
        assert_eq!(answer.options[&60], b"HTTPClient");
        assert!(!answer.options.contains_key(&43));
    }
    // iPXE of the same machine gets the script of the profile's kernel.
    assert!(
        server.get("/ipxe?mac=525400123456").text().contains("kernel http://boot.test/files/k")
    );
}

/// Runs a test again in a network namespace: two interfaces joined by a cable, no default route.
/// Tells whether this is there already; if not, the test has been run, or has no judge.
fn is_in_namespace(name: &str) -> bool {
    const MARK: &str = "FLAGSTONE_TEST_NAMESPACE";
    const CABLE: &str = "set -e
        ip link add name client0 type veth peer name boot0
        ip address add 198.51.100.1/24 dev boot0
        for name in lo client0 boot0; do ip link set $name up; done
        exec \"$0\" --exact \"$1\" --nocapture";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    if has_judge("unshare") && has_judge("ip") {
        let own = std::env::current_exe().unwrap();
        let mut inside = Command::new("unshare");
        inside.args(["--map-root-user", "--net", "sh", "-c", CABLE]).arg(own).arg(name);
        let output = inside.env(MARK, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{told}");
    }
    false
}

fn ip(arguments: &str) {
    assert!(Command::new("ip").args(arguments.split(' ')).status().unwrap().success());
}

/// A client without an address, at the other end of the cable and in a namespace of its own: in the
/// same one, the kernel would lend it the server's address.
fn client_on_the_cable() -> UdpSocket {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (plug, plugged) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        sender.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
        plugged.recv().unwrap();
        ip("link set client0 up");
        ip("route add default dev client0");
        UdpSocket::bind("0.0.0.0:68").unwrap()
    });
    let place = receiver.recv().unwrap();
    let number = place.file_name().unwrap().to_str().unwrap();
    ip(&format!("link set client0 netns {number}"));
    plug.send(()).unwrap();
    let socket = thread.join().unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket
}

#[test]
fn broadcast_answers_leave_without_a_default_route() {
    if !is_in_namespace("firmware::broadcast_answers_leave_without_a_default_route") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("ipxe.efi"), "ipxe").unwrap();
    let client = client_on_the_cable();
    let question = request(1, "PXEClient", 7).to_bytes();
    // The first two are kept to the interface; the last one is not, and proves that this matters.
    for (port, keys, is_answered) in [
        (67, "address = \"198.51.100.1\"", true),
        (1067, "interface = \"boot0\"", true),
        (2067, "address = \"198.51.100.1\"\ninterface = \"*\"", false),
    ] {
        let text = format!(
            "[tftp]\nlisten = PORT\n\
             [dhcp]\nproxy = true\nlisten = \"0.0.0.0:{port}\"\nboot = PORT\n{keys}\n"
        );
        let mut config = config(dir.path(), &text);
        config.listen = "0.0.0.0:0".parse().unwrap();
        let server = start(&config);
        server.log.wait_for(&["event=note", "listening"]);
        let mut buffer = [0; 2000];
        // As firmware does, ask again: the kernel drops packets until it has noticed the cable.
        let answer = (0..20).find_map(|_| {
            client.send_to(&question, ("255.255.255.255", port)).unwrap();
            // An answer to an earlier question may still be on its way.
            client.recv_from(&mut buffer).ok().filter(|(_, from)| from.port() == port)
        });
        let line = server.log.wait_for(&["event=dhcp", "to=255.255.255.255:68"]);
        assert_eq!(line.contains("error="), !is_answered, "{keys}: {line}");
        assert_eq!(answer.is_some(), is_answered, "{keys}");
        if is_answered {
            let (len, from) = answer.unwrap();
            let answer = DhcpPacket::parse(&buffer[..len]).unwrap();
            assert_eq!(from, SocketAddr::from(([198, 51, 100, 1], port)), "{keys}");
            assert_eq!(answer.options[&54], [198, 51, 100, 1], "{keys}");
        }
    }
}

#[test]
fn an_interface_that_is_not_there_is_told_with_those_that_are() {
    if !is_in_namespace("firmware::an_interface_that_is_not_there_is_told_with_those_that_are") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let text = "[dhcp]\nproxy = true\nlisten = PORT\nboot = PORT\ninterface = \"eth7\"\n\
                [tftp]\nlisten = PORT\n";
    let opened = Server::open(&config(dir.path(), text), Box::new(std::io::sink()));
    let error = opened.err().unwrap();
    let shown = "there is no interface `eth7`: this machine has boot0, client0, lo";
    assert_eq!(error.to_string(), shown);
    assert!(error.hint().unwrap().contains("--dhcp-interface"));
}
