//! Where in an artefact two builds differ, in the terms of its format.

use std::path::Path;

use flagstone_artifact::Architecture;
use flagstone_boot::Uki;
use flagstone_disk::{PartitionType, TableEntry};
use serde::Serialize;
use serde_json::Value;

use crate::CompareError;
use crate::disk::table;
use crate::files::{self, Aspect, FileChange, FilesDiff, Strictness};
use crate::outline::describe;
use crate::release::{UKI_MAX, read_all};
use crate::spread::{Spread, spread};
use crate::usr::Usr;
use crate::window::Window;

/// The longest JSON file that is looked into.
const JSON_MAX: u64 = 256 << 20;

/// Bytes in a block of /usr and of its hash tree.
const BLOCK: u64 = 4096;

/// A difference within an artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// What differs: a partition, a section, a file, a field; empty for bytes of no known meaning.
    pub what: String,
    /// Which bytes of the artefact differ; `None` where it has no bytes of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Spread>,
    /// How it differs, where that can be said: old → new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub how: Option<String>,
}

impl Place {
    fn of(what: impl Into<String>, bytes: Option<Spread>) -> Self {
        Self { what: what.into(), bytes, how: None }
    }

    fn with(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), bytes: None, how: Some(how.into()) }
    }
}

/// What was found out about one artefact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) places: Vec<Place>,
    /// Whether a usr image differs in nothing but where and how it stores its files.
    pub(crate) placement_only: bool,
}

/// Compares an artefact with what should be the same; `None` if it is.
pub(crate) fn locate(
    name: &str,
    found: &Path,
    expected: &Path,
) -> Result<Option<Located>, CompareError> {
    let (a, b) = (Window::open(found)?, Window::open(expected)?);
    let Some(bytes) = spread(&a, &b).map_err(CompareError::read(found))? else { return Ok(None) };
    let is = |ending: &str| name.ends_with(ending);
    let located = if is(".raw") {
        disk(found, expected, &a, &b, bytes)?
    } else if is(".usr.erofs") {
        usr_image([found, expected], [&a, &b], bytes)
    } else if is(".usr.verity") {
        Located { places: vec![Place::of(hash_block(bytes), Some(bytes))], ..Located::default() }
    } else if is(".efi") {
        let places = kernel_image(found, expected, &a, &b, bytes)?;
        Located { places, ..Located::default() }
    } else if is(".json") {
        Located { places: json(found, expected, &a, &b, bytes)?, ..Located::default() }
    } else {
        Located { places: vec![Place::of("", Some(bytes))], ..Located::default() }
    };
    Ok(Some(located))
}

fn hash_block(bytes: Spread) -> String {
    match bytes.first / BLOCK {
        0 => "the superblock of the hash tree".to_owned(),
        block => format!("block {block} of the hash tree"),
    }
}

/// Names the partitions that differ, and the files in them if one is of /usr.
fn disk(
    found: &Path,
    expected: &Path,
    a: &Window,
    b: &Window,
    all: Spread,
) -> Result<Located, CompareError> {
    let mut located = Located::default();
    // The rebuilt disk is sound; what was found need not be.
    let known = table(expected, b)?;
    let mut outside = all.count;
    for entry in &known.entries {
        let part = |window: &Window| window.part(entry.offset_bytes, entry.size_bytes);
        let (Some(old), Some(new)) = (part(a), part(b)) else {
            located
                .places
                .push(Place::with(partition(entry), "the disk that was found ends before its end"));
            continue;
        };
        let Some(inner) = spread(&old, &new).map_err(CompareError::read(found))? else { continue };
        outside = outside.saturating_sub(inner.count);
        let shifted = Spread {
            first: inner.first + entry.offset_bytes,
            last: inner.last + entry.offset_bytes,
            count: inner.count,
        };
        located.places.push(Place::of(partition(entry), Some(shifted)));
        let is_usr = Architecture::ALL
            .iter()
            .any(|&architecture| PartitionType::Usr(architecture).guid() == entry.type_guid);
        if is_usr {
            let inside = usr_image([found, expected], [&old, &new], inner);
            located.places.extend(inside.places.into_iter().filter(|place| place.bytes.is_none()));
            located.placement_only = inside.placement_only;
        }
    }
    if outside > 0 {
        let what = "the partition table, or what lies between partitions";
        let bytes = Some(all).filter(|_| located.places.is_empty());
        located.places.insert(0, Place::of(what, bytes));
    }
    Ok(located)
}

fn partition(entry: &TableEntry) -> String {
    format!("partition {} ({})", entry.number, entry.label)
}

/// Names the files that differ. What was found may be damaged in any way.
fn usr_image(paths: [&Path; 2], windows: [&Window; 2], bytes: Spread) -> Located {
    let mut located = Located::default();
    let what = format!("block {} of the image", bytes.first / BLOCK);
    located.places.push(Place::of(what, Some(bytes)));
    let compare = || -> Result<Option<FilesDiff>, CompareError> {
        let new = Usr::open(windows[1].clone(), paths[1])?;
        if bytes.first >= new.image.size_bytes() {
            return Ok(None);
        }
        let old = Usr::open(windows[0].clone(), paths[0])?;
        Ok(Some(files::compare(&old, &new, Strictness::Bytes)?.files))
    };
    match compare() {
        Ok(None) => {
            let how = format!("{} bytes differ", bytes.count);
            located.places.push(Place::with("what follows the image of /usr", how));
        }
        Ok(Some(files)) => {
            let FilesDiff { added, removed, changed, times: _ } = &files;
            located.placement_only = added.is_empty() && removed.is_empty() && changed.is_empty();
            located.places.extend(changed.iter().map(file));
            let gone = |path: &str, how: &str| Place::with(path, how);
            located
                .places
                .extend(removed.iter().map(|entry| gone(&entry.path, "only in what was found")));
            located
                .places
                .extend(added.iter().map(|entry| gone(&entry.path, "only in the rebuilt image")));
            if located.placement_only {
                located.places.push(Place::with(
                    "placement",
                    "every file is the same; where or how they are stored is not",
                ));
            }
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text = format!("{text}: {next}");
                cause = next.source();
            }
            located.places.push(Place::with("structure", text));
        }
    }
    located
}

fn file(change: &FileChange) -> Place {
    let parts: Vec<String> = change.differs.iter().map(|aspect| part(*aspect, change)).collect();
    Place::with(&change.path, parts.join(", "))
}

fn part(aspect: Aspect, change: &FileChange) -> String {
    let name = aspect.name();
    match (aspect, &change.old.damage) {
        (Aspect::Content, Some(damage)) => format!("{name}: {damage}"),
        (Aspect::Content, None) if change.old.size == change.new.size => name.to_owned(),
        _ => {
            let (old, new) = (describe(aspect, &change.old), describe(aspect, &change.new));
            format!("{name} {old} → {new}")
        }
    }
}

/// Names the sections of a PE image that differ.
fn kernel_image(
    found: &Path,
    expected: &Path,
    a: &Window,
    b: &Window,
    all: Spread,
) -> Result<Vec<Place>, CompareError> {
    let new = read_all(b, expected, UKI_MAX)?;
    let sound = Uki::parse(&new)
        .map_err(|source| CompareError::Uki { path: expected.to_owned(), source })?;
    let old = read_all(a, found, UKI_MAX)?;
    let Ok(uki) = Uki::parse(&old) else {
        return Ok(vec![Place {
            what: "the headers".to_owned(),
            bytes: Some(all),
            how: Some("what was found is no kernel image".to_owned()),
        }]);
    };
    let mut places = Vec::new();
    for section in sound.sections() {
        let bytes = |image: &[u8], range: &std::ops::Range<usize>| -> Vec<u8> {
            image.get(range.clone()).unwrap_or_default().to_vec()
        };
        let other = uki.sections().iter().find(|other| other.name == section.name);
        let Some(other) = other else {
            places.push(Place::with(format!("section {}", section.name), "it is missing"));
            continue;
        };
        let (theirs, ours) = (bytes(&old, &other.file), bytes(&new, &section.file));
        if theirs == ours {
            continue;
        }
        let mut place = Place::of(format!("section {}", section.name), None);
        let pairs = theirs.iter().zip(&ours).enumerate().filter(|(_, (a, b))| a != b);
        let at: Vec<u64> = pairs.map(|(at, _)| (other.file.start + at) as u64).collect();
        place.bytes = at.first().zip(at.last()).map(|(&first, &last)| Spread {
            first,
            last,
            count: at.len() as u64,
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned();
        if [".cmdline", ".uname"].contains(&section.name.as_str()) {
            place.how = Some(words(&text(&theirs), &text(&ours)));
        } else if theirs.len() != ours.len() {
            place.how = Some(format!("{} bytes → {} bytes", theirs.len(), ours.len()));
        }
        places.push(place);
    }
    if places.is_empty() {
        places.push(Place::of("headers or padding", Some(all)));
    }
    Ok(places)
}

/// Says how two lines differ: in the words that only one of them has, if there are any.
fn words(old: &str, new: &str) -> String {
    let only = |these: &str, others: &str| -> String {
        let others: Vec<&str> = others.split_whitespace().collect();
        let words = these.split_whitespace().filter(|word| !others.contains(word));
        words.collect::<Vec<_>>().join(" ")
    };
    match (only(old, new), only(new, old)) {
        (a, b) if a.is_empty() && b.is_empty() => format!("{old:?} → {new:?}"),
        (a, b) => format!("{a:?} → {b:?}"),
    }
}

fn json(
    found: &Path,
    expected: &Path,
    a: &Window,
    b: &Window,
    all: Spread,
) -> Result<Vec<Place>, CompareError> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let old = parse(&read_all(a, found, JSON_MAX)?);
    let new = parse(&read_all(b, expected, JSON_MAX)?);
    let (Some(old), Some(new)) = (old, new) else {
        return Ok(vec![Place::of("it is no JSON any more", Some(all))]);
    };
    let field = first_field(&old, &new, String::new());
    let mut place = field.unwrap_or_else(|| Place::with("white space or order", "the same values"));
    place.bytes = Some(all);
    Ok(vec![place])
}

/// Finds the first field of two values that differs, as a JSON Pointer (RFC 6901) with the names
/// of what lists hold.
pub(crate) fn first_field(old: &Value, new: &Value, at: String) -> Option<Place> {
    if old == new {
        return None;
    }
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let key = |key: &String| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
            for (name, value) in a {
                match b.get(name) {
                    None => return Some(Place::with(key(name), "only in what was found")),
                    Some(other) if other != value => return first_field(value, other, key(name)),
                    Some(_) => {}
                }
            }
            let new = b.keys().find(|name| !a.contains_key(*name));
            new.map(|name| Place::with(key(name), "only in the rebuilt one"))
        }
        (Value::Array(a), Value::Array(b)) => {
            let index = a.iter().zip(b).position(|(a, b)| a != b);
            let Some(index) = index else {
                return Some(Place::with(at, format!("{} entries → {}", a.len(), b.len())));
            };
            let name = b[index]["name"].as_str().map(|name| format!(" ({name})"));
            first_field(&a[index], &b[index], format!("{at}/{index}{}", name.unwrap_or_default()))
        }
        (a, b) => Some(Place::with(at, format!("{} → {}", short(a), short(b)))),
    }
}

fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_field_is_named_as_a_person_would_look_for_it() {
        let old = json!({"a": 1, "list": [{"name": "bash", "version": "1"}, {"name": "dash"}]});
        for (new, what, how) in [
            (json!({"a": 2, "list": []}), "/a", "1 → 2"),
            (
                json!({"a": 1, "list": [{"name": "bash", "version": "2"}, {"name": "dash"}]}),
                "/list/0 (bash)/version",
                "\"1\" → \"2\"",
            ),
            (
                json!({"a": 1, "list": old["list"].as_array().unwrap()[..1]}),
                "/list",
                "2 entries → 1",
            ),
            (json!({"a": 1}), "/list", "only in what was found"),
            (json!({"a": 1, "list": old["list"], "x/y": 0}), "/x~1y", "only in the rebuilt one"),
        ] {
            let place = first_field(&old, &new, String::new()).unwrap();
            assert_eq!((place.what.as_str(), place.how.as_deref()), (what, Some(how)));
        }
        assert_eq!(first_field(&old, &old, String::new()), None);
    }
}
