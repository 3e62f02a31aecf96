//! An HTTP server with bad habits.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How a server treats images; other files it always serves well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerHabit {
    Good,
    /// Ends each connection after a few mebibytes.
    Cuts,
    /// The same, and always starts at the beginning.
    CutsWithoutRanges,
    /// Says a length that is too small, or too large.
    SaysShorter,
    SaysLonger,
    /// Sends the bytes without a length.
    SaysNothing,
    /// Sends other bytes.
    OtherFile,
    /// Cuts, and has a longer file then.
    OtherLengthLater,
    /// Cuts, and answers with another range than it was asked for.
    WrongRange,
    /// Sends a part, and never anything again.
    Dies,
    /// Sends to itself.
    Redirects,
}

/// An HTTP server for the files of a folder.
pub(crate) struct Server {
    port: u16,
}

impl Server {
    pub(crate) fn start(folder: &Path, habit: ServerHabit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let folder = folder.to_owned();
        thread::spawn(move || {
            let asked = AtomicUsize::new(0);
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is no fault of the server's.
                let _ = answer(stream, &folder, habit, &asked);
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }
}

fn answer(
    mut stream: TcpStream,
    folder: &Path,
    habit: ServerHabit,
    asked: &AtomicUsize,
) -> std::io::Result<()> {
    let reader = BufReader::new(stream.try_clone()?);
    let lines: Vec<String> =
        reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let name = lines[0].split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
    let range = lines.iter().find_map(|line| {
        let line = line.to_lowercase();
        line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
    });
    let Ok(mut data) = fs::read(folder.join(&name)) else {
        return write!(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let is_image = Path::new(&name).extension().is_some_and(|extension| extension == "raw");
    let habit = if is_image { habit } else { ServerHabit::Good };
    let asked = asked.fetch_add(usize::from(is_image), Ordering::Relaxed);
    let mut start = range.unwrap_or(0);
    let mut limit = usize::MAX;
    let mut total = data.len();
    match habit {
        ServerHabit::Good => {}
        ServerHabit::Cuts => limit = 20 << 20,
        // Each time a little further, or the end would never be reached.
        ServerHabit::CutsWithoutRanges => (start, limit) = (0, (asked + 1) * (30 << 20)),
        ServerHabit::SaysShorter => total -= 512,
        ServerHabit::SaysLonger => total += 512,
        ServerHabit::SaysNothing => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            return stream.write_all(&data);
        }
        ServerHabit::OtherFile => data[40 << 20] ^= 1,
        ServerHabit::OtherLengthLater => (limit, total) = (9 << 20, total + asked * 512),
        ServerHabit::WrongRange => (limit, start) = (9 << 20, start.saturating_sub(1)),
        ServerHabit::Dies if asked > 0 => return Ok(()),
        ServerHabit::Dies => limit = 9 << 20,
        ServerHabit::Redirects => {
            return write!(
                stream,
                "HTTP/1.1 302 No\r\nLocation: /{name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    }
    let length = total - start;
    match range {
        Some(_) if habit != ServerHabit::CutsWithoutRanges => write!(
            stream,
            "HTTP/1.1 206 Part\r\nContent-Range: bytes {start}-{}/{total}\r\n",
            total - 1
        )?,
        _ => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(stream, "Content-Length: {length}\r\nConnection: close\r\n\r\n")?;
    let sent = &data[start.min(data.len())..];
    stream.write_all(&sent[..sent.len().min(limit)])
}
