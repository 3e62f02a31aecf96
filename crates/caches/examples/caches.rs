//! Loads a directory and writes the caches made from it into another: `caches ROOT OUT SHARED-MIME-INFO-VERSION`.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use flagstone_caches::{Caches, ToolVersions};

#[path = "../../index/examples/support/directory.rs"]
mod directory;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [root, out, shared_mime_info] = args.as_slice() else {
        return Err("usage: caches ROOT OUT SHARED-MIME-INFO-VERSION".into());
    };
    let tools = ToolVersions { shared_mime_info: shared_mime_info.clone() };
    let tree = directory::load(Path::new(root))?;
    let start = Instant::now();
    let caches = Caches::make(&tree, &tools)?;
    eprintln!("{} files in {:?}", caches.files().len(), start.elapsed());
    for note in caches.notes() {
        eprintln!("{note}");
    }
    for (path, bytes) in caches.files() {
        let path = Path::new(out).join(path);
        std::fs::create_dir_all(path.parent().ok_or("no parent")?)?;
        std::fs::write(path, bytes)?;
    }
    Ok(())
}
