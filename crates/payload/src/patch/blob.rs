use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use super::varint::{put, put_signed, take, take_signed};
use super::{
    DIRECTIONS_MAX, Method, NewSegment, OldSegment, PatchLengths, SEGMENTS_MAX, Step, Storage,
};
use crate::unpack::unpack_xz;

/// Three times two numbers: bytes of a part as it is stored, and unpacked.
const HEAD: usize = 24;
/// xz's level, and its dictionary, which bounds the memory that unpacking takes.
const XZ_LEVEL: u32 = 9;
const DICTIONARY: u32 = 4 << 20;

/// The data of an operation that patches: three parts, each packed by itself, as each is of another
/// nature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// What is read of the old image, in order.
    pub old: Vec<OldSegment>,
    /// What is made, in order.
    pub new: Vec<NewSegment>,
    /// How.
    pub steps: Vec<Step>,
    /// What is added to old bytes, modulo 256.
    pub differences: Vec<u8>,
    /// What is new.
    pub fresh: Vec<u8>,
}

impl Patch {
    /// Reads the data of an operation; nothing is taken that is longer than the lengths, which the
    /// manifest has, allow. Returns the rule that is broken.
    ///
    /// # Errors
    /// The rule.
    pub fn decode(
        data: &[u8],
        lengths: PatchLengths,
        methods: &[Method],
    ) -> Result<Self, &'static str> {
        let (head, rest) = data.split_first_chunk::<HEAD>().ok_or("its head is cut off")?;
        let word = |n: usize| {
            let bytes = std::array::from_fn(|i| head[4 * n + i]);
            usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let sizes = [0, 1, 2].map(|n| (word(2 * n), word(2 * n + 1)));
        let [directions, differences, fresh] = sizes.map(|(_, unpacked)| unpacked);
        if directions > DIRECTIONS_MAX {
            return Err("its directions have at most 1 MiB");
        }
        if differences.checked_add(fresh) != Some(lengths.new) {
            return Err("differences and new bytes are as many as it makes");
        }
        let mut rest = rest;
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for ((stored, unpacked), part) in sizes.into_iter().zip(&mut parts) {
            let (bytes, after) = rest.split_at_checked(stored).ok_or("a part is cut off")?;
            *part = unpack_part(bytes, unpacked).ok_or("a part does not unpack")?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err("nothing follows its parts");
        }
        let [directions, differences, fresh] = parts;
        let mut patch =
            Self { old: Vec::new(), new: Vec::new(), steps: Vec::new(), differences, fresh };
        patch.read_directions(&directions, lengths, methods)?;
        Ok(patch)
    }

    fn read_directions(
        &mut self,
        mut bytes: &[u8],
        lengths: PatchLengths,
        methods: &[Method],
    ) -> Result<(), &'static str> {
        let count = |bytes: &mut &[u8]| length(bytes).filter(|&count| count <= SEGMENTS_MAX);
        let mut left = lengths.old;
        for _ in 0..count(&mut bytes).ok_or("it has at most 8192 old segments")? {
            let segment = read_old(&mut bytes).ok_or("an old segment is damaged")?;
            left = left.checked_sub(segment.length).ok_or("its old segments are too long")?;
            self.old.push(segment);
        }
        let mut new_left = lengths.new;
        for _ in 0..count(&mut bytes).ok_or("it has at most 8192 new segments")? {
            let segment = read_new(&mut bytes).filter(|segment| segment.is_sound(methods));
            let segment = segment.ok_or("a new segment is damaged")?;
            new_left = new_left.checked_sub(segment.length).ok_or("its new segments are too long")?;
            self.new.push(segment);
        }
        if left != 0 || new_left != 0 {
            return Err("its segments are as long as the manifest says");
        }
        while !bytes.is_empty() {
            self.steps.push(read_step(&mut bytes).ok_or("a step is damaged")?);
        }
        Ok(())
    }

    /// Returns the data of an operation; the same for the same patch.
    ///
    /// # Errors
    /// What xz says, which has never been seen but for want of memory.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let directions = self.directions();
        let parts = [directions.as_slice(), &self.differences, &self.fresh];
        let (mut head, mut body) = (Vec::with_capacity(HEAD), Vec::new());
        for part in parts {
            let packed = pack_part(part)?;
            for length in [packed.len(), part.len()] {
                let length = u32::try_from(length).map_err(io::Error::other)?;
                head.extend(length.to_le_bytes());
            }
            body.extend(packed);
        }
        head.extend(body);
        Ok(head)
    }

    fn directions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(self.old.len() as u64, &mut out);
        for segment in &self.old {
            put(segment.storage.number(), &mut out);
            put(segment.stored as u64, &mut out);
            if segment.storage != Storage::Plain {
                put(segment.length as u64, &mut out);
            }
        }
        put(self.new.len() as u64, &mut out);
        for segment in &self.new {
            put(segment.method.map_or(0, |index| index as u64 + 1), &mut out);
            put(segment.length as u64, &mut out);
        }
        for step in &self.steps {
            put(step.alike as u64, &mut out);
            put(step.fresh as u64, &mut out);
            put_signed(step.skip, &mut out);
        }
        out
    }
}

fn length(bytes: &mut &[u8]) -> Option<usize> {
    take(bytes).and_then(|value| usize::try_from(value).ok())
}

fn read_old(bytes: &mut &[u8]) -> Option<OldSegment> {
    let storage = Storage::from_number(take(bytes)?)?;
    let stored = length(bytes)?;
    let length = if storage == Storage::Plain { stored } else { length(bytes)? };
    (stored > 0 && length > 0).then_some(OldSegment { storage, stored, length })
}

fn read_new(bytes: &mut &[u8]) -> Option<NewSegment> {
    let method = length(bytes)?.checked_sub(1);
    Some(NewSegment { method, length: length(bytes)? })
}

fn read_step(bytes: &mut &[u8]) -> Option<Step> {
    Some(Step { alike: length(bytes)?, fresh: length(bytes)?, skip: take_signed(bytes)? })
}

/// Unpacks a part of known length: as it is if it has that length already, else one xz stream.
fn unpack_part(stored: &[u8], length: usize) -> Option<Vec<u8>> {
    if stored.len() == length {
        return Some(stored.to_vec());
    }
    let mut out = vec![0; length];
    unpack_xz(stored, &mut out)?;
    Some(out)
}

/// Packs a part, if that makes it shorter, with the settings that make it shortest: differences of
/// machine code have a period of four bytes or none.
fn pack_part(part: &[u8]) -> io::Result<Vec<u8>> {
    let mut best = part.to_vec();
    for (literal, position) in [(3, 0), (0, 0), (3, 2), (0, 2)] {
        let packed = xz(part, literal, position)?;
        if packed.len() < best.len() {
            best = packed;
        }
    }
    Ok(best)
}

fn xz(part: &[u8], literal_bits: u32, position_bits: u32) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(XZ_LEVEL)?;
    options.dict_size(DICTIONARY).literal_context_bits(literal_bits);
    options.position_bits(position_bits).nice_len(273).literal_position_bits(0);
    let mut filters = Filters::new();
    filters.lzma2(&options);
    let mut stream = Stream::new_stream_encoder(&filters, Check::None)?;
    let mut out = Vec::with_capacity(part.len() + part.len() / 64 + 4096);
    match stream.process_vec(part, &mut out, Action::Finish)? {
        Status::StreamEnd => Ok(out),
        // No room was left, so it is no shorter.
        _ => Ok(part.to_vec()),
    }
}
