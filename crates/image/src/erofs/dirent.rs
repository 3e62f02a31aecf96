use flagstone_tree::Kind;

use super::{BLOCK, BLOCK_SIZE};

/// Bytes of `struct erofs_dirent`.
const SIZE: usize = 12;

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dirent<'a> {
    pub(super) name: &'a [u8],
    pub(super) nid: u64,
    /// `EROFS_FT_*`, see [`file_type`].
    pub(super) file_type: u8,
}

/// Returns `EROFS_FT_*` for a kind of inode.
pub(super) fn file_type(kind: &Kind) -> u8 {
    match kind {
        Kind::File(_) => 1,
        Kind::Directory(_) => 2,
        Kind::CharDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Socket => 6,
        Kind::Symlink(_) => 7,
    }
}

/// Returns the length of a directory with these names, `.` and `..` among them.
///
/// Blocks are filled in order and an entry never spans two, so only the last block counts by what
/// it holds.
pub(super) fn size<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let (mut blocks, mut used) = (0, 0);
    for name in names {
        let entry = SIZE + name.len();
        if used + entry > BLOCK_SIZE as usize {
            blocks += 1;
            used = 0;
        }
        used += entry;
    }
    blocks * BLOCK + used as u64
}

/// Returns the bytes of a directory.
///
/// Linux searches by bisection, so the entries are sorted by bytes over the whole directory, `.`
/// and `..` among the others. A block holds first its entries, then their names without any
/// terminator; the first entry's name offset tells how many entries there are.
pub(super) fn encode(mut entries: Vec<Dirent<'_>>) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| entry.name);
    let mut out = Vec::new();
    let mut rest = entries.as_slice();
    while !rest.is_empty() {
        out.resize(out.len().next_multiple_of(BLOCK_SIZE as usize), 0);
        let (block, later) = rest.split_at(fitting(rest));
        encode_block(block, &mut out);
        rest = later;
    }
    out
}

/// Returns how many of the entries fit one block.
fn fitting(entries: &[Dirent<'_>]) -> usize {
    let mut used = 0;
    entries
        .iter()
        .take_while(|entry| {
            used += SIZE + entry.name.len();
            used <= BLOCK_SIZE as usize
        })
        .count()
}

fn encode_block(entries: &[Dirent<'_>], out: &mut Vec<u8>) {
    let mut name_offset = entries.len() * SIZE;
    for entry in entries {
        let offset = u16::try_from(name_offset).expect("fitting() kept the block to 4096 bytes");
        out.extend(entry.nid.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend([entry.file_type, 0]);
        name_offset += entry.name.len();
    }
    for entry in entries {
        out.extend(entry.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8]) -> Dirent<'_> {
        Dirent { name, nid: 0x102, file_type: 2 }
    }

    #[test]
    fn names_follow_the_entries_in_byte_order() {
        let bytes =
            encode(vec![entry(b"."), entry(b".."), entry(b"a"), entry(b"-"), entry(b"\xff")]);
        assert_eq!(bytes[..12], [2, 1, 0, 0, 0, 0, 0, 0, 60, 0, 2, 0]);
        assert_eq!(bytes[12..24], [2, 1, 0, 0, 0, 0, 0, 0, 61, 0, 2, 0]);
        assert_eq!(bytes[60..], *b"-...a\xff");
    }

    #[test]
    fn the_size_is_that_of_the_bytes() {
        for count in [0_usize, 1, 15, 16, 17, 300, 5000] {
            for length in [1, 4, 255] {
                let names: Vec<Vec<u8>> =
                    (0..count).map(|n| format!("{n:0length$}").into_bytes()).collect();
                let bytes = encode(names.iter().map(|name| entry(name)).collect());
                let mut sorted: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                sorted.sort_unstable();
                assert_eq!(size(sorted), bytes.len() as u64, "{count} names of {length}");
            }
        }
    }
}
