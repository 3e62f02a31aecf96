//! What is cut, changed, swapped or too much is refused, each for its own reason.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;

use flagstone_signature::{
    KEYS_MAX, KeyKind, PrivateKey, PublicKey, Signature, SignatureError, Signatures, Statement,
    TrustedKeys, read_trusted_keys,
};

fn key(number: u8) -> PrivateKey {
    let name = format!("key-{number}").parse().unwrap();
    PrivateKey::from_seed(&[number; 32], name, KeyKind::Development)
}

fn purpose(word: &str) -> flagstone_signature::Purpose {
    word.parse().unwrap()
}

fn statement() -> Statement {
    Statement::about(purpose("sha256sums"), b"message")
}

fn signed_by(numbers: &[u8]) -> Signatures {
    let mut signatures = Signatures::new(purpose("sha256sums"));
    for number in numbers {
        let key = key(*number);
        signatures.add(key.public().id(), key.sign(&statement())).unwrap();
    }
    signatures
}

/// Returns where the name stands in a file of `key-1`.
fn name_of(file: &[u8]) -> Range<usize> {
    let at = file.windows(5).position(|window| window == b"key-1").unwrap();
    at..at + 5
}

fn trusted(numbers: &[u8], threshold: usize) -> Result<TrustedKeys, SignatureError> {
    let keys = numbers.iter().map(|number| key(*number).public()).collect();
    TrustedKeys::new(keys, &BTreeSet::new(), threshold)
}

#[test]
fn keys_and_signatures_are_those_of_the_rfc() {
    // RFC 8032, 7.1, test 1: the key; then what that key makes of our own bytes, once computed.
    let seed = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    let key = PrivateKey::from_seed(&seed, "rfc".parse().unwrap(), KeyKind::Release);
    let text = "flagstone public key 1\nid: 21fe31dfa154a261\nname: rfc\nkind: release key\n\
                ed25519: d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n";
    assert_eq!(key.public().to_text(), text);
    assert_eq!(PublicKey::parse(text.as_bytes()).unwrap(), key.public());
    let signed = statement().to_sign();
    assert_eq!(signed.len(), 22 + 11 + 32);
    assert!(signed.starts_with(b"flagstone signature 1\nsha256sums\n"));
    assert_eq!(signed[33..], *statement().digest().as_bytes());
}

#[test]
fn files_read_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let key = key(1);
    let (private, public) = (dir.path().join("a.key"), dir.path().join("a.pub"));
    key.write(&private).unwrap();
    key.public().write(&public).unwrap();
    assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(fs::read_to_string(&private).unwrap().contains("kind: development key\n"));
    assert_eq!(PrivateKey::read(&private).unwrap().public(), key.public());
    assert_eq!(PublicKey::read(&public).unwrap(), key.public());
    assert!(matches!(key.write(&private), Err(SignatureError::Exists { .. })));
    fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
    let error = PrivateKey::read(&private).unwrap_err();
    assert!(error.hint().unwrap().contains("chmod 600"), "{error}");
}

#[test]
fn every_changed_or_missing_byte_of_a_file_is_noticed() {
    let public = key(1).public().to_text().into_bytes();
    let private = key(1).to_text().into_bytes();
    let signatures = signed_by(&[1, 2]);
    let text = signatures.to_text().into_bytes();
    assert_eq!(Signatures::parse(&text).unwrap(), signatures);
    let trusted = trusted(&[1, 2], 2).unwrap();
    let verifies = |text: &[u8]| {
        Signatures::parse(text).is_ok_and(|read| trusted.verify(&statement(), &read).is_ok())
    };
    for at in 0..public.len().max(private.len()).max(text.len()) {
        let changed = |file: &[u8]| {
            let mut file = file.to_owned();
            if let Some(byte) = file.get_mut(at) {
                *byte ^= 1;
            }
            file
        };
        // A name is what its owner likes: another letter there is another name.
        let matters = |file: &[u8]| at < file.len() && !name_of(file).contains(&at);
        assert!(!matters(&public) || PublicKey::parse(&changed(&public)).is_err(), "{at}");
        assert!(!matters(&private) || PrivateKey::parse(&changed(&private)).is_err(), "{at}");
        assert!(at >= public.len() || PublicKey::parse(&public[..at]).is_err(), "{at}");
        assert!(at >= private.len() || PrivateKey::parse(&private[..at]).is_err(), "{at}");
        assert!(at >= text.len() || !verifies(&text[..at]), "{at}");
        assert!(at >= text.len() || !verifies(&changed(&text)), "{at}");
    }
    for more in ["\n", "x", "x\n", "\0"] {
        let longer = |file: &[u8]| [file, more.as_bytes()].concat();
        assert!(PublicKey::parse(&longer(&public)).is_err(), "{more:?}");
        assert!(PrivateKey::parse(&longer(&private)).is_err(), "{more:?}");
        assert!(Signatures::parse(&longer(&text)).is_err(), "{more:?}");
    }
    let long = vec![b'a'; 1 << 20];
    assert!(matches!(PublicKey::parse(&long), Err(SignatureError::TooLong { .. })));
    assert!(matches!(PrivateKey::parse(&long), Err(SignatureError::TooLong { .. })));
    assert!(matches!(Signatures::parse(&long), Err(SignatureError::TooLong { .. })));
}

#[test]
fn keys_that_would_let_anybody_sign_are_refused() {
    // The points of small order, and encodings of them that are not canonical (RFC 8032, 5.1.3).
    let mut weak: Vec<[u8; 32]> = vec![[0; 32]];
    let one_and_sign = |first: u8, last: u8| {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    weak.extend([one_and_sign(1, 0), one_and_sign(1, 0x80), one_and_sign(0, 0x80)]);
    for (first, last) in [(0xec, 0x7f), (0xed, 0x7f), (0xee, 0x7f), (0xed, 0xff), (0xee, 0xff)] {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (first, last);
        weak.push(bytes);
    }
    // y = 3 + p has order 8·l, but another spelling: 3.
    let mut other = [0xff; 32];
    (other[0], other[31]) = (0xf0, 0x7f);
    weak.push(other);
    for bytes in weak {
        let made = PublicKey::new(&bytes, "weak".parse().unwrap(), KeyKind::Release);
        assert!(matches!(made, Err(SignatureError::WeakKey(_))), "{bytes:02x?}");
    }
}

#[test]
fn a_signature_is_for_one_message_one_purpose_and_one_key() {
    let trusted = trusted(&[1, 2], 1).unwrap();
    let signatures = signed_by(&[1]);
    assert_eq!(trusted.verify(&statement(), &signatures).unwrap(), [&key(1).public()]);

    let other = Statement::about(purpose("sha256sums"), b"messagf");
    let error = trusted.verify(&other, &signatures).unwrap_err();
    assert!(matches!(error, SignatureError::BadSignature(_)), "{error}");

    let other = Statement::about(purpose("payload"), b"message");
    let error = trusted.verify(&other, &signatures).unwrap_err();
    assert!(matches!(error, SignatureError::WrongPurpose { .. }), "{error}");
    // The word in the file is not what counts.
    let mut renamed = Signatures::new(purpose("payload"));
    renamed.add(key(1).public().id(), key(1).sign(&statement())).unwrap();
    let error = trusted.verify(&other, &renamed).unwrap_err();
    assert!(matches!(error, SignatureError::BadSignature(_)), "{error}");

    let mut swapped = Signatures::new(purpose("sha256sums"));
    swapped.add(key(1).public().id(), key(2).sign(&statement())).unwrap();
    swapped.add(key(2).public().id(), key(1).sign(&statement())).unwrap();
    let error = trusted.verify(&statement(), &swapped).unwrap_err();
    assert!(matches!(error, SignatureError::BadSignature(_)), "{error}");

    let mut zeros = Signatures::new(purpose("sha256sums"));
    zeros.add(key(1).public().id(), Signature::from_bytes([0; 64])).unwrap();
    assert!(trusted.verify(&statement(), &zeros).is_err());
}

#[test]
fn a_second_form_of_a_signature_is_refused() {
    // S + l is the same number modulo the group's order l (RFC 8032, 5.1.7 wants S < l).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = *key(1).sign(&statement()).as_bytes();
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(key(1).public().verify(&statement(), &Signature::from_bytes(bytes)).is_err());
}

#[test]
fn a_threshold_counts_trusted_keys_and_each_once() {
    let two_of_three = trusted(&[1, 2, 3], 2).unwrap();
    for (signers, enough) in [
        (&[][..], false),
        (&[1], false),
        (&[1, 1], false),
        (&[1, 9], false),
        (&[7, 8, 9], false),
        (&[1, 2], true),
        (&[1, 3, 9], true),
        (&[1, 2, 3], true),
    ] {
        let verified = two_of_three.verify(&statement(), &signed_by(signers));
        assert_eq!(verified.is_ok(), enough, "{signers:?}");
    }
    // The same key twice in a file, in any order, is no file.
    let text = signed_by(&[1]).to_text();
    let line = text.lines().last().unwrap();
    assert!(Signatures::parse(format!("{text}{line}\n").as_bytes()).is_err());
    let text = signed_by(&[1, 2]).to_text();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(2, 3);
    assert!(Signatures::parse(format!("{}\n", lines.join("\n")).as_bytes()).is_err());
}

#[test]
fn sets_that_cannot_be_meant_are_refused() {
    assert!(matches!(trusted(&[], 1), Err(SignatureError::NoKeys)));
    assert!(matches!(trusted(&[1], 0), Err(SignatureError::Threshold { .. })));
    assert!(matches!(trusted(&[1, 2], 3), Err(SignatureError::Threshold { .. })));
    assert!(matches!(trusted(&[1, 2, 1], 2), Err(SignatureError::Duplicate(_))));
    let many: Vec<u8> = (0..=64).collect();
    assert!(matches!(trusted(&many, 1), Err(SignatureError::TooManyKeys(KEYS_MAX))));
    let revoked = BTreeSet::from([key(1).public().id()]);
    let keys = || vec![key(1).public(), key(2).public()];
    assert!(matches!(
        TrustedKeys::new(keys(), &revoked, 2),
        Err(SignatureError::Threshold { threshold: 2, keys: 1 })
    ));
    let one = TrustedKeys::new(keys(), &revoked, 1).unwrap();
    assert!(matches!(
        one.verify(&statement(), &signed_by(&[1])),
        Err(SignatureError::TooFew { signed: 0, needed: 1 })
    ));
    assert!(one.verify(&statement(), &signed_by(&[1, 2])).is_ok());
}

#[test]
fn a_folder_of_keys_says_how_many_must_sign() {
    let dir = tempfile::tempdir().unwrap();
    let read = || read_trusted_keys(dir.path());
    let chain = |error: SignatureError| {
        let mut text = error.to_string();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            let _ = write!(text, ": {source}");
            cause = source;
        }
        text
    };
    assert!(chain(read().unwrap_err()).ends_with("there is no trusted key"));
    key(1).public().write(&dir.path().join("a.pub")).unwrap();
    assert_eq!(read().unwrap().threshold(), 1);
    key(2).public().write(&dir.path().join("b.pub")).unwrap();
    assert!(matches!(read(), Err(SignatureError::NoThreshold { keys: 2, .. })));
    for bad in ["", "0\n", "3\n", "2", "02\n", "+1\n", "1\n\n", "one\n", "65\n", "1 \n"] {
        fs::write(dir.path().join("threshold"), bad).unwrap();
        assert!(read().is_err(), "{bad:?}");
    }
    fs::write(dir.path().join("threshold"), "2\n").unwrap();
    assert_eq!(read().unwrap().threshold(), 2);
    // What only looks like a key is no reason to trust fewer.
    fs::write(dir.path().join("c.pub"), "x").unwrap();
    assert!(chain(read().unwrap_err()).contains("c.pub"));
    fs::remove_file(dir.path().join("c.pub")).unwrap();
    let revoked = format!("flagstone revoked keys 1\n{}\n", key(2).public().id());
    fs::write(dir.path().join("revoked"), revoked).unwrap();
    assert!(matches!(read(), Err(SignatureError::In { .. })));
    fs::write(dir.path().join("threshold"), "1\n").unwrap();
    assert_eq!(read().unwrap().keys().count(), 1);
    fs::write(dir.path().join("revoked"), "flagstone revoked keys 1\nx\n").unwrap();
    assert!(read().is_err());
}

#[test]
fn the_documentation_gives_the_first_lines_and_limits_of_all_files() {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/install.md");
    let manual = fs::read_to_string(manual).unwrap();
    for text in [key(1).public().to_text(), key(1).to_text(), signed_by(&[1]).to_text()] {
        let first = text.lines().next().unwrap();
        assert!(manual.contains(&format!("\"{first}\"")), "{first}");
        for field in text.lines().skip(1).filter_map(|line| line.split_once(": ")) {
            assert!(manual.contains(&format!("\"{}: \"", field.0)), "{}", field.0);
        }
    }
    assert!(TrustedKeys::parse_revoked(b"flagstone revoked keys 1\n").is_ok());
    assert!(manual.contains("\"flagstone revoked keys 1\""));
    assert!(manual.contains(&format!("*{KEYS_MAX}( ID")));
    // A file of the most signatures is within its limit.
    let mut signatures = Signatures::new(purpose(&"p".repeat(32)));
    for number in 0..64 {
        signatures.add(key(number).public().id(), key(number).sign(&statement())).unwrap();
    }
    let text = signatures.to_text();
    assert!(text.len() as u64 <= Signatures::file_max());
    assert_eq!(Signatures::parse(text.as_bytes()).unwrap(), signatures);
    assert!(signatures.add(key(64).public().id(), key(64).sign(&statement())).is_err());
}
