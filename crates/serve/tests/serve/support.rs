//! A server on loopback, and a client that sends exactly what a test says.

use std::io::{self, Read as _, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use flagstone_serve::{Addresses, Config, Reloader, ServeError, Server};

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) addresses: Addresses,
    pub(crate) log: Log,
    pub(crate) reloader: Reloader,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// What a server logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// Tells a server to stop, once or twice.
#[derive(Clone)]
pub(crate) struct Stop(tokio::sync::mpsc::UnboundedSender<()>);

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until a line has all of the words.
    pub(crate) fn wait_for(&self, words: &[&str]) -> String {
        for _ in 0..500 {
            let text = self.text();
            let line = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
            if let Some(line) = line {
                return line.to_owned();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no line with {words:?} in {}", self.text());
    }
}

impl Stop {
    pub(crate) fn now(&self) {
        self.0.send(()).unwrap();
    }
}

/// Reads a configuration with every port chosen by the kernel, and no iPXE but what a test has.
pub(crate) fn config(folder: &Path, text: &str) -> Config {
    let text = text.replace("PORT", "\"127.0.0.1:0\"");
    let mut config = Config::parse(&folder.join("serve.toml"), text).unwrap();
    config.listen = "127.0.0.1:0".parse().unwrap();
    config.ipxe = None;
    if config.folders.is_empty() {
        config.folders = vec![folder.to_owned()];
    }
    config
}

pub(crate) fn start(config: &Config) -> Running {
    let log = Log::default();
    let server = Server::open(config, Box::new(log.clone())).unwrap();
    let addresses = server.addresses();
    let reloader = server.reloader();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let thread = std::thread::spawn(move || {
        server.run_until(async move || {
            receiver.recv().await;
        })
    });
    Running { addresses, log, reloader, stop: Stop(sender), thread: Some(thread) }
}

impl Running {
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Waits until the server has ended.
    pub(crate) fn ended(&mut self) {
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: boot.test\r\nConnection: close\r\n\r\n"))
    }

    pub(crate) fn get_with(&self, path: &str, headers: &str) -> Answer {
        let head = format!("GET {path} HTTP/1.1\r\nHost: boot.test\r\nConnection: close\r\n");
        self.ask(&format!("{head}{headers}\r\n\r\n"))
    }

    /// Sends bytes and reads until the server closes.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        ask(self.addresses.http, request)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // The second one ends what the first one would wait for.
            let _ = self.stop.0.send(());
            let _ = self.stop.0.send(());
            let _ = thread.join();
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    split(&bytes)
}

pub(crate) fn split(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
}

/// Bytes that are never the same at two places of a file.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len.div_ceil(8) as u64)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes())
        .take(len)
        .collect()
}

/// Tells whether a tool is there. A test whose judge is missing says so and passes, unless
/// `FLAGSTONE_REQUIRE_JUDGES=1` asks for all of them.
pub(crate) fn has_judge(tool: &str) -> bool {
    let found =
        std::process::Command::new("sh").args(["-c", &format!("command -v {tool}")]).output();
    let is_there = found.is_ok_and(|out| out.status.success());
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(is_there || !required, "{tool} is missing");
    if !is_there {
        println!("skipped: {tool} is missing");
    }
    is_there
}
