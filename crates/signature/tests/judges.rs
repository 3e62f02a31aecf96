//! OpenSSL looks at what this crate signs, and signs what this crate verifies.

#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its case has failed")]

use std::fs;
use std::process::Command;

use flagstone_signature::{KeyKind, PrivateKey, PublicKey, Signature, Statement};

/// Runs openssl; a missing one skips the test, or fails it if judges are required.
fn openssl(arguments: &[&str]) -> Option<bool> {
    if let Ok(output) = Command::new("openssl").args(arguments).output() {
        return Some(output.status.success());
    }
    let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|value| value == "1");
    assert!(!required, "openssl is missing");
    println!("skipped: openssl is missing");
    None
}

fn statement() -> Statement {
    Statement::about("sha256sums".parse().unwrap(), b"message")
}

#[test]
fn openssl_accepts_what_is_signed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (public, message, signature) = (path("key.der"), path("message"), path("signature"));
    let key = PrivateKey::from_seed(&[7; 32], "judged".parse().unwrap(), KeyKind::Development);
    fs::write(&public, key.public().to_der()).unwrap();
    fs::write(&message, statement().to_sign()).unwrap();
    fs::write(&signature, key.sign(&statement()).as_bytes()).unwrap();
    let verify = [
        "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", &public, "-rawin", "-in",
        &message, "-sigfile", &signature,
    ];
    let Some(accepted) = openssl(&verify) else { return };
    assert!(accepted);
    let mut changed = statement().to_sign();
    changed[40] ^= 1;
    fs::write(&message, changed).unwrap();
    assert_eq!(openssl(&verify), Some(false));
}

#[test]
fn what_openssl_signs_elsewhere_is_a_signature() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (private, public) = (path("key.pem"), path("key.der"));
    let (message, signature) = (path("message"), path("signature"));
    if openssl(&["genpkey", "-algorithm", "ed25519", "-out", &private]).is_none() {
        return;
    }
    openssl(&["pkey", "-in", &private, "-pubout", "-outform", "DER", "-out", &public]);
    fs::write(&message, statement().to_sign()).unwrap();
    openssl(&[
        "pkeyutl", "-sign", "-inkey", &private, "-rawin", "-in", &message, "-out", &signature,
    ]);
    let der = fs::read(&public).unwrap();
    let bytes = der.last_chunk().unwrap();
    let key = PublicKey::new(bytes, "elsewhere".parse().unwrap(), KeyKind::Release).unwrap();
    assert_eq!(key.to_der().as_slice(), der);
    let signature = Signature::from_bytes(fs::read(&signature).unwrap().try_into().unwrap());
    key.verify(&statement(), &signature).unwrap();
}
