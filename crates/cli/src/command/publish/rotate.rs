use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use flagstone_repository::{KeyChange, Role};
use flagstone_signature::{KeyId, PublicKey};

use super::{Common, threshold};
use crate::report;

/// Arguments of `flagstone publish rotate`.
#[derive(Debug, Args)]
pub(super) struct Rotate {
    #[command(flatten)]
    common: Common,

    /// Public key that may sign for a role from now on
    #[arg(long, value_name = "ROLE=KEY.pub", value_parser = add)]
    add: Vec<(Role, String)>,

    /// Id of a key that may sign for a role no more
    #[arg(long, value_name = "ROLE=ID", value_parser = remove)]
    remove: Vec<(Role, KeyId)>,

    /// How many keys of a role must sign from now on
    #[arg(long, value_name = "ROLE=NUMBER", value_parser = threshold)]
    threshold: Vec<(Role, u32)>,
}

impl Rotate {
    pub(super) fn run(&self) -> Result<ExitCode> {
        let mut changes = Vec::new();
        for (role, path) in &self.add {
            let key = PublicKey::read(Path::new(path)).context("a key cannot be added")?;
            changes.push(KeyChange::Add { role: *role, key: Box::new(key) });
        }
        let removed = |&(role, key): &(Role, KeyId)| KeyChange::Remove { role, key };
        changes.extend(self.remove.iter().map(removed));
        let counted = |&(role, threshold): &(Role, u32)| KeyChange::Threshold { role, threshold };
        changes.extend(self.threshold.iter().map(counted));
        let keys = self.common.signing_keys()?;
        let published = self.common.open()?.rotate(&changes, &keys, self.common.terms())?;
        report::note("new images should start from the new root: `[update] root` of their recipes");
        self.common.report(&published)
    }
}

fn add(text: &str) -> Result<(Role, String), String> {
    let (role, path) = text.split_once('=').ok_or("it is written ROLE=KEY.pub")?;
    Ok((role.parse().map_err(|error| format!("{error}"))?, path.to_owned()))
}

fn remove(text: &str) -> Result<(Role, KeyId), String> {
    let (role, id) = text.split_once('=').ok_or("it is written ROLE=ID")?;
    let role = role.parse().map_err(|error| format!("{error}"))?;
    Ok((role, id.parse().map_err(|error| format!("{error}"))?))
}
