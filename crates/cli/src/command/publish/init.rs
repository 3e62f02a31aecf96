use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use flagstone_repository::{NewRoot, Role, SigningKeys};
use flagstone_signature::{KeyKind, PrivateKey};

use super::{Common, threshold, thresholds};
use crate::command::keys::{self, NewKey};
use crate::report::{self, Hinted};

/// Arguments of `flagstone publish init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    common: Common,

    /// How many keys of a role must sign [default: 1]
    #[arg(long, value_name = "ROLE=NUMBER", value_parser = threshold)]
    threshold: Vec<(Role, u32)>,

    /// Make release keys; otherwise they say of themselves that they are for development
    #[arg(long)]
    release: bool,
}

impl Init {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let Self { common, .. } = self;
        if common.repository.open()?.is_some() {
            let what = format!("there is a repository in {} already", common.repository);
            return Err(Hinted::new(what, "publish into it, or choose another folder").into());
        }
        self.make_keys()?;
        let keys = common.signing_keys()?;
        let new = NewRoot::read(&common.keys, &keys, thresholds(&self.threshold))?;
        let publisher = common.repository.create(&new, &keys, common.terms())?;
        report::say(&format!("machines start from {}", common.repository.first_root()));
        common.report(&publisher.status())
    }

    /// Makes the keys of roles that the first folder has none for.
    fn make_keys(&self) -> Result<()> {
        let Some(dir) = self.common.keys.first() else { return Ok(()) };
        let there = if dir.is_dir() { self.common.signing_keys()? } else { SigningKeys::default() };
        let known = NewRoot::by_name(there.iter().map(PrivateKey::public), thresholds(&[]));
        let kind = if self.release { KeyKind::Release } else { KeyKind::Development };
        for role in Role::ALL.into_iter().filter(|role| !known.has(*role)) {
            let NewKey { key, private, .. } = keys::make(dir, &role.name().parse()?, kind)?;
            report::say(&format!("made key {} in {}", key.id(), private.display()));
        }
        Ok(())
    }
}
