use super::Step;
use super::suffixes::Suffixes;

/// By how many bytes another place in the old content has to fit better than the one at hand.
const BETTER: usize = 8;

/// New bytes that lie in the old content, up to differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alike {
    new: usize,
    old: usize,
    length: usize,
}

/// Finds how new content is made of old content, so that what is left compresses well: after C. Percival,
/// "Naive differences of executable code" (2003). Code that has moved is the same but for addresses, and
/// these differ by the same few amounts.
///
/// Returns the steps, what they add to old bytes, and new bytes; `None` if memory is wanting.
pub(crate) fn compare(old: &[u8], new: &[u8]) -> Option<(Vec<Step>, Vec<u8>, Vec<u8>)> {
    let anchors = anchors(old, new)?;
    let alike = extend(old, new, &anchors);
    let (mut steps, mut differences, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    let (mut done, mut old_at) = (0, 0_usize);
    let mut last = Step { alike: 0, fresh: 0, skip: 0 };
    let signed = |at: usize| i64::try_from(at).expect("contents have at most 16 MiB");
    for Alike { new: start, old: from, length } in alike {
        fresh.extend_from_slice(&new[done..start]);
        last.fresh = start - done;
        last.skip = signed(from) - signed(old_at);
        if last != (Step { alike: 0, fresh: 0, skip: 0 }) {
            steps.push(last);
        }
        let pairs = new[start..start + length].iter().zip(&old[from..from + length]);
        differences.extend(pairs.map(|(new, old)| new.wrapping_sub(*old)));
        (done, old_at) = (start + length, from + length);
        last = Step { alike: length, fresh: 0, skip: 0 };
    }
    fresh.extend_from_slice(&new[done..]);
    last.fresh = new.len() - done;
    steps.push(last);
    Some((steps, differences, fresh))
}

/// Finds exact matches, each of which begins where it fits better than the one before would go on.
fn anchors(old: &[u8], new: &[u8]) -> Option<Vec<Alike>> {
    let suffixes = Suffixes::new(old)?;
    let mut anchors: Vec<Alike> = Vec::new();
    // Where the old content goes on as before, as an offset from the new one.
    let goes_on = |anchor: Option<&Alike>, at: usize| {
        let anchor = anchor?;
        old.get(anchor.old + (at - anchor.new)).copied()
    };
    let mut at = 0;
    while at < new.len() {
        // How many of the bytes from `at` to `counted` are right if it goes on as before.
        let (mut right, mut counted) = (0_usize, at);
        let last = anchors.last().copied();
        let mut found = (0, 0);
        while at < new.len() {
            found = suffixes.longest(&new[at..]);
            while counted < at + found.1 {
                right += usize::from(goes_on(last.as_ref(), counted) == Some(new[counted]));
                counted += 1;
            }
            if found.1 > 0 && found.1 == right || found.1 > right + BETTER {
                break;
            }
            if counted > at {
                right -= usize::from(goes_on(last.as_ref(), at) == Some(new[at]));
            }
            at += 1;
            counted = counted.max(at);
        }
        if at < new.len() && found.1 != right {
            anchors.push(Alike { new: at, old: found.0, length: found.1 });
        }
        at += found.1;
    }
    Some(anchors)
}

/// Extends matches in both directions over bytes that differ, as long as more are right than wrong, and
/// divides what two of them claim.
fn extend(old: &[u8], new: &[u8], anchors: &[Alike]) -> Vec<Alike> {
    let mut all: Vec<Alike> = Vec::with_capacity(anchors.len() + 1);
    // Content begins where it began.
    let start = Alike { new: 0, old: 0, length: 0 };
    let starts = std::iter::once(start).chain(anchors.iter().copied());
    let ends = anchors.iter().map(|next| next.new).chain([new.len()]);
    for (anchor, end) in starts.zip(ends) {
        let before = all.last().map_or(0, |last| last.new + last.length);
        let back = backward(old, new, anchor, end_of_exact(all.last(), before));
        let forward = forward(old, new, anchor, end);
        let mut alike =
            Alike { new: anchor.new - back, old: anchor.old - back, length: back + forward };
        if let Some(last) = all.last_mut() {
            divide(old, new, last, &mut alike);
        }
        if alike.length > 0 {
            all.push(alike);
        }
    }
    all.retain(|alike| alike.length > 0);
    all
}

/// How far back a match may go: to where the one before begins.
fn end_of_exact(last: Option<&Alike>, before: usize) -> usize {
    last.map_or(before, |last| last.new)
}

fn forward(old: &[u8], new: &[u8], anchor: Alike, end: usize) -> usize {
    let pairs = new[anchor.new..end].iter().zip(&old[anchor.old..]);
    best_length(pairs.map(|(new, old)| new == old))
}

fn backward(old: &[u8], new: &[u8], anchor: Alike, limit: usize) -> usize {
    let pairs = new[limit..anchor.new].iter().rev().zip(old[..anchor.old].iter().rev());
    best_length(pairs.map(|(new, old)| new == old))
}

/// Returns the length at which the right ones exceed the wrong ones by most.
fn best_length(right: impl Iterator<Item = bool>) -> usize {
    let (mut score, mut best, mut length) = (0_i64, 0_i64, 0);
    for (right, count) in right.zip(1..) {
        score += if right { 1 } else { -1 };
        if score > best {
            (best, length) = (score, count);
        }
    }
    length
}

/// Gives what two matches claim to the one that is right more often, up to some byte and after it.
fn divide(old: &[u8], new: &[u8], last: &mut Alike, next: &mut Alike) {
    let end = last.new + last.length;
    let overlap = end.saturating_sub(next.new).min(next.length);
    let right = |alike: &Alike, at: usize| i64::from(new[at] == old[alike.old + (at - alike.new)]);
    let (mut score, mut best, mut kept) = (0, 0, 0);
    for (at, count) in (next.new..next.new + overlap).zip(1..) {
        score += right(last, at) - right(next, at);
        if score > best {
            (best, kept) = (score, count);
        }
    }
    last.length -= overlap - kept;
    next.new += kept;
    next.old += kept;
    next.length -= kept;
}

#[cfg(test)]
mod tests {
    use super::super::rebuild::apply_steps;
    use super::super::{Patch, PatchLengths};
    use super::*;

    fn noise(seed: u32, len: usize) -> Vec<u8> {
        let mut state = seed;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .take(len)
        .collect()
    }

    fn check(old: &[u8], new: &[u8]) -> Patch {
        let (steps, differences, fresh) = compare(old, new).unwrap();
        assert_eq!(differences.len() + fresh.len(), new.len());
        let patch = Patch { old: Vec::new(), new: Vec::new(), skip: 0, steps, differences, fresh };
        let lengths = PatchLengths { old: old.len(), new: new.len() };
        assert!(apply_steps(&patch, old, lengths).unwrap() == new);
        patch
    }

    #[test]
    fn steps_make_the_new_content() {
        let old = noise(1, 50_000);
        let mut addresses = old.clone();
        addresses.iter_mut().step_by(97).for_each(|byte| *byte = byte.wrapping_add(4));
        let moved = [&old[30_000..], b"something that is new", &addresses[..30_000]].concat();
        let patch = check(&old, &moved);
        assert!(patch.steps.len() <= 4 && patch.fresh.len() < 200, "{:?}", patch.steps);
        let patch = check(&old, &old);
        assert!(patch.differences.iter().all(|&byte| byte == 0) && patch.fresh.is_empty());
        assert_eq!(check(&old, &noise(7, 3000)).differences.len(), 0);
    }

    #[test]
    fn contents_of_every_kind_are_compared() {
        let old = [noise(1, 1000), vec![0; 5000], b"abc".repeat(700), noise(2, 1000)].concat();
        for new in [
            vec![0; 9000],
            b"abc".repeat(2000),
            noise(3, 1),
            [&old[5000..], &old[..5000]].concat(),
            old.iter().rev().copied().collect(),
            old.iter().step_by(2).copied().collect(),
        ] {
            check(&old, &new);
            check(&new, &old);
            check(&new, &new);
        }
        check(b"", b"new");
        check(b"x", b"x");
    }
}
