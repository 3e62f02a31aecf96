use std::io::{self, Read};

use bytes::Bytes;
use flagstone_tree::{Content, FileName, Inode, Kind, Tree, TreePath};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{listing, without_extension};
use crate::IndexError;

/// The largest module that is unpacked. The largest of Debian's kernels is below 32 MiB.
const MAX_MODULE_BYTES: u64 = 512 << 20;

/// How much memory the xz decoder may take; the kernel's own modules need 1 MiB.
const XZ_MEMORY_BYTES: u64 = 128 << 20;

const XZ_MAGIC: &[u8] = b"\xfd7zXZ\0";
const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// Returns a module's bytes without its compression, which its first bytes tell.
pub(super) fn decompressed(data: Bytes) -> io::Result<Bytes> {
    if data.starts_with(XZ_MAGIC) {
        let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, 0)?;
        read_bounded(liblzma::read::XzDecoder::new_stream(&data[..], stream), data.len())
    } else if data.starts_with(ZSTD_MAGIC) {
        read_bounded(zstd::stream::read::Decoder::with_buffer(&data[..])?, data.len())
    } else if data.starts_with(GZIP_MAGIC) {
        Err(io::Error::new(io::ErrorKind::Unsupported, "gzip is not supported for modules"))
    } else {
        Ok(data)
    }
}

fn read_bounded(decoder: impl Read, compressed_len: usize) -> io::Result<Bytes> {
    // Modules shrink to about a quarter.
    let mut data = Vec::with_capacity(compressed_len.saturating_mul(4).min(64 << 20));
    decoder.take(MAX_MODULE_BYTES + 1).read_to_end(&mut data)?;
    if data.len() as u64 > MAX_MODULE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to over 512 MiB"));
    }
    Ok(data.into())
}

/// Stores a kernel's modules without their own compression and names them `.ko`; returns how many
/// it changed.
///
/// A file system that compresses does better with plain modules, and so do deltas between
/// releases. Run this before the indices are made, since they hold file names.
///
/// # Errors
/// [`IndexError::NoKernel`], [`IndexError::Decompress`], and [`IndexError::Tree`] if the plain name
/// is taken.
pub fn decompress_modules(tree: &mut Tree, version: &str) -> Result<usize, IndexError> {
    let directory = listing::directory(tree, version)?;
    let compressed: Vec<(TreePath, TreePath, Inode)> = listing::all_files(tree, &directory)?
        .into_iter()
        .filter_map(|file| {
            let id = tree.lookup(&file.path)?;
            let inode = tree.inode(id).clone();
            Some((plain_path(&file.path)?, file.path, inode))
        })
        .collect();
    let count = compressed.len();
    let plain: Vec<(TreePath, TreePath, Inode)> = compressed
        .into_par_iter()
        .map(|(plain, path, mut inode)| {
            if let Kind::File(content) = &mut inode.kind {
                let plain = content.to_bytes().map_err(io::Error::from).and_then(decompressed);
                *content = plain
                    .map(Content::from)
                    .map_err(|source| IndexError::Decompress { path: path.clone(), source })?;
            }
            Ok((plain, path, inode))
        })
        .collect::<Result<_, IndexError>>()?;
    for (plain, path, inode) in plain {
        tree.insert(&plain, inode)?;
        tree.remove(&path)?;
    }
    Ok(count)
}

/// Returns the path of a compressed module without the compression's extension.
fn plain_path(path: &TreePath) -> Option<TreePath> {
    let name = path.file_name().filter(|name| !name.ends_with(b".ko"))?;
    let plain = [without_extension(name)?, b".ko"].concat();
    Some(path.parent()?.join(&FileName::new(&plain).ok()?))
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Metadata, Mtime};

    use super::*;

    fn xz(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        liblzma::read::XzEncoder::new(data, 1).read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn modules_lose_their_compression_and_keep_the_rest() {
        let meta = Metadata { mode: 0o640, ..Metadata::root(0, Mtime::from_seconds(7)) };
        let mut tree = Tree::new(meta);
        let dir = "usr/lib/modules/6.1/kernel";
        for (name, data) in [
            ("a.ko.xz", xz(b"plain a")),
            ("b.ko.zst", zstd::encode_all(&b"plain b"[..], 1).unwrap()),
            ("c.ko", b"plain c".to_vec()),
        ] {
            tree.put(format!("{dir}/{name}"), meta, Inode::file(meta, data)).unwrap();
        }
        assert_eq!(decompress_modules(&mut tree, "6.1").unwrap(), 2);
        for name in ["a", "b", "c"] {
            let path = TreePath::new(format!("{dir}/{name}.ko")).unwrap();
            assert_eq!(tree.read(&path).unwrap(), format!("plain {name}"));
            assert_eq!(tree.inode(tree.lookup(&path).unwrap()).metadata, meta);
        }
        assert!(!tree.exists(format!("{dir}/a.ko.xz")));
        assert_eq!(decompress_modules(&mut tree, "6.1").unwrap(), 0);
    }

    #[test]
    fn corrupt_streams_are_errors() {
        let mut bad = xz(&vec![7; 100_000]);
        assert!(decompressed(bad[..bad.len() - 9].to_vec().into()).is_err());
        let middle = bad.len() / 2;
        bad[middle] ^= 0xff;
        assert!(decompressed(bad.into()).is_err());
        assert!(decompressed(Bytes::from_static(b"\x28\xb5\x2f\xfd\0")).is_err());
        assert!(decompressed(Bytes::from_static(b"\x1f\x8b\x08")).is_err());
    }
}
