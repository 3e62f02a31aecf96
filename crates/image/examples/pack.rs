//! Packs a directory as `OUT` (EROFS) and `OUT.verity`, and prints what that took:
//! `cargo run --release -p flagstone-image --example pack -- [OPTION...] DIR OUT`.
//!
//! Options are `--zstd=LEVEL`, `--lz4`, `--lz4hc=LEVEL`, `--cluster=KIB` and `--only`, which writes
//! no hash tree.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use flagstone_image::erofs::{self, ClusterSize, Compression, Options};
use flagstone_image::verity::{Parameters, VerityWriter, verify};
use flagstone_tree::{Inode, InodeId, Kind, Metadata, Mtime, Tree, TreePath};

fn main() -> Result<(), Box<dyn Error>> {
    let mut options = Options::default();
    let (mut paths, mut only) = (Vec::new(), false);
    for argument in std::env::args().skip(1) {
        let (name, value) = argument.split_once('=').unwrap_or((&argument, ""));
        match name {
            "--zstd" => options.compression = Compression::Zstd { level: value.parse()? },
            "--lz4" => options.compression = Compression::Lz4,
            "--lz4hc" => options.compression = Compression::Lz4hc { level: value.parse()? },
            "--cluster" => {
                let kib: u32 = value.parse()?;
                options.cluster = ClusterSize::new(kib << 10).ok_or("no such cluster size")?;
            }
            "--only" => only = true,
            _ => paths.push(argument),
        }
    }
    let [dir, out] = paths.as_slice() else {
        return Err("usage: pack [OPTION...] DIR OUT".into());
    };
    let started = Instant::now();
    let mut tree = Tree::new(metadata(Path::new(dir))?);
    load(&mut tree, Path::new(dir), &TreePath::default(), &mut BTreeMap::new())?;
    println!("read in {:?}, {}", started.elapsed(), peak_memory());
    if only {
        let statistics = erofs::write(&tree, &options, &mut File::create(out)?)?;
        println!("written in {:?}, {}\n{statistics:?}", started.elapsed(), peak_memory());
        return Ok(());
    }

    let started = Instant::now();
    let parameters = Parameters::new([7; 32], [7; 16])?;
    let mut writer = VerityWriter::new(File::create(out)?, parameters);
    let statistics = erofs::write(&tree, &options, &mut writer)?;
    let (_, hashes) = writer.finish()?;
    println!("written and hashed in {:?}, {}", started.elapsed(), peak_memory());
    println!("{statistics:?}\nroot hash {}", hashes.root_hash);

    let started = Instant::now();
    verify(File::open(out)?, &hashes.bytes, &hashes.root_hash)?;
    println!("verified in {:?}", started.elapsed());
    fs::write(Path::new(out).with_added_extension("verity"), &hashes.bytes)?;
    Ok(())
}

/// Adds what is in a directory; `links` has the files with several names.
fn load(
    tree: &mut Tree,
    dir: &Path,
    at: &TreePath,
    links: &mut BTreeMap<u64, InodeId>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = flagstone_tree::FileName::new(entry.file_name().as_bytes())?;
        let at = at.join(&name);
        let found = fs::symlink_metadata(&path)?;
        let kind = found.file_type();
        let metadata = metadata(&path)?;
        if kind.is_dir() {
            tree.insert(&at, Inode::directory(metadata))?;
            load(tree, &path, &at, links)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)?.as_os_str().as_bytes().to_vec();
            tree.insert(&at, Inode::new(metadata, Kind::Symlink(target.into())))?;
        } else if kind.is_file() {
            if let Some(id) = links.get(&found.ino()) {
                tree.hard_link(&at, *id)?;
                continue;
            }
            let id = tree.insert(&at, Inode::file(metadata, fs::read(&path)?))?;
            if found.nlink() > 1 {
                links.insert(found.ino(), id);
            }
        }
    }
    Ok(())
}

fn metadata(path: &Path) -> std::io::Result<Metadata> {
    let found = fs::symlink_metadata(path)?;
    let mode = u16::try_from(found.mode() & 0o7777).expect("12 bits");
    let nanoseconds = u32::try_from(found.mtime_nsec()).expect("below a billion");
    let mtime = Mtime { seconds: found.mtime(), nanoseconds };
    Ok(Metadata { mode, uid: found.uid(), gid: found.gid(), mtime })
}

/// Returns the line in which Linux reports the most memory used at once.
fn peak_memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("memory unknown").to_owned()
}
