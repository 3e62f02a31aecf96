use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::candidate::{Origins, Record};
use crate::packages::read_packages;
use crate::suggest::nearest;
use crate::version::compare_versions;
use crate::{ArchiveId, Candidate, CandidateId, ControlError, DebVersion, Origin};

/// All packages that some archives offer for one architecture.
#[derive(Default)]
pub struct Universe {
    /// The kept fields of all candidates, one after the other.
    pub(crate) text: String,
    records: Vec<Record>,
    /// By name, the highest version first. Only ever searched, so its order does not matter.
    names: HashMap<Box<str>, Vec<CandidateId>>,
    /// By the name that is provided, in order of the candidates.
    provided: HashMap<Box<str>, Vec<Provider>>,
    architecture: String,
    /// What was added, in order.
    pub(crate) origins: Vec<Origin>,
}

/// A candidate that provides a name.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) id: CandidateId,
    /// The version it provides, if it says one.
    pub(crate) version: Option<DebVersion>,
}

impl Universe {
    /// Creates an empty universe for Debian's name of an architecture, such as `amd64`.
    pub fn new(architecture: &str) -> Self {
        Self { architecture: architecture.to_owned(), ..Self::default() }
    }

    /// Adds an index `Packages`, already decompressed and verified.
    ///
    /// A package that is there already, in the same version and with the same digest, stays as it
    /// was, and is known to be offered here too.
    ///
    /// # Errors
    /// At the first malformed stanza; the universe is of no use then.
    pub fn add(&mut self, index: &str, origin: &Origin) -> Result<(), ControlError> {
        let first = self.records.len();
        let origins = self.origin(origin)?;
        read_packages(index, &self.architecture, origins, &mut self.text, &mut self.records)?;
        for number in first..self.records.len() {
            let number = u32::try_from(number);
            let id = CandidateId(
                number.map_err(|_| ControlError::new(0, "there are too many packages"))?,
            );
            if self.insert(id) {
                self.insert_provides(id)?;
            }
        }
        Ok(())
    }

    /// Returns an origin's number, entering it if it is new.
    fn origin(&mut self, origin: &Origin) -> Result<Origins, ControlError> {
        let number = self.origins.iter().position(|known| known == origin);
        let number = number.unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        });
        if number >= Origins::MAX {
            return Err(ControlError::new(0, "there are too many suites"));
        }
        Ok(Origins::one(number))
    }

    /// Enters a candidate under its name; `false` if the same file is there already.
    ///
    /// Of equal versions those that came first stay first.
    fn insert(&mut self, id: CandidateId) -> bool {
        let candidate = self.get(id);
        let (version, sha256) = (candidate.version(), candidate.sha256());
        let known = self.names.get(candidate.name()).map_or(&[][..], Vec::as_slice);
        let order = |other: &CandidateId| compare_versions(self.get(*other).version(), version);
        let start = known.partition_point(|other| order(other).is_gt());
        let equal = known[start..].iter().take_while(|other| order(other).is_eq());
        let (mut place, mut same) = (start, None);
        for other in equal {
            place += 1;
            same = same.or_else(|| (self.get(*other).sha256() == sha256).then_some(*other));
        }
        if let Some(same) = same {
            let origins = self.records[id.0 as usize].origins;
            self.records[same.0 as usize].origins.add(origins);
            return false;
        }
        let name = candidate.name().into();
        self.names.entry(name).or_default().insert(place, id);
        true
    }

    fn insert_provides(&mut self, id: CandidateId) -> Result<(), ControlError> {
        let provides = self.get(id).provides().map_err(|error| {
            // The line is gone by now: the name says as much.
            ControlError::new(0, format!("{}: {error}", self.get(id).name()))
        })?;
        for relation in provides {
            let version = relation.constraint.map(|constraint| constraint.version);
            let name = relation.name.as_str().into();
            self.provided.entry(name).or_default().push(Provider { id, version });
        }
        Ok(())
    }

    /// Returns the architecture, as Debian calls it.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Returns how many candidates there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Tells whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns a candidate by its place.
    ///
    /// # Panics
    /// If the place is of another universe, and beyond this one.
    pub fn get(&self, id: CandidateId) -> Candidate<'_> {
        Candidate { universe: self, id, record: &self.records[id.0 as usize] }
    }

    /// Returns the candidates of a name, the highest version first.
    pub fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = Candidate<'_>> + Clone {
        self.names.get(name).into_iter().flatten().map(|id| self.get(*id))
    }

    /// Tells whether an archive of Debian's offers a name without being asked by a pin.
    pub(crate) fn is_debians(&self, name: &str) -> bool {
        self.versions(name).any(|candidate| {
            candidate.origins().any(|origin| origin.automatic && origin.archive.is_debian())
        })
    }

    /// Tells whether a file beside the recipe has a name.
    pub(crate) fn is_local(&self, name: &str) -> bool {
        let local = |origin: &Origin| origin.archive == ArchiveId::Local;
        self.origins.iter().any(local)
            && self.versions(name).any(|candidate| *candidate.archive() == ArchiveId::Local)
    }

    /// Returns the names of the packages that are files beside the recipe, sorted.
    pub fn local_names(&self) -> BTreeSet<&str> {
        let all = self.names.values().flatten().map(|id| self.get(*id));
        all.filter(|c| *c.archive() == ArchiveId::Local).map(|c| c.name()).collect()
    }

    /// Returns the names of the packages that provide a name, sorted.
    pub fn providers(&self, name: &str) -> Vec<&str> {
        let providers = self.providers_of(name).iter();
        let mut names: Vec<_> = providers.map(|provider| self.get(provider.id).name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    pub(crate) fn providers_of(&self, name: &str) -> &[Provider] {
        self.provided.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the names of packages that are nearest to one that does not exist.
    pub fn nearest(&self, name: &str) -> Vec<String> {
        nearest(name, self.names.keys().map(AsRef::as_ref))
    }
}

impl fmt::Debug for Universe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Universe")
            .field("architecture", &self.architecture)
            .field("candidates", &self.len())
            .finish_non_exhaustive()
    }
}
