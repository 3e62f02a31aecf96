use flagstone_artifact::Sha256Digest;
use x509_cert::Certificate;
use x509_cert::der::{DecodePem, Encode};

use crate::CertificateError;

/// A certificate that machines trust, checked as far as machines would look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCertificate {
    pub(crate) certificate: Certificate,
    der: Vec<u8>,
}

impl TrustedCertificate {
    /// Reads one certificate in PEM (RFC 7468).
    ///
    /// # Errors
    /// [`CertificateError::Certificate`].
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let wrong = |error: x509_cert::der::Error| CertificateError::Certificate(error.to_string());
        let certificate = Certificate::from_pem(text).map_err(wrong)?;
        let der = certificate.to_der().map_err(wrong)?;
        Ok(Self { certificate, der })
    }

    /// Returns whom it names (RFC 4514).
    pub fn subject(&self) -> String {
        self.certificate.tbs_certificate.subject.to_string()
    }

    /// Returns the SHA-256 digest of its DER encoding, by which systemd chooses it.
    pub fn fingerprint(&self) -> Sha256Digest {
        Sha256Digest::of(&self.der)
    }
}
