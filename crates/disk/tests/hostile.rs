//! Partition tables that are made to mislead, with checksums that are right.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::io::Cursor;

use flagstone_disk::read_table;

const SECTOR: usize = 512;
const ENTRIES: usize = 128 * 128;

/// CRC-32 as UEFI has it (2.10, 5.3.2).
fn crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    !crc
}

/// A disk of 64 KiB with a table of one partition; `change` may alter header and entry.
fn disk(change: impl Fn(&mut [u8], &mut [u8])) -> Vec<u8> {
    let mut disk = vec![0; 128 * SECTOR];
    let mut header = vec![0; 92];
    header[..8].copy_from_slice(b"EFI PART");
    let fields: [(usize, u64); 5] = [(24, 1), (32, 127), (40, 34), (48, 94), (72, 2)];
    for (at, value) in fields {
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    header[8..12].copy_from_slice(&0x1_0000_u32.to_le_bytes());
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    let mut entry = vec![0; 128];
    entry[..16].fill(7);
    entry[16..32].fill(8);
    entry[32..40].copy_from_slice(&40_u64.to_le_bytes());
    entry[40..48].copy_from_slice(&60_u64.to_le_bytes());
    change(&mut header, &mut entry);
    let mut entries = entry;
    entries.resize(ENTRIES, 0);
    header[88..92].copy_from_slice(&crc(&entries).to_le_bytes());
    let len = u32::from_le_bytes(header[12..16].try_into().unwrap()) as usize;
    header[16..20].fill(0);
    let mut checked = header.clone();
    checked.resize(len.clamp(92, SECTOR), 0);
    header[16..20].copy_from_slice(&crc(&checked).to_le_bytes());
    disk[SECTOR..SECTOR + 92].copy_from_slice(&header);
    disk[2 * SECTOR..2 * SECTOR + ENTRIES].copy_from_slice(&entries);
    disk
}

#[test]
fn numbers_beyond_the_disk_are_an_error_and_never_a_panic() {
    let sound = disk(|_, _| {});
    let table = read_table(&mut Cursor::new(&sound)).unwrap();
    assert_eq!((table.entries[0].offset_bytes, table.entries[0].size_bytes), (20_480, 10_752));
    let numbers = [0, 1, 2, 33, 127, 128, 1 << 32, 1 << 54, 1 << 55, u64::MAX / 2, u64::MAX];
    for number in numbers {
        for at in [24, 32, 40, 48, 72] {
            let disk = disk(|header, _| header[at..at + 8].copy_from_slice(&number.to_le_bytes()));
            let _ = read_table(&mut Cursor::new(&disk));
        }
        for at in [32, 40, 48] {
            let disk = disk(|_, entry| entry[at..at + 8].copy_from_slice(&number.to_le_bytes()));
            let _ = read_table(&mut Cursor::new(&disk));
        }
        let small = u32::try_from(number).unwrap_or(u32::MAX);
        for at in [8, 12, 20, 80, 84] {
            let disk = disk(|header, _| header[at..at + 4].copy_from_slice(&small.to_le_bytes()));
            let _ = read_table(&mut Cursor::new(&disk));
        }
    }
    for len in (0..sound.len()).step_by(100) {
        let _ = read_table(&mut Cursor::new(&sound[..len]));
    }
}
