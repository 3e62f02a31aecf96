use flagstone_artifact::{Architecture, Sha256Digest};
use flagstone_disk::{DiskTable, PartitionName, PartitionType, TableEntry, slot_identifiers};

use super::error::UpdateError;

/// A partition for /usr and the one for its hash tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// /usr.
    pub usr: TableEntry,
    /// The hash tree.
    pub verity: TableEntry,
}

/// The two slots of a disk, by what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The one that the running system was started from. Never written.
    pub booted: Slot,
    /// The other one.
    pub other: Slot,
}

impl Slots {
    /// Finds the slots of a disk: pairs of partitions, /usr and the hash tree behind it. The one that
    /// runs has the halves of the root hash as its identifiers.
    ///
    /// # Errors
    /// [`UpdateError::Slots`] unless there are two, and one of them runs.
    pub fn find(
        table: &DiskTable,
        architecture: Architecture,
        root_hash: &Sha256Digest,
    ) -> Result<Self, UpdateError> {
        let wrong = |rule| UpdateError::Slots { rule };
        let usr = PartitionType::Usr(architecture).guid();
        let verity = PartitionType::UsrVerity(architecture).guid();
        let of = |kind| table.entries.iter().filter(move |entry| entry.type_guid == kind).cloned();
        let mut slots: Vec<Slot> =
            of(usr).zip(of(verity)).map(|(usr, verity)| Slot { usr, verity }).collect();
        if slots.len() != 2 || of(usr).count() != 2 || of(verity).count() != 2 {
            return Err(wrong("there are two partitions for /usr and two for hash trees"));
        }
        let (usr, verity) = slot_identifiers(root_hash);
        let runs = |slot: &Slot| (slot.usr.guid, slot.verity.guid) == (usr, verity);
        let other = slots.pop().filter(|slot| slot.verity.number == slot.usr.number + 1);
        let first = slots.pop().filter(|slot| slot.verity.number == slot.usr.number + 1);
        match (first, other) {
            (Some(a), Some(b)) if runs(&a) && !runs(&b) => Ok(Self { booted: a, other: b }),
            (Some(a), Some(b)) if runs(&b) && !runs(&a) => Ok(Self { booted: b, other: a }),
            _ => Err(wrong("one of them is what runs, and each has its hash tree behind it")),
        }
    }
}

impl Slot {
    /// Returns the names for a release in this slot.
    pub fn names(
        &self,
        [usr, verity]: [String; 2],
        root_hash: &Sha256Digest,
    ) -> [PartitionName; 2] {
        let (usr_guid, verity_guid) = slot_identifiers(root_hash);
        [
            PartitionName { number: self.usr.number, label: usr, guid: usr_guid },
            PartitionName { number: self.verity.number, label: verity, guid: verity_guid },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(root_hash: &Sha256Digest, booted: u32) -> DiskTable {
        let (usr, verity) = slot_identifiers(root_hash);
        let kinds = [PartitionType::Usr, PartitionType::UsrVerity];
        let entries = (3..7).map(|number| TableEntry {
            number,
            label: String::new(),
            type_guid: kinds[(number as usize + 1) % 2](Architecture::X86_64).guid(),
            guid: match number.checked_sub(booted) {
                Some(0) => usr,
                Some(1) => verity,
                _ => slot_identifiers(&Sha256Digest::of(&number.to_le_bytes())).0,
            },
            attributes: 0,
            offset_bytes: 0,
            size_bytes: 0,
        });
        DiskTable { disk_guid: usr, entries: entries.collect() }
    }

    #[test]
    fn the_slot_that_runs_is_known_by_its_root_hash() {
        let hash = Sha256Digest::of(b"usr");
        let find = |table: &DiskTable| Slots::find(table, Architecture::X86_64, &hash);
        for (booted, other) in [(3, 5), (5, 3)] {
            let slots = find(&table(&hash, booted)).unwrap();
            let numbers = |slot: &Slot| (slot.usr.number, slot.verity.number);
            assert_eq!(numbers(&slots.booted), (booted, booted + 1));
            assert_eq!(numbers(&slots.other), (other, other + 1));
        }
        // Nothing that runs, both the same, a part that lacks.
        assert!(find(&table(&Sha256Digest::of(b"other"), 3)).is_err());
        let mut twice = table(&hash, 3);
        (twice.entries[2].guid, twice.entries[3].guid) =
            (twice.entries[0].guid, twice.entries[1].guid);
        assert!(find(&twice).is_err());
        let mut three = table(&hash, 3);
        three.entries.pop();
        assert!(find(&three).is_err());
        assert!(Slots::find(&table(&hash, 3), Architecture::Arm64, &hash).is_err());
    }
}
