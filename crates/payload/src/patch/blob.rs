use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};

use super::varint::{put, put_signed, take, take_signed};
use super::{
    DIRECTIONS_MAX, Method, NewSegment, OldSegment, PatchLengths, SEGMENTS_MAX, SKIP_MAX, Step,
    Storage,
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
    /// How many bytes of what was made are not written; at most [`SKIP_MAX`].
    pub skip: usize,
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
        let mut patch = Self {
            old: Vec::new(),
            new: Vec::new(),
            skip: 0,
            steps: Vec::new(),
            differences,
            fresh,
        };
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
            new_left =
                new_left.checked_sub(segment.length).ok_or("its new segments are too long")?;
            self.new.push(segment);
        }
        if left != 0 || new_left != 0 {
            return Err("its segments are as long as the manifest says");
        }
        self.skip = length(&mut bytes)
            .filter(|&skip| skip <= SKIP_MAX)
            .ok_or("it leaves out less than a block")?;
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
        put(self.skip as u64, &mut out);
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

/// What zstd's fastest level has to save before xz is tried: a 64th. What is compressed already is not
/// worth xz's time.
const WORTH: usize = 64;

/// Packs a part, if that makes it shorter, with the settings that make it shortest: differences of
/// machine code have less of a context than new bytes.
fn pack_part(part: &[u8]) -> io::Result<Vec<u8>> {
    let mut best = part.to_vec();
    if zstd::bulk::compress(part, 1)?.len() + part.len() / WORTH >= part.len() {
        return Ok(best);
    }
    for (literal, position) in [(3, 0), (0, 0)] {
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
    options.position_bits(position_bits).literal_position_bits(0).nice_len(273);
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

#[cfg(test)]
mod tests {
    use flagstone_image::erofs::{ClusterSize, Compression};

    use super::*;
    use crate::patch::{Compressor, rebuild};

    fn sample() -> (Vec<u8>, Vec<u8>, PatchLengths, Vec<Method>) {
        let compressor = Compressor::Clusters {
            compression: Compression::Zstd { level: 3 },
            cluster: ClusterSize::new(16 << 10).unwrap(),
        };
        let methods = vec![Method::of(compressor)];
        let content = b"a line of text, more or less\n".repeat(600);
        let mut old = vec![0; 4096];
        methods[0].pack(&content[..16 << 10], &mut old).unwrap();
        old.drain(..4096);
        let stored = old.len();
        old.extend(&content[..4096]);
        let patch = Patch {
            old: vec![
                OldSegment { storage: Storage::ZstdCluster, stored, length: 16 << 10 },
                OldSegment { storage: Storage::Plain, stored: 4096, length: 4096 },
            ],
            new: vec![
                NewSegment { method: None, length: 4096 },
                NewSegment { method: Some(0), length: 10_000 },
            ],
            skip: 0,
            steps: vec![
                Step { alike: 14_000, fresh: 90, skip: -14_000 },
                Step { alike: 6, fresh: 0, skip: 0 },
            ],
            differences: vec![0; 14_006],
            fresh: (0..90).collect(),
        };
        let lengths = PatchLengths::new((16 << 10) + 4096, 14_096).unwrap();
        (patch.encode().unwrap(), old, lengths, methods)
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let (data, old, lengths, methods) = sample();
        let patch = Patch::decode(&data, lengths, &methods).unwrap();
        assert_eq!(patch.encode().unwrap(), data);
        let made = rebuild(&data, &old, lengths, &methods, 8192).unwrap();
        assert_eq!(made[..29], *b"a line of text, more or less\n");
        assert_eq!(
            rebuild(&data, &old, lengths, &methods, 12_288),
            Err("what it makes has another length")
        );
    }

    #[test]
    fn directions_have_one_spelling() {
        let (data, _, lengths, methods) = sample();
        let patch = Patch::decode(&data, lengths, &methods).unwrap();
        let expected = [
            &[2, 2, 0x80, 0x20, 0x80, 0x80, 1, 0, 0x80, 0x20][..],
            &[2, 0, 0x80, 0x20, 1, 0x90, 0x4e, 0],
            &[0xb0, 0x6d, 90, 0xdf, 0xda, 1, 6, 0, 0],
        ];
        assert_eq!(patch.directions(), expected.concat());
    }

    #[test]
    fn a_patch_that_is_cut_off_or_changed_is_refused_or_makes_something_else() {
        let (data, old, lengths, methods) = sample();
        let right = rebuild(&data, &old, lengths, &methods, 8192).unwrap();
        for length in 0..data.len() {
            assert!(Patch::decode(&data[..length], lengths, &methods).is_err(), "{length}");
        }
        let mut refused = 0;
        for at in 0..data.len() {
            for bit in 0..8 {
                let mut changed = data.clone();
                changed[at] ^= 1 << bit;
                // A checksum is what the manifest has; here it is for the lengths to hold.
                match rebuild(&changed, &old, lengths, &methods, 8192) {
                    Ok(made) => assert_eq!(made.len(), right.len(), "byte {at}"),
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 24 * 8);
        let longer = [&data[..], &[0]].concat();
        let error = Patch::decode(&longer, lengths, &methods).unwrap_err();
        assert_eq!(error, "nothing follows its parts");
        assert!(Patch::decode(&data, lengths, &[]).is_err());
        for other in [&old[..old.len() - 1], &old[1..], &[]] {
            assert!(rebuild(&data, other, lengths, &methods, 8192).is_err());
        }
    }

    #[test]
    fn numbers_that_are_too_large_are_refused_before_memory_is_taken() {
        let (data, _, lengths, methods) = sample();
        for (word, rule) in [
            (1, "its directions have at most 1 MiB"),
            (3, "differences and new bytes are as many as it makes"),
            (5, "differences and new bytes are as many as it makes"),
            (0, "a part is cut off"),
        ] {
            let mut changed = data.clone();
            changed[4 * word..4 * word + 4].fill(0xff);
            assert_eq!(Patch::decode(&changed, lengths, &methods).unwrap_err(), rule);
        }
        assert_eq!(PatchLengths::new((16 << 20) + 1, 1), None);
        assert_eq!(PatchLengths::new(1, (8 << 20) + 1), None);
        assert_eq!(PatchLengths::new(0, 1), None);
    }
}
