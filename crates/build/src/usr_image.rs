use std::io::{BufWriter, Write};

use flagstone_artifact::Sha256Digest;
use flagstone_image::erofs::{self, ClusterSize, Compression, ExtentCache, Options};
use flagstone_image::verity::{HashTree, Parameters, VerityWriter};
use flagstone_recipe::UsrFormat;
use flagstone_tree::{Mtime, Tree};

use crate::extent_store::ExtentStore;
use crate::output::{Names, Output};
use crate::{BuildError, WorkCache, build::Seed};

/// The label of the file system in /usr; the partition's label names the release.
const LABEL: &str = "usr";

/// A usr image on the disk, with what protects it.
#[derive(Debug)]
pub(crate) struct UsrImage {
    pub(crate) root_hash: Sha256Digest,
    pub(crate) image_bytes: u64,
    pub(crate) tree_bytes: u64,
}

/// How a file system is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format<'a> {
    pub(crate) usr: &'a UsrFormat,
    pub(crate) label: &'a str,
    pub(crate) date: Mtime,
    pub(crate) seed: &'a Seed,
}

/// Writes /usr and its hash tree, which is computed while the image goes by.
pub(crate) fn write_usr(
    usr: &Tree,
    format: &UsrFormat,
    date: Mtime,
    seed: &Seed,
    names: &Names,
    work: &WorkCache,
    output: &Output,
) -> Result<UsrImage, BuildError> {
    let format = Format { usr: format, label: LABEL, date, seed };
    let (image_bytes, tree) = write_verified(usr, &format, &names.usr(), work, output)?;
    output.write(&names.verity(), &tree.bytes)?;
    let tree_bytes = tree.bytes.len() as u64;
    Ok(UsrImage { root_hash: tree.root_hash, image_bytes, tree_bytes })
}

/// Writes a tree as a file system, and returns its length and its hash tree.
pub(crate) fn write_verified(
    tree: &Tree,
    format: &Format<'_>,
    name: &str,
    work: &WorkCache,
    output: &Output,
) -> Result<(u64, HashTree), BuildError> {
    let Format { usr, label, date, seed } = *format;
    let write_error = |source| BuildError::Write { path: output.path(name), source };
    let options = Options {
        build_time: date,
        uuid: seed.uuid("usr file system"),
        label: label.to_owned(),
        compression: compression(usr),
        cluster: cluster(usr),
    };
    let parameters = Parameters::new(*seed.digest("verity salt").as_bytes(), seed.uuid("verity"))
        .map_err(BuildError::Verity)?;
    let file = BufWriter::with_capacity(1 << 20, output.create(name)?);
    let mut writer = VerityWriter::new(file, parameters);
    let extents = ExtentStore::open(work);
    let cache = extents.as_ref().map(|extents| -> &dyn ExtentCache { extents });
    erofs::write_cached(tree, &options, cache, &mut writer).map_err(BuildError::Erofs)?;
    if let Some(extents) = extents {
        extents.finish();
    }
    let (mut file, tree) = writer.finish().map_err(BuildError::Verity)?;
    file.flush().map_err(write_error)?;
    let image_bytes = file.get_ref().metadata().map_err(write_error)?.len();
    Ok((image_bytes, tree))
}

fn compression(format: &UsrFormat) -> Compression {
    match format.compression {
        flagstone_recipe::Compression::None => Compression::None,
        flagstone_recipe::Compression::Lz4 => Compression::Lz4,
        flagstone_recipe::Compression::Lz4hc => Compression::Lz4hc { level: format.level },
        flagstone_recipe::Compression::Zstd => Compression::Zstd { level: format.level },
    }
}

fn cluster(format: &UsrFormat) -> ClusterSize {
    let bytes = u32::try_from(format.cluster.bytes()).ok();
    bytes.and_then(ClusterSize::new).expect("a recipe's clusters are powers of two from 8K to 1M")
}
