use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::num::NonZeroUsize;

use bytes::Bytes;

use crate::ar::{self, Member};
use crate::{CodecError, Compression, DebError, DebVersion, PackageName, Stanza, Stanzas};

/// How long all control files together may be; the largest in the archive are about 10 MiB.
const CONTROL_MAX: u64 = 64 << 20;
/// How long the content may be.
const DATA_MAX: u64 = 16 << 30;
/// How much longer a data archive may be than twice its package's Installed-Size.
const DATA_SLACK: u64 = 64 << 20;
/// The longest data archive of a package that does not state its Installed-Size.
const DATA_UNSTATED_MAX: u64 = 1 << 30;
/// The most files that are looked at among the control files.
const CONTROL_FILES_MAX: usize = 1000;

/// The programs a package wants run when it is installed or removed, and what belongs to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MaintainerScript {
    /// `preinst`
    Preinst,
    /// `postinst`
    Postinst,
    /// `prerm`
    Prerm,
    /// `postrm`
    Postrm,
    /// `config`, which asks debconf's questions
    Config,
    /// `triggers`: not a script, but the interests of one
    Triggers,
    /// `templates`: not a script, but debconf's questions and their defaults
    Templates,
}

impl MaintainerScript {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Preinst,
        Self::Postinst,
        Self::Prerm,
        Self::Postrm,
        Self::Config,
        Self::Triggers,
        Self::Templates,
    ];

    /// Returns the name of the control file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
            Self::Config => "config",
            Self::Triggers => "triggers",
            Self::Templates => "templates",
        }
    }
}

impl fmt::Display for MaintainerScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a package says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// `Package`
    pub package: PackageName,
    /// `Version`
    pub version: DebVersion,
    /// `Architecture`
    pub architecture: String,
    /// `Installed-Size`, in KiB; an estimate.
    pub installed_size: Option<u64>,
    /// The configuration files, as absolute paths in their order.
    pub conffiles: Vec<String>,
    /// The maintainer scripts that are there.
    pub scripts: BTreeMap<MaintainerScript, Bytes>,
    text: String,
}

impl Control {
    /// Reads the decompressed archive of control files.
    ///
    /// # Errors
    /// If the archive, or the file `control` in it, is damaged.
    pub fn parse(archive: &Bytes) -> Result<Self, DebError> {
        let mut files = read_files(archive)?;
        let text = text("control", files.remove("control"))?;
        let mut stanzas = Stanzas::new(&text);
        let stanza = stanzas.next().transpose()?.unwrap_or_default();
        let field = |name: &'static str| stanza.require(name);
        let wrong = |name: &str, error: &dyn fmt::Display| {
            let line = stanza.field(name).map_or(1, |field| field.line);
            crate::ControlError::new(line, error)
        };
        let package = field("Package")?.parse().map_err(|e| wrong("Package", &e))?;
        let version = field("Version")?.parse().map_err(|e| wrong("Version", &e))?;
        let architecture = field("Architecture")?.to_owned();
        let installed_size = stanza.get("Installed-Size").and_then(|size| size.parse().ok());
        let conffiles = match files.remove("conffiles") {
            None => Vec::new(),
            file => self::text("conffiles", file)?.lines().filter_map(conffile).collect(),
        };
        let scripts = MaintainerScript::ALL
            .into_iter()
            .filter_map(|script| Some((script, files.remove(script.name())?)))
            .collect();
        Ok(Self { package, version, architecture, installed_size, conffiles, scripts, text })
    }

    /// Returns how long the data archive may be: by the headers twice as long as Installed-Size says,
    /// with room for what that leaves out.
    fn data_max(&self) -> u64 {
        let stated = self.installed_size.map(|kib| kib.saturating_mul(2048));
        stated.map_or(DATA_UNSTATED_MAX, |stated| stated.saturating_add(DATA_SLACK)).min(DATA_MAX)
    }

    /// Returns all fields of the file `control`.
    pub fn stanza(&self) -> Stanza<'_> {
        // It was read once without an error.
        Stanzas::new(&self.text).next().and_then(Result::ok).unwrap_or_default()
    }
}

/// A binary package, deb(5) format 2.
#[derive(Clone, Debug)]
pub struct Deb {
    control: Control,
    control_archive: Bytes,
    data: Member,
    compression: Compression,
}

impl Deb {
    /// Reads a package's layout and control files; the content stays compressed.
    ///
    /// # Errors
    /// If the archive, a member, or the file `control` is damaged.
    pub fn parse(archive: &Bytes) -> Result<Self, DebError> {
        let mut members = ar::parse(archive)?.into_iter();
        let format = members.next().filter(|m| m.name == "debian-binary");
        let format = format.ok_or(DebError::Layout("the first member is not debian-binary"))?;
        if !format.data.starts_with(b"2.") {
            return Err(DebError::Layout("its format is not 2.x"));
        }
        // Members that start with an underscore may be added by others (deb(5)).
        let mut members = members.filter(|member| !member.name.starts_with('_'));
        let control = members.next().filter(|m| m.name.starts_with("control.tar"));
        let control = control.ok_or(DebError::Layout("control.tar is not where it belongs"))?;
        let data = members.next().filter(|m| m.name.starts_with("data.tar"));
        let data = data.ok_or(DebError::Layout("data.tar is not where it belongs"))?;
        let compression = compression(&data, "data.tar")?;
        // Members that come later may be ignored (deb(5)), but not a second one of these: tools that
        // take the last would see another package.
        let again = |member: &Member| {
            ["debian-binary", "control.tar", "data.tar"].iter().any(|n| member.name.starts_with(n))
        };
        if members.any(|member| again(&member)) {
            return Err(DebError::Layout("it has a second debian-binary, control.tar or data.tar"));
        }
        let packed = self::compression(&control, "control.tar")?;
        let unpacked = packed
            .decompress(&control.data, control.data.len() as u64 * 4, CONTROL_MAX)
            .map_err(|source| DebError::Member { member: control.name, source })?;
        Ok(Self {
            control: Control::parse(&unpacked)?,
            control_archive: unpacked,
            data,
            compression,
        })
    }

    /// Returns what the package says about itself.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Returns the decompressed archive of control files, which [`Control::parse`] reads.
    pub fn control_archive(&self) -> &Bytes {
        &self.control_archive
    }

    /// Returns a reader of the content, the archive `data.tar`, which decompresses with at most so
    /// many threads. [`Self::content_error`] tells what its errors mean.
    ///
    /// # Errors
    /// If there is no memory to begin.
    pub fn content(&self, threads: NonZeroUsize) -> Result<impl Read + '_, DebError> {
        let reader = self.compression.reader(&self.data.data, self.control.data_max(), threads);
        reader.map_err(|source| self.data_error(source))
    }

    /// Returns what an error of the reader of the content means.
    pub fn content_error(&self, error: io::Error) -> DebError {
        self.data_error(CodecError::of(error))
    }

    fn data_error(&self, source: CodecError) -> DebError {
        DebError::Member { member: self.data.name.clone(), source }
    }

    /// Returns the content: the decompressed archive `data.tar`, as one piece.
    ///
    /// # Errors
    /// If the member is damaged.
    pub fn data_tar(&self) -> Result<Bytes, DebError> {
        // A tar archive adds a header and half a block a file: a tenth is usual.
        let kib = self.control.installed_size.unwrap_or(0);
        let hint = kib.saturating_mul(1024).saturating_add(kib.saturating_mul(100));
        // More than a thousandfold is no package: do not reserve memory for it.
        let hint = hint.min(self.data.data.len() as u64 * 100);
        self.compression
            .decompress(&self.data.data, hint, self.control.data_max())
            .map_err(|source| self.data_error(source))
    }
}

fn compression(member: &Member, stem: &str) -> Result<Compression, DebError> {
    let extension = member.name.strip_prefix(stem).unwrap_or_default();
    Compression::from_extension(extension).ok_or_else(|| DebError::Member {
        member: member.name.clone(),
        source: CodecError::Unsupported { name: member.name.clone() },
    })
}

/// Reads a line of `conffiles`: a path, perhaps after a flag. A file that the new version removes
/// is no configuration file of it.
fn conffile(line: &str) -> Option<String> {
    let path = line.trim_ascii();
    path.starts_with('/').then(|| path.to_owned())
}

fn text(name: &str, file: Option<Bytes>) -> Result<String, DebError> {
    let problem = |problem| DebError::ControlFile { name: name.to_owned(), problem };
    let file = file.ok_or_else(|| problem("is missing"))?;
    String::from_utf8(file.into()).map_err(|_| problem("is not UTF-8 text"))
}

/// Reads the files at the archive's top that anything here looks at, by their names.
fn read_files(archive: &Bytes) -> Result<BTreeMap<String, Bytes>, DebError> {
    let mut files = BTreeMap::new();
    let mut reader = tar::Archive::new(&archive[..]);
    for (count, entry) in reader.entries().map_err(DebError::ControlArchive)?.enumerate() {
        let entry = entry.map_err(DebError::ControlArchive)?;
        if count == CONTROL_FILES_MAX {
            return Err(DebError::Layout("it has too many control files"));
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.strip_prefix("./").unwrap_or(&path);
        let known = matches!(name, "control" | "conffiles")
            || MaintainerScript::ALL.iter().any(|script| script.name() == name);
        if !known || !entry.header().entry_type().is_file() {
            continue;
        }
        let (start, size) = (entry.raw_file_position(), entry.size());
        let content = slice(archive, start, size)
            .ok_or(DebError::ControlFile { name: name.to_owned(), problem: "is cut off" })?;
        if files.insert(name.to_owned(), content).is_some() {
            let problem = "is there twice";
            return Err(DebError::ControlFile { name: name.to_owned(), problem });
        }
    }
    Ok(files)
}

fn slice(archive: &Bytes, start: u64, size: u64) -> Option<Bytes> {
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(size).ok()?)?;
    (end <= archive.len()).then(|| archive.slice(start..end))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;
    use crate::ar::tests::archive;
    use crate::codec::tests::compress;
    use crate::test_judge::judge;

    const CONTROL: &str = "Package: hello\nVersion: 1:2-3\nArchitecture: all\nInstalled-Size: 9\n\
                           Description: short\n long\n";

    fn tar(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn control_files() -> Vec<u8> {
        tar(&[
            ("./control", CONTROL),
            ("./conffiles", "/etc/hello\nremove-on-upgrade /etc/gone\n\n/etc/two words\n"),
            ("./postinst", "#!/bin/sh\nset -e\n"),
            ("./triggers", "activate-noawait ldconfig\n"),
            ("./md5sums", "x"),
        ])
    }

    fn deb(control: Compression, data: Compression) -> Bytes {
        let content = tar(&[("./usr/share/hello", "hello")]);
        archive(&[
            ("debian-binary", b"2.0\n"),
            ("_extra", b"x"),
            (&format!("control.tar{}", control.extension()), &compress(control, &control_files())),
            (&format!("data.tar{}", data.extension()), &compress(data, &content)),
        ])
    }

    #[test]
    fn packages_are_read_in_every_compression() {
        for compression in Compression::ALL {
            let deb = Deb::parse(&deb(compression, compression)).unwrap();
            let control = deb.control();
            assert_eq!(control.package.as_str(), "hello");
            assert_eq!(control.version.as_str(), "1:2-3");
            assert_eq!(control.installed_size, Some(9));
            assert_eq!(control.stanza().get("Description"), Some("short\n long"));
            assert_eq!(control.conffiles, ["/etc/hello", "/etc/two words"]);
            let scripts: Vec<_> = control.scripts.keys().map(ToString::to_string).collect();
            assert_eq!(scripts, ["postinst", "triggers"]);
            assert_eq!(control.scripts[&MaintainerScript::Postinst], "#!/bin/sh\nset -e\n");
            assert_eq!(deb.data_tar().unwrap(), tar(&[("./usr/share/hello", "hello")]));
        }
    }

    #[test]
    fn a_bomb_is_refused_at_a_limit_that_follows_from_what_the_package_says() {
        // 200 MiB of zeros, in a package that says it has 9 KiB.
        let zeros = vec![0; 200 << 20];
        for compression in [Compression::Gzip, Compression::Xz, Compression::Zstd] {
            let data = compress(compression, &zeros);
            assert!(data.len() < 4 << 20, "{}", data.len());
            let name = format!("data.tar{}", compression.extension());
            let deb = archive(&[
                ("debian-binary", b"2.0\n"),
                ("control.tar", &control_files()),
                (&name, &data),
            ]);
            let error = Deb::parse(&deb).unwrap().data_tar().unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.to_string().contains(&name), "{error}");
            assert!(cause.contains(&((64 << 20) + 9 * 2048).to_string()), "{cause}");
        }
    }

    #[test]
    fn control_data_with_a_million_lines_is_read_or_refused_and_never_panics() {
        let long = format!("{CONTROL} {}", "more\n ".repeat(1_000_000));
        let many = format!(
            "{CONTROL}{}",
            (0..1_000_000).fold(String::new(), |mut text, n| {
                let _ = fmt::Write::write_fmt(&mut text, format_args!("F{n}: x\n"));
                text
            })
        );
        for (control, accepted) in [(long, true), (many, false)] {
            let files = tar(&[("control", &control)]);
            let members: [(&str, &[u8]); 3] =
                [("debian-binary", b"2.0\n"), ("control.tar", &files), ("data.tar", b"")];
            let read = Deb::parse(&archive(&members));
            assert_eq!(read.is_ok(), accepted, "{:?}", read.err().map(|error| error.to_string()));
        }
    }

    #[test]
    fn truncated_packages_are_refused() {
        let whole = deb(Compression::Xz, Compression::Gzip);
        for cut in 0..whole.len() {
            let read = Deb::parse(&whole.slice(..cut)).and_then(|deb| deb.data_tar());
            // The last byte only pads.
            assert!(read.is_err() || cut == whole.len() - 1, "{cut}");
        }
    }

    #[test]
    fn malformed_packages_are_refused() {
        let (format, none): ((&str, &[u8]), &[u8]) = (("debian-binary", b"2.0\n"), b"");
        let control = control_files();
        let bare = tar(&[("control", "Package: hello\nVersion: 1\n")]);
        let twice = tar(&[("control", CONTROL), ("./control", CONTROL)]);
        for (members, problem) in [
            (vec![], "debian-binary"),
            (vec![("debian-binary", &b"3.0\n"[..])], "2.x"),
            (vec![format], "control.tar"),
            (vec![format, ("data.tar", none), ("control.tar", &control)], "control.tar"),
            (vec![format, ("control.tar", &control)], "data.tar"),
            (vec![format, ("control.tar", &control), ("data.tar.lz4", none)], "data.tar.lz4"),
            (vec![format, ("control.tar.xz", &control), ("data.tar", none)], "control.tar.xz"),
            (
                vec![format, ("control.tar", &control), ("data.tar", none), ("data.tar.xz", none)],
                "a second",
            ),
            (
                vec![
                    format,
                    ("control.tar", &control),
                    ("data.tar", none),
                    ("control.tar", &control),
                ],
                "a second",
            ),
            (vec![format, ("control.tar", none), ("data.tar", none)], "control is missing"),
            (vec![format, ("control.tar", &twice), ("data.tar", none)], "twice"),
            (vec![format, ("control.tar", &bare), ("data.tar", none)], "malformed"),
        ] {
            let error = Deb::parse(&archive(&members)).unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn what_dpkg_deb_builds_is_read_as_dpkg_deb_reads_it() {
        let Some(dpkg_deb) = judge("dpkg-deb") else { return };
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("DEBIAN")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        let fields = "Package: hello\nVersion: 1-2\nArchitecture: amd64\nMaintainer: x <x@y.z>\n\
                      Description: short\n long\n";
        fs::write(root.join("DEBIAN/control"), fields).unwrap();
        fs::write(root.join("DEBIAN/conffiles"), "/etc/hello\n").unwrap();
        fs::write(root.join("etc/hello"), "x".repeat(100_000)).unwrap();
        for compression in ["gzip", "xz", "zstd", "none"] {
            let file = dir.path().join("hello.deb");
            let flags = [&format!("-Z{compression}"), "--root-owner-group", "-b"];
            let built = Command::new(&dpkg_deb).args(flags).arg(&root).arg(&file).output();
            let built = built.unwrap();
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            let deb = Deb::parse(&fs::read(&file).unwrap().into()).unwrap();
            let data = Command::new(&dpkg_deb).arg("--fsys-tarfile").arg(&file).output().unwrap();
            assert_eq!(deb.data_tar().unwrap(), data.stdout, "{compression}");
            let version = Command::new(&dpkg_deb).arg("-f").arg(&file).arg("Version").output();
            assert_eq!(
                String::from_utf8(version.unwrap().stdout).unwrap().trim_end(),
                deb.control().version.as_str()
            );
            assert_eq!(deb.control().conffiles, ["/etc/hello"]);
        }
    }
}
