use std::fmt;
use std::str::FromStr;

use flagstone_artifact::Sha256Digest;

use crate::CmdlineError;

/// The most bytes of a command line that every architecture keeps: `COMMAND_LINE_SIZE` is 2048 on
/// x86-64 and arm64, the final NUL included.
const LINE_MAX: usize = 2047;

/// One argument of a kernel command line: printable ASCII; spaces only between double quotes.
///
/// The kernel knows no escapes: a quote toggles, wherever it stands. Quotes can thus hold spaces
/// but never a quote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelArgument(String);

impl KernelArgument {
    /// Creates `key=value`, with quotes around the value if it needs them.
    ///
    /// # Errors
    /// [`CmdlineError::Argument`] if the value holds a quote or either is not printable ASCII.
    pub fn with_value(key: &str, value: &str) -> Result<Self, CmdlineError> {
        if value.contains('"') {
            return Err(invalid(value, "a quoted value cannot hold a quote"));
        }
        if key.contains(['=', '"', ' ']) {
            return Err(invalid(key, "its key holds \"=\", a quote or a space"));
        }
        let quote = if value.contains(' ') { "\"" } else { "" };
        format!("{key}={quote}{value}{quote}").parse()
    }

    /// Returns the argument as it stands on the line.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what stands before the first `=`.
    pub fn key(&self) -> &str {
        self.0.split_once('=').map_or(&self.0, |(key, _)| key)
    }
}

impl fmt::Display for KernelArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KernelArgument {
    type Err = CmdlineError;

    fn from_str(text: &str) -> Result<Self, CmdlineError> {
        if text.is_empty() || text.starts_with('=') {
            return Err(invalid(text, "it has no name"));
        }
        if !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(invalid(text, "it has other characters than printable ASCII"));
        }
        let mut quoted = false;
        for character in text.chars() {
            match character {
                '"' => quoted = !quoted,
                ' ' if !quoted => return Err(invalid(text, "it has a space outside of quotes")),
                _ => {}
            }
        }
        if quoted {
            return Err(invalid(text, "a quote is not closed"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The device with the root file system of a system on a disk; the initrd reads it from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootDevice {
    /// The partition ROOT.
    Partition,
    /// What dm-crypt makes of the partition ROOT, whose key a TPM holds. The initrd takes nothing else in
    /// its place.
    Encrypted,
}

impl RootDevice {
    const fn path(self) -> &'static str {
        match self {
            Self::Partition => "/dev/disk/by-partlabel/ROOT",
            Self::Encrypted => "/dev/mapper/root",
        }
    }
}

/// A kernel command line: arguments in order, joined by spaces, at most 2047 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCommandLine(Vec<KernelArgument>);

impl KernelCommandLine {
    /// Creates a command line of these arguments.
    ///
    /// # Errors
    /// [`CmdlineError::TooLong`].
    pub fn new(arguments: Vec<KernelArgument>) -> Result<Self, CmdlineError> {
        let line = Self(arguments);
        let len = line.to_string().len();
        if len > LINE_MAX { Err(CmdlineError::TooLong { len, max: LINE_MAX }) } else { Ok(line) }
    }

    /// Creates what every Flagstone system on a disk starts with: /usr by its root hash, which
    /// finds the slot too, checked as it is read; a panic when a block is not what was built; a
    /// reboot five seconds after a panic, so that boot counting falls back; and ROOT as root, whatever
    /// file system it has.
    ///
    /// # Panics
    /// Never: the arguments are constants and hexadecimal digits.
    pub fn for_disk(root_hash: &Sha256Digest, root: RootDevice) -> Self {
        let usrhash = format!("usrhash={root_hash}");
        let root = format!("root={}", root.path());
        let arguments = [
            usrhash.as_str(),
            "systemd.verity_usr_options=panic-on-corruption",
            "mount.usr=/dev/mapper/usr",
            "mount.usrfstype=erofs",
            "mount.usrflags=ro",
            &root,
            "rw",
            "panic=5",
        ];
        let parsed = arguments.iter().map(|argument| argument.parse());
        Self(parsed.collect::<Result<_, _>>().expect("constants and hexadecimal digits"))
    }

    /// Creates what every Flagstone system that boots from the network starts with: the initrd
    /// carries /usr and its root hash, and the root is in memory unless `root=` follows.
    ///
    /// # Panics
    /// Never: the arguments are constants.
    pub fn for_netboot() -> Self {
        let arguments = ["rw", "panic=5"];
        let parsed = arguments.iter().map(|argument| argument.parse());
        Self(parsed.collect::<Result<_, _>>().expect("constants"))
    }

    /// Returns this command line with more arguments at its end, where the kernel and systemd let
    /// the last of a kind win.
    ///
    /// # Errors
    /// [`CmdlineError::TooLong`].
    pub fn with(
        mut self,
        arguments: impl IntoIterator<Item = KernelArgument>,
    ) -> Result<Self, CmdlineError> {
        self.0.extend(arguments);
        Self::new(self.0)
    }

    /// Returns the arguments in order.
    pub fn arguments(&self) -> &[KernelArgument] {
        &self.0
    }
}

impl fmt::Display for KernelCommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, argument) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(argument.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for KernelCommandLine {
    type Err = CmdlineError;

    /// Splits a line at the spaces that are not between quotes, as the kernel does.
    fn from_str(text: &str) -> Result<Self, CmdlineError> {
        let mut quoted = false;
        let arguments = text.split(|character| {
            quoted ^= character == '"';
            character == ' ' && !quoted
        });
        let parsed = arguments.filter(|argument| !argument.is_empty()).map(str::parse);
        Self::new(parsed.collect::<Result<_, _>>()?)
    }
}

fn invalid(argument: &str, rule: &'static str) -> CmdlineError {
    CmdlineError::Argument { argument: argument.chars().take(200).collect(), rule }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart_as_the_kernel_takes_them_apart() {
        let text = "quiet  dyndbg=\"file a.c +p\" \"x=a b\" console=ttyS0,115200";
        let line: KernelCommandLine = text.parse().unwrap();
        let arguments: Vec<&str> = line.arguments().iter().map(KernelArgument::as_str).collect();
        assert_eq!(
            arguments,
            ["quiet", "dyndbg=\"file a.c +p\"", "\"x=a b\"", "console=ttyS0,115200"]
        );
        assert_eq!(line.to_string().parse(), Ok(line.clone()));
        assert_eq!(line.arguments()[3].key(), "console");
    }

    #[test]
    fn what_could_break_out_of_an_argument_is_refused() {
        for bad in ["", "=x", "a b", "a\nb", "a\0b", "a=\"b", "é=1", "a\tb"] {
            assert!(bad.parse::<KernelArgument>().is_err(), "{bad:?}");
        }
        assert!(KernelArgument::with_value("a", "b\" init=/x").is_err());
        assert!(KernelArgument::with_value("a b", "c").is_err());
        assert_eq!(KernelArgument::with_value("a", "b c").unwrap().as_str(), "a=\"b c\"");
        assert_eq!(KernelArgument::with_value("a", "").unwrap().as_str(), "a=");
        assert!("a=\"b".parse::<KernelCommandLine>().is_err());
    }

    #[test]
    fn the_disk_is_found_by_the_root_hash_alone() {
        let hash = Sha256Digest::of(b"usr");
        let line = KernelCommandLine::for_disk(&hash, RootDevice::Partition);
        let more = line.with(["console=ttyS0".parse().unwrap()]).unwrap().to_string();
        assert!(more.starts_with(&format!("usrhash={hash} systemd.verity_usr_options=panic-on-")));
        assert!(
            more.ends_with(" root=/dev/disk/by-partlabel/ROOT rw panic=5 console=ttyS0"),
            "{more}"
        );
        let encrypted = KernelCommandLine::for_disk(&hash, RootDevice::Encrypted).to_string();
        assert!(encrypted.ends_with(" root=/dev/mapper/root rw panic=5"), "{encrypted}");
    }

    #[test]
    fn a_line_that_the_kernel_would_cut_is_refused() {
        let argument: KernelArgument = "a".repeat(1000).parse().unwrap();
        let line = KernelCommandLine::new(vec![argument.clone(); 2]).unwrap();
        let error = line.with([argument]).unwrap_err();
        assert_eq!(error, CmdlineError::TooLong { len: 3002, max: 2047 });
    }
}
