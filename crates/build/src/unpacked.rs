use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use flagstone_artifact::Sha256Digest;
use flagstone_debian::{Control, Deb, DebError};
use flagstone_rootfs::{ArchiveData, ContentSink, SplitError, SplitList, split_archive};
use flagstone_store::{Pack, PackWriter, Shelf, StoreError};
use flagstone_tree::{Data, Source};

use crate::work_cache::{Sort, WorkCache, key};

/// The version of what is kept of a package; whoever changes that, or how packages are taken apart,
/// changes the number.
const UNPACKED: &str = "unpacked package 1";

/// Bytes of an entry in the list of contents: a digest, and a length as 64-bit little-endian.
const ENTRY: usize = 40;

/// A package, taken apart.
#[derive(Debug)]
pub(crate) struct UnpackedDeb {
    pub(crate) control: Control,
    pub(crate) data: ArchiveData,
}

/// The names of what a pack holds besides contents, which have the names of their digests.
#[derive(Clone, Copy)]
enum Part {
    Control,
    Headers,
    Contents,
}

impl Part {
    fn key(self) -> Sha256Digest {
        Sha256Digest::of(match self {
            Self::Control => b"flagstone part: control",
            Self::Headers => b"flagstone part: headers",
            Self::Contents => b"flagstone part: contents",
        })
    }
}

/// Returns a package from the cache, every byte of which has been checked.
pub(crate) fn find(cache: &WorkCache, deb: &Sha256Digest) -> Option<UnpackedDeb> {
    let shelf = cache.shelf(Sort::Unpacked)?;
    let pack = shelf.find(&key(UNPACKED, deb))?;
    let path = pack.path().to_owned();
    let unpacked = pack.check_all().ok().and_then(|()| load(pack));
    if unpacked.is_none() {
        shelf.discard(&path);
    }
    unpacked
}

/// Takes a package apart: into the cache, or into memory if that cannot be.
pub(crate) fn unpack(
    cache: &WorkCache,
    sha256: &Sha256Digest,
    deb: &Deb,
    threads: NonZeroUsize,
) -> Result<UnpackedDeb, PackageFault> {
    if let Some(shelf) = cache.shelf(Sort::Unpacked) {
        match keep(shelf, sha256, deb, threads) {
            Ok(Some(unpacked)) => return Ok(unpacked),
            Ok(None) => {}
            Err(Fault::Store(error)) => cache.report(&error),
            Err(Fault::Package(fault)) => return Err(fault),
        }
    }
    let data = deb.data_tar().map_err(PackageFault::Deb)?;
    Ok(UnpackedDeb { control: deb.control().clone(), data: data.into() })
}

/// What is wrong with a package.
pub(crate) enum PackageFault {
    Deb(DebError),
    Archive(flagstone_rootfs::ArchiveError),
}

enum Fault {
    Store(StoreError),
    Package(PackageFault),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn keep(
    shelf: &Shelf,
    sha256: &Sha256Digest,
    deb: &Deb,
    threads: NonZeroUsize,
) -> Result<Option<UnpackedDeb>, Fault> {
    let content = deb.content(threads).map_err(|e| Fault::Package(PackageFault::Deb(e)))?;
    let mut sink = Sink { pack: shelf.create()?, failure: None };
    let split = split_archive(content, &mut sink);
    let Sink { mut pack, failure } = sink;
    let SplitList { headers, contents } = split.map_err(|error| match (error, failure) {
        (_, Some(failure)) => Fault::Store(failure),
        (SplitError::Archive(error), _) => Fault::Package(PackageFault::Archive(error)),
        (SplitError::Read(error) | SplitError::Keep(error), _) => {
            Fault::Package(PackageFault::Deb(deb.content_error(error)))
        }
        (_, None) => unreachable!("an archive has no other faults"),
    })?;
    pack.put(Part::Control.key(), deb.control_archive())?;
    pack.put(Part::Headers.key(), &headers)?;
    let mut list = Vec::with_capacity(contents.len() * ENTRY);
    for (digest, len) in &contents {
        list.extend(digest.as_bytes());
        list.extend(len.to_le_bytes());
    }
    pack.put(Part::Contents.key(), &list)?;
    Ok(load(shelf.keep(pack, &key(UNPACKED, sha256))?))
}

/// Reads what a pack says; `None` if it does not fit together.
fn load(pack: Pack) -> Option<UnpackedDeb> {
    let part = |part: Part| pack.read(pack.find(&part.key())?).ok();
    let control = Control::parse(&part(Part::Control)?).ok()?;
    let (headers, list) = (part(Part::Headers)?, part(Part::Contents)?);
    let (entries, rest) = list.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return None;
    }
    let pack = Arc::new(Packed(pack));
    let contents = entries.iter().map(|entry| {
        let (digest, len) = entry.split_first_chunk::<32>()?;
        let (digest, len) =
            (Sha256Digest::from_bytes(*digest), u64::from_le_bytes(*len.first_chunk()?));
        let record = pack.0.find(&digest).filter(|record| record.len == len)?;
        let source: Arc<dyn Source> = pack.clone();
        Some(Data::stored(source, record.offset, len, digest))
    });
    let contents = contents.collect::<Option<Vec<Data>>>()?;
    Some(UnpackedDeb { control, data: ArchiveData::Split { headers, contents } })
}

/// Puts contents into a pack.
struct Sink {
    pack: PackWriter,
    failure: Option<StoreError>,
}

impl ContentSink for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.pack.write(data).map_err(|error| {
            let kind = error.source.kind();
            self.failure = Some(error);
            kind.into()
        })
    }

    fn end(&mut self, digest: Sha256Digest) -> io::Result<()> {
        self.pack.end_value(digest);
        Ok(())
    }
}

/// Contents that are in a pack.
#[derive(Debug)]
struct Packed(Pack);

impl Source for Packed {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}
