//! Merges, finishes and splits a directory of `<package>.tar` files, and says what came out.
//!
//! `cargo run --release --example merge -- TARS [OUT]`: with OUT the finished tree is written there,
//! as root, to be compared with an ordinary installation.

use std::error::Error;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use flagstone_rootfs::{
    EtcInput, FinishInput, MergeInput, PackageArchive, PruneList, UnitsInput, UserSpec, UsersInput,
    finish, merge, split,
};
use flagstone_tree::{Content, Kind, Mtime, Tree};

const DATE: Mtime = Mtime::from_seconds(1_795_392_000);

const ENABLED: [&str; 8] = [
    "ssh.service",
    "sshd-keygen.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "getty@.service",
    "serial-getty@ttyS0.service",
    "remote-fs.target",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let tars = arguments.next().ok_or("usage: merge TARS [OUT]")?;
    let out = arguments.next();

    let archives = read_archives(&tars)?;
    let prune = if out.is_some() { PruneList::default() } else { PruneList::standard() };
    let start = Instant::now();
    let merged = merge(&MergeInput { archives, prune, date: DATE, ..MergeInput::default() })?;
    let mut tree = merged.tree;
    eprintln!("merged in {:?}", start.elapsed());

    let start = Instant::now();
    let report = finish(&mut tree, &input())?;
    eprintln!("finished in {:?}", start.elapsed());
    for note in merged.notes.iter().chain(&report.notes) {
        println!("{note}");
    }
    for link in &report.unit_links {
        println!("enabled: {link}");
    }
    if let Some(out) = &out {
        write_out(&tree, out)?;
    }

    let start = Instant::now();
    let split = split(tree, DATE)?;
    eprintln!("split in {:?}", start.elapsed());
    for note in &split.notes {
        println!("{note}");
    }
    for path in &split.dropped {
        println!("dropped: /{path}");
    }
    let usr = split.usr.tree();
    println!("{}", usr.read_text("lib/tmpfiles.d/flagstone-var.conf").unwrap_or_default());
    println!("root links: {:?}", split.root_links);
    if let Some(kernel) = &split.kernel {
        println!("kernel: {} ({} bytes)", kernel.version, kernel.image.len());
    }
    let contents = usr.walk().filter_map(|entry| entry.inode.content().map(Content::len));
    println!("usr: {} names, {} bytes", usr.walk().count(), contents.sum::<u64>());
    Ok(())
}

fn read_archives(dir: &Path) -> Result<Vec<PackageArchive>, Box<dyn Error>> {
    let mut archives = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a name is not UTF-8")?;
        let data = bytes::Bytes::from(std::fs::read(&path)?).into();
        archives.push(PackageArchive { name: name.to_owned(), data, conffiles: Vec::new() });
    }
    Ok(archives)
}

fn input() -> FinishInput {
    let core = UserSpec {
        name: "core".to_owned(),
        groups: vec!["sudo".to_owned(), "systemd-journal".to_owned()],
        ..UserSpec::default()
    };
    FinishInput {
        date: DATE,
        users: UsersInput { users: vec![core], ..UsersInput::default() },
        etc: EtcInput {
            os_release: "ID=example\nPRETTY_NAME=\"Example 1\"\n".to_owned(),
            ..EtcInput::default()
        },
        units: UnitsInput {
            enable: ENABLED.iter().map(ToString::to_string).collect(),
            ..UnitsInput::default()
        },
        ..FinishInput::default()
    }
}

/// Writes names, contents, modes and owners; hard links become copies.
fn write_out(tree: &Tree, out: &Path) -> Result<(), Box<dyn Error>> {
    for entry in tree.walk() {
        let path = out.join(entry.path.to_string());
        match &entry.inode.kind {
            Kind::Directory(_) => std::fs::create_dir_all(&path)?,
            Kind::File(content) => std::fs::write(&path, content.to_bytes()?)?,
            Kind::Symlink(target) => {
                symlink(String::from_utf8(target.to_vec())?, &path)?;
                continue;
            }
            _ => continue,
        }
        let metadata = entry.inode.metadata;
        chown(&path, Some(metadata.uid), Some(metadata.gid))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(metadata.mode.into()))?;
    }
    Ok(())
}
