use std::collections::BTreeMap;
use std::io::{self, Write};

use rayon::prelude::*;

use super::body::Body;
use super::extent::Extents;
use super::piece::{Piece, take_batch};
use super::{ExtentCache, Parameters};
use crate::ErofsError;
use crate::erofs::sink::Sink;
use crate::erofs::{BLOCK, NULL_BLOCK};

/// Each piece's owner, and what it has become.
type Compressed = Vec<(usize, Extents)>;

/// Compresses pieces and writes them in their order, block by block, and returns what each owner
/// has got. All pieces of an owner follow each other.
///
/// While one batch is written, and with it hashed, the next is compressed; no more than these two
/// are held.
pub(super) fn write_bodies<'a>(
    mut pieces: impl Iterator<Item = Piece<'a>>,
    parameters: Parameters,
    cache: Option<&dyn ExtentCache>,
    out: &mut Sink<impl Write>,
) -> Result<BTreeMap<usize, Body>, ErofsError> {
    let mut bodies = BTreeMap::new();
    let mut ready = Compressed::new();
    loop {
        let batch = take_batch(&mut pieces);
        if batch.is_empty() {
            write_batch(&ready, &mut bodies, out)?;
            return Ok(bodies);
        }
        let mut compressed = Ok(Compressed::new());
        let written = rayon::in_place_scope(|scope| {
            scope.spawn(|_| compressed = compress_batch(batch, parameters, cache));
            write_batch(&ready, &mut bodies, out)
        });
        written?;
        ready = compressed?;
    }
}

fn compress_batch(
    batch: Vec<Piece<'_>>,
    parameters: Parameters,
    cache: Option<&dyn ExtentCache>,
) -> Result<Compressed, ErofsError> {
    let compress =
        |piece: Piece<'_>| piece.compress(parameters, cache).map(|done| (piece.owner, done));
    batch.into_par_iter().with_max_len(1).map(compress).collect()
}

fn write_batch(
    batch: &Compressed,
    bodies: &mut BTreeMap<usize, Body>,
    out: &mut Sink<impl Write>,
) -> Result<(), ErofsError> {
    for (owner, extents) in batch {
        let body = bodies.entry(*owner).or_insert_with(|| Body {
            first_block: u32::try_from(out.position() / BLOCK).unwrap_or(NULL_BLOCK),
            ..Body::default()
        });
        body.extend(extents);
        write_piece(extents, out).map_err(ErofsError::Write)?;
    }
    Ok(())
}

/// Compressed clusters end with their last block, so that zeros come before them
/// (`EROFS_FEATURE_INCOMPAT_ZERO_PADDING`); others begin with their first.
pub(super) fn write_piece(extents: &Extents, out: &mut Sink<impl Write>) -> io::Result<()> {
    let mut stored = &extents.stored[..];
    for extent in &extents.list {
        let bytes;
        (bytes, stored) = stored.split_at(extent.bytes() as usize);
        if extent.packed.is_some() {
            let end = out.position() + u64::from(extent.blocks()) * BLOCK;
            out.pad_to(end - u64::from(extent.bytes()))?;
        }
        out.write(bytes)?;
        out.pad_block()?;
    }
    Ok(())
}
