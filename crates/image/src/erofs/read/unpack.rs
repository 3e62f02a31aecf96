use std::sync::{Arc, PoisonError};

use super::extent::{Extent, Stored};
use super::{BLOCK, Image, Node, ReadAt};
use crate::ReadError;

/// A cluster that has been decompressed.
#[derive(Clone, Debug)]
pub(super) struct Unpacked {
    position: u64,
    data: Arc<[u8]>,
}

impl<R: ReadAt> Image<R> {
    /// Returns the content of an extent, which has at most 12 MiB.
    pub(super) fn unpack(&self, node: &Node, extent: &Extent) -> Result<Arc<[u8]>, ReadError> {
        let Stored::Packed { format, size } = extent.stored else {
            return Ok(self.bytes(node.nid, extent.position, extent.length)?.into());
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(last) = last
            && last.position == extent.position
            && last.data.len() as u64 == extent.length
        {
            return Ok(last.data);
        }
        let stored = self.bytes(node.nid, extent.position, size)?;
        let padding = stored.iter().take_while(|&&byte| byte == 0).count();
        if padding as u64 >= BLOCK {
            return Err(node.corrupt("a cluster has no data in its first block"));
        }
        let length = usize::try_from(extent.length).expect("at most 12 MiB");
        let data = decompress(format, &stored[padding..], length);
        let data: Arc<[u8]> = data.ok_or(node.corrupt("a cluster does not decompress"))?.into();
        let unpacked = Unpacked { position: extent.position, data: Arc::clone(&data) };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(unpacked);
        Ok(data)
    }
}

/// Decompresses to exactly so many bytes.
pub(super) fn decompress(format: u8, stored: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut data = vec![0; length];
    let count = match format {
        0 => lzzzz::lz4::decompress(stored, &mut data).ok()?,
        3 => zstd::zstd_safe::decompress(data.as_mut_slice(), stored).ok()?,
        _ => return None,
    };
    (count == length).then_some(data)
}
