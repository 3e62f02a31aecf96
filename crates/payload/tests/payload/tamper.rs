use std::io::Cursor;

use flagstone_artifact::Sha256Digest;
use flagstone_payload::{HEADER_BYTES, Header, Metadata, PayloadError, SLOT_BYTES};
use flagstone_signature::SignatureError;

use crate::support::{apply_to, noise, payload, three, trusted, verify};

/// A small payload of two slots, and where its parts begin: manifest, metadata signatures, blobs,
/// payload signatures, end.
fn sample() -> (Vec<u8>, [usize; 5]) {
    let payload = payload(&noise(1, 8192), &noise(2, 5000), 2, &[1, 2]);
    let header = Header::parse(payload.first_chunk().unwrap()).unwrap();
    let manifest_size = usize::try_from(header.manifest_size).unwrap();
    let signatures = HEADER_BYTES + manifest_size;
    let blobs = signatures + 2 * SLOT_BYTES;
    let end = payload.len();
    (payload, [HEADER_BYTES, signatures, blobs, end - 2 * SLOT_BYTES, end])
}

#[test]
fn a_change_of_any_byte_is_refused() {
    let (payload, parts) = sample();
    let keys = trusted(&[1, 2], 2);
    verify(&payload, &keys).unwrap();
    let mut changed = payload.clone();
    for at in 0..payload.len() {
        changed[at] ^= 1 << (at % 8);
        let error = verify(&changed, &keys).unwrap_err();
        // Nothing but the signatures is looked at before they are found good.
        let before_manifest = matches!(
            error,
            PayloadError::Header { .. }
                | PayloadError::Slot { .. }
                | PayloadError::Read { .. }
                | PayloadError::Signature { .. }
        );
        assert!(before_manifest || at >= parts[2], "byte {at}: {error}");
        changed[at] = payload[at];
    }
}

#[test]
fn no_byte_of_a_changed_manifest_reaches_a_target() {
    let (payload, parts) = sample();
    let keys = trusted(&[1, 2], 2);
    for at in (0..parts[2]).step_by(7) {
        let mut changed = payload.clone();
        changed[at] ^= 0x10;
        let mut memory = three();
        apply_to(&changed, &keys, &mut memory).unwrap_err();
        assert!(memory.iter().all(|target| target.calls == 0), "byte {at}");
    }
}

#[test]
fn changed_data_reaches_no_target() {
    let (payload, parts) = sample();
    let mut changed = payload.clone();
    changed[parts[2] + 3] ^= 1;
    let mut memory = three();
    let error = apply_to(&changed, &trusted(&[1, 2], 2), &mut memory).unwrap_err();
    assert!(matches!(error, PayloadError::Data { operation: 1, .. }), "{error}");
    assert!(memory.iter().all(|target| *target.written.borrow() == 0));
}

#[test]
fn what_is_cut_off_is_refused_at_every_length() {
    let (payload, _) = sample();
    let keys = trusted(&[1, 2], 2);
    for length in 0..payload.len() {
        let error = verify(&payload[..length], &keys).unwrap_err();
        assert!(matches!(error, PayloadError::Read { .. }), "{length}: {error}");
    }
}

#[test]
fn what_follows_the_end_is_refused() {
    let (mut payload, parts) = sample();
    payload.push(0);
    let keys = trusted(&[1, 2], 2);
    let end = parts[4] as u64;
    let error = verify(&payload, &keys).unwrap_err();
    assert!(matches!(error, PayloadError::Trailing { end: e } if e == end), "{error}");
    assert!(apply_to(&payload, &keys, &mut three()).is_err());
}

#[test]
fn other_keys_and_too_few_are_refused() {
    let (payload, _) = sample();
    let too_few = |error: &PayloadError, has: usize| {
        matches!(error, PayloadError::Signature { source: SignatureError::TooFew { signed, .. }, .. }
            if *signed == has)
    };
    assert!(too_few(&verify(&payload, &trusted(&[3], 1)).unwrap_err(), 0));
    assert!(too_few(&verify(&payload, &trusted(&[1, 3, 4], 2)).unwrap_err(), 1));
    // Keys that nobody here knows do no harm.
    assert_eq!(verify(&payload, &trusted(&[2, 3], 1)).unwrap().len(), 1);
}

#[test]
fn a_payload_that_nobody_signed_is_refused() {
    let unsigned = payload(&noise(1, 8192), &noise(2, 5000), 2, &[]);
    assert!(verify(&unsigned, &trusted(&[1], 1)).is_err());
}

/// Signatures for one purpose are none for the other.
#[test]
fn signatures_cannot_change_places() {
    let (payload, [_, signatures, blobs, payload_signatures, end]) = sample();
    let mut changed = payload.clone();
    changed[signatures..blobs].copy_from_slice(&payload[payload_signatures..end]);
    assert!(bad_signature(&changed));
    let mut changed = payload.clone();
    changed[payload_signatures..end].copy_from_slice(&payload[signatures..blobs]);
    assert!(bad_signature(&changed));
}

fn bad_signature(payload: &[u8]) -> bool {
    matches!(
        verify(payload, &trusted(&[1, 2], 2)),
        Err(PayloadError::Signature { source: SignatureError::BadSignature(_), .. })
    )
}

#[test]
fn signatures_of_another_payload_are_refused() {
    let (mut payload, [_, signatures, blobs, payload_signatures, end]) = sample();
    let other = crate::support::payload(&noise(9, 8192), &noise(2, 5000), 2, &[1, 2]);
    assert_eq!(other.len(), end);
    payload[signatures..blobs].copy_from_slice(&other[signatures..blobs]);
    assert!(bad_signature(&payload));
    // And whoever has both of them, has the other payload's manifest with these blobs.
    payload[..blobs].copy_from_slice(&other[..blobs]);
    payload[payload_signatures..].copy_from_slice(&other[payload_signatures..]);
    assert!(matches!(
        verify(&payload, &trusted(&[1, 2], 2)),
        Err(PayloadError::Data { operation: 1, .. })
    ));
}

#[test]
fn a_header_alone_makes_nobody_take_memory() {
    // Sizes within the bounds, of which nothing follows: no more is taken than what comes.
    let header = Header { manifest_size: 8 << 20, slots: 64 }.to_bytes();
    let error = Metadata::read(&mut Cursor::new(&header)).unwrap_err();
    assert!(matches!(error, PayloadError::Read { offset: 24, .. }), "{error}");
}

#[test]
fn the_bytes_of_a_known_payload_stay() {
    let (payload, _) = sample();
    assert_eq!(
        Sha256Digest::of(&payload).to_string(),
        "bdaba35649fcf03d0c8c35ab8a1b0227279e35e9a682a56e3b9f13bdb0f15414"
    );
}

#[test]
fn no_error_says_a_thing_twice() {
    let (payload, parts) = sample();
    let keys = trusted(&[1, 2], 2);
    let mut errors = vec![verify(&payload[..30], &keys).unwrap_err()];
    for at in [0, 30, parts[1], parts[1] + 20, parts[2], parts[3] + 20] {
        let mut changed = payload.clone();
        changed[at] ^= 1;
        errors.push(verify(&changed, &keys).unwrap_err());
    }
    for error in errors {
        let mut texts = vec![error.to_string()];
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            let text = source.to_string();
            assert!(texts.iter().all(|before| !before.contains(&text)), "{texts:?} {text}");
            texts.push(text);
            cause = source.source();
        }
        assert!(error.hint().is_some(), "{error}");
    }
}
