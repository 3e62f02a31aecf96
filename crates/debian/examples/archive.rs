//! Loads an archive as `flagstone lock` does, and says what is in it:
//!
//! ```text
//! archive CACHE NOW SUITE MAIN-BASE [SECURITY-BASE]
//! ```
//!
//! `NOW` is in seconds since 1970-01-01 UTC.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use flagstone_artifact::Architecture;
use flagstone_debian::{
    Archive, ArchiveRequest, Keyring, Mirrors, Suite, SuiteRequest, format_date,
};
use flagstone_fetch::{AnyTransport, Cache, Fetcher, HttpTransport};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Err(error) = run(&arguments) else { return ExitCode::SUCCESS };
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [cache, now, suite, main, security @ ..] = arguments else {
        return Err("usage: archive CACHE NOW SUITE MAIN-BASE [SECURITY-BASE]".into());
    };
    let mut mirrors = Mirrors::beside(main.parse()?);
    if let Some(security) = security.first() {
        mirrors.security = vec![security.parse()?];
    }
    let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
    let fetcher = Fetcher::new(Cache::open(cache)?, Arc::new(transport));
    let (keyring, components) = (Keyring::debian(), ["main".to_owned()]);
    let suites = Suite::family(suite).ok_or("not a suite's name")?.map(|suite| SuiteRequest {
        archive: suite.archive(),
        suite,
        components: &components,
        keyring: &keyring,
    });
    let request = ArchiveRequest {
        mirrors: &mirrors,
        suites: &suites,
        architecture: Architecture::X86_64,
        now: now.parse()?,
    };
    let start = Instant::now();
    let archive = Archive::load(&fetcher, &request, &())?;
    println!("{} candidates in {:?}", archive.universe.len(), start.elapsed());
    for release in archive.releases {
        println!("{} of {}, sha256 {}", release.suite, format_date(release.date), release.sha256);
        release.signers.iter().for_each(|signer| println!("  signed by {signer}"));
    }
    Ok(())
}
