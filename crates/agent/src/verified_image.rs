use std::fmt;

use flagstone_artifact::{Sha256Digest, Sha256Sums};
use flagstone_fetch::Transport;
use flagstone_signature::{KeyKind, Purpose, SignatureError, Signatures, Statement, TrustedKeys};

use serde::Serialize;

use crate::download::read_short;
use crate::{InstallError, Location, Patience, Progress};

/// What ends the name of the file of signatures on another file.
const SIGNATURE_SUFFIX: &str = ".sig";

/// What is believed about an image.
#[derive(Clone, Debug)]
pub enum Trust {
    /// What enough of these keys have signed.
    Keys(TrustedKeys),
    /// Whatever lies there. For machines that are thrown away.
    Anything,
}

/// An image, and the digest that it must have.
#[derive(Clone, Debug)]
pub struct VerifiedImage {
    /// Where it is.
    pub location: Location,
    /// Its digest; `None` only if anything is believed and nothing is said.
    pub digest: Option<Sha256Digest>,
    /// Who signed; nobody if anything is believed.
    pub signers: Vec<Signer>,
}

/// A key that signed, as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Signer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it says of itself that it is for development.
    pub development: bool,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.name)
    }
}

impl VerifiedImage {
    /// Gets the list of digests beside an image and checks its signatures before it is read.
    ///
    /// # Errors
    /// If a file is not there, the signatures do not suffice, or the list does not name the image.
    pub fn find(
        location: Location,
        trust: &Trust,
        transport: &dyn Transport,
        patience: Patience,
        progress: &dyn Progress,
    ) -> Result<Self, InstallError> {
        let sums_at = location.sibling(Sha256Sums::FILE_NAME)?;
        let get =
            |location: &Location, limit| read_short(location, transport, limit, patience, progress);
        let missing = |location: &Location| InstallError::Missing { location: location.clone() };
        let mut signers = Vec::new();
        let text = match trust {
            Trust::Keys(keys) => {
                let name = format!("{}{SIGNATURE_SUFFIX}", Sha256Sums::FILE_NAME);
                let signature_at = location.sibling(&name)?;
                let signatures = get(&signature_at, Signatures::file_max())?
                    .ok_or_else(|| InstallError::Unsigned { location: signature_at.clone() })?;
                let text =
                    get(&sums_at, Sha256Sums::text_max())?.ok_or_else(|| missing(&sums_at))?;
                signers = verify(keys, &text, &signatures, progress)
                    .map_err(|source| InstallError::Signature { location: signature_at, source })?;
                text
            }
            Trust::Anything => {
                let Some(text) = get(&sums_at, Sha256Sums::text_max())? else {
                    progress.warn(&format!("there is no {sums_at}: nothing is checked at all"));
                    return Ok(Self { location, digest: None, signers });
                };
                text
            }
        };
        let sums = Sha256Sums::parse(&text)
            .map_err(|source| InstallError::Sums { location: sums_at.clone(), source })?;
        let digest = location.file_name().and_then(|name| sums.get(name));
        match (digest, trust) {
            (Some(_), _) => {}
            (None, Trust::Keys(_)) => {
                return Err(InstallError::NotListed { image: location, sums: sums_at });
            }
            (None, Trust::Anything) => {
                progress.warn(&format!("{sums_at} does not list it: nothing is checked at all"));
            }
        }
        Ok(Self { location, digest, signers })
    }
}

fn verify(
    keys: &TrustedKeys,
    text: &[u8],
    signatures: &[u8],
    progress: &dyn Progress,
) -> Result<Vec<Signer>, SignatureError> {
    let signatures = Signatures::parse(signatures)?;
    let signers = keys.verify(&Statement::about(Purpose::sha256sums(), text), &signatures)?;
    let signers: Vec<Signer> = signers
        .into_iter()
        .map(|key| Signer {
            id: key.id().to_string(),
            name: key.name().to_string(),
            development: key.kind() == KeyKind::Development,
        })
        .collect();
    for signer in signers.iter().filter(|signer| signer.development) {
        progress.warn(&format!("key {signer} is a development key"));
    }
    Ok(signers)
}
