use std::collections::{BTreeMap, BTreeSet};

use crate::fat_time::FatTime;

/// The size of a directory entry, in bytes.
pub(crate) const ENTRY_BYTES: usize = 32;
/// Characters of a long name in one entry.
const LONG_PART: usize = 13;
/// Where the characters of a long-name entry stand (Microsoft's FAT specification, section 7).
pub(crate) const LONG_AT: [usize; LONG_PART] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
pub(crate) const LONG_LAST: u8 = 0x40;
/// The parts of the longest name, 255 characters.
const LONG_PARTS_MAX: u8 = 20;

/// A name of eight and three characters, padded with spaces.
pub(crate) type ShortName = [u8; 11];

pub(crate) const DOT: ShortName = *b".          ";
pub(crate) const DOT_DOT: ShortName = *b"..         ";

/// File attributes (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attribute {
    VolumeLabel = 0x08,
    Directory = 0x10,
    File = 0x20,
    LongName = 0x0f,
}

/// One name of a directory, as it will be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryName {
    pub(crate) short: ShortName,
    /// The name in full; `None` if the short name says it all.
    pub(crate) long: Option<String>,
}

impl EntryName {
    /// Returns how many directory entries the name takes.
    pub(crate) fn entries(&self) -> usize {
        1 + self.long.as_ref().map_or(0, |long| long.len().div_ceil(LONG_PART))
    }
}

/// Gives every name of one directory its short name. The names are ASCII, checked, and differ
/// without regard to case.
///
/// Names that are short ones already keep them; the others are cut and numbered in the given
/// order, so that the result depends on the names alone.
pub(crate) fn entry_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<EntryName> {
    let mut taken: BTreeSet<ShortName> = names.clone().filter_map(exact_short_name).collect();
    let mut numbers = BTreeMap::new();
    names
        .map(|name| {
            if let Some(short) = exact_short_name(name) {
                return EntryName { short, long: None };
            }
            let short = numbered_short_name(name, &mut taken, &mut numbers);
            EntryName { short, long: Some(name.to_owned()) }
        })
        .collect()
}

fn is_short_character(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'0'..=b'9') || b"!#$%&'()-@^_`{}~".contains(&byte)
}

fn pack(base: &[u8], extension: &[u8]) -> ShortName {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base);
    short[8..8 + extension.len()].copy_from_slice(extension);
    short
}

fn exact_short_name(name: &str) -> Option<ShortName> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let fits = |part: &str, len| part.len() <= len && part.bytes().all(is_short_character);
    let exact = !base.is_empty()
        && fits(base, 8)
        && fits(extension, 3)
        && (name.contains('.') != extension.is_empty());
    exact.then(|| pack(base.as_bytes(), extension.as_bytes()))
}

fn numbered_short_name(
    name: &str,
    taken: &mut BTreeSet<ShortName>,
    numbers: &mut BTreeMap<ShortName, u32>,
) -> ShortName {
    let name = name.trim_start_matches(['.', ' ']);
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let shorten = |part: &str, len: usize| -> Vec<u8> {
        part.bytes()
            .filter(|byte| !matches!(byte, b'.' | b' '))
            .map(|byte| byte.to_ascii_uppercase())
            .map(|byte| if is_short_character(byte) { byte } else { b'_' })
            .take(len)
            .collect()
    };
    let (base, extension) = (shorten(base, 6), shorten(extension, 3));
    let number = numbers.entry(pack(&base, &extension)).or_insert(0);
    loop {
        *number += 1;
        let tail = format!("~{number}");
        let kept = base.len().min(8 - tail.len());
        let short = pack(&[&base[..kept], tail.as_bytes()].concat(), &extension);
        if taken.insert(short) {
            return short;
        }
    }
}

/// Writes the entries of one name: the long name's parts, last first, then the short one.
pub(crate) fn push_entries(
    directory: &mut Vec<u8>,
    name: &EntryName,
    attribute: Attribute,
    time: FatTime,
    first_cluster: u32,
    size: u32,
) {
    if let Some(long) = &name.long {
        let sum = checksum(&name.short);
        let parts: Vec<&[u8]> = long.as_bytes().chunks(LONG_PART).collect();
        for (part, number) in parts.iter().zip(1..=LONG_PARTS_MAX).rev() {
            let last = if usize::from(number) == parts.len() { LONG_LAST } else { 0 };
            directory.extend_from_slice(&long_entry(part, number | last, sum));
        }
    }
    directory.extend_from_slice(&short_entry(&name.short, attribute, time, first_cluster, size));
}

/// Encodes the entry of a short name (section 6).
pub(crate) fn short_entry(
    name: &ShortName,
    attribute: Attribute,
    time: FatTime,
    first_cluster: u32,
    size: u32,
) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    let cluster = first_cluster.to_le_bytes();
    entry[..11].copy_from_slice(name);
    entry[11] = attribute as u8;
    for (at, value) in
        [(14, time.time), (16, time.date), (18, time.date), (22, time.time), (24, time.date)]
    {
        entry[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    entry[20..22].copy_from_slice(&cluster[2..]);
    entry[26..28].copy_from_slice(&cluster[..2]);
    entry[28..].copy_from_slice(&size.to_le_bytes());
    entry
}

/// Encodes a part of a long name: UTF-16, ended by a zero and padded with ones.
fn long_entry(part: &[u8], order: u8, checksum: u8) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[0] = order;
    entry[11] = Attribute::LongName as u8;
    entry[13] = checksum;
    let characters = part.iter().map(|&byte| u16::from(byte)).chain([0]);
    let padded = characters.chain(std::iter::repeat(u16::MAX));
    for (at, character) in LONG_AT.into_iter().zip(padded) {
        entry[at..at + 2].copy_from_slice(&character.to_le_bytes());
    }
    entry
}

/// Ties a long name to its short one (section 7.2).
fn checksum(name: &ShortName) -> u8 {
    name.iter().fold(0_u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shorts(names: &[&str]) -> Vec<String> {
        let entries = entry_names(names.iter().copied());
        entries.iter().map(|name| String::from_utf8(name.short.to_vec()).unwrap()).collect()
    }

    #[test]
    fn short_names_are_kept_and_others_are_numbered() {
        let names =
            ["BOOTX64.EFI", "EFI", "Linux", "base_1.0+3.efi", "base_1.1.efi", "loader.conf"];
        let expected = [
            "BOOTX64 EFI",
            "EFI        ",
            "LINUX~1    ",
            "BASE_1~1EFI",
            "BASE_1~2EFI",
            "LOADER~1CON",
        ];
        assert_eq!(shorts(&names), expected);
        let entries = entry_names(names.iter().copied());
        assert_eq!(entries.iter().map(EntryName::entries).collect::<Vec<_>>(), [1, 1, 2, 3, 2, 2]);
    }

    #[test]
    fn a_number_never_takes_a_real_name() {
        assert_eq!(shorts(&["linux", "LINUX~1"]), ["LINUX~2    ", "LINUX~1    "]);
        assert_eq!(shorts(&[".x", "+", "A.B.C"]), ["X~1        ", "_~1        ", "AB~1    C  "]);
    }

    #[test]
    fn many_alike_names_get_different_short_ones() {
        let names: Vec<String> = (0..1200).map(|n| format!("release-{n}.efi")).collect();
        let entries = entry_names(names.iter().map(String::as_str));
        let distinct: BTreeSet<_> = entries.iter().map(|name| name.short).collect();
        assert_eq!(distinct.len(), 1200);
        assert_eq!(&entries[1199].short, b"REL~1200EFI");
    }

    #[test]
    fn a_name_of_thirteen_characters_has_no_terminator() {
        let entry = long_entry(b"abcdefghijklm", 0x41, 0);
        assert_eq!(&entry[28..], b"l\0m\0");
        assert_eq!(&long_entry(b"ab", 0x41, 0)[1..9], b"a\0b\0\0\0\xff\xff");
    }
}
