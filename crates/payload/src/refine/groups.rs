use super::unit::Unit;
use crate::{NEW_MAX, OPERATION_MAX};

/// The most units of one patch, which bounds its directions and its extents.
const UNITS_MAX: usize = 2048;

/// Gathers units that follow each other into what one operation makes.
pub(super) fn groups(units: Vec<Unit>) -> Vec<Vec<Unit>> {
    let mut groups: Vec<Vec<Unit>> = Vec::new();
    let (mut stored, mut length) = (0, 0);
    for unit in units {
        let more = (stored + unit.stored(), length + unit.segment.length as u64);
        match groups.last_mut() {
            Some(group)
                if more.0 <= OPERATION_MAX && more.1 <= NEW_MAX && group.len() < UNITS_MAX =>
            {
                (stored, length) = more;
                group.push(unit);
            }
            _ => {
                (stored, length) = (unit.stored(), unit.segment.length as u64);
                groups.push(vec![unit]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewSegment;

    #[test]
    fn no_group_is_more_than_an_operation() {
        let unit = |index: u64, stored: u64, length| Unit {
            range: index << 30..(index << 30) + stored,
            segment: NewSegment { method: None, length },
            parts: Vec::new(),
        };
        let sizes = |groups: Vec<Vec<Unit>>| groups.iter().map(Vec::len).collect::<Vec<_>>();
        let (block, mib) = (4096, 1 << 20);
        assert_eq!(sizes(groups((0..10).map(|n| unit(n, block, mib)).collect())), [8, 2]);
        assert_eq!(sizes(groups((0..10).map(|n| unit(n, mib as u64, mib)).collect())), [4, 4, 2]);
        assert_eq!(sizes(groups((0..3000).map(|n| unit(n, block, 1)).collect())), [1024, 1024, 952]);
    }
}
