use std::io;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{ServeError, TlsFiles};

/// Reads certificate and key. TLS 1.2 is offered beside 1.3, since firmware and iPXE know no other.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, ServeError> {
    let path = &files.certificate;
    let chain =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| refusal(path, "certificate", error))?;
    if chain.is_empty() {
        return Err(ServeError::Pem { path: path.clone(), what: "certificate" });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| refusal(&files.key, "private key", error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key));
    let mut config =
        config.map_err(|source| ServeError::Certificate { path: path.clone(), source })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn refusal(path: &std::path::Path, what: &'static str, error: pem::Error) -> ServeError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(source) => ServeError::Read { path, source },
        pem::Error::NoItemsFound => ServeError::Pem { path, what },
        other => ServeError::Read { path, source: io::Error::other(other) },
    }
}
