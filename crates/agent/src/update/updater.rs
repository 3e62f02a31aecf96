use std::io::{self, Cursor, Read, Seek as _, SeekFrom};
use std::path::Path;

use flagstone_artifact::{ImageVersion, Sha256Digest};
use flagstone_disk::{EMPTY_LABEL, PartitionName, slot_identifiers};
use flagstone_payload::{
    Applied, Checkpoint, Metadata, PayloadError, Progress, Release, Sources, Targets,
    VerifiedMetadata, apply,
};
use flagstone_signature::{PublicKey, TrustedKeys};
use serde::Serialize;

use super::disk::UpdateDisk;
use super::entries::Entries;
use super::error::UpdateError;
use super::running::Running;
use super::slots::{Slot, Slots};
use super::state::{Pending, Permissions, State};
use super::state_file::StateFolder;

/// How an update is made.
#[derive(Clone, Debug)]
pub struct UpdateOptions {
    /// How often the loader tries the new release.
    pub tries: u32,
    /// What the release is allowed to be.
    pub permissions: Permissions,
    /// Whether the machine is on a network now, which it then has to be with the new release.
    pub network: bool,
    /// This boot, as the kernel names it.
    pub boot: String,
}

/// A release that was written, and is started next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Installed {
    /// Its version.
    pub version: ImageVersion,
    /// The root hash of its /usr.
    pub root_hash: Sha256Digest,
    /// Bytes of /usr and of the kernel image.
    pub bytes: u64,
    /// Ids of the keys that signed it.
    pub signed_by: Vec<String>,
    /// Where in the payload it went on, in bytes, if an earlier attempt was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continued_at: Option<u64>,
}

/// A payload, read from front to back, or from where an earlier attempt was cut off.
pub trait PayloadSource: Read {
    /// Goes on at another place, in bytes from the start of the payload.
    ///
    /// # Errors
    /// If it cannot be read from there.
    fn continue_at(&mut self, offset: u64) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> PayloadSource for Cursor<T> {
    fn continue_at(&mut self, offset: u64) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset)).map(|_| ())
    }
}

/// Writes releases to the slot that does not run.
///
/// The order is what makes it safe to lose power at any moment. The loader's entry of what is to be
/// overwritten goes first; then its partitions lose their names; then they are written, read back and
/// checked against what was signed; then they get their names; and then, by one rename, the
/// loader has an entry for them. The slot that runs, and its entry, are never touched.
#[expect(missing_debug_implementations, reason = "disks need not have it")]
pub struct Updater<'a> {
    /// What runs.
    pub running: &'a Running,
    /// The disk it runs from.
    pub disk: &'a mut dyn UpdateDisk,
    /// The EFI system partition, mounted.
    pub esp: &'a Path,
    /// Who may sign.
    pub keys: &'a TrustedKeys,
    /// What is remembered; its lock is held.
    pub folder: &'a StateFolder,
}

impl Updater<'_> {
    /// Reads a payload and makes it what the loader starts next. `progress` is told the bytes of the
    /// payload that were read.
    ///
    /// # Errors
    /// Any [`UpdateError`].
    pub fn install(
        &mut self,
        mut source: impl PayloadSource,
        state: &mut State,
        options: UpdateOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Installed, UpdateError> {
        let metadata = Metadata::read(&mut source)?.verify(self.keys)?;
        let release = &metadata.manifest().release;
        self.check(release, state, options.permissions)?;
        let entries = Entries::of(self.esp, &self.running.image.id);
        self.check_trial(&entries)?;
        let table = self.disk.table()?;
        let architecture = self.running.image.architecture;
        let slots = Slots::find(&table, architecture, &self.running.root_hash)?;

        entries.keep_only(&self.running.stem())?;
        state.pending = None;
        self.folder.save(state)?;
        self.disk.rename(&empty_names(&slots.other, &release.root_hash))?;
        let mut work = Work { metadata: &metadata, source, slots: &slots, entries: &entries };
        let (applied, continued_at) = self.write_or_continue(&mut work, progress)?;
        let names = [release.image.usr_label(), release.image.verity_label()];
        self.disk.rename(&slots.other.names(names, &release.root_hash))?;
        state.pending = Some(Pending {
            version: release.image.version.clone(),
            root_hash: release.root_hash,
            from: self.running.image.version.clone(),
            floor: release.version_floor.clone(),
            boot: options.boot,
            network: options.network,
            complaints: Vec::new(),
        });
        self.folder.save(state)?;
        entries.finish(&release.image.usr_label(), options.tries)?;
        self.folder.forget_checkpoint()?;
        Ok(Installed {
            version: release.image.version.clone(),
            root_hash: release.root_hash,
            bytes: applied.usr_bytes + applied.uki_bytes,
            signed_by: applied.signers.iter().map(PublicKey::id).map(|id| id.to_string()).collect(),
            continued_at,
        })
    }

    /// Checks that a release is for this machine, and may be installed.
    fn check(
        &self,
        release: &Release,
        state: &State,
        permissions: Permissions,
    ) -> Result<(), UpdateError> {
        let running = &self.running.image;
        let image = &release.image;
        if (&image.id, image.architecture) != (&running.id, running.architecture) {
            return Err(UpdateError::OtherImage {
                actual: Box::new(image.clone()),
                id: running.id.clone(),
                architecture: running.architecture,
            });
        }
        let verdict = state.judge(
            (&running.version, &self.running.root_hash),
            (&image.version, &release.root_hash),
            permissions,
        );
        verdict
            .map_err(|refusal| UpdateError::Refused { version: image.version.clone(), refusal })?;
        match release.old_root_hash {
            Some(expected) if expected != self.running.root_hash => {
                Err(UpdateError::OtherBase { expected, actual: self.running.root_hash })
            }
            _ => Ok(()),
        }
    }

    /// Refuses to overwrite what may be the only good release: as long as the one that runs is on trial,
    /// that is the other one.
    fn check_trial(&self, entries: &Entries) -> Result<(), UpdateError> {
        let stem = self.running.stem();
        match entries.find(&stem)? {
            None => Err(UpdateError::NothingToFallBackTo { stem }),
            Some(name) if name.counter.is_some() => {
                Err(UpdateError::OnTrial { version: self.running.image.version.clone() })
            }
            Some(_) => Ok(()),
        }
    }

    /// Goes on with what was cut off; if that comes to nothing, or there is none, begins anew.
    fn write_or_continue<S: PayloadSource>(
        &mut self,
        work: &mut Work<'_, S>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Applied, Option<u64>), UpdateError> {
        let read = |offset, source| PayloadError::Read { offset, source };
        let checkpoint = self.folder.checkpoint();
        let offset = checkpoint.as_ref().and_then(|from| from.resumes_at(work.metadata));
        if let Some(offset) = offset {
            work.source.continue_at(offset).map_err(|source| read(offset, source))?;
            match self.write(work, checkpoint.as_ref(), progress) {
                Ok(applied) => return Ok((applied, Some(offset))),
                // The connection broke once more, or what came was not what was signed.
                Err(error) if is_about_source(&error) => return Err(error),
                Err(_) => {}
            }
            let start = work.metadata.blobs_at();
            work.source.continue_at(start).map_err(|source| read(start, source))?;
        }
        self.folder.forget_checkpoint()?;
        work.entries.forget_unfinished()?;
        let written = self.write(work, None, progress);
        if written.as_ref().is_err_and(|error| !is_about_source(error)) {
            self.folder.forget_checkpoint()?;
        }
        Ok((written?, None))
    }

    fn write<S: PayloadSource>(
        &mut self,
        work: &mut Work<'_, S>,
        from: Option<&Checkpoint>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Applied, UpdateError> {
        let Work { metadata, source, slots, entries } = work;
        let manifest = metadata.manifest();
        let [_, uki] = &manifest.partitions;
        let mut uki = entries.begin(uki.content.size)?;
        let mut usr = self.disk.open(&slots.other.usr)?;
        let mut verity = self.disk.open(&slots.other.verity)?;
        let old = if manifest.release.old_root_hash.is_some() {
            Some((self.disk.read(&slots.booted.usr)?, entries.open(&self.running.stem())?))
        } else {
            None
        };
        let old = old.as_ref().map(|(usr, uki)| Sources { usr, uki });
        let mut targets = Targets { usr: &mut *usr, uki: &mut uki, verity: Some(&mut *verity) };
        let folder = self.folder;
        let mut progress = |what: Progress<'_>| match what {
            Progress::Read(bytes) => progress(bytes),
            // Whoever cannot remember begins anew one day; the update does not fail by that.
            Progress::Durable(checkpoint) => drop(folder.save_checkpoint(checkpoint)),
        };
        Ok(apply(metadata, source, old, &mut targets, from, &mut progress)?)
    }
}

/// What is written where.
struct Work<'a, S> {
    metadata: &'a VerifiedMetadata,
    source: S,
    slots: &'a Slots,
    entries: &'a Entries,
}

/// Whether what was written is as good as before.
fn is_about_source(error: &UpdateError) -> bool {
    let UpdateError::Payload { source } = error else { return false };
    matches!(source, PayloadError::Read { .. } | PayloadError::Data { .. })
}

/// Names that no root hash finds, and that systemd takes for an absent partition.
fn empty_names(slot: &Slot, root_hash: &Sha256Digest) -> [PartitionName; 2] {
    // Halves of another digest: as unlikely to be found as any identifier made up.
    let other = Sha256Digest::of(root_hash.as_bytes());
    let (usr, verity) = slot_identifiers(&other);
    let name = |number, guid| PartitionName { number, label: EMPTY_LABEL.to_owned(), guid };
    [name(slot.usr.number, usr), name(slot.verity.number, verity)]
}

#[cfg(test)]
#[path = "updater_tests.rs"]
mod tests;
