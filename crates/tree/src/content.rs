use bytes::Bytes;

/// The bytes of a regular file, cheap to clone.
///
/// A sparse file is a length and the extents that hold data; everything between them reads as
/// zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    len: u64,
    /// Sorted by offset, not overlapping, none empty, all within `len`.
    extents: Vec<(u64, Bytes)>,
}

impl Content {
    /// Creates a sparse file of `len` bytes; `None` if an extent overlaps another, is out of order
    /// or reaches past `len`.
    pub fn sparse(len: u64, extents: Vec<(u64, Bytes)>) -> Option<Self> {
        let mut end = 0;
        for (offset, data) in &extents {
            if *offset < end || data.is_empty() {
                return None;
            }
            end = offset.checked_add(data.len() as u64)?;
        }
        (end <= len).then_some(Self { len, extents })
    }

    /// Returns the length in bytes, holes included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Tells whether the file has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the extents that hold data, as (offset, bytes), in order.
    pub fn extents(&self) -> &[(u64, Bytes)] {
        &self.extents
    }

    /// Returns all bytes as one piece: without a copy for an ordinary file, with the holes filled
    /// for a sparse one.
    ///
    /// Do not call this on sparse files of unknown length: it allocates [`Self::len`] bytes.
    ///
    /// # Panics
    /// If the length does not fit the address space.
    pub fn to_bytes(&self) -> Bytes {
        match self.extents.as_slice() {
            [] if self.len == 0 => Bytes::new(),
            [(0, data)] if data.len() as u64 == self.len => data.clone(),
            extents => {
                let len =
                    usize::try_from(self.len).expect("a file in memory fits the address space");
                let mut all = vec![0; len];
                for (offset, data) in extents {
                    let start = usize::try_from(*offset).expect("offset < len, which fits");
                    all[start..start + data.len()].copy_from_slice(data);
                }
                all.into()
            }
        }
    }
}

impl From<Bytes> for Content {
    fn from(data: Bytes) -> Self {
        let len = data.len() as u64;
        let extents = if data.is_empty() { Vec::new() } else { vec![(0, data)] };
        Self { len, extents }
    }
}

impl From<Vec<u8>> for Content {
    fn from(data: Vec<u8>) -> Self {
        Bytes::from(data).into()
    }
}

impl From<String> for Content {
    fn from(data: String) -> Self {
        Bytes::from(data).into()
    }
}

impl From<&'static str> for Content {
    fn from(data: &'static str) -> Self {
        Bytes::from_static(data.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_read_as_zeros() {
        let content = Content::sparse(6, vec![(1, Bytes::from_static(b"ab"))]).unwrap();
        assert_eq!(&content.to_bytes()[..], b"\0ab\0\0\0");
    }

    #[test]
    fn extents_that_overlap_or_overrun_are_refused() {
        let data = Bytes::from_static(b"abc");
        assert_eq!(Content::sparse(9, vec![(0, data.clone()), (2, data.clone())]), None);
        assert_eq!(Content::sparse(9, vec![(7, data.clone())]), None);
        assert_eq!(Content::sparse(9, vec![(u64::MAX, data)]), None);
        assert_eq!(Content::sparse(9, vec![(0, Bytes::new())]), None);
    }

    #[test]
    fn an_ordinary_file_is_not_copied() {
        let data = Bytes::from(vec![7; 100]);
        let content = Content::from(data.clone());
        assert_eq!(content.to_bytes().as_ptr(), data.as_ptr());
    }
}
