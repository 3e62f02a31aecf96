use std::io::Cursor;

use flagstone_payload::{Metadata, OperationKind, PayloadError};

use crate::support::{apply_delta, apply_to, delta, noise, three, trusted};

/// Two releases of which the second has a part moved, a part changed and a part that is new.
fn releases() -> [[Vec<u8>; 2]; 2] {
    let parts: Vec<Vec<u8>> = (0..6).map(|n| noise(n, 1 << 20)).collect();
    let old = [parts[0].clone(), parts[1].clone(), parts[2].clone(), parts[3].clone()].concat();
    let mut changed = parts[1].clone();
    changed[500_000] ^= 1;
    let new = [&parts[4], &parts[2], &changed, &parts[0], &parts[0], &vec![0; 1 << 20]];
    let new = new.map(Clone::clone).concat();
    let old_uki = parts[5][..500_001].to_vec();
    let mut new_uki = old_uki.clone();
    new_uki[77] ^= 1;
    [[old, old_uki], [new, new_uki]]
}

fn slices(release: &[Vec<u8>; 2]) -> [&[u8]; 2] {
    [&release[0], &release[1]]
}

#[test]
fn a_delta_makes_the_new_release_from_the_old_one() {
    let [old, new] = releases();
    let payload = delta(slices(&old), slices(&new));
    // A part that is new, and a byte here and there.
    assert!(payload.len() < (1 << 20) + 4000, "{}", payload.len());
    let mut memory = three();
    apply_delta(&payload, slices(&old), &mut memory).unwrap();
    assert!(memory[0].data == new[0] && memory[1].data == new[1]);
    let manifest = Metadata::read(&mut Cursor::new(&payload)).unwrap().unverified_manifest();
    let manifest = manifest.unwrap();
    let kinds: Vec<_> = manifest.partitions[1].operations.iter().map(|o| o.kind).collect();
    assert_eq!(kinds, [OperationKind::SourceCopy, OperationKind::Patch]);
    assert!(manifest.release.old_root_hash.is_some());
}

#[test]
fn a_delta_is_made_from_nothing_else() {
    let [old, new] = releases();
    let payload = delta(slices(&old), slices(&new));
    let error = apply_to(&payload, &trusted(&[1], 1), &mut three()).unwrap_err();
    assert!(matches!(error, PayloadError::NoSource), "{error}");
    let error = apply_delta(&payload, slices(&new), &mut three()).unwrap_err();
    assert!(matches!(error, PayloadError::OldData { operation: 1, .. }), "{error}");
    let cut = [&old[0][..1 << 20], &old[1]];
    let error = apply_delta(&payload, cut, &mut three()).unwrap_err();
    assert!(matches!(error, PayloadError::Source { .. }), "{error}");
    let mut changed = old.clone();
    changed[1][400_000] ^= 1;
    let error = apply_delta(&payload, slices(&changed), &mut three()).unwrap_err();
    assert!(matches!(error, PayloadError::OldData { .. }), "{error}");
}

#[test]
fn a_delta_between_the_same_releases_has_no_data() {
    let [old, _] = releases();
    let payload = delta(slices(&old), slices(&old));
    assert!(payload.len() < 2000, "{}", payload.len());
    let mut memory = three();
    apply_delta(&payload, slices(&old), &mut memory).unwrap();
    assert!(memory[0].data == old[0] && memory[1].data == old[1]);
}
