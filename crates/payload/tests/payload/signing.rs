use std::fs::{self, File};

use flagstone_payload::{PayloadError, Signable};

use crate::support::{key, noise, payload, trusted, verify};

#[test]
fn keys_can_sign_later_one_by_one() {
    let (usr, uki) = (noise(1, 8192), noise(2, 5000));
    let at_once = payload(&usr, &uki, 3, &[1, 2]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("payload");
    fs::write(&path, payload(&usr, &uki, 3, &[])).unwrap();
    for seed in [2, 1] {
        let mut signable = Signable::read(File::open(&path).unwrap()).unwrap();
        let key = key(seed);
        let (metadata, whole) = (key.sign(signable.metadata()), key.sign(signable.payload()));
        signable.add(key.public().id(), metadata, whole).unwrap();
        signable.write(&File::options().write(true).open(&path).unwrap()).unwrap();
    }
    assert!(fs::read(&path).unwrap() == at_once);
    assert_eq!(verify(&at_once, &trusted(&[1, 2], 2)).unwrap().len(), 2);
}

#[test]
fn a_signature_more_than_there_is_room_for_is_refused() {
    let mut signable =
        Signable::read(payload(&noise(1, 8192), &noise(2, 5000), 1, &[1]).as_slice()).unwrap();
    let add = |signable: &mut Signable, seed: u8| {
        let key = key(seed);
        let signatures = (key.sign(signable.metadata()), key.sign(signable.payload()));
        signable.add(key.public().id(), signatures.0, signatures.1)
    };
    assert!(matches!(add(&mut signable, 2), Err(PayloadError::NoSlot { slots: 1 })));
    signable.clear();
    add(&mut signable, 2).unwrap();
    // The same key again takes no further place.
    add(&mut signable, 2).unwrap();
    assert_eq!(signable.key_ids(), [key(2).public().id()]);
}

#[test]
fn a_damaged_payload_is_not_signed() {
    let mut payload = payload(&noise(1, 8192), &noise(2, 5000), 1, &[]);
    let at = payload.len() - 100;
    payload[at] ^= 1;
    assert!(matches!(Signable::read(payload.as_slice()), Err(PayloadError::Data { .. })));
}
