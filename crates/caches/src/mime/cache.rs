//! `mime.cache`, which programs map into their memory (Shared MIME-info Database, "The mime.cache
//! files"): version 1.2, big-endian, with offsets from its start.

use std::collections::VecDeque;

use super::database::{Database, Glob};
use super::magic::Match;
use super::suffixes::{GlobSort, Node, Suffixes};
use crate::glib_table::GlibTable;

const MAJOR_VERSION: u16 = 1;
const MINOR_VERSION: u16 = 2;

/// Two numbers of the version and the offsets of ten sections.
const HEADER_SIZE: usize = 44;
const SECTIONS: usize = 10;

/// The flag of a pattern for which upper and lower case differ, above its weight.
const CASE_SENSITIVE: u32 = 0x100;

/// The file would be larger than its offsets can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

type Written<T = ()> = Result<T, TooLarge>;

/// Returns the file.
pub(super) fn to_bytes(database: &Database) -> Written<Vec<u8>> {
    let mut cache = Cache { bytes: vec![0; HEADER_SIZE], strings: GlibTable::new() };
    cache.write_strings(database)?;
    let mut offsets = Vec::with_capacity(SECTIONS);
    let mut begin = |cache: &Cache| number(cache.bytes.len()).map(|at| offsets.push(at));
    begin(&cache)?;
    cache.write_pairs(&database.aliases)?;
    begin(&cache)?;
    cache.write_parents(&database.parents)?;
    begin(&cache)?;
    cache.write_globs(&database.globs, GlobSort::Literal)?;
    begin(&cache)?;
    cache.write_suffixes(&Suffixes::new(&database.globs))?;
    begin(&cache)?;
    cache.write_globs(&database.globs, GlobSort::Full)?;
    begin(&cache)?;
    cache.write_magic(database)?;
    begin(&cache)?;
    cache.write_namespaces(&database.namespaces)?;
    begin(&cache)?;
    cache.write_pairs(&database.icons)?;
    begin(&cache)?;
    cache.write_pairs(&database.generic_icons)?;
    begin(&cache)?;
    cache.write_types(database)?;
    let mut header = Vec::with_capacity(HEADER_SIZE);
    header.extend(MAJOR_VERSION.to_be_bytes());
    header.extend(MINOR_VERSION.to_be_bytes());
    header.extend(offsets.iter().flat_map(|offset| offset.to_be_bytes()));
    cache.bytes[..HEADER_SIZE].copy_from_slice(&header);
    Ok(cache.bytes)
}

fn number(value: usize) -> Written<u32> {
    u32::try_from(value).map_err(|_| TooLarge)
}

struct Cache {
    bytes: Vec<u8>,
    /// Where each string is.
    strings: GlibTable<u32>,
}

impl Cache {
    fn put(&mut self, value: u32) {
        self.bytes.extend(value.to_be_bytes());
    }

    fn put_length(&mut self, value: usize) -> Written {
        self.put(number(value)?);
        Ok(())
    }

    fn put_string(&mut self, text: &str) {
        let offset = self.strings.get(text).copied().unwrap_or(0);
        self.put(offset);
    }

    fn put_data(&mut self, data: &[u8]) {
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Writes every string once.
    fn write_strings(&mut self, database: &Database) -> Written {
        let mut all = GlibTable::new();
        let mut add = |text: &str| all.insert(text, ());
        for (alias, name) in database.aliases.iter() {
            add(alias);
            add(name);
        }
        for (name, parents) in database.parents.iter() {
            add(name);
            for parent in parents {
                add(parent);
            }
        }
        for (pattern, globs) in database.globs.iter() {
            if GlobSort::of(pattern) != GlobSort::Suffix {
                add(pattern);
            }
            for glob in globs {
                add(&glob.mime_type);
            }
        }
        database.magic.iter().for_each(|magic| add(&magic.mime_type));
        for (root, name) in database.namespaces.iter() {
            add(name);
            let (namespace, local) = split_root(root);
            add(namespace);
            add(local);
        }
        for (name, icon) in database.generic_icons.iter().chain(database.icons.iter()) {
            add(name);
            add(icon);
        }
        for (text, ()) in all.iter() {
            self.strings.insert(text, number(self.bytes.len())?);
            self.put_data(&[text.as_bytes(), &[0]].concat());
        }
        Ok(())
    }

    fn write_pairs(&mut self, table: &GlibTable<String>) -> Written {
        self.put_length(table.len())?;
        for key in table.sorted_keys() {
            self.put_string(key);
            self.put_string(table.get(key).map_or("", String::as_str));
        }
        Ok(())
    }

    fn write_parents(&mut self, table: &GlibTable<Vec<String>>) -> Written {
        let keys = table.sorted_keys();
        let parents = |key: &str| table.get(key).map_or(&[][..], Vec::as_slice);
        self.put_length(keys.len())?;
        let mut list = self.bytes.len() + 8 * keys.len();
        for key in &keys {
            self.put_string(key);
            self.put_length(list)?;
            list += 4 + 4 * parents(key).len();
        }
        for key in keys {
            self.put_length(parents(key).len())?;
            for parent in parents(key) {
                self.put_string(parent);
            }
        }
        Ok(())
    }

    fn write_globs(&mut self, table: &GlibTable<Vec<Glob>>, sort: GlobSort) -> Written {
        let keys = table.sorted_keys().into_iter().filter(|key| GlobSort::of(key) == sort);
        let globs: Vec<&Glob> = keys.filter_map(|key| table.get(key)).flatten().collect();
        self.put_length(globs.len())?;
        for glob in globs {
            self.put_string(&glob.pattern);
            self.put_string(&glob.mime_type);
            self.put(weight(glob.weight, glob.is_case_sensitive));
        }
        Ok(())
    }

    /// Writes the nodes level by level, so that those below one node lie side by side.
    fn write_suffixes(&mut self, suffixes: &Suffixes) -> Written {
        const NODE_SIZE: usize = 12;
        let top = suffixes.nodes();
        self.put_length(top.len())?;
        self.put_length(self.bytes.len() + 4)?;
        let mut below = self.bytes.len() + NODE_SIZE * top.len();
        let mut level: VecDeque<&Node> = top.iter().collect();
        while let Some(node) = level.pop_front() {
            match node {
                Node::End { mime_type, weight: heavy, is_case_sensitive } => {
                    self.put(0);
                    self.put_string(mime_type);
                    self.put(weight(*heavy, *is_case_sensitive));
                }
                Node::Character { character, before } => {
                    self.put(u32::from(*character));
                    self.put_length(before.nodes().len())?;
                    self.put_length(below)?;
                    below += NODE_SIZE * before.nodes().len();
                    level.extend(before.nodes());
                }
            }
        }
        Ok(())
    }

    fn write_magic(&mut self, database: &Database) -> Written {
        const RULE_SIZE: usize = 16;
        const MATCH_SIZE: usize = 32;
        let mut matches = Vec::new();
        let firsts: Vec<usize> =
            database.magic.iter().map(|magic| collect(&magic.matches, &mut matches)).collect();
        let extent = |rule: &Match| rule.start + rule.places + length(rule);
        let farthest = matches.iter().map(|found| extent(found.rule)).max().unwrap_or(0).max(0);
        self.put_length(database.magic.len())?;
        self.put(u32::try_from(farthest).map_err(|_| TooLarge)?);
        self.put_length(self.bytes.len() + 4)?;
        let begin = self.bytes.len() + RULE_SIZE * database.magic.len();
        for (magic, first) in database.magic.iter().zip(firsts) {
            self.put(magic.priority.into());
            self.put_string(&magic.mime_type);
            self.put_length(magic.matches.len())?;
            self.put_length(begin + MATCH_SIZE * first)?;
        }
        let mut data = begin + MATCH_SIZE * matches.len();
        let mut place = |size: usize| {
            let start = data;
            data = (data + size).next_multiple_of(4);
            number(start)
        };
        for Collected { rule, first_inner } in &matches {
            let size = rule.pattern.bytes.len();
            self.put(truncated(rule.start));
            self.put(truncated(rule.places));
            self.put(rule.word_size.into());
            self.put_length(size)?;
            self.put(place(size)?);
            self.put(if rule.pattern.mask.is_some() { place(size)? } else { 0 });
            self.put_length(rule.matches.len())?;
            self.put(first_inner.map_or(Ok(0), |first| number(begin + MATCH_SIZE * first))?);
        }
        for Collected { rule, .. } in &matches {
            self.put_data(&rule.pattern.bytes);
            if let Some(mask) = &rule.pattern.mask {
                self.put_data(mask);
            }
        }
        Ok(())
    }

    fn write_namespaces(&mut self, table: &GlibTable<String>) -> Written {
        self.put_length(table.len())?;
        for root in table.sorted_keys() {
            let (namespace, local) = split_root(root);
            self.put_string(namespace);
            self.put_string(local);
            self.put_string(table.get(root).map_or("", String::as_str));
        }
        Ok(())
    }

    /// Writes the list of types, whose offsets the tool looks up by names with a line's end behind
    /// them: it finds none, and every offset is 0. Readers do not use the list.
    fn write_types(&mut self, database: &Database) -> Written {
        self.put_length(database.types.len())?;
        for name in database.types.sorted_keys() {
            self.put_string(&format!("{name}\n"));
        }
        Ok(())
    }
}

/// A rule, and the number of the first of those inside it.
struct Collected<'a> {
    rule: &'a Match,
    first_inner: Option<usize>,
}

/// Appends rules side by side, then those inside each of them; returns the first one's number.
fn collect<'a>(rules: &'a [Match], all: &mut Vec<Collected<'a>>) -> usize {
    let first = all.len();
    all.extend(rules.iter().map(|rule| Collected { rule, first_inner: None }));
    for (index, rule) in rules.iter().enumerate() {
        if !rule.matches.is_empty() {
            let inner = collect(&rule.matches, all);
            all[first + index].first_inner = Some(inner);
        }
    }
    first
}

fn length(rule: &Match) -> i64 {
    i64::try_from(rule.pattern.bytes.len()).unwrap_or(i64::MAX)
}

/// Returns the low 32 bits, which are what the tool writes of a place.
fn truncated(value: i64) -> u32 {
    let bytes = value.to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn split_root(root: &str) -> (&str, &str) {
    root.split_once(' ').unwrap_or((root, ""))
}

fn weight(weight: i16, is_case_sensitive: bool) -> u32 {
    u32::from(weight.to_le_bytes()[0]) | if is_case_sensitive { CASE_SENSITIVE } else { 0 }
}
