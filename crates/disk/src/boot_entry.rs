use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ImageVersion;

/// The name of a kernel image on the EFI system partition, with its boot counter:
/// `<stem>[+<left>[-<done>]].efi` (systemd's Automatic Boot Assessment).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootEntry {
    /// `<id>_<version>`.
    pub stem: String,
    /// The counter; none once a boot was found good.
    pub counter: Option<BootCounter>,
}

/// How often an entry may still be tried, and was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootCounter {
    /// Tries left. The loader takes an entry without any only when there is no other.
    pub left: u32,
    /// Tries that did not lead to a good boot.
    pub done: u32,
}

impl BootEntry {
    /// Tells whether the entry was tried as often as it may be, and never was good.
    pub fn has_failed(&self) -> bool {
        self.counter.is_some_and(|counter| counter.left == 0)
    }

    /// Returns the version in its stem, if that ends in one.
    pub fn version(&self) -> Option<ImageVersion> {
        self.stem.rsplit('_').next()?.parse().ok()
    }
}

/// A file name that is none of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoBootEntry;

impl FromStr for BootEntry {
    type Err = NoBootEntry;

    fn from_str(name: &str) -> Result<Self, NoBootEntry> {
        let stem = name.strip_suffix(".efi").ok_or(NoBootEntry)?;
        let (stem, counter) = match stem.rsplit_once('+') {
            None => (stem, None),
            Some((stem, counter)) => {
                let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
                let number = |text: &str| {
                    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                    digits.then(|| text.parse().ok()).flatten().ok_or(NoBootEntry)
                };
                (stem, Some(BootCounter { left: number(left)?, done: number(done)? }))
            }
        };
        if stem.is_empty() || stem.contains('+') {
            return Err(NoBootEntry);
        }
        Ok(Self { stem: stem.to_owned(), counter })
    }
}

impl fmt::Display for BootEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.counter {
            None => write!(f, "{}.efi", self.stem),
            Some(BootCounter { left, done: 0 }) => write!(f, "{}+{left}.efi", self.stem),
            Some(BootCounter { left, done }) => write!(f, "{}+{left}-{done}.efi", self.stem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_part_of_names() {
        for (text, left_done) in [
            ("base_0.1.efi", None),
            ("base_0.1+3.efi", Some((3, 0))),
            ("base_0.1+2-1.efi", Some((2, 1))),
            ("base_0.1+0-3.efi", Some((0, 3))),
        ] {
            let name: BootEntry = text.parse().unwrap();
            assert_eq!(name.stem, "base_0.1");
            assert_eq!(name.version().unwrap().as_str(), "0.1");
            assert_eq!(name.counter.map(|counter| (counter.left, counter.done)), left_done);
            assert_eq!(name.has_failed(), left_done.is_some_and(|(left, _)| left == 0));
            assert_eq!(name.to_string(), text);
        }
        for text in
            ["base", ".efi", "a+.efi", "a+x.efi", "a+1-.efi", "a+-1.efi", "a+1+2.efi", "+3.efi"]
        {
            assert_eq!(text.parse::<BootEntry>(), Err(NoBootEntry), "{text}");
        }
    }
}
