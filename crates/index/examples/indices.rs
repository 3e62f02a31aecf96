//! Loads a directory and writes the indices made from it into another.
//!
//! `indices ROOT OUT LIBC-BIN-VERSION SYSTEMD-VERSION`: what depmod, ldconfig and systemd-hwdb would
//! write.
//! `indices closure ROOT FILE…`: what the files need to run.
//! `indices modules ROOT NAME…`: the modules that the names need.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use flagstone_index::{DlopenPolicy, Elf, Hwdb, KernelModules, LdSoCache, LibraryDirs, closure};
use flagstone_tree::{Tree, TreePath};

#[path = "support/directory.rs"]
mod directory;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["closure", root, files @ ..] => print_closure(&directory::load(Path::new(root))?, files),
        ["modules", root, names @ ..] => print_modules(&directory::load(Path::new(root))?, names),
        [root, out, libc_bin, systemd] => {
            let tree = directory::load(Path::new(root))?;
            write_modules(&tree, Path::new(out))?;
            write_cache(&tree, Path::new(out), libc_bin)?;
            write_hwdb(&tree, Path::new(out), systemd)
        }
        _ => Err("usage: indices [closure|modules] ROOT …".into()),
    }
}

fn print_closure(tree: &Tree, files: &[&str]) -> Result<(), Box<dyn Error>> {
    let roots = files.iter().map(TreePath::new).collect::<Result<Vec<_>, _>>()?;
    let dirs = LibraryDirs::read(tree, "etc/ld.so.conf")?;
    let start = Instant::now();
    let found = closure(tree, &roots, &dirs, &DlopenPolicy::recommended())?;
    eprintln!("{} files in {:?}", found.files.len(), start.elapsed());
    for missing in &found.absent {
        eprintln!("absent: {missing:?}");
    }
    for path in &found.files {
        println!("{path}");
    }
    Ok(())
}

fn kernel_version(tree: &Tree) -> Result<String, Box<dyn Error>> {
    let (_, id) = tree.resolve("usr/lib/modules")?;
    let children = tree.inode(id).children().ok_or("usr/lib/modules is not a directory")?;
    Ok(children.keys().next().ok_or("no kernel")?.to_string())
}

fn print_modules(tree: &Tree, names: &[&str]) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let kernel = KernelModules::read(tree, &kernel_version(tree)?)?;
    eprintln!("read {} modules in {:?}", kernel.modules().len(), start.elapsed());
    let found = kernel.closure(names, &[], true)?;
    eprintln!("builtin: {:?}", found.builtin);
    for path in &found.paths {
        println!("{path}");
    }
    Ok(())
}

fn write_modules(tree: &Tree, out: &Path) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let kernel = KernelModules::read(tree, &kernel_version(tree)?)?;
    eprintln!("modules read in {:?}", start.elapsed());
    let indices = kernel.indices()?;
    eprintln!("modules indexed in {:?}", start.elapsed());
    for (name, data) in indices {
        write(&out.join(kernel.directory().to_string()).join(name), &data)?;
    }
    Ok(())
}

fn write_cache(tree: &Tree, out: &Path, libc_bin: &str) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let dirs = LibraryDirs::read(tree, "etc/ld.so.conf")?;
    let (_, loader) = tree.resolve("usr/bin/sh")?;
    let program = tree.inode(loader).content().ok_or("/usr/bin/sh is not a file")?.to_bytes()?;
    let cache = LdSoCache::read(tree, &dirs, Elf::parse(&program)?.machine())?;
    let data = cache.to_bytes(&LdSoCache::debian_generator(libc_bin))?;
    eprintln!("{} libraries cached in {:?}", cache.len(), start.elapsed());
    write(&out.join("etc/ld.so.cache"), &data)
}

fn write_hwdb(tree: &Tree, out: &Path, systemd: &str) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let Some(hwdb) = Hwdb::read(tree)? else { return Ok(()) };
    let data = hwdb.to_bytes(Hwdb::tool_version(systemd).ok_or("not a version of systemd")?);
    eprintln!("hardware database made in {:?}", start.elapsed());
    write(&out.join("usr/lib/udev/hwdb.bin"), &data)
}

fn write(path: &Path, data: &[u8]) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(path.parent().ok_or("no parent")?)?;
    Ok(std::fs::write(path, data)?)
}
