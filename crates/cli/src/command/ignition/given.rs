use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::judgement::{Judgement, Reading};
use crate::report::Hinted;

/// Returns the file that Ignition is given: the one that is named, or, if that is Butane, a translation in `folder`.
///
/// Of what is no Butane nothing is said: a machine may well be tried with it.
///
/// # Errors
/// What cannot be read or written, and Butane that a machine could not use.
pub(crate) fn given(path: &Path, folder: &Path) -> Result<PathBuf> {
    let judgement = Judgement::of(path, &Reading::default())?;
    if !judgement.is_butane {
        return Ok(path.to_owned());
    }
    judgement.print(&mut io::stderr().lock())?;
    let Some(translation) = judgement.usable(false) else {
        let hint = "`flagstone ignition translate` tells the same, and takes the folder of files";
        return Err(Hinted::new(format!("{} cannot be used", judgement.name), hint).into());
    };
    let json = folder.join("ignition.json");
    fs::write(&json, &translation.json)
        .with_context(|| format!("failed to write {}", json.display()))?;
    Ok(json)
}
