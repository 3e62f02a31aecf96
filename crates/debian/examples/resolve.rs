//! Resolves sets of packages over local, decompressed indices, for comparing the resolver:
//!
//! ```text
//! resolve [--recommends] Packages… < sets
//! ```
//!
//! Each line of the input is a set: names, and `-NAME` for what is excluded. Each line of the output
//! is its closure, as `name=version` sorted by name, or `error: …`. Several indices are named from
//! the one that is preferred among equal versions to the last.

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

use flagstone_debian::{ArchiveId, Origin, Request, Universe, resolve};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, indices): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with('-'));
    if indices.is_empty() || flags.iter().any(|flag| *flag != "--recommends") {
        eprintln!("usage: resolve [--recommends] Packages… < sets");
        return ExitCode::from(2);
    }
    match run(&indices, !flags.is_empty()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(indices: &[&String], recommends: bool) -> Result<(), Failure> {
    let mut universe = Universe::new("amd64");
    let start = Instant::now();
    for path in indices {
        let suite = (*path).clone();
        let origin = Origin { archive: ArchiveId::Main, suite, automatic: true };
        universe.add(&std::fs::read_to_string(path)?, &origin)?;
    }
    eprintln!("{} candidates read in {:?}", universe.len(), start.elapsed());
    let start = Instant::now();
    for line in std::io::stdin().lock().lines() {
        let mut request = Request { recommends, ..Request::default() };
        for word in line?.split_ascii_whitespace() {
            match word.strip_prefix('-') {
                Some(excluded) => drop(request.excluded.insert(excluded.parse()?)),
                None => request.packages.push(word.parse()?),
            }
        }
        writeln!(std::io::stdout(), "{}", closure(&universe, &request))?;
    }
    eprintln!("resolved in {:?}", start.elapsed());
    Ok(())
}

fn closure(universe: &Universe, request: &Request) -> String {
    let solution = match resolve(universe, request) {
        Ok(solution) => solution,
        Err(error) => return format!("error: {error}").replace('\n', ";"),
    };
    let packages = solution.packages.iter();
    let words = packages.map(|(name, s)| format!("{name}={}", universe.get(s.id).version()));
    words.collect::<Vec<_>>().join(" ")
}
