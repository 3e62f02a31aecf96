use super::{Method, Patch, PatchLengths, Step};

/// Makes the bytes of new segments as they are stored, from the stored bytes of the old ones.
///
/// Memory is bounded by the lengths, which the manifest's reader has checked. `room` is how many bytes
/// there have to be in the end.
///
/// # Errors
/// The rule that the patch breaks, or that the old content does.
pub fn rebuild(
    data: &[u8],
    old: &[u8],
    lengths: PatchLengths,
    methods: &[Method],
    room: usize,
) -> Result<Vec<u8>, &'static str> {
    let patch = Patch::decode(data, lengths, methods)?;
    let content = {
        let old = unfold(&patch, old, lengths)?;
        apply_steps(&patch, &old, lengths)?
    };
    fold(&patch, &content, methods, room)
}

/// Decompresses the old segments.
fn unfold(
    patch: &Patch,
    mut stored: &[u8],
    lengths: PatchLengths,
) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::with_capacity(lengths.old);
    for segment in &patch.old {
        let split = stored.split_at_checked(segment.stored);
        let (bytes, rest) = split.ok_or("its old segments are longer than what it reads")?;
        segment.unfold(bytes, &mut out).ok_or("an old segment does not decompress")?;
        stored = rest;
    }
    if stored.is_empty() { Ok(out) } else { Err("its old segments are all that it reads") }
}

/// Makes the new content.
pub(super) fn apply_steps(
    patch: &Patch,
    old: &[u8],
    lengths: PatchLengths,
) -> Result<Vec<u8>, &'static str> {
    const OUTSIDE: &str = "a step leaves the old content";
    const SHORT: &str = "its steps take more bytes than there are";
    let (mut differences, mut fresh) = (patch.differences.as_slice(), patch.fresh.as_slice());
    let mut out = Vec::with_capacity(lengths.new);
    let mut at = 0_usize;
    for Step { alike, fresh: count, skip } in &patch.steps {
        let (added, rest) = differences.split_at_checked(*alike).ok_or(SHORT)?;
        let base = at.checked_add(*alike).and_then(|end| old.get(at..end)).ok_or(OUTSIDE)?;
        out.extend(base.iter().zip(added).map(|(old, added)| old.wrapping_add(*added)));
        let (new, fresh_rest) = fresh.split_at_checked(*count).ok_or(SHORT)?;
        out.extend_from_slice(new);
        (differences, fresh) = (rest, fresh_rest);
        let next = i64::try_from(at + alike).ok().and_then(|end| end.checked_add(*skip));
        at = next.and_then(|at| usize::try_from(at).ok()).ok_or(OUTSIDE)?;
    }
    if out.len() == lengths.new { Ok(out) } else { Err("its steps use all bytes") }
}

/// Compresses the new segments.
fn fold(
    patch: &Patch,
    mut content: &[u8],
    methods: &[Method],
    room: usize,
) -> Result<Vec<u8>, &'static str> {
    const OTHER: &str = "what it makes has another length";
    let room = room.saturating_add(patch.skip);
    let mut out = Vec::with_capacity(room);
    for segment in &patch.new {
        let (part, rest) = content.split_at_checked(segment.length).ok_or(OTHER)?;
        match segment.method.map(|index| methods.get(index)) {
            None => out.extend_from_slice(part),
            Some(None) => return Err("there is no such method"),
            Some(Some(method)) => {
                method.pack(part, &mut out).map_err(|_| "its content does not compress")?;
            }
        }
        // Content that does not compress grows but a little, so memory stays bounded.
        if out.len() > room {
            return Err(OTHER);
        }
        content = rest;
    }
    if out.len() != room {
        return Err(OTHER);
    }
    out.drain(..patch.skip);
    Ok(out)
}
