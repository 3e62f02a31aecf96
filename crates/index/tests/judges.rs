//! The indices against the tools that they stand in for.
//!
//! The tools of this machine judge small made-up systems. With `FLAGSTONE_TRIXIE_ROOT`, the tools
//! of an unpacked Debian trixie also judge the indices of that system; they run in it and leave
//! their files there.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may panic")]

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use flagstone_index::{
    Elf, ElfMachine, Hwdb, KernelModules, LdSoCache, LibraryDirs, decompress_modules,
};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};
use support::{ModuleObject, assert_same, chroot, install, load, merge_usr, run, tool, write};

mod support;

const KERNEL: &str = "6.1.0-test";

/// Returns numbers that look random and are always the same.
fn numbers(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |bound| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % bound
    }
}

/// Makes a kernel of some 300 modules, each of which may use earlier ones.
fn write_kernel(dir: &Path, with_order: bool) {
    let mut random = numbers(7);
    let mut order = String::new();
    for i in 0..300 {
        let mut module = ModuleObject {
            info: vec!["license=GPL".into(), format!("depends={i}")],
            without_checksums: i % 7 == 0,
            ..ModuleObject::default()
        };
        for j in 0..random(4) {
            module.exports.push(format!("symbol_{i}_{}", "abcdefg".repeat(j)));
            module.info.push(format!("alias=pci:v0000{:04X}d*sv*-[0-9-{i}]", random(99)));
        }
        module.exports.push(format!("s{i}"));
        module.info.push(format!("alias=of:N*T*Cvendor,chip-{}", random(40)));
        if i % 10 == 0 {
            module.info.push(format!("softdep=pre: m{} post: m-{}", random(300), random(300)));
            module.info.push(format!("weakdep=m{}", random(300)));
            module.info.push(format!("alias=char-major-10-{i}"));
            module.info.push(format!("alias=devname:node/{i}"));
            module.info.push("alias=broken]".into());
        }
        for _ in 0..random(5) {
            module.imports.push(format!("s{}", random(i + 1)));
        }
        module.imports.retain(|name| *name != format!("s{i}"));
        module.imports.push("printk".into());
        let name = format!("kernel/d{}/m-{i}.ko", i % 5);
        if i % 11 != 0 || !with_order {
            let _ = writeln!(order, "{name}");
        }
        write_module(dir, &name, &module.to_bytes(), i);
    }
    let update = ModuleObject { info: vec!["alias=updated".into()], ..ModuleObject::default() };
    write(&dir.join("updates/m-5.ko"), &update.to_bytes());
    if with_order {
        // Every module is listed: the order of others depends on the file system.
        let others: Vec<String> =
            (0..300).step_by(11).map(|i| format!("kernel/d{}/m-{i}.ko", i % 5)).collect();
        write(
            &dir.join("modules.order"),
            format!("updates/m-5.ko\n{order}{}\n", others.join("\n")).as_bytes(),
        );
    }
    write(&dir.join("modules.builtin"), b"kernel/fs/a-b.ko\nkernel/c.ko\nkernel/fs/a-b.ko\n");
    let modinfo =
        b"a_b.alias=fs-a\0a_b.license=GPL\0c.alias=fs-a\0c.alias=x[0-9]-y\0a_b.file=fs/a\0";
    write(&dir.join("modules.builtin.modinfo"), modinfo);
}

fn write_module(dir: &Path, name: &str, data: &[u8], i: usize) {
    let mut packed = Vec::new();
    match i % 3 {
        0 => write(&dir.join(name), data),
        1 => {
            liblzma::read::XzEncoder::new(data, 1).read_to_end(&mut packed).unwrap();
            write(&dir.join(format!("{name}.xz")), &packed);
        }
        _ => {
            let packed = zstd::encode_all(data, 1).unwrap();
            write(&dir.join(format!("{name}.zst")), &packed);
        }
    }
}

/// Compares what depmod wrote; before version 34 it laid out the binary files otherwise and wrote
/// fewer texts.
fn compare_modules(dir: &Path, kernel: &KernelModules, depmod_version: u32) {
    for (name, ours) in kernel.indices().unwrap() {
        let old = name.rsplit('.').next() == Some("bin") || name == "modules.weakdep";
        if depmod_version >= 34 || !old {
            assert_same(name, &ours, &fs::read(dir.join(name)).unwrap());
        }
    }
}

/// Reads `kmod version 34.2`.
fn depmod_version(command: &mut Command) -> u32 {
    let output = String::from_utf8(command.arg("--version").output().unwrap().stdout).unwrap();
    let number = output.split_whitespace().nth(2).unwrap();
    number.split('.').next().unwrap().parse().unwrap()
}

#[test]
fn module_indices_are_those_of_depmod() {
    let Some(depmod) = tool("depmod") else { return };
    let version = depmod_version(&mut Command::new(&depmod));
    for with_order in [true, false] {
        let root = tempfile::tempdir().unwrap();
        merge_usr(root.path());
        let dir = root.path().join("usr/lib/modules").join(KERNEL);
        write_kernel(&dir, with_order);
        let tree = load(root.path()).unwrap();
        run(Command::new(&depmod).arg("-b").arg(root.path()).arg(KERNEL));
        compare_modules(&dir, &KernelModules::read(&tree, KERNEL).unwrap(), version);
    }
}

#[test]
fn modules_stored_plainly_have_the_same_closure() {
    let root = tempfile::tempdir().unwrap();
    write_kernel(&root.path().join("usr/lib/modules").join(KERNEL), true);
    let mut tree = load(root.path()).unwrap();
    let packed = KernelModules::read(&tree, KERNEL).unwrap();
    assert_eq!(decompress_modules(&mut tree, KERNEL).unwrap(), 200);
    let plain = KernelModules::read(&tree, KERNEL).unwrap();
    for name in ["m-299", "m_150", "updated", "c"] {
        let (a, b) = (packed.closure(&[name], &[], true), plain.closure(&[name], &[], true));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.names, b.names);
        assert!(b.paths.iter().all(|path| path.as_bytes().ends_with(b".ko")));
    }
}

#[test]
fn truncated_and_corrupt_modules_are_errors_and_no_panic() {
    let module = ModuleObject {
        info: vec!["alias=a".into()],
        exports: vec!["x".into()],
        imports: vec!["y".into()],
        without_checksums: false,
    };
    let data = module.to_bytes();
    let metadata = Metadata::root(0o644, Mtime::default());
    let read = |data: &[u8]| {
        let mut tree = Tree::new(metadata);
        let path = format!("usr/lib/modules/{KERNEL}/m.ko");
        tree.put(path, metadata, Inode::file(metadata, data.to_vec())).unwrap();
        KernelModules::read(&tree, KERNEL)
    };
    assert_eq!(read(&data).unwrap().modules()[0].aliases, [b"a"]);
    for len in 0..data.len() {
        assert!(read(&data[..len]).is_err(), "{len}");
    }
    for at in 0..data.len() {
        let mut bad = data.clone();
        bad[at] ^= 0xff;
        let _ = read(&bad);
    }
}

/// Reads the name of the tool that made a cache: what stands behind the last section's header.
fn generator(cache: &[u8]) -> String {
    let word = |at: usize| u32::from_le_bytes(cache[at..at + 4].try_into().unwrap()) as usize;
    let section = word(32) + 8;
    let (offset, size) = (word(section + 8), word(section + 12));
    String::from_utf8(cache[offset..offset + size].to_vec()).unwrap()
}

fn machine() -> ElfMachine {
    Elf::parse(&fs::read("/proc/self/exe").unwrap()).unwrap().machine()
}

/// Fills a root with libraries of this machine, laid out in trying ways.
fn write_libraries(root: &Path, shell: &Path) {
    merge_usr(root);
    install(shell, root);
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let dir = root.join("usr/lib").join(&triplet);
    let libc = fs::read(dir.join("libc.so.6")).unwrap();
    for name in [
        "usr/lib/libdup.so.2",
        "usr/local/lib/libdup.so.10",
        "usr/local/lib/libnew.so.3.1",
        "opt/a/libc-2.99.so",
        "opt/a/libother.so.1.dpkg-new",
        "opt/a/ignored.so",
        "opt/b/x/liblast.so",
    ] {
        write(&root.join(name), &libc);
    }
    for level in ["x86-64-v3", "x86-64-v2", "unused"] {
        fs::create_dir_all(dir.join("glibc-hwcaps").join(level)).unwrap();
    }
    write(&dir.join("glibc-hwcaps/x86-64-v3/libfast.so.1.0"), &libc);
    write(&dir.join("glibc-hwcaps/x86-64-v2/libfast.so.1.0"), &libc);
    symlink("libfast.so.1.0", dir.join("glibc-hwcaps/x86-64-v3/libfast.so.1")).unwrap();
    symlink("gone.so.1.2", dir.join("libgone.so.1")).unwrap();
    symlink("libc.so.6", dir.join("libc.so")).unwrap();
    symlink("/opt/a/libc-2.99.so", dir.join("libabsolute.so.1")).unwrap();
    write(
        &dir.join("libscript.so"),
        b"/* GNU ld script */ GROUP ( /lib/libc.so.6 ) and so on ....",
    );
    write(&root.join("etc/ld.so.conf"), b"include /etc/ld.so.conf.d/*.conf\n/opt/b/x # last\n");
    write(&root.join("etc/ld.so.conf.d/b.conf"), b"/opt/a/\n/nowhere\n");
    write(
        &root.join("etc/ld.so.conf.d/a.conf"),
        format!("/usr/local/lib\n/usr/lib/{triplet}\n/lib/{triplet}\n").as_bytes(),
    );
}

#[test]
fn the_loaders_cache_and_links_are_those_of_ldconfig() {
    let (Some(ldconfig), Some(shell)) = (tool("ldconfig"), tool("bash")) else { return };
    let root = tempfile::tempdir().unwrap();
    write_libraries(root.path(), &shell);
    let mut tree = load(root.path()).unwrap();
    fs::create_dir_all(root.path().join("var/cache/ldconfig")).unwrap();
    run(Command::new(ldconfig).arg("-r").arg(root.path()));
    let theirs = fs::read(root.path().join("etc/ld.so.cache")).unwrap();

    let dirs = LibraryDirs::read(&tree, "etc/ld.so.conf").unwrap();
    let cache = LdSoCache::read(&tree, &dirs, machine()).unwrap();
    assert_same("ld.so.cache", &cache.to_bytes(&generator(&theirs)).unwrap(), &theirs);

    cache.update_links(&mut tree, Mtime::default()).unwrap();
    let names = |tree: &Tree| -> Vec<String> {
        let walk =
            tree.walk().map(|entry| format!("{} {}", entry.path, entry.inode.kind.type_bits()));
        walk.filter(|name| !name.starts_with("var") && !name.contains("ld.so.cache")).collect()
    };
    assert_eq!(names(&tree), names(&load(root.path()).unwrap()));
}

/// Makes a source of records that share beginnings and ends, with every kind of oddity.
fn hwdb_source(seed: u64) -> String {
    let mut random = numbers(seed);
    let mut text = String::from("# comment\n lost=1\n\n");
    for i in 0..400 {
        for _ in 0..=random(3) {
            let _ =
                writeln!(text, "usb:v{:04X}p{:02X}{}*", random(9), random(40), "d*".repeat(i % 3));
        }
        for _ in 0..=random(4) {
            let blank = " ".repeat(1 + random(2));
            let _ = writeln!(text, "{blank}KEY_{}={} # c", random(12), "value-".repeat(random(4)));
        }
        text.push_str(match i % 40 {
            3 => "no_blank_line\n X=1\n\n",
            5 => " bad\n =\n\n",
            7 => "\r\n",
            9 => "\nalone\n\n",
            _ => "\n",
        });
    }
    text
}

#[test]
fn the_hardware_database_is_that_of_systemd_hwdb() {
    let Some(hwdb) = tool("systemd-hwdb") else { return };
    let root = tempfile::tempdir().unwrap();
    merge_usr(root.path());
    let sources = root.path().join("usr/lib/udev/hwdb.d");
    for (name, seed) in [("20-a.hwdb", 1), ("60-b.hwdb", 2), ("70-c.hwdb", 3)] {
        write(&sources.join(name), hwdb_source(seed).as_bytes());
    }
    let own = root.path().join("etc/udev/hwdb.d");
    write(&own.join("60-b.hwdb"), hwdb_source(4).as_bytes());
    symlink("/dev/null", own.join("70-c.hwdb")).unwrap();
    write(&own.join("80-d.hwdb"), b"usb:v0001*\n KEY_1=last");
    install(&hwdb, root.path());

    let tree = load(root.path()).unwrap();
    run(chroot(root.path(), hwdb.to_str().unwrap()).args(["update", "--usr"]));
    let theirs = fs::read(root.path().join("usr/lib/udev/hwdb.bin")).unwrap();
    let version = u64::from_le_bytes(theirs[8..16].try_into().unwrap());
    let ours = Hwdb::read(&tree).unwrap().unwrap().to_bytes(version);
    assert_same("hwdb.bin", &ours, &theirs);
}

#[test]
fn all_indices_of_a_real_system_are_those_of_its_own_tools() {
    let Some(root) = support::trixie_root() else { return };
    for (name, with_order) in [("6.1.0-ordered", true), ("6.1.0-unordered", false)] {
        write_kernel(&root.join("usr/lib/modules").join(name), with_order);
    }
    let tree = load(&root).unwrap();
    let (_, modules) = tree.resolve("usr/lib/modules").unwrap();
    for version in tree.inode(modules).children().unwrap().keys().map(ToString::to_string) {
        run(chroot(&root, "depmod").arg(&version));
        let dir = root.join("usr/lib/modules").join(&version);
        compare_modules(&dir, &KernelModules::read(&tree, &version).unwrap(), 34);
    }

    run(chroot(&root, "ldconfig").args(["-X", "-C", "/etc/ld.so.cache"]));
    let theirs = fs::read(root.join("etc/ld.so.cache")).unwrap();
    let dirs = LibraryDirs::read(&tree, "etc/ld.so.conf").unwrap();
    let cache = LdSoCache::read(&tree, &dirs, machine()).unwrap();
    assert_same("ld.so.cache", &cache.to_bytes(&generator(&theirs)).unwrap(), &theirs);

    // Without /proc the tool cannot replace an older file.
    let _ = fs::remove_file(root.join("usr/lib/udev/hwdb.bin"));
    run(chroot(&root, "systemd-hwdb").args(["update", "--usr"]));
    let theirs = fs::read(root.join("usr/lib/udev/hwdb.bin")).unwrap();
    let version = Hwdb::tool_version("257.13-1~deb13u1").unwrap();
    let ours = Hwdb::read(&tree).unwrap().unwrap().to_bytes(version);
    assert_same("hwdb.bin", &ours, &theirs);
}
