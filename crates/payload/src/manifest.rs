use flagstone_artifact::{ImageName, ImageVersion, ParseError, Sha256Digest};
use flagstone_image::verity::Parameters;
use prost::Message;

use crate::extent::BLOCK;
use crate::header::{MANIFEST_MAX, slots_in};
use crate::{METHODS_MAX, Method, Partition, PartitionName, PayloadError, SLOT_BYTES, schema};

/// The format of the own fields.
const FORMAT: u32 = 1;
/// The minor version of payloads that need no old partition.
const FULL: u32 = 0;
/// The minor version of those that do: the newest of the published ones that copies with digests.
const DELTA: u32 = 8;
/// The longest name of a unified kernel image, in bytes.
const FILE_NAME_MAX: usize = 64;

/// Which release a payload brings, and what is the same however it is brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The image's id, version and architecture.
    pub image: ImageName,
    /// The build's clock, in seconds since 1970-01-01 UTC.
    pub source_date: i64,
    /// The root of usr's hash tree.
    pub root_hash: Sha256Digest,
    /// Salt and id of the hash tree.
    pub verity: Parameters,
    /// The oldest version that a machine may go back to once it runs this one.
    pub version_floor: Option<ImageVersion>,
    /// The unified kernel image's name on the EFI system partition, without boot counter.
    pub uki_file_name: String,
    /// The root hash of the one usr that a delta can be applied to; none for a full payload.
    pub old_root_hash: Option<Sha256Digest>,
}

/// What a payload says about itself, checked: extents are within their partitions, operations write
/// every block once, and blobs and signatures follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// What is released.
    pub release: Release,
    /// The partitions, in the order of [`PartitionName::ALL`].
    pub partitions: [Partition; 2],
    /// What compresses the contents that a delta changes.
    pub methods: Vec<Method>,
    /// Bytes of all blobs, after which the payload's signatures come.
    pub blobs_size: u64,
    /// How many signatures there is room for.
    pub slots: usize,
}

impl Manifest {
    /// Reads the bytes of a manifest. Fields that are not known are passed over.
    ///
    /// # Errors
    /// [`PayloadError::Protobuf`], [`PayloadError::Manifest`], [`PayloadError::Word`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        let wrong = |rule| PayloadError::manifest("the head", rule);
        if bytes.len() as u64 > MANIFEST_MAX {
            return Err(wrong("a manifest has at most 8 MiB"));
        }
        let message = schema::DeltaArchiveManifest::decode(bytes)
            .map_err(|source| PayloadError::Protobuf { source })?;
        if message.block_size.is_some_and(|size| u64::from(size) != BLOCK) {
            return Err(wrong("blocks have 4096 bytes"));
        }
        if message.partial_update == Some(true) {
            return Err(wrong("a payload updates all partitions"));
        }
        let release = read_release(&message)?;
        let [usr, uki] = message.partitions.as_slice() else {
            return Err(wrong("it has two partitions"));
        };
        let mut blobs_size = 0;
        let usr = Partition::read(usr, PartitionName::Usr, &mut blobs_size)?;
        let uki = Partition::read(uki, PartitionName::Uki, &mut blobs_size)?;
        let is_delta = usr.old.is_some() || uki.old.is_some();
        let minor = if is_delta { DELTA } else { FULL };
        if is_delta != release.old_root_hash.is_some()
            || message.minor_version.unwrap_or(FULL) != minor
        {
            return Err(wrong("a delta, and nothing else, names an old root and has version 8"));
        }
        if message.signatures_offset != Some(blobs_size) {
            return Err(wrong("the payload's signatures follow the last blob"));
        }
        let slots = message.signatures_size.and_then(slots_in);
        let slots = slots.ok_or(wrong("there are 1 to 64 signatures of 81 bytes each"))?;
        let methods = read_methods(&message, is_delta)?;
        Ok(Self { release, partitions: [usr, uki], methods, blobs_size, slots })
    }

    /// Returns the bytes of a manifest, which are the same for the same manifest.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Release { image, verity, .. } = &self.release;
        let version = image.version.to_string();
        let is_delta = self.release.old_root_hash.is_some();
        let bytes = |digest: Sha256Digest| digest.as_bytes().to_vec();
        let release = schema::Release {
            format: Some(FORMAT),
            image_id: Some(image.id.to_string()),
            version: Some(version.clone()),
            architecture: Some(image.architecture.to_string()),
            root_hash: Some(bytes(self.release.root_hash)),
            verity_salt: Some(verity.salt().to_vec()),
            verity_uuid: Some(verity.uuid().to_vec()),
            version_floor: self.release.version_floor.as_ref().map(ToString::to_string),
            uki_file_name: Some(self.release.uki_file_name.clone()),
            old_root_hash: self.release.old_root_hash.map(bytes),
            methods: self.methods.iter().map(|method| method.to_message()).collect(),
        };
        let message = schema::DeltaArchiveManifest {
            block_size: u32::try_from(BLOCK).ok(),
            signatures_offset: Some(self.blobs_size),
            signatures_size: Some((self.slots * SLOT_BYTES) as u64),
            minor_version: Some(if is_delta { DELTA } else { FULL }),
            partitions: self.partitions.iter().map(|p| p.to_message(&version)).collect(),
            max_timestamp: Some(self.release.source_date),
            partial_update: None,
            release: Some(release),
        };
        message.encode_to_vec()
    }

    /// Returns a partition.
    pub fn partition(&self, name: PartitionName) -> &Partition {
        let [usr, uki] = &self.partitions;
        match name {
            PartitionName::Usr => usr,
            PartitionName::Uki => uki,
        }
    }
}

fn read_release(message: &schema::DeltaArchiveManifest) -> Result<Release, PayloadError> {
    let wrong = |rule| PayloadError::manifest("the release", rule);
    let release = message.release.as_ref().ok_or(wrong("it is there"))?;
    if release.format != Some(FORMAT) {
        return Err(wrong("its format is 1"));
    }
    let word = |source| PayloadError::Word { source };
    let image = ImageName {
        id: parse(release.image_id.as_ref()).map_err(word)?,
        version: parse(release.version.as_ref()).map_err(word)?,
        architecture: parse(release.architecture.as_ref()).map_err(word)?,
    };
    let digest = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).ok().map(Sha256Digest::from_bytes);
    let uuid = release.verity_uuid.as_deref().and_then(|bytes| bytes.try_into().ok());
    let uuid = uuid.ok_or(wrong("the hash tree has an id of 16 bytes"))?;
    let old_root_hash = match &release.old_root_hash {
        None => None,
        Some(bytes) => Some(digest(bytes).ok_or(wrong("a root hash has 32 bytes"))?),
    };
    let name = release.uki_file_name.clone().filter(|name| is_efi_file_name(name));
    Ok(Release {
        image,
        source_date: message.max_timestamp.ok_or(wrong("it has a date"))?,
        root_hash: release
            .root_hash
            .as_deref()
            .and_then(digest)
            .ok_or(wrong("a root hash has 32 bytes"))?,
        verity: Parameters::new(release.verity_salt.clone().unwrap_or_default(), uuid)
            .map_err(|_| wrong("the salt has at most 256 bytes"))?,
        version_floor: match &release.version_floor {
            None => None,
            some => Some(parse(some.as_ref()).map_err(word)?),
        },
        uki_file_name: name.ok_or(wrong("the kernel image has a plain name and ends in .efi"))?,
        old_root_hash,
    })
}

/// Reads what compresses; whether this program has it is asked before it is applied.
fn read_methods(
    message: &schema::DeltaArchiveManifest,
    is_delta: bool,
) -> Result<Vec<Method>, PayloadError> {
    let wrong = |rule| PayloadError::manifest("the release", rule);
    let methods = message.release.as_ref().map_or(&[][..], |release| &release.methods);
    if methods.len() > METHODS_MAX || !methods.is_empty() && !is_delta {
        return Err(wrong("a delta, and nothing else, has at most 8 methods"));
    }
    let methods = methods.iter().map(Method::read).collect::<Option<Vec<_>>>();
    methods.ok_or(wrong("its methods have compressors and levels that are known"))
}

fn parse<T: std::str::FromStr<Err = ParseError>>(text: Option<&String>) -> Result<T, ParseError> {
    text.map(String::as_str).unwrap_or_default().parse()
}

/// Tells whether a name is one that lies in a folder and starts no boot counter.
fn is_efi_file_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~^-".contains(&b);
    name.len() <= FILE_NAME_MAX
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-'])
        && name.strip_suffix(".efi").is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
