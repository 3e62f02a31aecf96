//! Resolves packages over local, decompressed indices, for trying the resolver out:
//!
//! ```text
//! resolve Packages[,Packages…] PACKAGE… [-EXCLUDED…]
//! ```

use std::process::ExitCode;
use std::time::Instant;

use flagstone_debian::{ArchiveKind, Request, Universe, resolve};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(indices) = arguments.next() else {
        eprintln!("usage: resolve Packages[,Packages…] PACKAGE… [-EXCLUDED…]");
        return ExitCode::from(2);
    };
    match run(&indices, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(
    indices: &str,
    arguments: impl Iterator<Item = String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut universe = Universe::new("amd64");
    let mut request = Request::default();
    for argument in arguments {
        if let Some(excluded) = argument.strip_prefix('-') {
            request.excluded.insert(excluded.parse()?);
        } else {
            request.packages.push(argument.parse()?);
        }
    }
    let start = Instant::now();
    for path in indices.split(',') {
        universe.add(&std::fs::read_to_string(path)?, ArchiveKind::Main)?;
    }
    let loaded = start.elapsed();
    let start = Instant::now();
    let solution = resolve(&universe, &request)?;
    eprintln!("{} candidates in {loaded:?}, resolved in {:?}", universe.len(), start.elapsed());
    for (name, solved) in &solution.packages {
        println!("{name} {}\t{}", universe.get(solved.id).version(), solved.why);
    }
    for (name, by) in &solution.absent {
        let by: Vec<_> = by.iter().map(AsRef::as_ref).collect();
        eprintln!("absent: {name}, needed by {}", by.join(", "));
    }
    Ok(())
}
