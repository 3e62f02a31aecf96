use std::collections::BTreeMap;
use std::fs::File;

use bytes::Bytes;
use flagstone_artifact::{ArtifactRecord, ImageName, Sha256Hasher};
use flagstone_disk::{
    Content, EspOptions, EspPath, Layout, LayoutRequest, PartitionSizes, Piece, Role, SparseImage,
    build_esp, esp_fits, read_back, stream_disk, write_disk,
};
use flagstone_recipe::DiskSizes;

use crate::boot_files::Loader;
use crate::output::{Names, Output};
use crate::usr_image::UsrImage;
use crate::{BuildError, DiskSum, build::Seed};

/// How often a new kernel image is tried before the loader falls back to the older one.
const BOOT_TRIES: u32 = 3;

/// The loader starts the best entry at once; a key held down at start shows the menu.
const LOADER_CONF: &str = "timeout 0\neditor no\n";

/// How many zeros are digested at once.
const ZEROS: usize = 64 << 10;

/// How much of a usr slot must stay free, in percent, so that the next release still fits.
const HEAD_ROOM_PERCENT: u8 = flagstone_disk::HEAD_ROOM_PERCENT;

/// Plans the partitions; nothing is written if they do not hold what they shall.
pub(crate) fn plan(
    name: &ImageName,
    sizes: &DiskSizes,
    usr: &UsrImage,
    seed: &Seed,
) -> Result<Layout, BuildError> {
    let sizes = PartitionSizes {
        esp_bytes: sizes.esp.bytes(),
        usr_bytes: sizes.usr.bytes(),
        verity_bytes: sizes.usr_verity.bytes(),
        oem_bytes: sizes.oem.bytes(),
        root_bytes: sizes.root.bytes(),
        head_room_percent: HEAD_ROOM_PERCENT,
    };
    Layout::plan(&LayoutRequest {
        name,
        root_hash: usr.root_hash,
        usr_image_bytes: usr.image_bytes,
        verity_image_bytes: usr.tree_bytes,
        sizes,
        seed: seed.digest("disk").as_bytes(),
    })
    .map_err(BuildError::Disk)
}

/// What a disk is made of.
#[derive(Debug)]
pub(crate) struct DiskImage<'a> {
    layout: &'a Layout,
    esp: SparseImage,
    names: &'a Names,
    output: &'a Output,
}

impl<'a> DiskImage<'a> {
    /// Makes the EFI system partition with loader and kernel image; the rest lies in the output folder.
    pub(crate) fn new(
        layout: &'a Layout,
        name: &ImageName,
        loader: &Loader,
        uki: &Bytes,
        source_date: i64,
        names: &'a Names,
        output: &'a Output,
    ) -> Result<Self, BuildError> {
        let files = esp_files(name, loader, uki)?;
        let size_bytes = layout.partition(Role::Esp).size_bytes;
        prove_two_kernels_fit(&files, name, uki, size_bytes)?;
        let options = EspOptions {
            size_bytes,
            volume_id: layout.esp_volume_id(),
            label: "EFI-SYSTEM".to_owned(),
            source_date,
        };
        let esp = build_esp(&files, &options).map_err(BuildError::Esp)?;
        read_back(&esp, &files).map_err(BuildError::Esp)?;
        Ok(Self { layout, esp, names, output })
    }

    /// Writes the disk: the table, the EFI system partition, and slot A.
    pub(crate) fn write(&self) -> Result<(), BuildError> {
        let mut disk = self.output.create(&self.names.raw())?;
        disk.set_len(self.layout.size_bytes()).map_err(|source| BuildError::Write {
            path: self.output.path(&self.names.raw()),
            source,
        })?;
        write_disk(self.layout, self.contents()?, &mut disk).map_err(BuildError::Disk)
    }

    /// Returns length and digest of the disk, whether it is written yet or not: most of it are zeros,
    /// which need not be read, but take their time.
    pub(crate) fn record(&self, sum: DiskSum) -> Result<ArtifactRecord, BuildError> {
        let size = self.layout.size_bytes();
        if sum == DiskSum::Skip {
            return Ok(ArtifactRecord { size, sha256: None });
        }
        let mut hasher = Sha256Hasher::new();
        let zeros = vec![0; ZEROS];
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Data(data) => hasher.update(data),
            Piece::Zeros(mut count) => {
                while count > 0 {
                    let some = usize::try_from(count).unwrap_or(ZEROS).min(ZEROS);
                    hasher.update(&zeros[..some]);
                    count -= some as u64;
                }
            }
        };
        stream_disk(self.layout, self.contents()?, &mut take).map_err(BuildError::Disk)?;
        Ok(ArtifactRecord { size, sha256: Some(hasher.finish()) })
    }

    fn contents(&self) -> Result<BTreeMap<Role, Content<'_>>, BuildError> {
        let stream = |name: String| -> Result<Content<'static>, BuildError> {
            let path = self.output.path(&name);
            let open = || {
                let file = File::open(&path)?;
                let len = file.metadata()?.len();
                Ok(Content::stream(file, len))
            };
            open().map_err(|source| BuildError::Write { path: path.clone(), source })
        };
        Ok(BTreeMap::from([
            (Role::Esp, Content::Sparse(&self.esp)),
            (Role::UsrA, stream(self.names.usr())?),
            (Role::VerityA, stream(self.names.verity())?),
        ]))
    }
}

fn esp_files(
    name: &ImageName,
    loader: &Loader,
    uki: &Bytes,
) -> Result<Vec<(EspPath, Bytes)>, BuildError> {
    let suffix = name.architecture.efi();
    let files = [
        (format!("EFI/BOOT/BOOT{}.EFI", suffix.to_uppercase()), loader.boot.clone()),
        (format!("EFI/systemd/systemd-boot{suffix}.efi"), loader.boot.clone()),
        (format!("EFI/Linux/{}+{BOOT_TRIES}.efi", name.usr_label()), uki.clone()),
        ("loader/loader.conf".to_owned(), Bytes::from_static(LOADER_CONF.as_bytes())),
        // So that systemd tools know which kind of entries belong here.
        ("loader/entries.srel".to_owned(), Bytes::from_static(b"type1\n")),
    ];
    files.into_iter().map(|(path, data)| Ok((esp_path(&path)?, data))).collect()
}

/// An update puts the next kernel image beside this one; that must work on every machine out there.
fn prove_two_kernels_fit(
    files: &[(EspPath, Bytes)],
    name: &ImageName,
    uki: &Bytes,
    size_bytes: u64,
) -> Result<(), BuildError> {
    let mut sizes: Vec<(EspPath, u64)> =
        files.iter().map(|(path, data)| (path.clone(), data.len() as u64)).collect();
    let next = format!("EFI/Linux/{}_next+{BOOT_TRIES}.efi", name.usr_label());
    sizes.push((esp_path(&next)?, uki.len() as u64));
    esp_fits(&sizes, size_bytes).map(drop).map_err(BuildError::EspTwice)
}

fn esp_path(path: &str) -> Result<EspPath, BuildError> {
    path.parse().map_err(BuildError::Esp)
}
