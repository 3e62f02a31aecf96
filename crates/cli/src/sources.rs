use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Error, Result};
use flagstone_build::WorkCache;
use flagstone_debian::{Mirrors, read_sources};
use flagstone_fetch::{AnyTransport, Cache, Fetcher, HttpTransport, Url};
use flagstone_recipe::ByteSize;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Deserialize;

use crate::arguments::SourceArguments;
use crate::report::{self, Hinted};

/// How many bytes builds may keep for those that follow, unless the user says otherwise: enough for
/// a dozen large images.
const CACHE_LIMIT: u64 = 10 << 30;

/// The variable that names the mirror.
const MIRROR_VARIABLE: &str = "FLAGSTONE_MIRROR";

/// `flagstone/config.toml` in the user's configuration folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// Base URL of the main archive.
    mirror: Option<String>,
    /// Base URL of the security archive, where it is not beside the main one.
    security_mirror: Option<String>,
    /// How much builds may keep for those that follow ("4G").
    #[serde(default, deserialize_with = "size")]
    cache_limit: Option<ByteSize>,
    /// Base URLs of other repositories, by the names that recipes give them.
    #[serde(default)]
    repositories: BTreeMap<String, String>,
}

/// Cache, mirrors and threads, as arguments, environment and files say.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) fetcher: Fetcher,
    pub(crate) mirrors: Mirrors,
    pub(crate) work: WorkCache,
    pub(crate) jobs: NonZeroUsize,
    /// The program flagstone-agent, if it was named or lies beside this one.
    pub(crate) agent: Option<PathBuf>,
    cache_dir: PathBuf,
    cache_limit: u64,
}

impl Sources {
    pub(crate) fn find(arguments: &SourceArguments) -> Result<Self> {
        let cache_dir = cache_dir(arguments.cache_dir.as_deref())?;
        let cache = Cache::open(&cache_dir)?;
        let file = Configuration::find()?;
        let fetcher = if arguments.offline {
            Fetcher::offline(cache)
        } else {
            let http = HttpTransport::with_proxy_from_environment();
            Fetcher::new(cache, Arc::new(AnyTransport::new(http)))
        };
        let one = NonZeroUsize::MIN;
        let jobs = arguments.jobs.or_else(|| thread::available_parallelism().ok()).unwrap_or(one);
        allow_many_files();
        let work = WorkCache::open(&cache_dir);
        let cache_limit = cache_limit(arguments.cache_limit, &file.1);
        let mirrors = mirrors(arguments, file)?;
        let agent = arguments.agent.clone().or_else(agent_beside);
        Ok(Self { fetcher, mirrors, work, jobs, agent, cache_dir, cache_limit })
    }

    /// Keeps the cache within its limit.
    pub(crate) fn trim_cache(&self) {
        if let Err(error) = WorkCache::prune(&self.cache_dir, self.cache_limit) {
            report::note(&format!("cache: {error} ({})", error.source));
        }
    }
}

/// Raises the number of files that may be open to what the machine allows: a build holds one for
/// every package.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, packages that find no place are held in memory.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Returns the time, in seconds since 1970-01-01 UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn size<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<ByteSize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// Finds the program flagstone-agent beside this one.
fn agent_beside() -> Option<PathBuf> {
    let path = env::current_exe().ok()?.with_file_name("flagstone-agent");
    path.is_file().then_some(path)
}

/// Returns how many bytes builds may keep for those that follow.
fn cache_limit(argument: Option<ByteSize>, file: &Configuration) -> u64 {
    argument.or(file.cache_limit).map_or(CACHE_LIMIT, ByteSize::bytes)
}

/// Returns the limit that holds where no argument names one.
pub(crate) fn usual_cache_limit() -> Result<u64> {
    Ok(cache_limit(None, &Configuration::find()?.1))
}

/// Returns the folder of the cache.
pub(crate) fn cache_dir(argument: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = argument {
        return Ok(dir.to_owned());
    }
    let dir = user_dir("XDG_CACHE_HOME", ".cache").ok_or_else(|| {
        Hinted::new("there is no folder for the cache", "set HOME, or name one with --cache-dir")
    })?;
    Ok(dir.join("flagstone"))
}

/// Returns one of the user's folders (XDG Base Directory Specification).
pub(crate) fn user_dir(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let named = env::var_os(variable).map(PathBuf::from).filter(absolute);
    named
        .or_else(|| Some(env::var_os("HOME").map(PathBuf::from).filter(absolute)?.join(below_home)))
}

/// Finds the mirrors of Debian's archives and the places of other repositories.
fn mirrors(arguments: &SourceArguments, (shown, file): (String, Configuration)) -> Result<Mirrors> {
    let mut mirrors = debian_mirrors(arguments, &shown, &file)?;
    for (name, url) in &file.repositories {
        let context = || format!("{shown}: [repositories] has {name:?}");
        let name = name.parse().with_context(context)?;
        let url = url.parse().with_context(context)?;
        mirrors.repositories.insert(name, vec![url]);
    }
    let mut named: BTreeMap<_, Vec<Url>> = BTreeMap::new();
    for (name, url) in &arguments.repository {
        named.entry(name.clone()).or_default().push(url.clone());
    }
    mirrors.repositories.extend(named);
    Ok(mirrors)
}

fn debian_mirrors(
    arguments: &SourceArguments,
    shown: &str,
    file: &Configuration,
) -> Result<Mirrors> {
    if let Some(url) = &arguments.mirror {
        return Ok(Mirrors::beside(mirror_url(url, "--mirror")?));
    }
    if let Some(url) = env::var(MIRROR_VARIABLE).ok().filter(|url| !url.is_empty()) {
        return Ok(Mirrors::beside(mirror_url(&url, MIRROR_VARIABLE)?));
    }
    if let Some(main) = &file.mirror {
        let mut mirrors = Mirrors::beside(mirror_url(main, shown)?);
        if let Some(security) = &file.security_mirror {
            mirrors.security = vec![mirror_url(security, shown)?];
        }
        return Ok(mirrors);
    }
    let entries = read_sources(Path::new("/")).map_err(|(path, source)| {
        Error::new(source).context(format!("failed to read {}", path.display()))
    })?;
    let mirrors = Mirrors::from_sources(&entries);
    if mirrors.main.is_empty() && !arguments.offline {
        let hint = format!("name one with --mirror, or set {MIRROR_VARIABLE}");
        return Err(Hinted::new("no Debian mirror is known on this machine", hint).into());
    }
    Ok(mirrors)
}

impl Configuration {
    /// Reads the user's file, if there is one, and returns its path for messages, too.
    fn find() -> Result<(String, Self)> {
        let dir = user_dir("XDG_CONFIG_HOME", ".config");
        let Some(path) = dir.map(|dir| dir.join("flagstone/config.toml")) else {
            return Ok((String::new(), Self::default()));
        };
        let shown = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("failed to read {shown}"))?,
        };
        let file =
            toml::from_str(&text).with_context(|| format!("failed to understand {shown}"))?;
        Ok((shown, file))
    }
}

fn mirror_url(text: &str, named_by: &str) -> Result<Url> {
    text.parse().with_context(|| format!("{named_by} does not name a mirror"))
}
