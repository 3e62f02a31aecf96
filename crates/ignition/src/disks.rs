//! Disks, partitions, RAID, LUKS and file systems.

use std::collections::BTreeSet;
use std::ops::Range;

use flagstone_artifact::quote;

use crate::context::Context;
use crate::fields::Fields;
use crate::nodes;
use crate::place::check_path;
use crate::report::Problem;
use crate::resource::{self, Need};
use crate::url;

/// Checks everything in `storage` that is about devices.
pub(crate) fn check(storage: &Fields<'_>, cx: &mut Context<'_>) {
    for disk in storage.objects("disks") {
        check_disk(&disk, cx);
    }
    for raid in storage.objects("raid") {
        check_raid(&raid, cx);
    }
    for luks in storage.objects("luks") {
        check_luks(&luks, cx);
    }
    for filesystem in storage.objects("filesystems") {
        check_filesystem(&filesystem, cx);
    }
    nodes::mount_points(storage, cx);
}

/// Checks the path of a device; a text that is missing is an empty one.
fn device(fields: &Fields<'_>, cx: &mut Context<'_>) {
    match fields.filled("device") {
        Some(device) => drop(check_path(device.value, device.span, &mut cx.out)),
        None => cx.add(Problem::refused(fields.place("device"), "there is no device")),
    }
}

/// Tells what the initrd needs for it. Without an image, those of shipped recipes are taken for granted.
fn needs(program: &str, package: &str, span: &Range<usize>, cx: &mut Context<'_>) {
    const SHIPPED: [&str; 3] = ["cryptsetup", "mkfs.fat", "sgdisk"];
    let message = format!("the image needs {program} for it, of the package {package}");
    match cx.shipped {
        Some(shipped) if shipped.has_program(program) => {}
        Some(_) => cx.add(Problem::fails(span, message).hint("add the package to the recipe")),
        None if SHIPPED.contains(&program) => {}
        None => {
            let hint = "--image tells whether yours has it";
            cx.add(Problem::doubtful(span, message).hint(hint));
        }
    }
}

fn check_disk(disk: &Fields<'_>, cx: &mut Context<'_>) {
    device(disk, cx);
    let parts: Vec<Fields<'_>> = disk.objects("partitions").collect();
    if !parts.is_empty() || disk.flag("wipeTable") == Some(true) {
        needs("sgdisk", "gdisk", disk.place("device"), cx);
    }
    let mut numbers = BTreeSet::new();
    let mut labels = BTreeSet::new();
    for part in &parts {
        check_partition(part, cx);
        let number = part.integer("number").filter(|number| number.value != 0);
        if let Some(number) = number
            && !numbers.insert(number.value)
        {
            cx.add(Problem::refused(number.span, "two partitions have this number"));
        }
        if let Some(label) = part.text("label")
            && !labels.insert(label.value)
        {
            cx.add(Problem::refused(label.span, "two partitions have this label"));
        }
    }
    let any = |found: &dyn Fn(&Fields<'_>) -> bool| parts.iter().any(found);
    if any(&|part| part.flag("shouldExist") == Some(false))
        && any(&|part| part.integer("number").is_none_or(|number| number.value == 0))
    {
        let message = "partitions are removed by number, so all of the disk need numbers";
        cx.add(Problem::refused(disk.place("partitions"), message));
    }
    overlaps(&parts, cx);
}

fn check_partition(part: &Fields<'_>, cx: &mut Context<'_>) {
    let number = part.integer("number").map_or(0, |number| number.value);
    if part.flag("shouldExist") == Some(false)
        && (["label", "startMiB", "sizeMiB"].iter().any(|key| part.has(key))
            || part.filled("typeGuid").is_some()
            || part.filled("guid").is_some())
    {
        let message = "a partition that shall not exist has nothing but its number";
        cx.add(Problem::refused(part.span, message));
    }
    if number == 0 && !part.has("label") {
        let message = "a partition has neither number nor label";
        cx.add(Problem::refused(part.span, message));
    }
    if !(0..=128).contains(&number) {
        let problem = Problem::fails(part.place("number"), "there is no such partition");
        cx.add(problem.expected("1 to 128, or 0 for the next").found(number.to_string()));
    }
    for size in ["startMiB", "sizeMiB"].iter().filter_map(|key| part.integer(key)) {
        if size.value < 0 {
            cx.add(Problem::fails(size.span, "this is less than nothing"));
        }
    }
    if let Some(label) = part.text("label") {
        if label.value.len() > 36 {
            let found = format!("{} bytes", label.value.len());
            let problem = Problem::refused(label.span, "the label is too long");
            cx.add(problem.expected("at most 36 bytes").found(found));
        } else if label.value.contains(':') {
            cx.add(Problem::refused(label.span, "a label has no colon"));
        }
    }
    for guid in ["guid", "typeGuid"].iter().filter_map(|key| part.filled(key)) {
        if !is_guid(guid.value) {
            cx.add(
                Problem::refused(guid.span, "this is no GUID")
                    .expected("`01234567-89AB-CDEF-0123-456789ABCDEF`")
                    .found(quote(guid.value)),
            );
        }
    }
}

fn is_guid(text: &str) -> bool {
    let parts = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    parts && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Finds partitions that lie over each other; those whose place is left to the machine do not count.
fn overlaps(parts: &[Fields<'_>], cx: &mut Context<'_>) {
    let mut extents: Vec<(i64, i64, &Fields<'_>)> = parts
        .iter()
        .filter_map(|part| {
            let (start, size) = (part.integer("startMiB")?.value, part.integer("sizeMiB")?.value);
            let end = if size == 0 { start } else { start.saturating_add(size).saturating_sub(1) };
            (start != 0).then_some((start, end, part))
        })
        .collect();
    extents.sort_by_key(|(start, end, _)| (*start, *end));
    let mut last: Option<i64> = None;
    for (start, end, part) in extents {
        if last.is_some_and(|last| start <= last) {
            let message = "the partition lies over another one";
            cx.add(Problem::refused(part.place("startMiB"), message));
        }
        last = last.max(Some(end));
    }
}

fn check_raid(raid: &Fields<'_>, cx: &mut Context<'_>) {
    needs("mdadm", "mdadm", raid.place("name"), cx);
    let level = raid.filled("level");
    let known = level.map(|level| match level.value {
        "linear" | "raid0" | "0" | "stripe" => Some(false),
        "raid1" | "1" | "mirror" | "raid4" | "4" | "raid5" | "5" | "raid6" | "6" | "raid10"
        | "10" => Some(true),
        _ => None,
    });
    match known {
        Some(Some(spares)) => {
            if let Some(count) = raid.integer("spares").filter(|count| count.value != 0 && !spares)
            {
                cx.add(Problem::refused(count.span, "this level has no spares"));
            }
        }
        Some(None) => {
            let found = quote(level.map_or("", |level| level.value));
            let problem = Problem::refused(raid.place("level"), "there is no such level of RAID");
            let levels = "`linear`, `raid0`, `raid1`, `raid4`, `raid5`, `raid6` or `raid10`";
            cx.add(problem.expected(levels).found(found));
        }
        None => cx.add(Problem::refused(raid.place("level"), "a RAID array has no level")),
    }
    if raid.filled("name").is_none() {
        cx.add(Problem::fails(raid.place("name"), "a RAID array has no name"));
    }
    let mut any = false;
    for device in raid.texts("devices") {
        any = true;
        check_path(device.value, device.span, &mut cx.out);
    }
    if !any {
        cx.add(Problem::refused(raid.place("devices"), "a RAID array has no devices"));
    }
}

fn check_luks(luks: &Fields<'_>, cx: &mut Context<'_>) {
    needs("cryptsetup", "cryptsetup-bin", luks.place("name"), cx);
    match luks.filled("name") {
        Some(name) if name.value.contains('/') => {
            cx.add(Problem::refused(name.span, "the name of a LUKS device has no slash"));
        }
        Some(_) => {}
        None => cx.add(Problem::fails(luks.place("name"), "a LUKS device has no name")),
    }
    if let Some(label) = luks.text("label").filter(|label| label.value.len() > 47) {
        let problem = Problem::refused(label.span, "the label is too long");
        cx.add(problem.expected("at most 47 bytes").found(format!("{} bytes", label.value.len())));
    }
    device(luks, cx);
    if let Some(key) = luks.object("keyFile") {
        resource::check(&key, Need::Optional, cx);
    }
    if let Some(clevis) = luks.object("clevis") {
        check_clevis(&clevis, luks.flag("wipeVolume") == Some(true), cx);
    }
}

fn check_clevis(clevis: &Fields<'_>, wipes: bool, cx: &mut Context<'_>) {
    let custom = clevis.object("custom");
    let pinned = match &custom {
        Some(custom) if cx.minor >= 3 => custom.filled("pin").is_some(),
        custom => custom.is_some(),
    };
    let threshold = clevis.integer("threshold").is_some_and(|count| count.value != 0);
    let others =
        clevis.objects("tang").next().is_some() || clevis.flag("tpm2") == Some(true) || threshold;
    if pinned && others {
        let message = "`custom` stands alone, without `tang`, `tpm2` and `threshold`";
        cx.add(Problem::refused(clevis.span, message));
    }
    if pinned || others {
        check_pins(clevis, cx);
        if !wipes {
            let message =
                "Ignition does not use such a volume again when it is run again, after a reset";
            let hint = "`wipeVolume` makes it anew";
            cx.add(Problem::doubtful(clevis.span, message).hint(hint));
        }
    }
    for tang in clevis.objects("tang") {
        let url = tang.text("url");
        let scheme = url::scheme(url.map_or("", |url| url.value));
        if !matches!(scheme.as_deref(), Ok("http" | "https")) {
            let problem = Problem::refused(tang.place("url"), "a Tang server has no address");
            cx.add(problem.expected("http: or https: and what follows"));
        }
        if tang.filled("thumbprint").is_none() {
            cx.add(Problem::refused(tang.place("thumbprint"), "a Tang server has no thumbprint"));
        }
    }
    let Some(custom) = custom else { return };
    let (pin, config) = (custom.filled("pin"), custom.filled("config"));
    let needs_network = cx.minor >= 3 && custom.flag("needsNetwork") == Some(true);
    if pin.is_none() && config.is_none() && !needs_network {
        return;
    }
    if !pin.is_some_and(|pin| matches!(pin.value, "tpm2" | "tang" | "sss")) {
        let problem = Problem::refused(custom.place("pin"), "there is no such pin");
        cx.add(problem.expected("`tpm2`, `tang` or `sss`"));
    }
    if config.is_none() {
        cx.add(Problem::refused(custom.place("config"), "the pin has no configuration"));
    }
}

/// Checks what the initrd knows of Clevis, which is a key that a TPM keeps.
fn check_pins(clevis: &Fields<'_>, cx: &mut Context<'_>) {
    const ALONE: &str = "the initrd knows one pin of Clevis, the TPM's";
    let threshold = clevis.integer("threshold").map_or(1, |count| count.value);
    let more = clevis.objects("tang").next().is_some() || threshold != 1;
    let custom = clevis.object("custom");
    let other = custom.as_ref().and_then(|custom| custom.filled("pin"));
    if more || other.is_some_and(|pin| pin.value != "tpm2") {
        cx.add(Problem::fails(clevis.span, ALONE).expected("`tpm2` alone"));
        return;
    }
    if let Some(config) = custom.as_ref().and_then(|custom| custom.filled("config")) {
        match registers(config.value) {
            None => {
                let message = "the initrd does not know this configuration of the pin";
                let problem = Problem::fails(config.span, message);
                cx.add(problem.expected("`pcr_ids`, and `pcr_bank` sha256, at most"));
                return;
            }
            Some(registers) if registers.iter().any(|number| matches!(number, 4 | 9 | 11 | 12)) => {
                let message = "these registers change with every update, and the volume stays shut";
                cx.add(Problem::doubtful(config.span, message).expected("7, say"));
            }
            Some(_) => {}
        }
    }
    let message = "the image needs what a TPM takes, of the package libtss2-esys-3.0.2-0t64";
    match cx.shipped {
        Some(shipped) if shipped.uses_tpm() => {}
        Some(_) => {
            let hint = "add it to the recipe, with libtss2-rc0t64";
            cx.add(Problem::fails(clevis.span, message).hint(hint));
        }
        None => {
            let hint = "--image tells whether yours has it";
            cx.add(Problem::doubtful(clevis.span, message).hint(hint));
        }
    }
}

/// Returns the registers of a TPM that a configuration of Clevis' pin `tpm2` names, if it has nothing else that
/// matters: what the initrd takes.
fn registers(config: &str) -> Option<Vec<u32>> {
    let text: String = config.split_whitespace().collect();
    let bank = r#""pcr_bank":"sha256""#;
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    if inner.is_empty() || inner == bank {
        return Some(Vec::new());
    }
    let before = inner.strip_prefix(bank).and_then(|rest| rest.strip_prefix(','));
    let behind = inner.strip_suffix(bank).and_then(|rest| rest.strip_suffix(','));
    let numbers =
        before.or(behind).unwrap_or(inner).strip_prefix(r#""pcr_ids":""#)?.strip_suffix('"')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split(',').map(|text| is_number(text).then(|| text.parse().ok())?).collect()
}

fn check_filesystem(filesystem: &Fields<'_>, cx: &mut Context<'_>) {
    device(filesystem, cx);
    let Some(format) = filesystem.filled("format") else {
        let others = ["path", "label", "uuid"].iter().any(|key| filesystem.filled(key).is_some())
            || filesystem.flag("wipeFilesystem") == Some(true)
            || ["mountOptions", "options"].iter().any(|key| filesystem.texts(key).next().is_some());
        if others {
            let message = "a file system has no format";
            cx.add(Problem::refused(filesystem.place("format"), message).expected(FORMATS));
        }
        return;
    };
    let label_max = match format.value {
        "ext4" => 16,
        "btrfs" => 256,
        "xfs" => 12,
        "swap" => 15,
        "vfat" => 11,
        "none" if cx.minor >= 3 => usize::MAX,
        found => {
            let problem = Problem::refused(format.span, "there is no such file system");
            cx.add(problem.expected(FORMATS).found(quote(found)));
            return;
        }
    };
    match format.value {
        "btrfs" => needs("mkfs.btrfs", "btrfs-progs", format.span, cx),
        "xfs" => needs("mkfs.xfs", "xfsprogs", format.span, cx),
        "vfat" => needs("mkfs.fat", "dosfstools", format.span, cx),
        _ => {}
    }
    if let Some(label) = filesystem.filled("label").filter(|label| label.value.len() > label_max) {
        let problem = Problem::refused(label.span, "the label is too long");
        let found = format!("{} bytes", label.value.len());
        cx.add(
            problem
                .expected(format!("at most {label_max} bytes for {}", format.value))
                .found(found),
        );
    }
    if let Some(uuid) = filesystem.filled("uuid").filter(|uuid| uuid.value.contains(' ')) {
        cx.add(Problem::fails(uuid.span, "a UUID has no space"));
    }
}

const FORMATS: &str = "`ext4`, `btrfs`, `xfs`, `vfat`, `swap`, or (since 3.3.0) `none`";
