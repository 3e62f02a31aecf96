/// What can be wrong with keys and certificates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A text is no private key.
    #[error("this is no private key of the kind that is used here: {0}")]
    Key(String),
    /// A text is no certificate.
    #[error("this is no certificate: {0}")]
    Certificate(String),
    /// The certificate is of another key.
    #[error("the certificate is not that of the key")]
    Mismatch,
    /// A name cannot stand in a certificate.
    #[error("a certificate cannot have the name {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// 32 bytes that give no key; another 32 will.
    #[error("these bytes give no key")]
    Chance,
    /// A message cannot be encoded.
    #[error("failed to write the signature: {0}")]
    Encode(String),
}

impl CertificateError {
    /// Returns what may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Key(_) => Some(
                "the key is an EC key over P-256 in PKCS #8 PEM: `flagstone sysext init` makes one, \
                 or `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
            ),
            Self::Certificate(_) => Some("the certificate is X.509 in PEM"),
            Self::Mismatch => Some("name the certificate that was made with this key"),
            Self::Name { .. } => Some("use letters, digits, blanks, dots and dashes, 64 at most"),
            Self::Chance | Self::Encode(_) => None,
        }
    }
}
