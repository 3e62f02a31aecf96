use std::convert::Infallible;
use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, Result};
use flagstone_fetch::{HttpTransport, Url};
use flagstone_repository::{
    Bucket, Credentials, NewRoot, PublishError, Publisher, SigningKeys, Terms,
};

use crate::report::Hinted;

/// Where stores have no regions, and where nobody says another one.
const REGION: &str = "us-east-1";

/// Where a repository lies: `s3://BUCKET/FOLDER`, or a folder of this machine.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Folder(PathBuf),
    Bucket(String),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_bucket = text.starts_with(Bucket::SCHEME);
        Ok(if is_bucket { Self::Bucket(text.to_owned()) } else { Self::Folder(text.into()) })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(text) => f.write_str(text.trim_end_matches('/')),
        }
    }
}

impl Place {
    /// Opens the repository, if there is one.
    pub(super) fn open(&self) -> Result<Option<Publisher>> {
        Ok(match self {
            Self::Folder(path) => Publisher::open(path)?,
            Self::Bucket(text) => Publisher::open_bucket(bucket(text)?)?,
        })
    }

    /// Makes an empty repository.
    pub(super) fn create(
        &self,
        new: &NewRoot,
        keys: &SigningKeys,
        terms: Terms,
    ) -> Result<Publisher> {
        let made: Result<_, PublishError> = match self {
            Self::Folder(path) => Publisher::create(path, new, keys, terms),
            Self::Bucket(text) => Publisher::create_in_bucket(bucket(text)?, new, keys, terms),
        };
        Ok(made?)
    }

    /// Returns where the root is that machines start from.
    pub(super) fn first_root(&self) -> String {
        match self {
            Self::Folder(path) => path.join("metadata/1.root.json").display().to_string(),
            Self::Bucket(_) => format!("{self}/metadata/1.root.json"),
        }
    }
}

/// Takes address and credentials from the environment, as other programs for such stores do.
fn bucket(text: &str) -> Result<Bucket> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let needed = |name: &str| {
        let hint = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY say who publishes";
        variable(name).ok_or_else(|| Hinted::new(format!("{name} is not set"), hint))
    };
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.unwrap_or_else(|| REGION.to_owned());
    let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
    let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let endpoint: Url = endpoint.parse().context("the address of the store cannot be used")?;
    let credentials = Credentials {
        key_id: needed("AWS_ACCESS_KEY_ID")?,
        secret: needed("AWS_SECRET_ACCESS_KEY")?,
        session_token: variable("AWS_SESSION_TOKEN"),
        region,
    };
    let transport = HttpTransport::with_proxy_from_environment();
    Ok(Bucket::new(text, &endpoint, credentials, transport)?)
}
