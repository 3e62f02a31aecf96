//! The lock of a fleet, in a real etcd.

#![expect(clippy::unwrap_used, reason = "a test may stop at what it did not expect")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use flagstone_agent::update::{EtcdLock, LockError, RebootLock};
use flagstone_fetch::HttpTransport;

/// An etcd of one member, which ends with this value.
struct Etcd {
    child: Child,
    url: String,
    _dir: tempfile::TempDir,
}

impl Etcd {
    /// Starts one; none if it is not installed, which is an error where judges are required.
    fn start() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (client, peer) = (free(), free());
        let (url, peer) =
            (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
        let program = std::env::var_os("FLAGSTONE_ETCD").unwrap_or_else(|| "etcd".into());
        let started = Command::new(program)
            .args(["--name", "test", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            let required =
                std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
            assert!(!required, "etcd is missing");
            println!("skipped: etcd is missing");
            return None;
        };
        let etcd = Self { child, url, _dir: dir };
        let lock = etcd.lock("nobody", 1);
        for _ in 0..150 {
            if lock.release().is_ok() {
                return Some(etcd);
            }
            thread::sleep(Duration::from_millis(200));
        }
        panic!("etcd did not start");
    }

    fn lock(&self, machine: &str, slots: usize) -> EtcdLock {
        EtcdLock {
            // The first one is not there: the next one is asked.
            servers: vec!["http://127.0.0.1:1".parse().unwrap(), self.url.parse().unwrap()],
            group: "edge".to_owned(),
            slots,
            machine: machine.to_owned(),
            transport: HttpTransport::new(),
        }
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn no_more_machines_than_allowed_have_the_lock() {
    let Some(etcd) = Etcd::start() else { return };
    let (a, b, c) = (etcd.lock("a", 2), etcd.lock("b", 2), etcd.lock("c", 2));
    assert!(!a.release().unwrap(), "nobody has it");
    assert!(a.acquire().unwrap() && a.acquire().unwrap());
    assert!(b.acquire().unwrap());
    assert!(!c.acquire().unwrap());
    assert!(!c.release().unwrap());
    assert!(a.release().unwrap() && !a.release().unwrap());
    assert!(c.acquire().unwrap());
    assert!(!a.acquire().unwrap());

    // All at once: the same number, whoever they are.
    assert!(b.release().unwrap() && c.release().unwrap());
    let got: usize = thread::scope(|scope| {
        let machines = (0..8).map(|n| {
            let lock = etcd.lock(&format!("m{n}"), 3);
            scope.spawn(move || usize::from(lock.acquire().unwrap()))
        });
        let machines: Vec<_> = machines.collect();
        machines.into_iter().map(|machine| machine.join().unwrap()).sum()
    });
    assert_eq!(got, 3);
}

#[test]
fn a_lock_that_cannot_be_asked_is_an_error() {
    let lock = |servers: Vec<&str>| EtcdLock {
        servers: servers.into_iter().map(|url| url.parse().unwrap()).collect(),
        group: "edge".to_owned(),
        slots: 1,
        machine: "a".to_owned(),
        transport: HttpTransport::new(),
    };
    assert!(matches!(lock(vec![]).acquire(), Err(LockError::NoServer)));
    assert!(matches!(lock(vec!["http://127.0.0.1:1"]).acquire(), Err(LockError::Ask { .. })));
}
