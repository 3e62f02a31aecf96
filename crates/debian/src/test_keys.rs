//! Makes keys and signatures for tests.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, EncryptionCaps, KeyType, SecretKeyParamsBuilder,
    SignedPublicKey, SignedSecretKey, SubkeyParamsBuilder,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};

/// When the tests' keys are made: 2025-01-01.
pub(crate) const MADE: u32 = 1_735_689_600;
/// When the tests' documents are signed: a month later.
pub(crate) const SIGNED: u32 = MADE + 31 * 86_400;
/// When the tests look at them: a day later.
pub(crate) const NOW: i64 = SIGNED as i64 + 86_400;

/// A key with a subkey that signs.
pub(crate) struct TestKey {
    secret: SignedSecretKey,
}

fn rng() -> rand::rngs::ThreadRng {
    rand::thread_rng()
}

impl TestKey {
    pub(crate) fn new(owner: &str) -> Self {
        let mut subkey = SubkeyParamsBuilder::default();
        subkey
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .created_at(Timestamp::from_secs(MADE));
        let mut key = SecretKeyParamsBuilder::default();
        key.key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .created_at(Timestamp::from_secs(MADE))
            .primary_user_id(owner.into())
            .subkeys(vec![subkey.build().unwrap()]);
        Self { secret: key.build().unwrap().generate(rng()).unwrap() }
    }

    /// Replaces what the key says about itself: when it expires, and that it may sign.
    pub(crate) fn restate(mut self, lifetime: Option<u32>, may_sign: bool) -> Self {
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(may_sign);
        let primary = &self.secret.primary_key;
        let mut subpackets = vec![
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE)),
            SubpacketData::IssuerFingerprint(primary.fingerprint()),
            SubpacketData::KeyFlags(flags),
        ];
        let lifetime = lifetime.map(Duration::from_secs);
        subpackets.extend(lifetime.map(SubpacketData::KeyExpirationTime));
        let mut config =
            SignatureConfig::from_key(rng(), primary, SignatureType::CertPositive).unwrap();
        config.hashed_subpackets = regular(subpackets);
        let user = &mut self.secret.details.users[0];
        let signature = config
            .sign_certification(
                primary,
                &primary.public_key(),
                &Password::empty(),
                Tag::UserId,
                &user.id,
            )
            .unwrap();
        user.signatures = vec![signature];
        self
    }

    /// Adds a revocation of the whole key.
    pub(crate) fn revoke(mut self) -> Self {
        let primary = &self.secret.primary_key;
        let mut config =
            SignatureConfig::from_key(rng(), primary, SignatureType::KeyRevocation).unwrap();
        config.hashed_subpackets = regular(vec![
            SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE)),
            SubpacketData::IssuerFingerprint(primary.fingerprint()),
        ]);
        let signature =
            config.sign_key(primary, &Password::empty(), &primary.public_key()).unwrap();
        self.secret.details.revocation_signatures.push(signature);
        self
    }

    fn public(&self) -> SignedPublicKey {
        SignedPublicKey::from(self.secret.clone())
    }

    pub(crate) fn binary(&self) -> Vec<u8> {
        self.public().to_bytes().unwrap()
    }

    /// Returns the public key without the signatures that bind its subkey.
    pub(crate) fn with_unbound_subkey(&self) -> Vec<u8> {
        let mut key = self.public();
        key.public_subkeys[0].signatures.clear();
        key.to_bytes().unwrap()
    }

    pub(crate) fn armored(&self) -> String {
        self.public().to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// Returns the subkey's fingerprint.
    pub(crate) fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.secret_subkeys[0].key.fingerprint())
    }

    /// Signs a text with the subkey, as it should be.
    pub(crate) fn sign(&self, text: &str) -> String {
        self.sign_with(text, &Signing::default())
    }

    pub(crate) fn sign_with(&self, text: &str, how: &Signing) -> String {
        if how.by_primary {
            sign(text, how, &self.secret.primary_key)
        } else {
            sign(text, how, &self.secret.secret_subkeys[0].key)
        }
    }
}

/// How a document is signed.
pub(crate) struct Signing {
    pub(crate) by_primary: bool,
    pub(crate) at: u32,
    pub(crate) lifetime: Option<u32>,
    pub(crate) hash: HashAlgorithm,
}

impl Default for Signing {
    fn default() -> Self {
        Self { by_primary: false, at: SIGNED, lifetime: None, hash: HashAlgorithm::Sha512 }
    }
}

fn sign(text: &str, how: &Signing, key: &impl SigningKey) -> String {
    let mut config = SignatureConfig::from_key(rng(), key, SignatureType::Text).unwrap();
    config.hash_alg = how.hash;
    let mut subpackets = vec![
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(how.at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ];
    let lifetime = how.lifetime.map(Duration::from_secs);
    subpackets.extend(lifetime.map(SubpacketData::SignatureExpirationTime));
    config.hashed_subpackets = regular(subpackets);
    let text = text.strip_suffix('\n').unwrap_or(text);
    let message = CleartextSignedMessage::new(text, config, key, &Password::empty()).unwrap();
    message.to_armored_string(ArmorOptions::default()).unwrap()
}

fn regular(data: Vec<SubpacketData>) -> Vec<Subpacket> {
    data.into_iter().map(|data| Subpacket::regular(data).unwrap()).collect()
}
