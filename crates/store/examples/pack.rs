//! Puts files into a pack, each under the digest of its content: `pack FOLDER FILE...`.

use std::error::Error;
use std::path::PathBuf;

use flagstone_artifact::Sha256Digest;
use flagstone_store::Shelf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("usage: pack FOLDER FILE...")?;
    let shelf = Shelf::open(folder)?;
    let mut pack = shelf.create()?;
    let mut names = Vec::new();
    for file in arguments {
        let content = std::fs::read(file)?;
        let digest = Sha256Digest::of(&content);
        pack.put(digest, &content)?;
        names.extend(digest.as_bytes());
    }
    println!("{}", shelf.keep(pack, &Sha256Digest::of(&names))?.path().display());
    Ok(())
}
