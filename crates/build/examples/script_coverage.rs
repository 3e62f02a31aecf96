//! Measures how many maintainer scripts of many packages are fully classified.
//!
//! `script_coverage LIST [COUNT]`: LIST names packages, the most important first, one a line, as the
//! file `popularity-contest` of Debian's package debian-cd does; the first COUNT (1000) that trixie's
//! main has are fetched into the cache and looked at as if all were in one image.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use flagstone_artifact::Architecture;
use flagstone_debian::{
    Archive, ArchiveRequest, Candidate, Deb, Keyring, MaintainerScript, Mirrors, Suite,
    SuiteRequest, read_sources,
};
use flagstone_fetch::{AnyTransport, Cache, Fetcher, HttpTransport, Request};
use flagstone_rootfs::script_knowledge;
use flagstone_scripts::{Knowledge, PathKind, Paths, Report, ScriptKind, Survey, Verdict};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

const META: Metadata = Metadata::root(0o755, Mtime::from_seconds(0));

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let list = arguments.next().context("script_coverage LIST [COUNT]")?;
    let count = arguments.next().map_or(Ok(1000), |count| count.parse())?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let cache = cache.or_else(home).context("HOME is not set")?.join("flagstone");
    let transport = AnyTransport::new(HttpTransport::with_proxy_from_environment());
    let fetcher = Fetcher::new(Cache::open(cache)?, Arc::new(transport));
    let entries = read_sources(Path::new("/")).map_err(|(_, error)| error)?;
    let mirrors = Mirrors::from_sources(&entries);
    let text = std::fs::read_to_string(&list)?;
    let debs = packages(&fetcher, &mirrors, names(&text), count)?;
    report(&survey(&fetcher, &debs)?, debs.len());
    Ok(())
}

/// Reads a list; comments in the manner of C and of the shell are left out.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let text = text.rsplit_once("*/").map_or(text, |(_, text)| text);
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim())
}

/// Fetches the first packages of a list that trixie's main has.
fn packages<'n>(
    fetcher: &Fetcher,
    mirrors: &Mirrors,
    names: impl Iterator<Item = &'n str>,
    count: usize,
) -> Result<Vec<Request>> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let suite = Suite::new("trixie").context("the name of a suite")?;
    let archive = Archive::load(
        fetcher,
        &ArchiveRequest {
            mirrors,
            suites: &[SuiteRequest {
                archive: suite.archive(),
                suite,
                components: &["main".to_owned()],
                keyring: &Keyring::debian(),
            }],
            architecture: Architecture::X86_64,
            now,
        },
        &(),
    )?;
    let mut requests = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names.filter(|name| !name.is_empty()) {
        let Some(found) = archive.universe.versions(name).next() else { continue };
        let found: Candidate<'_> = found;
        if requests.len() == count || !seen.insert(name) {
            continue;
        }
        requests.push(Request {
            name: name.to_owned(),
            urls: mirrors.locate(found.archive(), found.filename())?,
            size: found.size(),
            sha256: found.sha256(),
        });
    }
    let jobs = NonZeroUsize::new(4).context("four is not zero")?;
    fetcher.fetch_all(&requests, jobs, &())?;
    Ok(requests)
}

fn survey(fetcher: &Fetcher, debs: &[Request]) -> Result<Report> {
    let mut paths = Paths::default();
    let mut tree = Tree::new(META);
    let mut controls = BTreeMap::new();
    for request in debs {
        let data = fetcher.load(request, &())?;
        let deb = Deb::parse(&data)?;
        add_paths(&deb.data_tar()?, &mut paths, &mut tree)?;
        controls.insert(request.name.clone(), deb.control().clone());
    }
    let mut survey = Survey::new(&paths);
    for (package, control) in &controls {
        let script = |script| control.scripts.get(&script).map(|text: &Bytes| &text[..]);
        if let Some(templates) = script(MaintainerScript::Templates) {
            survey.questions(package, templates, script(MaintainerScript::Config));
        }
        if let Some(text) = script(MaintainerScript::Preinst) {
            survey.script(package, ScriptKind::Preinst, text);
        }
        if let Some(text) = script(MaintainerScript::Postinst) {
            survey.script(package, ScriptKind::Postinst, text);
        }
        if let Some(text) = script(MaintainerScript::Triggers) {
            survey.triggers(package, text);
        }
    }
    // The build makes them, besides the finishers.
    let known = Knowledge { desktop_caches: true, ..script_knowledge(&tree)? };
    Ok(survey.finish(&known))
}

/// Adds a package's paths; the tree gets what the finishers' knowledge is read from.
fn add_paths(data: &Bytes, paths: &mut Paths, tree: &mut Tree) -> Result<()> {
    let mut archive = tar::Archive::new(&data[..]);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches('.').trim_matches('/').to_owned();
        let kind = match entry.header().entry_type() {
            tar::EntryType::Directory => PathKind::Directory,
            tar::EntryType::Symlink => PathKind::Link,
            _ => PathKind::File,
        };
        paths.insert(&path, kind);
        let read = ["usr/share/base-passwd/", "usr/lib/sysusers.d/"];
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            if read.iter().any(|dir| path.starts_with(dir)) {
                entry.read_to_end(&mut content)?;
            }
            // Packages that exclude each other bring the same path.
            let _ = tree.put(&path, META, Inode::file(META, content));
        }
    }
    Ok(())
}

fn report(report: &Report, packages: usize) {
    let scripts = || report.scripts.iter().filter(|((_, name), _)| name != "triggers");
    let all = scripts().count();
    let classified = scripts().filter(|(_, findings)| findings.is_classified()).count();
    let owners: BTreeSet<&String> = scripts().map(|((package, _), _)| package).collect();
    println!("packages {packages}, with preinst or postinst {}", owners.len());
    println!("scripts {all}, fully classified {classified}, {}", percent(classified, all));
    for kind in ["preinst", "postinst"] {
        let of = || scripts().filter(|((_, name), _)| name == kind);
        let good = of().filter(|(_, findings)| findings.is_classified()).count();
        println!("  {kind} {}, {good}, {}", of().count(), percent(good, of().count()));
    }
    let mut verdicts: BTreeMap<&str, usize> = BTreeMap::new();
    let commands = scripts().flat_map(|(_, findings)| &findings.commands);
    for finding in commands {
        *verdicts.entry(finding.verdict.name()).or_default() += 1;
    }
    println!("commands {verdicts:?}");
    let triggers = report.scripts.iter().filter(|((_, name), _)| name == "triggers");
    let triggers: Vec<_> = triggers.map(|(_, findings)| findings).collect();
    let good = triggers.iter().filter(|findings| findings.is_classified()).count();
    println!("triggers {}, {good}, {}", triggers.len(), percent(good, triggers.len()));

    let mut names: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    for ((package, _), findings) in scripts() {
        if let Some(error) = &findings.error {
            names.entry(format!("({error})")).or_default().insert(package);
        }
        for finding in findings.commands.iter().filter(|f| f.verdict == Verdict::Unknown) {
            let name = finding.command.split(' ').next().unwrap_or_default().to_owned();
            names.entry(name).or_default().insert(package);
        }
    }
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_by_key(|(name, packages)| (std::cmp::Reverse(packages.len()), name.clone()));
    println!("unknown commands, by the number of packages that run them:");
    for (name, packages) in names {
        let list: Vec<&str> = packages.iter().map(|name| name.as_str()).collect();
        println!("{:4} {name}: {}", packages.len(), list.join(" "));
    }
    if std::env::var_os("VERBOSE").is_some() {
        for ((package, script), findings) in &report.scripts {
            for finding in findings.unknown() {
                println!("{package} {script}:{} {}", finding.line, finding.command);
            }
        }
    }
}

fn percent(part: usize, all: usize) -> String {
    let tenths = (part * 1000 + all / 2) / all.max(1);
    format!("{}.{} %", tenths / 10, tenths % 10)
}
