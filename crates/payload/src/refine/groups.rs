use std::ops::Range;

use super::unit::{Unit, push_plain};
use crate::extent::BLOCK;
use crate::{NEW_MAX, OPERATION_MAX};

/// The most units of one patch, which bounds its directions and its extents.
const UNITS_MAX: usize = 2048;

/// What one operation makes.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) units: Vec<Unit>,
    /// Bytes of the first unit that lie in the last block of the operation before.
    pub(super) skip: u64,
}

impl Group {
    /// Returns what is written: whole blocks.
    pub(super) fn target(&self) -> Vec<Range<u64>> {
        let mut target: Vec<Range<u64>> = Vec::new();
        for (index, unit) in self.units.iter().enumerate() {
            let skip = if index == 0 { self.skip } else { 0 };
            match target.last_mut() {
                Some(last) if last.end == unit.range.start => last.end = unit.range.end,
                _ => target.push(unit.range.start + skip..unit.range.end),
            }
        }
        target
    }

    /// Fills the last block; returns where it ends.
    fn close(&mut self) -> u64 {
        let end = self.units.last().map_or(0, |unit| unit.range.end);
        let filled = end.next_multiple_of(BLOCK);
        if end < filled {
            push_plain(end..filled, &mut self.units);
        }
        filled
    }
}

/// Gathers units in their order. Those that do not begin or end with a block have others beside them.
pub(super) fn groups(units: Vec<Unit>) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut group = Group::default();
    let (mut stored, mut length, mut written) = (0, 0, 0);
    for mut unit in units {
        let more = (stored + unit.stored(), length + unit.segment.length as u64);
        // Filling the last block takes room.
        let fits = more.0 <= OPERATION_MAX - BLOCK
            && more.1 <= NEW_MAX - BLOCK
            && group.units.len() < UNITS_MAX;
        if !fits && !group.units.is_empty() {
            written = group.close();
            groups.push(std::mem::take(&mut group));
            (stored, length) = (0, 0);
        }
        if group.units.is_empty() && unit.range.start < written {
            if unit.range.end <= written {
                continue;
            }
            group.skip = written - unit.range.start;
            if unit.segment.method.is_none() {
                unit.range.start = written;
                unit.segment.length = usize::try_from(unit.stored()).expect("at most 256 KiB");
                group.skip = 0;
            }
        }
        stored += unit.stored();
        length += unit.segment.length as u64;
        group.units.push(unit);
    }
    group.close();
    groups.push(group);
    groups.retain(|group| !group.units.is_empty());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewSegment;

    fn unit(range: Range<u64>, method: Option<usize>, length: usize) -> Unit {
        Unit { range, segment: NewSegment { method, length }, parts: Vec::new() }
    }

    #[test]
    fn no_group_is_more_than_an_operation() {
        let far = |index: u64, stored: u64, length| {
            unit(index << 30..(index << 30) + stored, Some(0), length)
        };
        let sizes = |units: Vec<Unit>| -> Vec<usize> {
            groups(units).iter().map(|group| group.units.len()).collect()
        };
        let mib = 1 << 20;
        assert_eq!(sizes((0..10).map(|n| far(n, BLOCK, mib)).collect()), [7, 3]);
        assert_eq!(sizes((0..10).map(|n| far(n, mib as u64, mib)).collect()), [3, 3, 3, 1]);
        assert_eq!(sizes((0..3000).map(|n| far(n, BLOCK, 1)).collect()), [1023, 1023, 954]);
        assert!(groups(Vec::new()).is_empty());
    }

    #[test]
    fn a_block_that_two_groups_share_is_written_by_the_first() {
        let mib = 1 << 20;
        let (middle, end) = (3 * mib + 100, 5 * mib + 200);
        let units = vec![
            unit(0..300, None, 300),
            unit(300..middle, Some(0), 7 << 20),
            unit(middle..end, Some(0), 7 << 20),
            unit(end..5 * mib + BLOCK, None, 3896),
        ];
        let groups = groups(units);
        let targets: Vec<_> = groups.iter().map(|group| (group.target(), group.skip)).collect();
        let only = |range: &Range<u64>| std::slice::from_ref(range).to_vec();
        let border = 3 * mib + BLOCK;
        assert_eq!(targets[0], (only(&(0..border)), 0));
        assert_eq!(targets[1], (only(&(border..5 * mib + BLOCK)), BLOCK - 100));
        assert_eq!(groups[0].units.last().unwrap().range, middle..border);
    }
}
