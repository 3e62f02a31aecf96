//! GLib's file format for trees of values (`gvdb-format.h`).

use crate::glib_table::{GlibTable, bernstein};

/// The first bytes of a little-endian file.
const SIGNATURE: &[u8; 8] = b"GVariant";
/// Signature, version and options (both 0), start and end of the top table.
const HEADER_SIZE: usize = 24;
const ITEM_SIZE: usize = 24;
/// The field for a Bloom filter that is not there: its shift alone.
const BLOOM_HEADER: u32 = 5 << 27;
const NONE: u32 = u32::MAX;

/// A table whose root, the item with the empty name, lists the items that belong below it.
#[derive(Clone, Debug)]
pub(crate) struct GvdbTable {
    items: GlibTable<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    below_root: bool,
    content: GvdbContent,
}

/// What an item holds.
#[derive(Clone, Debug)]
pub(crate) enum GvdbContent {
    /// The names of the items below it.
    Root,
    /// A variant's bytes.
    Value(Vec<u8>),
    Table(GvdbTable),
}

/// The file would be larger than its offsets can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

impl GvdbTable {
    pub(crate) fn new() -> Self {
        let mut items = GlibTable::new();
        items.insert("", Item { below_root: false, content: GvdbContent::Root });
        Self { items }
    }

    /// Adds an item that the root lists.
    pub(crate) fn insert(&mut self, key: &str, content: GvdbContent) {
        self.items.insert(key, Item { below_root: true, content });
    }

    /// Adds a value that the root does not list.
    pub(crate) fn insert_hidden(&mut self, key: &str, value: Vec<u8>) {
        let content = GvdbContent::Value(value);
        self.items.insert(key, Item { below_root: false, content });
    }

    /// Returns the file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, TooLarge> {
        let mut file = vec![0; HEADER_SIZE];
        let (start, end) = self.append(&mut file)?;
        file[..8].copy_from_slice(SIGNATURE);
        file[16..20].copy_from_slice(&start.to_le_bytes());
        file[20..24].copy_from_slice(&end.to_le_bytes());
        Ok(file)
    }

    /// Returns the items in the order of the file: by bucket, in each the last of GLib's order
    /// first; and the number of the first item of each bucket.
    fn in_buckets(&self) -> (Vec<(&str, &Item)>, Vec<u32>) {
        let mut buckets = vec![Vec::new(); self.items.len()];
        let count = u32::try_from(buckets.len()).unwrap_or(NONE);
        for (key, item) in self.items.iter() {
            buckets[(bernstein(key) % count) as usize].push((key, item));
        }
        let mut items = Vec::with_capacity(buckets.len());
        let mut starts = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            starts.push(u32::try_from(items.len()).unwrap_or(NONE));
            items.extend(bucket.into_iter().rev());
        }
        (items, starts)
    }

    /// Appends the table and all that belongs to it; returns where its head starts and ends.
    fn append(&self, file: &mut Vec<u8>) -> Result<(u32, u32), TooLarge> {
        let (items, starts) = self.in_buckets();
        align(file, 4);
        let start = offset(file.len())?;
        file.extend(BLOOM_HEADER.to_le_bytes());
        file.extend(offset(starts.len())?.to_le_bytes());
        for first in &starts {
            file.extend(first.to_le_bytes());
        }
        let mut slot = file.len();
        file.resize(slot + ITEM_SIZE * items.len(), 0);
        let end = offset(file.len())?;
        let root = items.iter().position(|(_, item)| matches!(item.content, GvdbContent::Root));
        let root = root.map_or(Ok(NONE), offset)?;
        for (key, item) in &items {
            let head = append_item(file, key, item, root, &items)?;
            file[slot..slot + ITEM_SIZE].copy_from_slice(&head);
            slot += ITEM_SIZE;
        }
        Ok((start, end))
    }
}

/// Appends an item's name and content, and returns its entry in the table.
fn append_item(
    file: &mut Vec<u8>,
    key: &str,
    item: &Item,
    root: u32,
    items: &[(&str, &Item)],
) -> Result<[u8; ITEM_SIZE], TooLarge> {
    let mut head = [0; ITEM_SIZE];
    let parent = if item.below_root { root } else { NONE };
    let name_length = u16::try_from(key.len()).map_err(|_| TooLarge)?;
    head[..4].copy_from_slice(&bernstein(key).to_le_bytes());
    head[4..8].copy_from_slice(&parent.to_le_bytes());
    head[8..12].copy_from_slice(&offset(file.len())?.to_le_bytes());
    head[12..14].copy_from_slice(&name_length.to_le_bytes());
    file.extend(key.as_bytes());
    let (letter, start, end) = match &item.content {
        GvdbContent::Value(bytes) => {
            align(file, 8);
            let start = offset(file.len())?;
            file.extend(bytes);
            (b'v', start, offset(file.len())?)
        }
        GvdbContent::Table(table) => {
            let (start, end) = table.append(file)?;
            (b'H', start, end)
        }
        GvdbContent::Root => {
            let mut below: Vec<(&str, usize)> = (0..)
                .zip(items)
                .filter_map(|(index, (key, item))| item.below_root.then_some((*key, index)))
                .collect();
            if below.is_empty() {
                return Ok(head);
            }
            below.sort_unstable();
            align(file, 4);
            let start = offset(file.len())?;
            for (_, index) in below {
                file.extend(offset(index)?.to_le_bytes());
            }
            (b'L', start, offset(file.len())?)
        }
    };
    head[14] = letter;
    head[16..20].copy_from_slice(&start.to_le_bytes());
    head[20..].copy_from_slice(&end.to_le_bytes());
    Ok(head)
}

fn align(file: &mut Vec<u8>, boundary: usize) {
    file.resize(file.len().next_multiple_of(boundary), 0);
}

fn offset(value: usize) -> Result<u32, TooLarge> {
    u32::try_from(value).map_err(|_| TooLarge)
}
