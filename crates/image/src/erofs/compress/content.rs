use std::ops::Range;

use bytes::Bytes;
use flagstone_tree::Content;

/// Returns a part of a content as one piece, holes as zeros; without a copy where one extent holds
/// it all.
pub(super) fn part(content: &Content, range: Range<u64>) -> Bytes {
    let index = |n: u64| usize::try_from(n).expect("a part in memory fits the address space");
    let end_of = |(offset, data): &(u64, Bytes)| offset + data.len() as u64;
    let first = content.extents().partition_point(|extent| end_of(extent) <= range.start);
    let extents = &content.extents()[first..];
    if let Some(extent @ (offset, data)) = extents.first()
        && *offset <= range.start
        && range.end <= end_of(extent)
    {
        return data.slice(index(range.start - offset)..index(range.end - offset));
    }
    let mut all = vec![0; index(range.end - range.start)];
    for extent in extents.iter().take_while(|extent| extent.0 < range.end) {
        let (from, to) = (extent.0.max(range.start), end_of(extent).min(range.end));
        all[index(from - range.start)..index(to - range.start)]
            .copy_from_slice(&extent.1[index(from - extent.0)..index(to - extent.0)]);
    }
    all.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_the_whole_has_there() {
        let extents = vec![
            (2, Bytes::from_static(b"abc")),
            (5, Bytes::from_static(b"d")),
            (8, Bytes::from_static(b"ef")),
        ];
        let content = Content::sparse(12, extents).unwrap();
        let whole = content.to_bytes();
        for start in 0..12 {
            for end in start..=12 {
                let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
                assert_eq!(part(&content, start..end), whole[range], "{start}..{end}");
            }
        }
        let inside = part(&content, 3..5);
        assert_eq!(inside.as_ptr(), content.extents()[0].1[1..].as_ptr(), "not copied");
    }
}
