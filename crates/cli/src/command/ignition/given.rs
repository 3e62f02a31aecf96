use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flagstone_butane::is_butane;

use super::judgement::{Judgement, Reading};
use crate::report::Hinted;

/// Returns the file that Ignition is given: the one that is named, or, if that is Butane, a translation in `folder`.
///
/// What is no Butane is not judged: a machine may well be tried with it.
///
/// # Errors
/// What cannot be read or written, and Butane that a machine could not use.
pub(crate) fn given(path: &Path, folder: &Path) -> Result<PathBuf> {
    let name = path.display().to_string();
    let data = fs::read(path).with_context(|| format!("failed to read {name}"))?;
    if !is_butane(&name, &data) {
        return Ok(path.to_owned());
    }
    let judgement = Judgement::of(path, &Reading::default())?;
    judgement.print(&mut io::stderr().lock())?;
    let sound = !judgement.is_bad(false);
    let Some(translation) = judgement.translation.as_ref().filter(|_| sound) else {
        let hint = "`flagstone ignition translate` tells the same, and takes the folder of files";
        return Err(Hinted::new(format!("{name} cannot be used"), hint).into());
    };
    let json = folder.join("ignition.json");
    fs::write(&json, &translation.json)
        .with_context(|| format!("failed to write {}", json.display()))?;
    Ok(json)
}
