//! Unified kernel images: their shape, what is refused, and what other tools say of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_boot::{
    ADDON_ROOM, KernelCommandLine, OsRelease, PeError, RootDevice, Uki, UkiError, UkiParts,
    addon_template, build_uki,
};
use tempfile::TempDir;

const X86_64: u16 = 0x8664;
const ARM64: u16 = 0xaa64;
const UNAME: &str = "6.12.0-test";
/// Where [`pe`] puts the PE header, and the section headers behind it.
const PE_AT: usize = 0x80;
const TABLE_AT: usize = PE_AT + 24 + 240;

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Makes a small EFI executable: headers of `headers_len` bytes and two sections.
fn pe(machine: u16, headers_len: u32, size_of_image: u32) -> Vec<u8> {
    let start = headers_len as usize;
    let mut image = vec![0; start + 2 * 512];
    let optional = PE_AT + 24;
    put(&mut image, 0, b"MZ");
    put(&mut image, 0x3c, &0x80_u32.to_le_bytes());
    put(&mut image, PE_AT, b"PE\0\0");
    put(&mut image, PE_AT + 4, &machine.to_le_bytes());
    put(&mut image, PE_AT + 6, &2_u16.to_le_bytes());
    put(&mut image, PE_AT + 20, &240_u16.to_le_bytes());
    put(&mut image, PE_AT + 22, &0x206_u16.to_le_bytes());
    put(&mut image, optional, &0x20b_u16.to_le_bytes());
    for (at, value) in [
        (4, 512),            // code
        (8, 512),            // initialised data
        (16, 0x1000),        // entry point
        (20, 0x1000),        // base of code
        (32, 0x1000),        // section alignment
        (36, 512),           // file alignment
        (56, size_of_image), //
        (60, headers_len),   //
        (108, 16),           // data directories
    ] {
        put(&mut image, optional + at, &u32::to_le_bytes(value));
    }
    put(&mut image, optional + 68, &10_u16.to_le_bytes()); // EFI application
    for (index, name, flags) in
        [(0, b".text\0\0\0", 0x6000_0020_u32), (1, b".sbat\0\0\0", 0x4000_0040)]
    {
        let header = TABLE_AT + index * 40;
        let number = u32::try_from(index).unwrap();
        put(&mut image, header, name);
        for (at, value) in [
            (8, 100),
            (12, 0x1000 * (number + 1)),
            (16, 512),
            (20, headers_len + 512 * number),
            (36, flags),
        ] {
            put(&mut image, header + at, &u32::to_le_bytes(value));
        }
    }
    put(&mut image, start, &[0xc3; 100]);
    put(&mut image, start + 512, b"sbat,1,SBAT Version,sbat,1,https://example.org\n");
    image
}

fn os_release() -> OsRelease {
    let mut release = OsRelease::new();
    release.set("ID", "base").unwrap().set("PRETTY_NAME", "Base 1.2").unwrap();
    release
}

fn build(stub: &[u8], linux: &[u8], initrd: &[&[u8]]) -> Result<Vec<u8>, UkiError> {
    build_uki(&UkiParts {
        stub,
        linux: &Bytes::copy_from_slice(linux),
        initrd: &initrd.iter().map(|part| part.to_vec().into()).collect::<Vec<_>>(),
        os_release: &os_release(),
        cmdline: &KernelCommandLine::for_disk(&Sha256Digest::of(b"usr"), RootDevice::Partition),
        uname: UNAME,
    })
}

fn assert_error(found: &UkiError, expected: &UkiError) {
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

#[test]
fn every_part_reads_back_and_the_stub_stays() {
    for (machine, architecture) in [(X86_64, Architecture::X86_64), (ARM64, Architecture::Arm64)] {
        let (stub, linux) = (pe(machine, 1024, 0x3000), pe(machine, 1024, 0x5_0000));
        let image = build(&stub, &linux, &[b"first", b"second!"]).unwrap();
        let uki = Uki::parse(&image).unwrap();
        assert_eq!(uki.architecture(), Some(architecture));
        let names: Vec<&str> = uki.sections().iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, [".text", ".sbat", ".osrel", ".cmdline", ".uname", ".initrd", ".linux"]);
        let text = |name| std::str::from_utf8(uki.section(name).unwrap()).unwrap();
        assert_eq!(text(".osrel"), os_release().to_string());
        assert!(text(".cmdline").starts_with("usrhash="));
        assert_eq!(text(".uname"), UNAME);
        assert_eq!(text(".initrd"), "first\0\0\0second!");
        assert!(uki.section(".linux").unwrap().starts_with(&linux));
        let stub_uki = Uki::parse(&stub).unwrap();
        for name in [".text", ".sbat"] {
            assert_eq!(uki.section(name), stub_uki.section(name));
        }
        assert_eq!(build(&stub, &linux, &[b"first", b"second!"]).unwrap(), image);
    }
}

#[test]
fn sections_follow_each_other_in_memory_and_file() {
    let image =
        build(&pe(X86_64, 1024, 0x3000), &pe(X86_64, 1024, 0x5_0000), &[&[1; 5000]]).unwrap();
    let uki = Uki::parse(&image).unwrap();
    let (mut memory, mut file) = (0, 0);
    for section in uki.sections() {
        assert!(section.memory.start >= memory && section.memory.start % 4096 == 0, "{section:?}");
        assert!(section.file.start >= file && section.file.start % 512 == 0, "{section:?}");
        (memory, file) = (section.memory.end, section.file.end);
    }
    let linux = uki.sections().last().unwrap();
    assert_eq!(linux.memory.end - linux.memory.start, 0x5_0000);
    let field = |at: usize| {
        let at = PE_AT + 24 + at;
        u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
    };
    assert_eq!(u64::from(field(56)), linux.memory.end);
    assert_eq!(field(4), 512 + 2048, "code: the stub's and the kernel's");
    assert_eq!(field(8), 512 + 3 * 512 + 5120, "data: the stub's and four sections");
}

#[test]
fn a_stub_that_cannot_take_the_sections_is_refused() {
    let kernel = pe(X86_64, 1024, 0x3000);
    let crowded = pe(X86_64, 512, 0x3000);
    let error = build(&crowded, &kernel, &[b"x"]).unwrap_err();
    assert_error(&error, &UkiError::NoHeaderRoom { free: 1, needed: 5 });

    let mut signed = pe(X86_64, 1024, 0x3000);
    put(&mut signed, PE_AT + 24 + 112 + 4 * 8 + 4, &8_u32.to_le_bytes());
    assert_error(&build(&signed, &kernel, &[b"x"]).unwrap_err(), &UkiError::SignedStub);

    let twice = build(&pe(X86_64, 1024, 0x3000), &kernel, &[b"x"]).unwrap();
    assert_error(&build(&twice, &kernel, &[b"x"]).unwrap_err(), &UkiError::SectionExists(".osrel"));

    let error = build(&pe(ARM64, 1024, 0x3000), &kernel, &[b"x"]).unwrap_err();
    assert_error(&error, &UkiError::MachineMismatch { stub: ARM64, kernel: X86_64 });

    let huge = pe(X86_64, 1024, 0x8000_0000);
    assert_error(
        &build(&pe(X86_64, 1024, 0x3000), &huge, &[b"x"]).unwrap_err(),
        &UkiError::TooLong,
    );

    let error = build(&pe(X86_64, 1024, 0x3000), b"\x1f\x8bgzip", &[b"x"]).unwrap_err();
    assert_error(&error, &UkiError::Kernel(PeError::Invalid("MS-DOS signature")));
    assert!(error.hint().is_some());
}

#[test]
fn truncated_and_corrupt_images_are_refused_or_read_within_bounds() {
    let image = build(&pe(X86_64, 1024, 0x3000), &pe(X86_64, 1024, 0x4000), &[b"x"]).unwrap();
    for len in 0..image.len() {
        assert!(Uki::parse(&image[..len]).is_err(), "{len} of {} bytes", image.len());
    }
    // Every byte of the headers, set to the values that hurt most.
    for at in 0..TABLE_AT + 7 * 40 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = image.clone();
            changed[at] = value;
            if let Ok(uki) = Uki::parse(&changed) {
                for section in uki.sections() {
                    assert!(section.file.end <= changed.len());
                    assert!(uki.section(&section.name).is_some());
                }
            }
            let _ = build(&changed, &image, &[b"x"]);
        }
    }
}

/// Finds a tool; a missing one skips the test, or fails it if judges are required.
#[test]
fn an_addon_is_done_by_what_comes_behind_its_template() {
    let stub = pe(X86_64, 1024, 0x3000);
    let template = addon_template(&stub).unwrap();
    let mut addon = template.clone();
    addon.extend(format!("{:ADDON_ROOM$}", "quiet a=1").bytes());
    let read = Uki::parse(&addon).unwrap();
    let names: Vec<&str> = read.sections().iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, [".text", ".sbat", ".cmdline"]);
    let text = read.section(".cmdline").unwrap();
    assert_eq!((text.len(), text.trim_ascii()), (ADDON_ROOM, &b"quiet a=1"[..]));
    assert_eq!(read.sections()[2].file.end, addon.len());
    // Without its end it is no image, and neither is what it would be made of.
    assert!(Uki::parse(&template).is_err());
    assert!(matches!(addon_template(&stub[..600]), Err(UkiError::Stub(_))));
}

fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|f| f.is_file());
    require(name, found)
}

fn require<T>(name: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "{name} is missing");
        println!("skipped: {name} is missing");
    }
    found
}

#[test]
fn symbols_behind_the_sections_are_left_out() {
    let (kernel, stub) = (pe(X86_64, 1024, 0x3000), pe(X86_64, 1024, 0x3000));
    let mut unstripped = stub.clone();
    put(&mut unstripped, PE_AT + 12, &u32::to_le_bytes(2048)); // where the symbols are
    put(&mut unstripped, PE_AT + 16, &1_u32.to_le_bytes());
    unstripped.extend_from_slice(&[0x55; 1000]);
    let image = build(&unstripped, &kernel, &[b"x"]).unwrap();
    assert!(image == build(&stub, &kernel, &[b"x"]).unwrap());
}

/// Returns systemd's real stub for this machine; the package systemd-boot-efi holds it.
fn real_stub() -> Option<Vec<u8>> {
    let path = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    require(path, fs::read(path).ok())
}

fn run<A: AsRef<OsStr>>(tool: &Path, arguments: &[A]) -> (bool, String) {
    let output = Command::new(tool).args(arguments).env("LC_ALL", "C").output().unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// Writes one image over a made-up stub and, if there is one, one over the real stub; each stub lies
/// beside its image.
fn samples(dir: &TempDir) -> Vec<PathBuf> {
    let stubs = [Some(pe(X86_64, 1024, 0x3000)), real_stub()];
    let kernel = pe(X86_64, 1024, 0x9000);
    let initrd: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(n) / 7).to_le_bytes()[1]).collect();
    let paths = stubs.into_iter().flatten().enumerate().map(|(number, stub)| {
        let path = dir.path().join(format!("{number}.efi"));
        fs::write(path.with_extension("stub"), &stub).unwrap();
        fs::write(&path, build(&stub, &kernel, &[&initrd]).unwrap()).unwrap();
        path
    });
    paths.collect()
}

#[test]
fn objdump_shows_and_objcopy_extracts_the_same_sections() {
    let (Some(objdump), Some(objcopy)) = (tool("objdump"), tool("objcopy")) else { return };
    let dir = TempDir::new().unwrap();
    for path in samples(&dir) {
        let (success, text) = run(&objdump, &["-h", path.to_str().unwrap()]);
        assert!(success && !text.contains("warning"), "{text}");
        let image = fs::read(&path).unwrap();
        let uki = Uki::parse(&image).unwrap();
        for section in uki.sections() {
            let line = text.lines().find(|line| line.contains(&format!(" {} ", section.name)));
            let offset = format!("{:08x}  2**", section.file.start);
            assert!(line.is_some_and(|line| line.contains(&offset)), "{section:?}\n{text}");
        }
        for name in [".osrel", ".cmdline", ".uname", ".initrd"] {
            let out = dir.path().join("section");
            let option = format!("--only-section={name}");
            let (path, out) = (path.to_str().unwrap(), out.to_str().unwrap());
            let (success, text) = run(&objcopy, &["-O", "binary", &option, path, out]);
            assert!(success, "{text}");
            assert_eq!(fs::read(out).unwrap(), uki.section(name).unwrap(), "{name}");
        }
    }
}

#[test]
fn pefile_agrees_with_checksum_and_headers() {
    let pythons = ["python3", "/usr/bin/python3"].map(PathBuf::from);
    let imports = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import pefile"])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let Some(python) = require("python3-pefile", pythons.into_iter().find(imports)) else { return };
    let script = "import pefile, sys\n\
        pe = pefile.PE(sys.argv[1])\n\
        assert pe.verify_checksum(), 'checksum'\n\
        known = pefile.PE(sys.argv[2]).get_warnings()\n\
        new = [warning for warning in pe.get_warnings() if warning not in known]\n\
        assert not new, new\n\
        last = pe.sections[-1]\n\
        end = last.VirtualAddress + last.Misc_VirtualSize\n\
        align = pe.OPTIONAL_HEADER.SectionAlignment\n\
        assert pe.OPTIONAL_HEADER.SizeOfImage == -(-end // align) * align, 'SizeOfImage'\n\
        assert last.Name.rstrip(b'\\0') == b'.linux', last.Name\n";
    let dir = TempDir::new().unwrap();
    for path in samples(&dir) {
        let (success, text) = run(
            &python,
            &[
                "-c".as_ref(),
                script.as_ref(),
                path.as_os_str(),
                path.with_extension("stub").as_os_str(),
            ],
        );
        assert!(success, "{text}");
    }
}

#[test]
fn sbverify_and_sbsign_accept_the_image() {
    let (Some(sbverify), Some(sbsign), Some(openssl)) =
        (tool("sbverify"), tool("sbsign"), tool("openssl"))
    else {
        return;
    };
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate, signed) = (file("key"), file("certificate"), file("signed.efi"));
    let request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test"];
    let (success, text) =
        run(&openssl, &[&request[..], &["-keyout", &key, "-out", &certificate]].concat());
    assert!(success, "{text}");
    for path in samples(&dir) {
        let path = path.to_str().unwrap();
        let (_, text) = run(&sbverify, &["--list", path]);
        assert!(text.contains("No signature table present"), "{text}");
        let sign = ["--key", &key, "--cert", &certificate, "--output", &signed, path];
        let (success, text) = run(&sbsign, &sign);
        assert!(success && !text.contains("gap in section table"), "{text}");
        let (success, text) = run(&sbverify, &["--cert", &certificate, &signed]);
        assert!(success && text.contains("Signature verification OK"), "{text}");
    }
}

#[test]
fn systemd_calls_it_a_unified_kernel_image() {
    let dir = TempDir::new().unwrap();
    let Some(stub) = real_stub() else { return };
    let path = dir.path().join("uki.efi");
    fs::write(&path, build(&stub, &pe(X86_64, 1024, 0x9000), &[b"initrd"]).unwrap()).unwrap();
    let path = path.to_str().unwrap();
    // Both are in Debian since 13, so neither is required.
    let bootctl = Path::new("/usr/bin/bootctl");
    if bootctl.exists() && run(bootctl, &["--help"]).1.contains("kernel-identify") {
        let (success, text) = run(bootctl, &["kernel-identify", path]);
        assert!(success && text.trim() == "uki", "{text}");
        let (success, text) = run(bootctl, &["kernel-inspect", path]);
        assert!(success && text.contains("Base 1.2") && text.contains(UNAME), "{text}");
    } else {
        println!("skipped: bootctl kernel-identify is missing");
    }
    let ukify = Path::new("/usr/bin/ukify");
    if ukify.exists() {
        let (success, text) = run(ukify, &["inspect", path]);
        assert!(success && text.contains(".cmdline") && text.contains("usrhash="), "{text}");
    } else {
        println!("skipped: ukify is missing");
    }
}
