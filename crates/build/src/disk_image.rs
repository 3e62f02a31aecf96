use std::collections::BTreeMap;
use std::fs::File;

use bytes::Bytes;
use flagstone_artifact::ImageName;
use flagstone_disk::{
    Content, EspOptions, EspPath, Layout, LayoutRequest, PartitionSizes, Role, build_esp, esp_fits,
    read_back, write_disk,
};
use flagstone_recipe::DiskSizes;

use crate::boot_files::Loader;
use crate::output::{Names, Output};
use crate::usr_image::UsrImage;
use crate::{BuildError, build::Seed};

/// How often a new kernel image is tried before the loader falls back to the older one.
const BOOT_TRIES: u32 = 3;

/// The loader starts the best entry at once; a key held down at start shows the menu.
const LOADER_CONF: &str = "timeout 0\neditor no\n";

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

/// Writes the disk: the EFI system partition with loader and kernel image, and slot A.
pub(crate) fn write(
    layout: &Layout,
    name: &ImageName,
    loader: &Loader,
    uki: &Bytes,
    source_date: i64,
    names: &Names,
    output: &Output,
) -> Result<(), BuildError> {
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
    let stream = |file_name: String| -> Result<Content<'static>, BuildError> {
        let path = output.path(&file_name);
        let open = || {
            let file = File::open(&path)?;
            let len = file.metadata()?.len();
            Ok(Content::stream(file, len))
        };
        open().map_err(|source| BuildError::Write { path: path.clone(), source })
    };
    let contents = BTreeMap::from([
        (Role::Esp, Content::Sparse(&esp)),
        (Role::UsrA, stream(names.usr())?),
        (Role::VerityA, stream(names.verity())?),
    ]);
    let mut disk = output.create(&names.raw())?;
    disk.set_len(layout.size_bytes())
        .map_err(|source| BuildError::Write { path: output.path(&names.raw()), source })?;
    write_disk(layout, contents, &mut disk).map_err(BuildError::Disk)
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
