//! Three machines that are a cluster by nothing but Ignition, and go on when one is lost.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flagstone_artifact::Sha256Digest;

use crate::boot_server::BootServer;
use crate::{guest, support};

/// How long three machines may take at once on two processors without KVM.
const LIMIT: Duration = Duration::from_mins(25);

/// The configuration of node 1, as people read it.
const PAGE: &str = include_str!("../docs/kubernetes.md");

/// Returns what the page says, for one node of three.
fn configuration(node: u8, port: u16, k3s: &[u8]) -> String {
    let json = PAGE.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let list = "node1=http://10.12.0.11:2380,";
    let endpoints = "http://10.12.0.11:2379,http://10.12.0.12";
    json.replace(list, "FIRST")
        .replace(endpoints, "ENDPOINTS")
        .replace("node1", &format!("node{node}"))
        .replace("10.12.0.11", &format!("10.12.0.1{node}"))
        .replace("0c:00:01", &format!("0c:00:0{node}"))
        .replace("FIRST", list)
        .replace("ENDPOINTS", endpoints)
        .replace("SERVER", &format!("10.0.2.2:{port}"))
        .replace("DIGEST", &Sha256Digest::of(k3s).to_string())
        .replace("SECRET", "sesame")
}

/// Writes it, and has it checked.
fn write_checked(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    let mut command = Command::new(support::FLAGSTONE);
    let output = command.args(["ignition", "check", "--strict"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
#[ignore = "boots QEMU"]
fn three_nodes_become_a_cluster_by_ignition_alone() {
    let dir = support::scratch("smoke-cluster");
    let image = support::build_with("k8s-node", &["--no-disk-sum"], &dir);
    let site = dir.join("site");
    fs::create_dir(&site).unwrap();
    let k3s = include_bytes!("guest/k3s-stand-in");
    fs::write(site.join("k3s"), k3s).unwrap();
    let server = BootServer::start(&[&site]);
    // One network for the three, on the loopback device: a port that nobody has.
    let network = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let boot = |node: u8| {
        let ignition = dir.join(format!("node{node}.ign"));
        write_checked(&ignition, &configuration(node, server.port, k3s));
        let machine = [
            "-netdev".to_owned(),
            format!("socket,id=cluster,mcast=230.12.0.1:{network},localaddr=127.0.0.1"),
            "-device".to_owned(),
            format!("virtio-net-pci,netdev=cluster,mac=52:54:00:0c:00:0{node}"),
        ];
        guest::boot_so(
            &image,
            &dir.join(format!("node{node}")),
            LIMIT,
            &guest::Extras {
                arguments: &["--pxe", "--memory", "1800", "--ignition", ignition.to_str().unwrap()],
                machine: &machine,
                script: Some("cluster.sh".as_ref()),
                needs_no_place: true,
                ..guest::Extras::default()
            },
        )
    };
    let places = guest::Places::all();
    let boots = std::thread::scope(|scope| {
        let boots = [1, 2, 3].map(|node| scope.spawn(move || boot(node)));
        boots.map(|boot| boot.join().unwrap())
    });
    drop((server, places));
    for (boot, node) in boots.iter().zip(1..) {
        let of = |key: &str| boot.report.get(key).map_or("", String::as_str);
        assert_eq!(of("end"), "yes", "node {node}: {:#?}; {}", boot.report, boot.diagnosis());
        boot.assert_calm();
        assert_eq!(of("k3s"), "active", "node {node}");
        assert_eq!(of("members"), "started, node1, started, node2, started, node3,");
        let nodes = [1, 2, 3].map(|n| format!("/registry/minions/node{n} 10.12.0.1{n}"));
        assert_eq!(of("nodes"), nodes.join(" "));
        assert_eq!(of("failed"), "", "node {node}");
        assert_eq!(of("kubectl"), "Client Version: v1");
        // Without the third, a majority is left.
        let without_third = if node == 3 { ("", "") } else { ("yes", "yes") };
        assert_eq!((of("wrote"), of("read")), without_third, "node {node}");
    }
}
