use crate::candidate::{MultiArch, Origins, Priority, Record, Span, Text};
use crate::name::check_name;
use crate::version::check_version;
use crate::{ControlError, Stanza, Stanzas};

/// The most packages a universe may have; Debian has 70,000 an architecture.
const RECORDS_MAX: usize = 2_000_000;

/// Reads an index `Packages`: appends one record a stanza to `records`, and their texts to `text`.
///
/// Only what the resolver and the fetcher need is kept, about a third of the index.
pub(crate) fn read_packages(
    index: &str,
    architecture: &str,
    origins: Origins,
    text: &mut String,
    records: &mut Vec<Record>,
) -> Result<(), ControlError> {
    for stanza in Stanzas::new(index) {
        let stanza = stanza?;
        if records.len() == RECORDS_MAX {
            return Err(ControlError::new(stanza.line(), "there are too many packages"));
        }
        let its = stanza.require("Architecture")?;
        if its != architecture && its != "all" {
            let problem = format!("a package for {its} in the index for {architecture}");
            return Err(ControlError::new(stanza.line(), problem));
        }
        records.push(read_stanza(&stanza, origins, text)?);
    }
    Ok(())
}

fn read_stanza(
    stanza: &Stanza<'_>,
    origins: Origins,
    text: &mut String,
) -> Result<Record, ControlError> {
    let at = |name: &str| stanza.field(name).map_or(stanza.line(), |field| field.line);
    check_name(stanza.require("Package")?).map_err(|e| ControlError::new(at("Package"), e))?;
    check_version(stanza.require("Version")?).map_err(|e| ControlError::new(at("Version"), e))?;
    let number = |name: &'static str, value: &str| {
        let value = value.parse::<u64>();
        value.map_err(|_| ControlError::new(at(name), format!("{name} is not a number")))
    };
    let size = number("Size", stanza.require("Size")?)?;
    let installed_size = number("Installed-Size", stanza.get("Installed-Size").unwrap_or("0"))?;
    let sha256 = stanza.require("SHA256")?.parse();
    let sha256 = sha256.map_err(|e| ControlError::new(at("SHA256"), e))?;
    stanza.require("Filename")?;
    let mut texts = [Span::default(); Text::ALL.len()];
    for (span, (_, name)) in texts.iter_mut().zip(Text::ALL) {
        *span = append(text, stanza.get(name).unwrap_or_default())
            .ok_or_else(|| ControlError::new(at(name), "the indices are too large"))?;
    }
    Ok(Record {
        texts,
        size,
        sha256,
        installed_size,
        priority: Priority::parse(stanza.get("Priority").unwrap_or_default()),
        multi_arch: MultiArch::parse(stanza.get("Multi-Arch").unwrap_or_default()),
        essential: stanza.get("Essential") == Some("yes"),
        origins,
    })
}

/// Appends a value, and returns where it is.
fn append(text: &mut String, value: &str) -> Option<Span> {
    let start = u32::try_from(text.len()).ok()?;
    text.push_str(value);
    Some(Span { start, end: u32::try_from(text.len()).ok()? })
}
