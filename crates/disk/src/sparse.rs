use std::fmt;

use bytes::Bytes;

/// An image in memory that is mostly zeros: a length and the pieces that hold data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SparseImage {
    len: u64,
    /// Sorted by offset, not overlapping, none empty, all within `len`.
    extents: Vec<(u64, Bytes)>,
}

impl SparseImage {
    /// Creates an image of `len` bytes; `None` if an extent is empty, out of order, overlaps
    /// another or reaches past `len`.
    pub fn new(len: u64, extents: Vec<(u64, Bytes)>) -> Option<Self> {
        let mut end = 0;
        for (offset, data) in &extents {
            if *offset < end || data.is_empty() {
                return None;
            }
            end = offset.checked_add(data.len() as u64)?;
        }
        (end <= len).then_some(Self { len, extents })
    }

    /// Returns the length in bytes, zeros included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether the image has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the pieces that hold data, as (offset, bytes), in order.
    pub fn extents(&self) -> &[(u64, Bytes)] {
        &self.extents
    }
}

impl fmt::Debug for SparseImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseImage")
            .field("len", &self.len)
            .field("extents", &self.extents.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_out_of_place_are_refused() {
        let data = Bytes::from_static(b"abc");
        assert!(SparseImage::new(9, vec![(0, data.clone()), (3, data.clone())]).is_some());
        assert_eq!(SparseImage::new(9, vec![(0, data.clone()), (2, data.clone())]), None);
        assert_eq!(SparseImage::new(9, vec![(7, data.clone())]), None);
        assert_eq!(SparseImage::new(9, vec![(u64::MAX, data)]), None);
        assert_eq!(SparseImage::new(9, vec![(0, Bytes::new())]), None);
    }
}
