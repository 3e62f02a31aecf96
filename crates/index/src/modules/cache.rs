use flagstone_artifact::Sha256Hasher;
use flagstone_tree::{ContentError, TreePath};

use super::listing::ModuleFile;
use super::module::{Declared, read_declared};
use crate::{IndexCache, IndexError};

/// The version of what is read of a module and how it is kept; whoever changes that changes the
/// number.
const DECLARED: u32 = 1;

/// Reads what modules say about themselves, in the order of the files; all of a kernel's modules
/// have one value in the store.
pub(super) fn declared(
    files: &[ModuleFile],
    cache: Option<&dyn IndexCache>,
) -> Result<Vec<Declared>, IndexError> {
    let Some(cache) = cache else { return read_declared(files) };
    let mut hasher = Sha256Hasher::new();
    hasher.update(format!("flagstone modules {DECLARED}\n").as_bytes());
    for file in files {
        let digest = file.content.digest().map_err(|source| unreadable(&file.path, source))?;
        // The compression of a module follows from its content, so the name adds nothing.
        hasher.update(digest.as_bytes());
    }
    let key = hasher.finish();
    let known = cache.get(&key).and_then(|bytes| decode(&bytes, files.len()));
    if let Some(known) = known {
        return Ok(known);
    }
    let declared = read_declared(files)?;
    cache.put(&key, &encode(&declared));
    Ok(declared)
}

pub(super) fn unreadable(path: &TreePath, source: ContentError) -> IndexError {
    IndexError::Tree(flagstone_tree::TreeError::Content { path: path.clone(), source })
}

/// Returns the form for a store: for every module its lists, for every list a count and for every
/// text a length, 32-bit little-endian each, and the text.
fn encode(all: &[Declared]) -> Vec<u8> {
    let mut out = Vec::new();
    let number = |n: usize| u32::try_from(n).expect("a module has less than 4 GiB").to_le_bytes();
    for declared in all {
        for list in declared.lists() {
            out.extend(number(list.len()));
            for text in list {
                out.extend(number(text.len()));
                out.extend_from_slice(text);
            }
        }
    }
    out
}

/// Reads what [`encode`] gave for so many modules; `None` if it is anything else.
fn decode(mut bytes: &[u8], count: usize) -> Option<Vec<Declared>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut declared = Declared::default();
        for list in declared.lists_mut() {
            for _ in 0..take_number(&mut bytes)? {
                let length = take_number(&mut bytes)?;
                let text;
                (text, bytes) = bytes.split_at_checked(length)?;
                list.push(text.to_vec());
            }
        }
        all.push(declared);
    }
    bytes.is_empty().then_some(all)
}

fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_nothing_else_does() {
        let texts = |words: &[&str]| words.iter().map(|word| word.as_bytes().to_vec()).collect();
        let all = [
            Declared { aliases: texts(&["a", ""]), imports: texts(&["x"]), ..Declared::default() },
            Declared::default(),
            Declared { firmware: texts(&["f/*.bin"]), ..Declared::default() },
        ];
        let bytes = encode(&all);
        assert_eq!(decode(&bytes, 3).as_deref(), Some(&all[..]));
        assert_eq!(decode(&bytes, 2), None);
        assert_eq!(decode(&[&bytes[..], b"x"].concat(), 3), None);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut], 3), None, "{cut}");
        }
    }
}
