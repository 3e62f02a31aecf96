use std::str::FromStr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    EncapsulatedContentInfo, SignatureValue, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use flagstone_artifact::Sha256Digest;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey as EcKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use x509_cert::builder::{Builder, CertificateBuilder, Profile};
use x509_cert::der::asn1::{Any, SetOfVec};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Encode, EncodePem};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::{Time, Validity};

use crate::{CertificateError, TrustedCertificate};

/// `id-data` and `id-signedData` (RFC 5652, sections 4 and 5.1).
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
/// `id-sha256` (RFC 5754, section 2.2) and `ecdsa-with-SHA256` (RFC 5758, section 3.2).
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// How long a certificate says that it is good: machines do not look, and a fleet outlives a year.
const YEARS: u64 = 30;

/// The longest common name (RFC 5280, `ub-common-name`).
const NAME_MAX: usize = 64;

/// A private key, and the certificate that machines trust, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The key (PKCS #8, RFC 5958), which is secret.
    pub key: String,
    /// The certificate (RFC 5280).
    pub certificate: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Makes a key from 32 bytes of chance, with a certificate that it signs itself, good from `now` (seconds
/// since 1970-01-01 UTC) on.
///
/// # Errors
/// [`CertificateError::Chance`] in one of 2^32 cases; [`CertificateError::Name`].
pub fn generate(name: &str, chance: &[u8; 32], now: u64) -> Result<KeyPair, CertificateError> {
    let wrong_name =
        |reason: String| CertificateError::Name { name: name.chars().take(80).collect(), reason };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_');
    if name.trim() != name || name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
        return Err(wrong_name("it is not made of a few plain characters".to_owned()));
    }
    let subject = Name::from_str(&format!("CN={name}")).map_err(|e| wrong_name(e.to_string()))?;
    let key = EcKey::from_slice(chance).map_err(|_| CertificateError::Chance)?;
    let encode = |error: &dyn std::fmt::Display| CertificateError::Encode(error.to_string());
    let public = key.verifying_key().to_public_key_der().map_err(|e| encode(&e))?;
    let public = SubjectPublicKeyInfoOwned::try_from(public.as_bytes()).map_err(|e| encode(&e))?;
    // Any number that no other certificate of this name has: digits of a digest of the public key.
    let serial = Sha256Digest::of(key.verifying_key().to_encoded_point(true).as_bytes());
    let serial = SerialNumber::new(&serial.as_bytes()[..16]).map_err(|e| encode(&e))?;
    let time = |seconds| {
        Time::try_from(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .map_err(|e| encode(&e))
    };
    let validity =
        Validity { not_before: time(now)?, not_after: time(now + YEARS * 365 * 86_400)? };
    let profile = Profile::Leaf {
        issuer: subject.clone(),
        enable_key_agreement: false,
        enable_key_encipherment: false,
    };
    let builder = CertificateBuilder::new(profile, serial, validity, subject, public, &key)
        .map_err(|e| encode(&e))?;
    let certificate = builder.build::<DerSignature>().map_err(|e| encode(&e))?;
    Ok(KeyPair {
        key: key.to_pkcs8_pem(LineEnding::LF).map_err(|e| encode(&e))?.to_string(),
        certificate: certificate.to_pem(LineEnding::LF).map_err(|e| encode(&e))?,
    })
}

/// A key that signs root hashes, with its certificate.
#[derive(Clone, Debug)]
pub struct SigningKey {
    key: EcKey,
    certificate: TrustedCertificate,
}

/// The signature of a root hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootHashSignature {
    root_hash: Sha256Digest,
    fingerprint: Sha256Digest,
    pkcs7: Vec<u8>,
}

impl SigningKey {
    /// Reads key and certificate in PEM.
    ///
    /// # Errors
    /// [`CertificateError::Key`], [`CertificateError::Certificate`], [`CertificateError::Mismatch`].
    pub fn from_pem(key: &str, certificate: &[u8]) -> Result<Self, CertificateError> {
        let key = EcKey::from_pkcs8_pem(key).map_err(|e| CertificateError::Key(e.to_string()))?;
        let certificate = TrustedCertificate::from_pem(certificate)?;
        let own = key.verifying_key().to_public_key_der();
        let own = own.map_err(|e| CertificateError::Encode(e.to_string()))?;
        let certified = certificate.certificate.tbs_certificate.subject_public_key_info.to_der();
        if certified.ok().as_deref() != Some(own.as_bytes()) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { key, certificate })
    }

    /// Returns the certificate.
    pub fn certificate(&self) -> &TrustedCertificate {
        &self.certificate
    }

    /// Signs a root hash.
    ///
    /// # Errors
    /// [`CertificateError::Encode`], if the certificate has names that cannot be repeated.
    pub fn sign(&self, root_hash: &Sha256Digest) -> Result<RootHashSignature, CertificateError> {
        let signature: DerSignature = self.key.sign(root_hash.to_string().as_bytes());
        let pkcs7 = self.message(signature.as_bytes());
        Ok(RootHashSignature {
            root_hash: *root_hash,
            fingerprint: self.certificate.fingerprint(),
            pkcs7: pkcs7.map_err(|error| CertificateError::Encode(error.to_string()))?,
        })
    }

    /// Wraps a signature into a detached message.
    fn message(&self, signature: &[u8]) -> Result<Vec<u8>, x509_cert::der::Error> {
        let certified = &self.certificate.certificate.tbs_certificate;
        let algorithm = |oid| AlgorithmIdentifierOwned { oid, parameters: None };
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: certified.issuer.clone(),
                serial_number: certified.serial_number.clone(),
            }),
            digest_alg: algorithm(SHA256),
            signed_attrs: None,
            signature_algorithm: algorithm(ECDSA_SHA256),
            signature: SignatureValue::new(signature)?,
            unsigned_attrs: None,
        };
        let data = SignedData {
            version: CmsVersion::V1,
            digest_algorithms: SetOfVec::try_from(vec![algorithm(SHA256)])?,
            encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        };
        ContentInfo { content_type: SIGNED_DATA, content: Any::encode_from(&data)? }.to_der()
    }
}

impl RootHashSignature {
    /// Returns the message: PKCS #7 in DER, as `openssl smime` reads it.
    pub fn pkcs7(&self) -> &[u8] {
        &self.pkcs7
    }

    /// Returns what a verity signature partition holds (UAPI.2): JSON with the root hash, the signature
    /// in base64, and the fingerprint of the certificate to verify it with. Zeros may follow it there.
    pub fn to_json(&self) -> String {
        let Self { root_hash, fingerprint, pkcs7 } = self;
        serde_json::json!({
            "rootHash": root_hash,
            "certificateFingerprint": fingerprint,
            "signature": STANDARD.encode(pkcs7),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    const NOW: u64 = 1_764_000_000;

    fn pair(chance: u8) -> KeyPair {
        generate("site extensions 1", &[chance; 32], NOW).unwrap()
    }

    fn key() -> SigningKey {
        let KeyPair { key, certificate } = pair(7);
        SigningKey::from_pem(&key, certificate.as_bytes()).unwrap()
    }

    fn openssl(dir: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Asks OpenSSL, which is what systemd verifies with, in the way systemd does: no chain, no certificate
    /// from the message.
    fn verify(signature: &[u8], hash: &str, certificate: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("signature"), signature).unwrap();
        fs::write(dir.path().join("hash"), hash).unwrap();
        fs::write(dir.path().join("certificate"), certificate).unwrap();
        let arguments = "smime -verify -binary -inform der -in signature -content hash \
                         -certfile certificate -nointern -noverify";
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        openssl(dir.path(), &arguments)
    }

    #[test]
    fn openssl_verifies_what_was_signed_and_nothing_else() {
        let (key, hash) = (key(), Sha256Digest::of(b"a tree"));
        let signature = key.sign(&hash).unwrap();
        let certificate = pair(7).certificate;
        let hex = hash.to_string();
        assert_eq!(verify(signature.pkcs7(), &hex, &certificate), Ok(hex.clone()));
        let other = Sha256Digest::of(b"another").to_string();
        assert!(verify(signature.pkcs7(), &other, &certificate).is_err());
        assert!(verify(signature.pkcs7(), &hex.to_uppercase(), &certificate).is_err());
        assert!(verify(signature.pkcs7(), &hex, &pair(8).certificate).is_err());
        // Whatever byte is changed: the message is refused, or it is another spelling of the same.
        for index in (0..signature.pkcs7().len()).step_by(7) {
            let mut changed = signature.pkcs7().to_vec();
            changed[index] ^= 1;
            let said = verify(&changed, &hex, &certificate);
            assert!(said.is_err() || said == Ok(hex.clone()), "{index}: {said:?}");
        }
        let last = signature.pkcs7().len() - 1;
        let mut changed = signature.pkcs7().to_vec();
        changed[last] ^= 1;
        assert!(verify(&changed, &hex, &certificate).is_err());
    }

    #[test]
    fn openssl_reads_key_and_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let KeyPair { key, certificate } = pair(7);
        fs::write(dir.path().join("key"), &key).unwrap();
        fs::write(dir.path().join("certificate"), &certificate).unwrap();
        let shown = "x509 -in certificate -noout -subject -issuer -text -fingerprint -sha256";
        let shown: Vec<&str> = shown.split_whitespace().collect();
        let text = openssl(dir.path(), &shown).unwrap();
        assert!(
            text.contains("CN = site extensions 1") || text.contains("CN=site extensions 1"),
            "{text}"
        );
        assert!(text.contains("Digital Signature"), "{text}");
        assert!(text.contains("Not Before: Nov 24 16:00:00 2025 GMT"), "{text}");
        let print = TrustedCertificate::from_pem(certificate.as_bytes()).unwrap().fingerprint();
        assert!(text.replace(':', "").to_lowercase().contains(&print.to_string()), "{text}");
        let of_key = openssl(dir.path(), &["pkey", "-in", "key", "-pubout"]).unwrap();
        let of_certificate =
            openssl(dir.path(), &["x509", "-in", "certificate", "-noout", "-pubkey"]).unwrap();
        assert_eq!(of_key, of_certificate);
        openssl(dir.path(), &["verify", "-CAfile", "certificate", "certificate"])
            .unwrap_or_else(|error| panic!("{error}"));
    }

    #[test]
    fn keys_of_openssl_sign_too() {
        let dir = tempfile::tempdir().unwrap();
        let make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out certificate \
                    -subj /CN=theirs/O=somebody -days 2";
        let make: Vec<&str> = make.split_whitespace().collect();
        openssl(dir.path(), &make).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let certificate = read("certificate");
        let key = SigningKey::from_pem(&read("key"), certificate.as_bytes()).unwrap();
        let hash = Sha256Digest::of(b"x");
        let signature = key.sign(&hash).unwrap();
        assert_eq!(
            verify(signature.pkcs7(), &hash.to_string(), &certificate),
            Ok(hash.to_string())
        );
        let error = SigningKey::from_pem(&pair(7).key, certificate.as_bytes()).unwrap_err();
        assert!(matches!(error, CertificateError::Mismatch), "{error}");
    }

    #[test]
    fn the_same_key_and_hash_give_the_same_bytes() {
        let hash = Sha256Digest::of(b"x");
        assert_eq!(key().sign(&hash).unwrap(), key().sign(&hash).unwrap());
        assert_eq!(pair(7), pair(7));
        assert_ne!(pair(7), pair(8));
    }

    #[test]
    fn the_partition_names_hash_and_certificate() {
        let hash = Sha256Digest::of(b"x");
        let signature = key().sign(&hash).unwrap();
        let json: serde_json::Value = serde_json::from_str(&signature.to_json()).unwrap();
        assert_eq!(json["rootHash"], hash.to_string());
        let print = key().certificate().fingerprint().to_string();
        assert_eq!(json["certificateFingerprint"], print);
        assert_eq!(
            STANDARD.decode(json["signature"].as_str().unwrap()).unwrap(),
            signature.pkcs7()
        );
    }

    #[test]
    fn what_is_no_key_or_certificate_is_an_error() {
        let KeyPair { key, certificate } = pair(7);
        for bad in ["", "x", &certificate, &key[..key.len() / 2]] {
            let error = SigningKey::from_pem(bad, certificate.as_bytes()).unwrap_err();
            assert!(matches!(error, CertificateError::Key(_)), "{error}");
        }
        for bad in ["", "x", &key, &certificate[..certificate.len() / 2]] {
            let error = SigningKey::from_pem(&key, bad.as_bytes()).unwrap_err();
            assert!(matches!(error, CertificateError::Certificate(_)), "{error}");
        }
        for bad in ["", " a", "a,O=b", "a\nb", &"a".repeat(65)] {
            assert!(
                matches!(generate(bad, &[7; 32], NOW), Err(CertificateError::Name { .. })),
                "{bad}"
            );
        }
        assert!(matches!(generate("a", &[0; 32], NOW), Err(CertificateError::Chance)));
    }
}
