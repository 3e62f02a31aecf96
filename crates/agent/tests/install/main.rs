//! Whole installations: from a folder and over HTTP, to files and to loop devices.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

mod block_device;
mod program;
mod server;
mod support;

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use block_device::{LoopDevice, Mount, open_exclusive};
use flagstone_agent::{
    InstallError, InstallReport, Installation, Location, Machine, Patience, Progress, Silent, Step,
    Trust,
};
use flagstone_artifact::Sha256Digest;
use flagstone_disk::read_table;
use flagstone_fetch::{
    AnyTransport, Body, FileTransport, HttpTransport, Transport, TransportError, Url,
};
use flagstone_signature::read_trusted_keys;
use server::{Server, ServerHabit};
use support::{Release, tool};

const MIB: u64 = 1 << 20;
/// What befalls a release before it is installed.
type Change = fn(&Release);

const IGNITION: &str = r#"{"ignition":{"version":"3.4.0"}}"#;

fn installation(release: &Release, image: &str) -> Installation {
    Installation {
        disk: release.path("disk"),
        image: image.parse().unwrap(),
        trust: Trust::Keys(read_trusted_keys(&release.path("keys")).unwrap()),
        ignition: None,
        ignition_digest: None,
        platform: None,
        patience: Patience { tries: 3, all_tries: 30, pause: Duration::from_millis(1) },
    }
}

fn run(installation: &Installation) -> Result<InstallReport, InstallError> {
    let transport = AnyTransport::new(HttpTransport::new());
    installation.run(&Machine::at("/"), &transport, &Silent)
}

/// Writes the text of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn make_disk(release: &Release, bytes: u64) {
    let file = File::create(release.path("disk")).unwrap();
    file.set_len(bytes).unwrap();
}

/// Tells whether both ends of a disk are clear.
fn is_blank(disk: &Path) -> bool {
    let data = fs::read(disk).unwrap();
    let ends = data[..1 << 20].iter().chain(&data[data.len() - (1 << 20)..]);
    ends.copied().all(|byte| byte == 0)
}

#[test]
fn a_signed_image_is_installed_with_its_ignition_file() {
    let release = Release::new();
    make_disk(&release, release.image_bytes() + 20 * MIB);
    fs::write(release.path("config.ign"), IGNITION).unwrap();
    let mut installation = installation(&release, release.path("out/a.raw").to_str().unwrap());
    installation.ignition = Some(Location::Path(release.path("config.ign")));
    installation.ignition_digest = Some(Sha256Digest::of(IGNITION.as_bytes()));
    installation.platform = Some("metal".parse().unwrap());
    let report = run(&installation).unwrap();
    assert_eq!(report.image_sha256, Sha256Digest::of(&fs::read(release.image()).unwrap()));
    assert_eq!(report.signed_by.len(), 1);

    let disk = release.path("disk");
    let table = read_table(&mut File::open(&disk).unwrap()).unwrap();
    assert_eq!(table, read_table(&mut File::open(release.image()).unwrap()).unwrap());
    if let Some(sgdisk) = tool("sgdisk") {
        let output = Command::new(sgdisk).arg("-v").arg(&disk).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("No problems found"), "{text}");
    }
    let oem = table.entries.iter().find(|entry| entry.label == "OEM").unwrap();
    let range = usize::try_from(oem.offset_bytes).unwrap()..;
    let data = fs::read(&disk).unwrap();
    let oem_image = release.path("oem");
    fs::write(&oem_image, &data[range][..usize::try_from(oem.size_bytes).unwrap()]).unwrap();
    if let Some(fsck) = tool("fsck.vfat") {
        let output = Command::new(fsck).arg("-n").arg(&oem_image).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    if let Some(mtype) = tool("mtype") {
        for (name, expected) in [("config.ign", IGNITION), ("platform", "metal\n")] {
            let mut command = Command::new(&mtype);
            let output = command.arg("-i").arg(&oem_image).arg(format!("::{name}")).output();
            assert_eq!(output.unwrap().stdout, expected.as_bytes(), "{name}");
        }
    }
    // Once more gives the same bytes, whatever was there.
    run(&installation).unwrap();
    assert!(fs::read(&disk).unwrap() == data);
}

#[test]
fn zeros_of_the_image_take_no_room_in_a_file() {
    use std::os::unix::fs::MetadataExt;
    let release = Release::new();
    make_disk(&release, release.image_bytes());
    run(&installation(&release, release.image().to_str().unwrap())).unwrap();
    let disk = fs::metadata(release.path("disk")).unwrap();
    assert!(disk.blocks() * 512 < 8 * MIB, "{}", disk.blocks() * 512);
    assert!(fs::read(release.path("disk")).unwrap() == fs::read(release.image()).unwrap());
}

#[test]
fn nothing_is_written_without_enough_signatures() {
    let cases: [(&str, Change); 7] = [
        ("there is no", |release| fs::remove_file(release.path("out/SHA256SUMS.sig")).unwrap()),
        ("there is no", |release| fs::remove_file(release.path("out/SHA256SUMS")).unwrap()),
        ("does not fit", |release| release.append("out/SHA256SUMS", "x")),
        ("nothing may follow|is wrong", |release| release.append("out/SHA256SUMS.sig", "x\n")),
        ("0 of the 1", |release| release.sign_with(9, "sha256sums")),
        ("are for payload", |release| release.sign_with(1, "payload")),
        ("does not list", |release| {
            fs::write(release.path("out/SHA256SUMS"), release.sums("b.raw")).unwrap();
            release.sign_with(1, "sha256sums");
        }),
    ];
    for (expected, change) in cases {
        let release = Release::new();
        make_disk(&release, release.image_bytes());
        let before = vec![0xaa; 1 << 20];
        fs::write(release.path("disk"), &before).unwrap();
        change(&release);
        let error = run(&installation(&release, release.image().to_str().unwrap())).unwrap_err();
        let text = chain(&error);
        assert!(expected.split('|').any(|expected| text.contains(expected)), "{text}");
        assert!(fs::read(release.path("disk")).unwrap() == before, "{expected}");
    }
}

#[test]
fn what_nobody_vouches_for_is_installed_only_if_that_is_said() {
    let release = Release::new();
    make_disk(&release, release.image_bytes());
    fs::remove_file(release.path("out/SHA256SUMS.sig")).unwrap();
    let mut installation = installation(&release, release.image().to_str().unwrap());
    assert!(matches!(run(&installation), Err(InstallError::Unsigned { .. })));
    installation.trust = Trust::Anything;
    assert!(run(&installation).unwrap().signed_by.is_empty());
    // A list without the image says as much as none; a digest that is there still counts.
    fs::write(release.path("out/SHA256SUMS"), release.sums("b.raw")).unwrap();
    run(&installation).unwrap();
    fs::write(release.path("out/SHA256SUMS"), release.sums("a.raw")).unwrap();
    release.change_image();
    let error = run(&installation).unwrap_err();
    assert!(chain(&error).contains("wrong digest"), "{}", chain(&error));
    assert!(is_blank(&release.path("disk")));
    fs::remove_file(release.path("out/SHA256SUMS")).unwrap();
    run(&installation).unwrap();
}

#[test]
fn an_image_comes_over_connections_that_break() {
    for habit in [ServerHabit::Good, ServerHabit::Cuts, ServerHabit::CutsWithoutRanges] {
        let release = Release::new();
        make_disk(&release, release.image_bytes() + MIB);
        let server = Server::start(&release.path("out"), habit);
        let report = run(&installation(&release, &server.url("a.raw"))).unwrap();
        let digest = Sha256Digest::of(&fs::read(release.image()).unwrap());
        assert_eq!(report.image_sha256, digest, "{habit:?}");
        read_table(&mut File::open(release.path("disk")).unwrap()).unwrap();
    }
}

#[test]
fn a_server_that_lies_leaves_a_blank_disk() {
    for (habit, expected) in [
        (ServerHabit::SaysShorter, "wrong digest"),
        (ServerHabit::SaysLonger, "failed to get"),
        (ServerHabit::OtherFile, "wrong digest"),
        (ServerHabit::OtherLengthLater, "another length"),
        (ServerHabit::WrongRange, "a range that was not asked for"),
        (ServerHabit::Dies, "failed to get"),
    ] {
        let release = Release::new();
        make_disk(&release, release.image_bytes() + 2 * MIB);
        let file = OpenOptions::new().write(true).open(release.path("disk")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"EFI PART", 512).unwrap();
        let server = Server::start(&release.path("out"), habit);
        let error = run(&installation(&release, &server.url("a.raw"))).unwrap_err();
        assert!(matches!(error, InstallError::Stopped { cleared: true, .. }), "{error}");
        assert!(chain(&error).contains(expected), "{habit:?}: {}", chain(&error));
        assert!(is_blank(&release.path("disk")), "{habit:?}");
    }
}

/// A server with the files of a folder that falls silent after some mebibytes of each image, without
/// the wait that HTTP makes of it.
struct Silence {
    folder: PathBuf,
}

impl Transport for Silence {
    fn open(&self, url: &Url, offset: u64) -> Result<Body, TransportError> {
        let file = format!("file://{}/{}", self.folder.display(), url.file_name());
        let mut body = FileTransport.open(&file.parse().unwrap(), offset)?;
        if url.file_name() == "a.raw" {
            body.reader = Box::new(body.reader.take(7 << 20).chain(TimedOut));
        }
        Ok(body)
    }
}

struct TimedOut;

impl Read for TimedOut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// Counts tries, and sees to it that they are told.
#[derive(Default)]
struct Tries(Cell<u32>);

impl Progress for Tries {
    fn step(&self, _: Step) {}
    fn written(&self, _: u64, _: u64) {}
    fn warn(&self, _: &str) {}
    fn retrying(&self, reason: &dyn std::error::Error) {
        assert_eq!(reason.to_string(), "the server is too slow");
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_server_that_falls_silent_is_asked_again_as_long_as_that_helps() {
    let release = Release::new();
    make_disk(&release, release.image_bytes());
    let transport = Silence { folder: release.path("out") };
    let mut installation = installation(&release, "http://silent.test/a.raw");
    let tries = Tries::default();
    installation.run(&Machine::at("/"), &transport, &tries).unwrap();
    assert!(tries.0.get() >= 5, "{}", tries.0.get());
    installation.patience.all_tries = 4;
    let tries = Tries::default();
    let error = installation.run(&Machine::at("/"), &transport, &tries).unwrap_err();
    assert!(chain(&error).ends_with("the server is too slow"), "{}", chain(&error));
    assert_eq!(tries.0.get(), 3);
    assert!(is_blank(&release.path("disk")));
}

#[test]
fn a_server_that_says_no_length_or_redirects_for_ever_is_refused() {
    for (habit, expected) in [
        (ServerHabit::SaysNothing, "does not say how long"),
        (ServerHabit::Redirects, "failed to get"),
    ] {
        let release = Release::new();
        fs::write(release.path("disk"), vec![0xaa; 1 << 20]).unwrap();
        let server = Server::start(&release.path("out"), habit);
        let error = run(&installation(&release, &server.url("a.raw"))).unwrap_err();
        assert!(chain(&error).contains(expected), "{habit:?}: {}", chain(&error));
        assert!(fs::read(release.path("disk")).unwrap() == vec![0xaa; 1 << 20]);
    }
}

#[test]
fn a_disk_that_is_too_small_is_told_with_both_sizes() {
    let release = Release::new();
    make_disk(&release, release.image_bytes() - 512);
    let error = run(&installation(&release, release.image().to_str().unwrap())).unwrap_err();
    let text = error.to_string();
    let sizes = [release.image_bytes(), release.image_bytes() - 512];
    assert!(sizes.iter().all(|size| text.contains(&size.to_string())), "{text}");
}

#[test]
fn what_is_no_disk_is_refused() {
    let release = Release::new();
    let image = release.image();
    for (disk, expected) in [
        ("/dev/null".into(), "is not a disk"),
        (release.path("out"), "is not a disk"),
        (release.path("none"), "failed to open"),
    ] {
        let mut installation = installation(&release, image.to_str().unwrap());
        installation.disk = disk;
        assert!(chain(&run(&installation).unwrap_err()).contains(expected));
    }
}

#[test]
fn a_loop_device_is_installed_to_unless_it_is_in_use() {
    let release = Release::new();
    make_disk(&release, release.image_bytes() + 7 * MIB);
    let Some(device) = LoopDevice::attach(&release.path("disk")) else { return };
    let mut installation = installation(&release, release.image().to_str().unwrap());
    installation.disk = device.path.clone();
    installation.platform = Some("qemu".parse().unwrap());
    // Mapped by something else: the kernel says so.
    let held = open_exclusive(&device.path);
    assert!(matches!(run(&installation), Err(InstallError::InUse { .. })));
    drop(held);
    let report = run(&installation).unwrap();
    assert_eq!(report.disk_bytes, release.image_bytes() + 7 * MIB);
    if let Some(sgdisk) = tool("sgdisk") {
        let output = Command::new(sgdisk).arg("-v").arg(&device.path).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("No problems found"), "{text}");
    }
    // An old file system, mounted, is in use; closed, it is gone after an installation.
    drop(device);
    if let Some(mkfs) = tool("mkfs.ext4") {
        let output = Command::new(mkfs).arg("-q").arg("-F").arg(release.path("disk")).output();
        assert!(output.unwrap().status.success());
        let Some(device) = LoopDevice::attach(&release.path("disk")) else { return };
        installation.disk = device.path.clone();
        let point = release.path("point");
        fs::create_dir(&point).unwrap();
        if let Some(_mounted) = Mount::new(&device.path, &point) {
            let text = run(&installation).unwrap_err().to_string();
            assert!(text.contains("is mounted at") && text.contains("point"), "{text}");
        }
        run(&installation).unwrap();
    }
}
