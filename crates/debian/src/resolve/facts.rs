use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::{
    Candidate, CandidateId, DebVersion, Dependency, GrammarError, Relation, RelationField,
    ResolveError, Universe,
};

/// The parsed relations of a candidate.
pub(super) struct Facts {
    /// `Pre-Depends`, then `Depends`: apt's order.
    pub(super) needs: Vec<(RelationField, Dependency)>,
    pub(super) recommends: Vec<Dependency>,
    /// `Conflicts`, then `Breaks`.
    pub(super) refuses: Vec<(RelationField, Relation)>,
    pub(super) provides: Vec<Relation>,
}

/// Parses the relations of those candidates that are looked at, once.
pub(super) struct FactsCache<'u> {
    universe: &'u Universe,
    known: RefCell<HashMap<CandidateId, Rc<Facts>>>,
}

impl<'u> FactsCache<'u> {
    pub(super) fn new(universe: &'u Universe) -> Self {
        Self { universe, known: RefCell::default() }
    }

    pub(super) fn of(&self, id: CandidateId) -> Result<Rc<Facts>, ResolveError> {
        if let Some(facts) = self.known.borrow().get(&id) {
            return Ok(Rc::clone(facts));
        }
        let candidate = self.universe.get(id);
        let facts = parse(candidate).map_err(|source| ResolveError::Malformed {
            package: format!("{} {}", candidate.name(), candidate.version()),
            source,
        })?;
        let facts = Rc::new(facts);
        self.known.borrow_mut().insert(id, Rc::clone(&facts));
        Ok(facts)
    }
}

fn parse(candidate: Candidate<'_>) -> Result<Facts, GrammarError> {
    use RelationField::{Breaks, Conflicts, Depends, PreDepends};
    let pre = candidate.pre_depends()?.into_iter().map(|d| (PreDepends, d));
    let needs = pre.chain(candidate.depends()?.into_iter().map(|d| (Depends, d))).collect();
    let conflicts = candidate.conflicts()?.into_iter().map(|r| (Conflicts, r));
    let refuses = conflicts.chain(candidate.breaks()?.into_iter().map(|r| (Breaks, r))).collect();
    let (recommends, provides) = (candidate.recommends()?, candidate.provides()?);
    Ok(Facts { needs, recommends, refuses, provides })
}

/// Tells whether a candidate of the relation's own name meets it.
pub(super) fn meets_by_name(candidate: Candidate<'_>, relation: &Relation) -> bool {
    let qualified = match relation.qualifier.as_deref() {
        // With one architecture there is nothing to choose from; apt drops the word too then.
        None | Some("native" | "any") => true,
        Some(architecture) => architecture == candidate.universe.architecture(),
    };
    qualified
        && candidate.name() == relation.name.as_str()
        && relation.allows_text(candidate.version())
}

/// Tells whether something that provides the relation's name, perhaps in a version, meets it.
///
/// A condition on the version is met by a versioned `Provides` only (Debian Policy 7.5).
pub(super) fn meets_by_provides(version: Option<&DebVersion>, relation: &Relation) -> bool {
    match (&relation.constraint, version) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(constraint), Some(version)) => constraint.allows(version),
    }
}
