use std::fmt;

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{self, Signature, SignatureType, SubpacketData};
use pgp::types::{Fingerprint, KeyDetails, KeyId, Tag};

use crate::clearsign::ClearSigned;
use crate::{SignatureError, format_date};

/// How far a signature's time may lie ahead, in seconds: clocks differ a little.
const CLOCK_SKEW: i64 = 600;
/// How large a keyring may be; Debian's whole one has 56 KiB.
const KEYRING_MAX: usize = 4 << 20;
/// The most keys a keyring may hold.
const KEYS_MAX: usize = 1000;

const ARMOR_BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The keys with which Debian 13 and its updates are signed; `keys/README.md` says whence they are.
const DEBIAN: [&[u8]; 3] = [
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../keys/debian/debian-archive-trixie-automatic.asc"
    )),
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../keys/debian/debian-archive-trixie-security-automatic.asc"
    )),
    include_bytes!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../keys/debian/debian-archive-trixie-stable.asc"
    )),
];

/// The keys that are trusted to sign releases.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<TrustedKey>,
}

/// A primary key or a subkey that may sign.
#[derive(Clone)]
struct TrustedKey {
    key: VerifyingKey,
    fingerprint: Fingerprint,
    id: KeyId,
    created: i64,
    /// `None` if it never expires.
    expires: Option<i64>,
    revoked: bool,
    /// Whose it is, for messages.
    owner: String,
}

#[derive(Clone)]
enum VerifyingKey {
    Primary(packet::PublicKey),
    Subkey(packet::PublicSubkey),
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl Keyring {
    /// Returns the keys of the Debian archive that are built in.
    ///
    /// # Panics
    /// Never: a test reads the same bytes.
    pub fn debian() -> Self {
        let mut keyring = Self::default();
        for file in DEBIAN {
            let keys = Self::parse(file).expect("the keys that are built in are sound");
            keyring.keys.extend(keys.keys);
        }
        keyring
    }

    /// Reads a keyring: keys in binary form, or one or more blocks of ASCII armor.
    ///
    /// # Errors
    /// If it is malformed, or holds no key that can verify a signature.
    pub fn parse(data: &[u8]) -> Result<Self, SignatureError> {
        if data.len() > KEYRING_MAX {
            return Err(SignatureError::Keyring("it is too large".into()));
        }
        let mut keyring = Self::default();
        if data.first().is_some_and(|byte| byte & 0x80 != 0) {
            keyring.add(data)?;
        } else {
            let text = std::str::from_utf8(data)
                .map_err(|_| SignatureError::Keyring("it is neither armor nor binary".into()))?;
            let blocks: Vec<_> = text.match_indices(ARMOR_BEGIN).map(|(at, _)| at).collect();
            let ends = blocks.iter().skip(1).copied().chain([text.len()]);
            for (start, end) in blocks.iter().copied().zip(ends) {
                keyring.add(&text.as_bytes()[start..end])?;
            }
        }
        if keyring.keys.is_empty() {
            return Err(SignatureError::Keyring("it holds no key that may sign".into()));
        }
        Ok(keyring)
    }

    /// Adds the keys of another keyring.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.keys.extend(other.keys);
        self
    }

    fn add(&mut self, data: &[u8]) -> Result<(), SignatureError> {
        let unreadable = |error: pgp::errors::Error| SignatureError::Keyring(error.to_string());
        let (keys, _) = SignedPublicKey::from_reader_many(data).map_err(unreadable)?;
        for key in keys {
            let key = key.map_err(unreadable)?;
            if self.keys.len() >= KEYS_MAX {
                return Err(SignatureError::Keyring("it holds too many keys".into()));
            }
            self.keys.extend(signing_keys(&key));
        }
        Ok(())
    }

    /// Verifies a clear-signed document, and returns the text that is signed and who signed it.
    ///
    /// `now` is in seconds since 1970-01-01 UTC. One good signature by a trusted key is enough;
    /// others by unknown keys do not matter, since releases are signed by several keys in turn. A
    /// signature by a trusted key that does not fit the text is never passed over.
    pub(crate) fn verify(&self, document: &[u8], now: i64) -> Result<Signed, SignatureError> {
        let document = ClearSigned::parse(document)?;
        let text = document.signed_text();
        let mut signers = Vec::new();
        let mut unknown = Vec::new();
        let mut failure = None;
        for signature in document.signatures() {
            let Some(key) = self.find(signature) else {
                unknown.push(issuer(signature));
                continue;
            };
            match key.check(signature, &text, now) {
                Ok(()) => signers.push(key.label()),
                Err(error @ SignatureError::Bad { .. }) => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if signers.is_empty() {
            return Err(failure.unwrap_or(SignatureError::UnknownKey { keys: unknown }));
        }
        Ok(Signed { text: text.replace("\r\n", "\n"), signers })
    }

    fn find(&self, signature: &Signature) -> Option<&TrustedKey> {
        let fingerprints = signature.issuer_fingerprint();
        let by_fingerprint = self.keys.iter().find(|k| fingerprints.contains(&&k.fingerprint));
        let ids = signature.issuer_key_id();
        by_fingerprint.or_else(|| self.keys.iter().find(|k| ids.contains(&&k.id)))
    }
}

/// A text that a trusted key signed.
pub(crate) struct Signed {
    pub(crate) text: String,
    /// The keys, for people.
    pub(crate) signers: Vec<String>,
}

/// Returns who says to have made a signature.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    fingerprint
        .or_else(|| signature.issuer_key_id().first().map(ToString::to_string))
        .map_or_else(|| "(unnamed)".to_owned(), |id| id.to_uppercase())
}

/// Returns the keys of a certificate that may sign and are bound to it.
fn signing_keys(certificate: &SignedPublicKey) -> Vec<TrustedKey> {
    let primary = &certificate.primary_key;
    let details = &certificate.details;
    let owner = details.users.first().map_or("", |user| user.id.as_str().unwrap_or_default());
    // The newest statement of the key about itself counts. What it says beside its users may be
    // about something else only, such as who may revoke it.
    let on_users = details.users.iter().flat_map(|user| {
        let valid = |s: &&Signature| {
            is_certification(s) && s.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(valid)
    });
    let on_users = on_users.max_by_key(|s| s.created());
    let on_key = details.direct_signatures.iter().filter(|s| s.verify_key(primary).is_ok());
    let on_key = on_key.max_by_key(|s| s.created());
    let Some(statement) = on_users.or(on_key) else { return Vec::new() };
    let expiries = [on_users, on_key].into_iter().flatten().filter_map(|s| expiry(primary, s));
    let revoked = !details.revocation_signatures.is_empty();
    let key = TrustedKey {
        key: VerifyingKey::Primary(primary.clone()),
        fingerprint: primary.fingerprint(),
        id: primary.legacy_key_id(),
        created: seconds(primary.created_at()),
        expires: expiries.min(),
        revoked,
        owner: owner.to_owned(),
    };
    let subkeys =
        certificate.public_subkeys.iter().filter_map(|s| signing_subkey(s, primary, &key));
    let mut keys: Vec<_> = subkeys.collect();
    if statement.key_flags().sign() {
        keys.push(key);
    }
    keys
}

fn is_certification(signature: &Signature) -> bool {
    use SignatureType::{CertCasual, CertGeneric, CertPersona, CertPositive};
    matches!(signature.typ(), Some(CertCasual | CertGeneric | CertPersona | CertPositive))
}

/// Returns a subkey if its newest binding lets it sign; it is valid no longer than its primary key.
fn signing_subkey(
    subkey: &SignedPublicSubKey,
    primary: &packet::PublicKey,
    owner: &TrustedKey,
) -> Option<TrustedKey> {
    let key = &subkey.key;
    let bound = |s: &&Signature| {
        s.typ() == Some(SignatureType::SubkeyBinding)
            && s.verify_subkey_binding(primary, key).is_ok()
    };
    let binding = subkey.signatures.iter().filter(bound).max_by_key(|s| s.created())?;
    // Both must agree: without the subkey's own statement, one could adopt somebody else's key.
    let agreed = binding
        .embedded_signature()
        .is_some_and(|s| s.verify_primary_key_binding(key, primary).is_ok());
    let revocation = |s: &Signature| s.typ() == Some(SignatureType::SubkeyRevocation);
    let expires = [owner.expires, expiry(key, binding)].into_iter().flatten().min();
    (agreed && binding.key_flags().sign()).then(|| TrustedKey {
        key: VerifyingKey::Subkey(key.clone()),
        fingerprint: key.fingerprint(),
        id: key.legacy_key_id(),
        created: seconds(key.created_at()),
        expires,
        revoked: owner.revoked || subkey.signatures.iter().any(revocation),
        owner: owner.owner.clone(),
    })
}

fn seconds(time: pgp::types::Timestamp) -> i64 {
    i64::from(time.as_secs())
}

/// Returns when a key expires by what a signature on it says; zero means never.
fn expiry(key: &impl KeyDetails, statement: &Signature) -> Option<i64> {
    let lifetime = statement.key_expiration_time().map_or(0, pgp::types::Duration::as_secs);
    (lifetime > 0).then(|| seconds(key.created_at()) + i64::from(lifetime))
}

impl TrustedKey {
    /// Returns the fingerprint and the owner.
    fn label(&self) -> String {
        format!("{:X} ({})", self.fingerprint, self.owner)
    }

    /// Checks one signature over `text`: first that it is one, then that it counts.
    fn check(&self, signature: &Signature, text: &str, now: i64) -> Result<(), SignatureError> {
        let key = || self.label();
        let weak = |what: &str| SignatureError::Weak { key: key(), what: what.to_owned() };
        match signature.typ() {
            Some(SignatureType::Text | SignatureType::Binary) => {}
            _ => return Err(weak("a type that is not for documents")),
        }
        match signature.hash_alg() {
            Some(
                HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512,
            ) => {}
            Some(other) => return Err(weak(&other.to_string())),
            None => return Err(weak("an unknown digest")),
        }
        let critical = signature.config().is_some_and(|config| {
            config.hashed_subpackets.iter().any(|s| {
                let unknown = matches!(
                    s.data,
                    SubpacketData::Other(..)
                        | SubpacketData::Experimental(..)
                        | SubpacketData::Notation(_)
                );
                s.is_critical && unknown
            })
        });
        if critical {
            return Err(weak("a critical extension that is not known"));
        }
        let valid = match &self.key {
            VerifyingKey::Primary(key) => signature.verify(key, text.as_bytes()),
            VerifyingKey::Subkey(key) => signature.verify(key, text.as_bytes()),
        };
        valid.map_err(|_| SignatureError::Bad { key: key() })?;
        self.check_times(signature, now)
    }

    fn check_times(&self, signature: &Signature, now: i64) -> Result<(), SignatureError> {
        let key = || self.label();
        let expired = |reason: String| SignatureError::KeyExpired { key: key(), reason };
        if self.revoked {
            return Err(expired("was revoked".into()));
        }
        if let Some(on) = self.expires.filter(|on| *on <= now) {
            return Err(expired(format!("expired on {}", format_date(on))));
        }
        let Some(created) = signature.created().map(seconds) else {
            let what = "no time of its making".to_owned();
            return Err(SignatureError::Weak { key: key(), what });
        };
        if created < self.created {
            let what = "a time before the key was made".to_owned();
            return Err(SignatureError::Weak { key: key(), what });
        }
        if created > now.saturating_add(CLOCK_SKEW) {
            return Err(SignatureError::FromTheFuture { key: key(), on: created });
        }
        let lifetime =
            signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs);
        let on = created + i64::from(lifetime);
        if lifetime > 0 && on <= now {
            return Err(SignatureError::SignatureExpired { key: key(), on });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::test_judge::judge;
    use crate::test_keys::{MADE, NOW, SIGNED, Signing, TestKey};

    const TEXT: &str = "Origin: Test\n- dashed\nDate:  x\n";

    fn keyring(key: &TestKey) -> Keyring {
        Keyring::parse(&key.binary()).unwrap()
    }

    fn refusal(keyring: &Keyring, document: &str) -> SignatureError {
        keyring.verify(document.as_bytes(), NOW).map(|signed| signed.text).unwrap_err()
    }

    #[test]
    fn the_built_in_keys_are_those_of_the_documentation() {
        let keyring = Keyring::debian();
        let mut keys: Vec<_> = keyring.keys.iter().map(TrustedKey::label).collect();
        keys.sort();
        let readme = fs::read_to_string("../../keys/README.md").unwrap();
        for key in &keys {
            assert!(readme.contains(key.split(' ').next().unwrap()), "{key}");
        }
        assert_eq!(keys.len(), 5, "{keys:?}");
    }

    #[test]
    fn subkey_and_primary_key_may_sign() {
        let key = TestKey::new("Test <test@example.org>");
        for by_primary in [false, true] {
            let how = Signing { by_primary, ..Signing::default() };
            let signed = keyring(&key).verify(key.sign_with(TEXT, &how).as_bytes(), NOW).unwrap();
            assert_eq!(signed.text, TEXT.trim_end());
            assert!(signed.signers[0].ends_with(" (Test <test@example.org>)"));
        }
    }

    #[test]
    fn keyrings_are_read_in_every_form() {
        let (one, two) = (TestKey::new("one"), TestKey::new("two"));
        let binary = [one.binary(), two.binary()].concat();
        let armored = format!("A comment\n{}\n\n{}", one.armored(), two.armored());
        for data in [&binary, armored.as_bytes()] {
            let keyring = Keyring::parse(data).unwrap();
            for key in [&one, &two] {
                assert!(keyring.verify(key.sign(TEXT).as_bytes(), NOW).is_ok());
            }
        }
        for bad in [&b""[..], b"text", &[0xff, 0xff], &binary[..20], &armored.as_bytes()[..200]] {
            assert!(matches!(Keyring::parse(bad), Err(SignatureError::Keyring(_))));
        }
    }

    #[test]
    fn unknown_keys_are_named() {
        let (ours, theirs) = (TestKey::new("ours"), TestKey::new("theirs"));
        let error = refusal(&keyring(&ours), &theirs.sign(TEXT));
        assert_eq!(error, SignatureError::UnknownKey { keys: vec![theirs.fingerprint()] });
        assert!(error.hint().is_some());
    }

    #[test]
    fn every_change_of_the_text_is_noticed() {
        let key = TestKey::new("key");
        let document = key.sign(TEXT);
        let tampered = document.replace("Origin: Test", "Origin: Best");
        assert!(matches!(refusal(&keyring(&key), &tampered), SignatureError::Bad { .. }));
        let inserted = document.replace("Origin:", "Extra: x\nOrigin:");
        assert!(matches!(refusal(&keyring(&key), &inserted), SignatureError::Bad { .. }));
    }

    #[test]
    fn text_outside_of_what_is_signed_is_refused() {
        let key = TestKey::new("key");
        let document = key.sign(TEXT);
        for bad in [
            format!("Extra: x\n{document}"),
            format!("\n{document}"),
            format!("{document}Extra: x\n"),
            format!("{document}{document}"),
            document.replace(
                "-----BEGIN PGP SIGNATURE",
                "\u{2028}\n-----BEGIN PGP SIGNATURE-----\n-----BEGIN PGP SIGNATURE",
            ),
            document.replace('\n', "\r\n"),
            document[..document.len() / 2].to_owned(),
            document.replace("Hash: SHA512\n", "Hash: SHA512\nExtra: x\n"),
        ] {
            let error = refusal(&keyring(&key), &bad);
            assert!(matches!(error, SignatureError::Malformed(_)), "{error} {bad}");
        }
        for unsigned in [TEXT, ""] {
            assert_eq!(refusal(&keyring(&key), unsigned), SignatureError::NotSigned);
        }
        assert!(keyring(&key).verify(&[0xff; 10], NOW).is_err());
    }

    #[test]
    fn times_are_heeded() {
        let key = TestKey::new("key");
        let sign = |at, lifetime| {
            let how = Signing { at, lifetime, ..Signing::default() };
            refusal(&keyring(&key), &key.sign_with(TEXT, &how))
        };
        let future = sign(u32::try_from(NOW).unwrap() + 3600, None);
        assert!(matches!(future, SignatureError::FromTheFuture { .. }), "{future}");
        let old = sign(SIGNED, Some(60));
        assert!(matches!(old, SignatureError::SignatureExpired { .. }), "{old}");
        let before = sign(MADE - 1, None);
        assert!(matches!(before, SignatureError::Weak { .. }), "{before}");
    }

    #[test]
    fn expired_and_revoked_keys_are_refused() {
        let day = 86_400;
        let expired = TestKey::new("key").restate(Some(10 * day), true);
        let error = refusal(&keyring(&expired), &expired.sign(TEXT));
        assert!(error.to_string().contains("it expired on 2025-01-11"), "{error}");
        let revoked = TestKey::new("key").revoke();
        let error = refusal(&keyring(&revoked), &revoked.sign(TEXT));
        assert!(error.to_string().ends_with("it was revoked"), "{error}");
        let lasting = TestKey::new("key").restate(Some(365 * day), true);
        assert!(keyring(&lasting).verify(lasting.sign(TEXT).as_bytes(), NOW).is_ok());
    }

    #[test]
    fn keys_that_may_not_sign_do_not() {
        let key = TestKey::new("key").restate(None, false);
        let how = Signing { by_primary: true, ..Signing::default() };
        let error = refusal(&keyring(&key), &key.sign_with(TEXT, &how));
        assert!(matches!(error, SignatureError::UnknownKey { .. }), "{error}");
        let key = TestKey::new("key");
        let keyring = Keyring::parse(&key.with_unbound_subkey()).unwrap();
        let error = refusal(&keyring, &key.sign(TEXT));
        assert!(matches!(error, SignatureError::UnknownKey { .. }), "{error}");
    }

    #[test]
    fn gpgv_agrees_about_good_and_bad() {
        let Some(gpgv) = judge("gpgv") else { return };
        let dir = tempfile::tempdir().unwrap();
        let key = TestKey::new("key");
        let (ring, file) = (dir.path().join("ring.gpg"), dir.path().join("InRelease"));
        fs::write(&ring, key.binary()).unwrap();
        let good = key.sign(TEXT);
        for document in [good.clone(), good.replace("Origin", "0rigin")] {
            fs::write(&file, &document).unwrap();
            let judged = Command::new(&gpgv).arg("--keyring").arg(&ring).arg(&file).output();
            let ours = keyring(&key).verify(document.as_bytes(), NOW).is_ok();
            assert_eq!(judged.unwrap().status.success(), ours, "{document}");
        }
    }

    #[test]
    fn what_gpg_signs_is_verified() {
        let Some(gpg) = judge("gpg") else { return };
        let home = tempfile::tempdir().unwrap();
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&gpg);
            command.arg("--homedir").arg(home.path()).args(["--batch", "--quiet", "--yes"]);
            command.args(["--pinentry-mode", "loopback", "--passphrase", ""]);
            let output = command.args(arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let file = home.path().join("Release");
        fs::write(&file, "Origin: gpg\n- dash\ntrailing \t\nend\n").unwrap();
        run(&["--quick-generate-key", "gpg@example.org", "ed25519", "sign", "1d"]);
        let ring = Keyring::parse(&run(&["--export"])).unwrap();
        let document = run(&["--clearsign", "-o", "-", file.to_str().unwrap()]);
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(home.path())
            .arg("--kill")
            .arg("all")
            .output();
        let now = ring.keys[0].created + 60;
        let signed = ring.verify(&document, now).unwrap();
        assert_eq!(signed.text.trim_end(), "Origin: gpg\n- dash\ntrailing\nend");
        let error = ring.verify(&document, now + 2 * 86_400).map(|s| s.text).unwrap_err();
        assert!(matches!(error, SignatureError::KeyExpired { .. }), "{error}");
    }
}
