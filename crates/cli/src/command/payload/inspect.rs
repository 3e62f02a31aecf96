use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_payload::{Manifest, Metadata, Partition, SLOT_BYTES};
use serde::Serialize;

use super::{mebibytes, open, print_json};
use crate::report;

/// Arguments of `flagstone payload inspect`.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Payload, or `-` for standard input; only what comes before the blobs is read
    file: PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Shown {
    /// Always false: nothing was verified.
    verified: bool,
    image_id: String,
    version: String,
    architecture: String,
    source_date: i64,
    root_hash: String,
    verity_salt: String,
    version_floor: Option<String>,
    old_root_hash: Option<String>,
    uki_file_name: String,
    manifest_bytes: u64,
    blobs_bytes: u64,
    payload_bytes: u64,
    slots: usize,
    metadata_sha256: String,
    /// Ids of the keys that say that they signed the metadata.
    signed_by: Vec<String>,
    partitions: BTreeMap<&'static str, ShownPartition>,
}

#[derive(Debug, Serialize)]
struct ShownPartition {
    bytes: u64,
    sha256: String,
    content_bytes: u64,
    content_sha256: String,
    data_bytes: u64,
    /// How many operations there are of each type.
    operations: BTreeMap<&'static str, usize>,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let metadata = Metadata::read(&mut open(&self.file)?)?;
        let shown = Shown::new(&metadata, &metadata.unverified_manifest()?);
        report::note("not verified: anybody could have written this");
        if self.json {
            print_json(&shown)?;
        } else {
            io::stdout().write_all(shown.text().as_bytes())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Shown {
    fn new(metadata: &Metadata, manifest: &Manifest) -> Self {
        let release = &manifest.release;
        let salt = release.verity.salt();
        let signatures = (manifest.slots * SLOT_BYTES) as u64;
        let partitions = &manifest.partitions;
        Self {
            verified: false,
            image_id: release.image.id.to_string(),
            version: release.image.version.to_string(),
            architecture: release.image.architecture.to_string(),
            source_date: release.source_date,
            root_hash: release.root_hash.to_string(),
            verity_salt: salt
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
            version_floor: release.version_floor.as_ref().map(ToString::to_string),
            old_root_hash: release.old_root_hash.map(|hash| hash.to_string()),
            uki_file_name: release.uki_file_name.clone(),
            manifest_bytes: metadata.header().manifest_size,
            blobs_bytes: manifest.blobs_size,
            payload_bytes: metadata.size_bytes() + manifest.blobs_size + signatures,
            slots: manifest.slots,
            metadata_sha256: metadata.statement().digest().to_string(),
            signed_by: metadata.signatures().iter().map(|(id, _)| id.to_string()).collect(),
            partitions: partitions.iter().map(|p| (p.name.as_str(), p.into())).collect(),
        }
    }

    fn text(&self) -> String {
        let floor = self.version_floor.as_deref().unwrap_or("none");
        let from = match &self.old_root_hash {
            None => "any release (full)".to_owned(),
            Some(hash) => format!("root hash {hash} (delta)"),
        };
        let signers = match self.signed_by.as_slice() {
            [] => "nobody".to_owned(),
            signers => signers.join(", "),
        };
        let mut lines = vec![
            ("image", format!("{}_{}_{}", self.image_id, self.version, self.architecture)),
            ("from", from),
            ("root hash", self.root_hash.clone()),
            ("version floor", floor.to_owned()),
            ("kernel image", self.uki_file_name.clone()),
            ("size", format!("{} bytes ({})", self.payload_bytes, mebibytes(self.payload_bytes))),
            ("metadata", format!("sha256 {}", self.metadata_sha256)),
            ("says it is signed by", signers),
        ];
        for (name, partition) in &self.partitions {
            let operations: Vec<String> =
                partition.operations.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            let (from, to) = (mebibytes(partition.data_bytes), mebibytes(partition.content_bytes));
            lines.push((name, format!("{to} from {from} of data: {}", operations.join(", "))));
        }
        lines
            .iter()
            .fold(String::new(), |text, (what, value)| text + &format!("{what:<21} {value}\n"))
    }
}

impl From<&Partition> for ShownPartition {
    fn from(partition: &Partition) -> Self {
        let mut operations = BTreeMap::new();
        for operation in &partition.operations {
            *operations.entry(operation.kind.word()).or_insert(0) += 1;
        }
        Self {
            bytes: partition.new.size,
            sha256: partition.new.digest.to_string(),
            content_bytes: partition.content.size,
            content_sha256: partition.content.digest.to_string(),
            data_bytes: partition.operations.iter().map(|o| o.data_length as u64).sum(),
            operations,
        }
    }
}
