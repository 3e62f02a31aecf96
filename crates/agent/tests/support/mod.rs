//! Signed images, servers with bad habits, loop devices.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flagstone_artifact::{Architecture, ImageName, Sha256Digest};
use flagstone_disk::{
    Content, EspOptions, Layout, LayoutRequest, PartitionSizes, Role, build_esp, write_disk,
};
use flagstone_signature::{KeyKind, PrivateKey, Signatures, Statement};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Finds a tool; a missing one skips the check, or fails it if judges are required.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{name} is missing");
        println!("skipped: {name} is missing");
    }
    found
}

/// A folder with `out/a.raw`, signed by key 1, and `keys` that trusts key 1.
pub(crate) struct Release {
    dir: TempDir,
}

impl Release {
    pub(crate) fn new() -> Self {
        let release = Self { dir: TempDir::new().unwrap() };
        fs::create_dir(release.path("out")).unwrap();
        fs::create_dir(release.path("keys")).unwrap();
        write_image(&release.image());
        fs::write(release.path("out/SHA256SUMS"), release.sums("a.raw")).unwrap();
        release.sign_with(1, "sha256sums");
        key(1).public().write(&release.path("keys/a.pub")).unwrap();
        release
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.path("out/a.raw")
    }

    pub(crate) fn image_bytes(&self) -> u64 {
        fs::metadata(self.image()).unwrap().len()
    }

    pub(crate) fn sums(&self, name: &str) -> String {
        format!("{}  {name}\n", Sha256Digest::of(&fs::read(self.image()).unwrap()))
    }

    pub(crate) fn sign_with(&self, number: u8, purpose: &str) {
        let text = fs::read(self.path("out/SHA256SUMS")).unwrap();
        let statement = Statement::about(purpose.parse().unwrap(), &text);
        let mut signatures = Signatures::new(purpose.parse().unwrap());
        let key = key(number);
        signatures.add(key.public().id(), key.sign(&statement)).unwrap();
        fs::write(self.path("out/SHA256SUMS.sig"), signatures.to_text()).unwrap();
    }

    pub(crate) fn append(&self, path: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(path)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Changes one byte in the middle of a partition.
    pub(crate) fn change_image(&self) {
        let file = OpenOptions::new().write(true).open(self.image()).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 5 * MIB).unwrap();
    }
}

fn key(number: u8) -> PrivateKey {
    PrivateKey::from_seed(&[number; 32], "test".parse().unwrap(), KeyKind::Development)
}

/// Writes an image with something in its ESP and slot A, and an OEM partition that FAT32 fits.
fn write_image(path: &Path) {
    let name = ImageName {
        id: "base".parse().unwrap(),
        version: "1".parse().unwrap(),
        architecture: Architecture::X86_64,
    };
    let layout = Layout::plan(&LayoutRequest {
        name: &name,
        root_hash: Sha256Digest::of(b"root hash"),
        usr_image_bytes: 2 * MIB,
        verity_image_bytes: 4096,
        sizes: PartitionSizes {
            esp_bytes: 33 * MIB,
            usr_bytes: 4 * MIB,
            verity_bytes: MIB,
            oem_bytes: 33 * MIB,
            root_bytes: MIB,
            head_room_percent: 10,
        },
        seed: b"seed",
    })
    .unwrap();
    let options = EspOptions {
        size_bytes: 33 * MIB,
        volume_id: layout.esp_volume_id(),
        label: "EFI-SYSTEM".to_owned(),
        source_date: 0,
    };
    let kernel = vec![3; 3 << 20].into();
    let esp = build_esp(&[("EFI/Linux/a.efi".parse().unwrap(), kernel)], &options).unwrap();
    let usr = vec![7; 2 << 20];
    let contents = BTreeMap::from([
        (Role::Esp, Content::Sparse(&esp)),
        (Role::UsrA, Content::stream(&usr[..], 2 * MIB)),
    ]);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).open(path).unwrap();
    write_disk(&layout, contents, &mut file).unwrap();
}

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

/// A file as a block device; detached when it is dropped.
pub(crate) struct LoopDevice {
    pub(crate) path: PathBuf,
}

impl LoopDevice {
    /// Attaches a file; says why not, where that is not possible, as for all but root.
    pub(crate) fn attach(file: &Path) -> Option<Self> {
        let losetup = tool("losetup")?;
        let mut command = Command::new(losetup);
        let output = command.args(["--find", "--show", "--partscan"]).arg(file).output().unwrap();
        if !output.status.success() {
            println!("skipped: no loop device ({})", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Self { path: String::from_utf8(output.stdout).unwrap().trim().into() })
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

/// A mounted file system; unmounted when it is dropped.
pub(crate) struct Mount {
    point: PathBuf,
}

impl Mount {
    pub(crate) fn new(device: &Path, point: &Path) -> Option<Self> {
        let output = Command::new("mount").arg(device).arg(point).output().ok()?;
        if !output.status.success() {
            println!("skipped: no mount ({})", String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Some(Self { point: point.to_owned() })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.point).status();
    }
}

/// Opens a device for nobody else.
pub(crate) fn open_exclusive(path: &Path) -> File {
    const O_EXCL: i32 = 0o200;
    OpenOptions::new().read(true).write(true).custom_flags(O_EXCL).open(path).unwrap()
}
