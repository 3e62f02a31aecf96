//! Loads a directory and writes the indices made from it into another.
//!
//! `indices ROOT OUT`: what depmod, ldconfig and systemd-hwdb would write.
//! `indices closure ROOT FILE…`: what the files need to run.
//! `indices modules ROOT NAME…`: the modules that the names need.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use flagstone_index::{DlopenPolicy, KernelModules, LibraryDirs, closure};
use flagstone_tree::{Mtime, Tree, TreePath};

#[path = "support/directory.rs"]
mod directory;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["closure", root, files @ ..] => print_closure(&directory::load(Path::new(root))?, files),
        ["modules", root, names @ ..] => print_modules(&directory::load(Path::new(root))?, names),
        [root, out] => write_all(directory::load(Path::new(root))?, Path::new(out)),
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

fn write_all(mut tree: Tree, out: &Path) -> Result<(), Box<dyn Error>> {
    let mtime = Mtime::default();
    let mut paths = Vec::new();
    if let Ok(version) = kernel_version(&tree) {
        let start = Instant::now();
        let kernel = KernelModules::read(&tree, &version)?;
        eprintln!("modules read in {:?}", start.elapsed());
        for (name, _) in kernel.indices()? {
            paths.push(format!("{}/{name}", kernel.directory()));
        }
        kernel.write_indices(&mut tree, mtime)?;
        eprintln!("modules indexed in {:?}", start.elapsed());
    }
    for path in paths {
        let to = out.join(&path);
        std::fs::create_dir_all(to.parent().ok_or("no parent")?)?;
        std::fs::write(to, tree.read(&path)?)?;
    }
    Ok(())
}
