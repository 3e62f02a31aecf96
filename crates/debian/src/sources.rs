use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Stanzas;

/// How large a file of sources may be.
const FILE_MAX: u64 = 1 << 20;

/// One entry of a machine's apt sources (sources.list(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// `deb`, `deb-src`
    pub types: Vec<String>,
    /// The archives' bases, as written.
    pub uris: Vec<String>,
    /// The suites.
    pub suites: Vec<String>,
    /// The components.
    pub components: Vec<String>,
    /// Whether it is in use.
    pub enabled: bool,
}

/// Reads apt sources: the one-line style, or, if `deb822` is set, the style of stanzas.
///
/// Both are read leniently: an entry that makes no sense is left out, since the file belongs to
/// apt and is only asked for places to try.
pub fn parse_sources(text: &str, deb822: bool) -> Vec<SourceEntry> {
    if deb822 {
        Stanzas::new(text).with_comments().map_while(Result::ok).map(|s| from_stanza(&s)).collect()
    } else {
        text.lines().filter_map(from_line).collect()
    }
}

fn from_stanza(stanza: &crate::Stanza<'_>) -> SourceEntry {
    let words = |name| -> Vec<String> {
        let lines = stanza.get(name).unwrap_or_default().lines();
        lines
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_ascii_whitespace)
            .map(str::to_owned)
            .collect()
    };
    let disabled = ["no", "false", "off", "without", "disable", "0"];
    SourceEntry {
        types: words("Types"),
        uris: words("URIs"),
        suites: words("Suites"),
        components: words("Components"),
        enabled: !stanza
            .get("Enabled")
            .is_some_and(|value| disabled.contains(&value.to_ascii_lowercase().as_str())),
    }
}

/// Reads `deb [options] uri suite component…`.
fn from_line(line: &str) -> Option<SourceEntry> {
    let line = line.split('#').next()?.trim_ascii();
    let (kind, rest) = line.split_once([' ', '\t'])?;
    let rest = rest.trim_ascii_start();
    let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
    let mut words = rest.split_ascii_whitespace().map(str::to_owned);
    Some(SourceEntry {
        types: vec![kind.to_owned()],
        uris: vec![words.next()?],
        suites: vec![words.next()?],
        components: words.collect(),
        enabled: true,
    })
}

/// Reads the apt sources of the system below `root`: `etc/apt/sources.list` and the files of
/// `etc/apt/sources.list.d`, by name.
///
/// Files and folders that do not exist are no error; a system need not have apt.
///
/// # Errors
/// The path, and what the system said, if something that exists cannot be read.
pub fn read_sources(root: &Path) -> Result<Vec<SourceEntry>, (PathBuf, io::Error)> {
    let apt = root.join("etc/apt");
    let mut entries = Vec::new();
    let mut files = vec![apt.join("sources.list")];
    let folder = apt.join("sources.list.d");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    if let Some(list) = existing(fs::read_dir(&folder)).map_err(at(&folder))? {
        let mut found = Vec::new();
        for entry in list {
            found.push(entry.map_err(at(&folder))?.path());
        }
        found.sort();
        files.extend(found);
    }
    for path in files {
        let deb822 = match path.extension().and_then(|e| e.to_str()) {
            Some("list") => false,
            Some("sources") => true,
            _ => continue,
        };
        let small = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= FILE_MAX);
        let Some(data) = existing(fs::read(&path)).map_err(at(&path))?.filter(|_| small) else {
            continue;
        };
        entries.extend(parse_sources(&String::from_utf8_lossy(&data), deb822));
    }
    Ok(entries)
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_system_are_read_in_order() {
        let root = tempfile::tempdir().unwrap();
        assert!(read_sources(root.path()).unwrap().is_empty());
        let apt = root.path().join("etc/apt/sources.list.d");
        fs::create_dir_all(&apt).unwrap();
        fs::write(root.path().join("etc/apt/sources.list"), "deb http://a.test x main\n").unwrap();
        fs::write(apt.join("c.list"), "nonsense\ndeb http://c.test x main\n").unwrap();
        fs::write(apt.join("b.sources"), "Types: deb\nURIs: http://b.test\n http://b2.test\n")
            .unwrap();
        fs::write(apt.join("d.save"), "deb http://d.test x main\n").unwrap();
        let entries = read_sources(root.path()).unwrap();
        let uris: Vec<_> = entries.iter().flat_map(|entry| &entry.uris).collect();
        assert_eq!(uris, ["http://a.test", "http://b.test", "http://b2.test", "http://c.test"]);
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        assert_eq!(parse_sources("deb\ndeb x\ndeb [a x y\n", false), []);
        assert_eq!(parse_sources("nonsense\n", true), []);
    }
}
