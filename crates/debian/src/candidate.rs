use std::ops::Range;

use flagstone_artifact::Sha256Digest;

use crate::{ArchiveId, Dependency, GrammarError, Origin, Relation, Universe};

/// A candidate's place in its [`Universe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandidateId(pub(crate) u32);

/// How important a package is to a system (Debian Policy 2.5), the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// `required`
    Required,
    /// `important`
    Important,
    /// `standard`
    Standard,
    /// `optional`, and everything that is not named here
    Optional,
    /// `extra`, which was given up
    Extra,
}

impl Priority {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "required" => Self::Required,
            "important" => Self::Important,
            "standard" => Self::Standard,
            "extra" => Self::Extra,
            _ => Self::Optional,
        }
    }
}

/// How packages of several architectures get along (`Multi-Arch`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MultiArch {
    /// Not at all.
    No,
    /// `same`: side by side.
    Same,
    /// `foreign`: one serves all.
    Foreign,
    /// `allowed`: those who depend on it may choose.
    Allowed,
}

impl MultiArch {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "same" => Self::Same,
            "foreign" => Self::Foreign,
            "allowed" => Self::Allowed,
            _ => Self::No,
        }
    }
}

/// The text fields that are kept of a stanza.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    Package,
    Version,
    Architecture,
    Filename,
    Source,
    PreDepends,
    Depends,
    Recommends,
    Provides,
    Conflicts,
    Breaks,
    Replaces,
}

impl Text {
    /// All fields with their names, in the order of the variants.
    pub(crate) const ALL: [(Self, &'static str); 12] = [
        (Self::Package, "Package"),
        (Self::Version, "Version"),
        (Self::Architecture, "Architecture"),
        (Self::Filename, "Filename"),
        (Self::Source, "Source"),
        (Self::PreDepends, "Pre-Depends"),
        (Self::Depends, "Depends"),
        (Self::Recommends, "Recommends"),
        (Self::Provides, "Provides"),
        (Self::Conflicts, "Conflicts"),
        (Self::Breaks, "Breaks"),
        (Self::Replaces, "Replaces"),
    ];
}

/// A part of the universe's text.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Which of the universe's origins offer a candidate: one bit each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origins(u64);

impl Origins {
    /// How many there can be.
    pub(crate) const MAX: usize = 64;

    /// One origin, by its number below [`Self::MAX`].
    pub(crate) fn one(number: usize) -> Self {
        debug_assert!(number < Self::MAX);
        Self(1 << number)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn has(self, number: usize) -> bool {
        self.0 & Self::one(number).0 != 0
    }

    /// The number of the first one; there always is one.
    fn first(self) -> usize {
        self.0.trailing_zeros() as usize
    }
}

/// What is kept of a stanza: texts in the universe's one text, and what is not text.
pub(crate) struct Record {
    pub(crate) texts: [Span; Text::ALL.len()],
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// In KiB.
    pub(crate) installed_size: u64,
    pub(crate) priority: Priority,
    pub(crate) multi_arch: MultiArch,
    pub(crate) essential: bool,
    pub(crate) origins: Origins,
}

/// A package that an archive offers.
#[derive(Clone, Copy)]
pub struct Candidate<'u> {
    pub(crate) universe: &'u Universe,
    pub(crate) id: CandidateId,
    pub(crate) record: &'u Record,
}

impl<'u> Candidate<'u> {
    fn text(&self, field: Text) -> &'u str {
        &self.universe.text[self.record.texts[field as usize].range()]
    }

    /// Returns its place in the universe.
    pub fn id(&self) -> CandidateId {
        self.id
    }

    /// Returns the package's name.
    pub fn name(&self) -> &'u str {
        self.text(Text::Package)
    }

    /// Returns the version.
    pub fn version(&self) -> &'u str {
        self.text(Text::Version)
    }

    /// Returns the architecture: the universe's own, or `all`.
    pub fn architecture(&self) -> &'u str {
        self.text(Text::Architecture)
    }

    /// Returns the file's path below the archive's base.
    pub fn filename(&self) -> &'u str {
        self.text(Text::Filename)
    }

    /// Returns the name of the source package.
    pub fn source(&self) -> &'u str {
        let source = self.text(Text::Source);
        match source.split_once(' ') {
            Some((name, _version)) => name,
            None if source.is_empty() => self.name(),
            None => source,
        }
    }

    /// Returns the archive that has the file.
    pub fn archive(&self) -> &'u ArchiveId {
        &self.universe.origins[self.record.origins.first()].archive
    }

    /// Returns all origins that offer this very file.
    pub fn origins(&self) -> impl Iterator<Item = &'u Origin> {
        let origins = self.record.origins;
        let all = self.universe.origins.iter().enumerate();
        all.filter(move |(number, _)| origins.has(*number)).map(|(_, origin)| origin)
    }

    /// Returns the file's length in bytes.
    pub fn size(&self) -> u64 {
        self.record.size
    }

    /// Returns the file's digest.
    pub fn sha256(&self) -> Sha256Digest {
        self.record.sha256
    }

    /// Returns the estimated size when installed, in KiB.
    pub fn installed_size(&self) -> u64 {
        self.record.installed_size
    }

    /// Returns how important the package is.
    pub fn priority(&self) -> Priority {
        self.record.priority
    }

    /// Returns how it gets along with other architectures.
    pub fn multi_arch(&self) -> MultiArch {
        self.record.multi_arch
    }

    /// Tells whether the package is essential: others need it without saying so.
    pub fn is_essential(&self) -> bool {
        self.record.essential
    }

    /// Returns `Pre-Depends`.
    ///
    /// # Errors
    /// If the field is malformed; so for the others below.
    pub fn pre_depends(&self) -> Result<Vec<Dependency>, GrammarError> {
        Dependency::parse_list(self.text(Text::PreDepends))
    }

    /// Returns `Depends`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn depends(&self) -> Result<Vec<Dependency>, GrammarError> {
        Dependency::parse_list(self.text(Text::Depends))
    }

    /// Returns `Recommends`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn recommends(&self) -> Result<Vec<Dependency>, GrammarError> {
        Dependency::parse_list(self.text(Text::Recommends))
    }

    /// Returns `Provides`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn provides(&self) -> Result<Vec<Relation>, GrammarError> {
        Relation::parse_list(self.text(Text::Provides))
    }

    /// Returns `Conflicts`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn conflicts(&self) -> Result<Vec<Relation>, GrammarError> {
        Relation::parse_list(self.text(Text::Conflicts))
    }

    /// Returns `Breaks`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn breaks(&self) -> Result<Vec<Relation>, GrammarError> {
        Relation::parse_list(self.text(Text::Breaks))
    }

    /// Returns `Replaces`.
    ///
    /// # Errors
    /// If the field is malformed.
    pub fn replaces(&self) -> Result<Vec<Relation>, GrammarError> {
        Relation::parse_list(self.text(Text::Replaces))
    }
}

impl std::fmt::Debug for Candidate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name(), self.version())
    }
}
