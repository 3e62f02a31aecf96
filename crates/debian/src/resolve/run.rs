use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::facts::{Facts, FactsCache, meets_by_name, meets_by_provides};
use super::{Request, Solution, Solved, Why};
use crate::{
    Candidate, CandidateId, DebVersion, Dependency, PackageName, Relation, RelationField,
    ResolveError, Universe,
};

/// Why a candidate cannot be part of the solution.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// It was left out, since it does not get along with another one.
    Clash { with: CandidateId, said: String },
    /// Something it needs cannot be had.
    Unmet { field: RelationField, need: Dependency },
}

/// The candidates that are left out, with the reasons.
pub(super) type Bans = BTreeMap<CandidateId, Reason>;

/// Where a run stopped.
pub(super) enum Stop {
    /// A requested package has no candidate left.
    NoCandidate(PackageName),
    /// A chosen package needs what cannot be had.
    Unmet { id: CandidateId, reason: Reason },
    /// Two packages do not get along.
    Clash { new: CandidateId, old: CandidateId, said: String },
    /// The universe is malformed.
    Error(ResolveError),
}

/// One pass of apt's order, without going back.
pub(super) struct Run<'a> {
    universe: &'a Universe,
    facts: &'a FactsCache<'a>,
    request: &'a Request,
    bans: &'a Bans,
    chosen: BTreeMap<&'a str, Chosen>,
    /// What the chosen ones, and the excluded ones, provide: by name, with the version.
    provided: HashMap<String, Vec<(Option<CandidateId>, Option<DebVersion>)>>,
    /// What the chosen ones refuse: by the name refused.
    refused: HashMap<String, Vec<(CandidateId, RelationField, Relation)>>,
    absent: BTreeMap<PackageName, std::collections::BTreeSet<PackageName>>,
}

struct Chosen {
    id: CandidateId,
    why: Why,
}

/// A package whose needs are being met, and how far that is.
struct Frame {
    id: CandidateId,
    facts: Rc<Facts>,
    next: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        facts: &'a FactsCache<'a>,
        universe: &'a Universe,
        request: &'a Request,
        bans: &'a Bans,
    ) -> Result<Self, ResolveError> {
        let mut run = Self {
            universe,
            facts,
            request,
            bans,
            chosen: BTreeMap::new(),
            provided: HashMap::new(),
            refused: HashMap::new(),
            absent: BTreeMap::new(),
        };
        for name in &request.excluded {
            // What is excluded counts as there, with all that it provides.
            if let Some(id) = run.preferred(name.as_str()) {
                for relation in &facts.of(id)?.provides {
                    run.provide(None, relation);
                }
            }
        }
        Ok(run)
    }

    /// Chooses everything.
    pub(super) fn solve(mut self) -> Result<Solution, Stop> {
        let mut roots = Vec::new();
        for name in &self.request.packages {
            if self.chosen.contains_key(name.as_str()) {
                continue;
            }
            let free = |id: &CandidateId| !self.bans.contains_key(id);
            let id = self.ordered(name.as_str()).into_iter().find(free);
            let id = id.ok_or_else(|| Stop::NoCandidate(name.clone()))?;
            self.choose(id, Why::Requested)?;
            roots.push(id);
        }
        for id in roots {
            self.meet_needs(id)?;
        }
        let packages = self.chosen.into_iter().map(|(name, Chosen { id, why })| {
            let name = name.parse().expect("the universe checks names");
            (name, Solved { id, why })
        });
        Ok(Solution { packages: packages.collect(), absent: self.absent })
    }

    /// Meets the needs of a chosen package and of all that are chosen for it, depth first.
    ///
    /// The stack is the program's own: an index must not choose how deep a thread's goes.
    fn meet_needs(&mut self, root: CandidateId) -> Result<(), Stop> {
        let mut stack = vec![self.frame(root)?];
        while let Some(frame) = stack.last_mut() {
            let (id, facts, next) = (frame.id, Rc::clone(&frame.facts), frame.next);
            frame.next += 1;
            let Some((field, need)) = facts.needs.get(next) else {
                stack.pop();
                continue;
            };
            if self.is_met(id, need) {
                continue;
            }
            let Some(option) = self.option(need) else {
                let reason = Reason::Unmet { field: *field, need: need.clone() };
                return Err(Stop::Unmet { id, reason });
            };
            let by = self.universe.get(id).name().parse().expect("the universe checks names");
            self.choose(option, Why::Needed { by, relation: format!("{field}: {need}") })?;
            stack.push(self.frame(option)?);
        }
        Ok(())
    }

    fn frame(&self, id: CandidateId) -> Result<Frame, Stop> {
        Ok(Frame { id, facts: self.facts.of(id).map_err(Stop::Error)?, next: 0 })
    }

    /// Tells whether a need is met by what is chosen, or excluded.
    fn is_met(&mut self, id: CandidateId, need: &Dependency) -> bool {
        if need.alternatives.iter().any(|relation| self.is_met_by_chosen(relation)) {
            return true;
        }
        let excluded = |relation: &&Relation| self.request.excluded.contains(&relation.name);
        let absent = match need.alternatives.iter().find(excluded) {
            Some(relation) => relation.name.clone(),
            None => match need.alternatives.iter().find(|r| self.is_met_by_absent(r)) {
                Some(relation) => relation.name.clone(),
                None => return false,
            },
        };
        let by = self.universe.get(id).name().parse().expect("the universe checks names");
        self.absent.entry(absent).or_default().insert(by);
        true
    }

    fn is_met_by_chosen(&self, relation: &Relation) -> bool {
        let name = relation.name.as_str();
        let own = self.chosen.get(name).map(|chosen| self.universe.get(chosen.id));
        own.is_some_and(|candidate| meets_by_name(candidate, relation))
            || self.providers(name).any(|(id, version)| {
                id.is_some() && meets_by_provides(version.map(DebVersion::as_str), relation)
            })
    }

    fn is_met_by_absent(&self, relation: &Relation) -> bool {
        self.providers(relation.name.as_str()).any(|(id, version)| {
            id.is_none() && meets_by_provides(version.map(DebVersion::as_str), relation)
        })
    }

    fn providers(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (Option<CandidateId>, Option<&DebVersion>)> {
        self.provided.get(name).into_iter().flatten().map(|(id, version)| (*id, version.as_ref()))
    }

    /// Returns the best candidate for a need that nothing chosen meets.
    ///
    /// What is kept from before comes first, then what apt would take; other versions last.
    fn option(&self, need: &Dependency) -> Option<CandidateId> {
        let options = options(self.universe, self.request, need);
        let free = |id: &&CandidateId| !self.bans.contains_key(id);
        let is_kept = |id: &&CandidateId| {
            let candidate = self.universe.get(**id);
            let kept = self.request.keep.get(candidate.name());
            kept.is_some_and(|version| version.as_str() == candidate.version())
        };
        let is_preferred =
            |id: &&CandidateId| self.preferred(self.universe.get(**id).name()) == Some(**id);
        let first = |wanted: &dyn Fn(&&CandidateId) -> bool| {
            options.iter().filter(free).find(|id| wanted(id)).copied()
        };
        first(&is_kept).or_else(|| first(&is_preferred)).or_else(|| first(&|_| true))
    }

    fn preferred(&self, name: &str) -> Option<CandidateId> {
        self.ordered(name).first().copied()
    }

    fn ordered(&self, name: &str) -> Vec<CandidateId> {
        ordered(self.universe, self.request, name)
    }

    /// Adds a candidate to what is chosen, if it gets along with everything there.
    fn choose(&mut self, id: CandidateId, why: Why) -> Result<(), Stop> {
        let candidate = self.universe.get(id);
        let facts = self.facts.of(id).map_err(Stop::Error)?;
        self.check(candidate, &facts)?;
        self.chosen.insert(candidate.name(), Chosen { id, why });
        for relation in &facts.provides {
            self.provide(Some(id), relation);
        }
        for (field, relation) in &facts.refuses {
            let name = relation.name.as_str().to_owned();
            self.refused.entry(name).or_default().push((id, *field, relation.clone()));
        }
        Ok(())
    }

    fn provide(&mut self, id: Option<CandidateId>, relation: &Relation) {
        let version = relation.constraint.as_ref().map(|c| c.version.clone());
        let name = relation.name.as_str().to_owned();
        self.provided.entry(name).or_default().push((id, version));
    }

    /// Looks for a chosen package that does not get along with a new one.
    fn check(&self, new: Candidate<'_>, facts: &Facts) -> Result<(), Stop> {
        let clash = |old: CandidateId, said: String| Err(Stop::Clash { new: new.id(), old, said });
        if let Some(old) = self.chosen.get(new.name()) {
            return clash(old.id, "there can be one version only".into());
        }
        for (field, relation) in &facts.refuses {
            let name = relation.name.as_str();
            let own = self.chosen.get(name).map(|chosen| chosen.id);
            let own = own.filter(|old| meets_by_name(self.universe.get(*old), relation));
            let provider = self.providers(name).find_map(|(id, version)| {
                id.filter(|_| meets_by_provides(version.map(DebVersion::as_str), relation))
            });
            if let Some(old) = own.or(provider) {
                return clash(old, format!("{} has {field}: {relation}", new.name()));
            }
        }
        let said_by = |name: &str, meets: &dyn Fn(&Relation) -> bool| {
            let refusals = self.refused.get(name).into_iter().flatten();
            refusals.clone().find(|(_, _, relation)| meets(relation)).map(
                |(old, field, relation)| {
                    (*old, format!("{} has {field}: {relation}", self.universe.get(*old).name()))
                },
            )
        };
        let mut found = said_by(new.name(), &|relation| meets_by_name(new, relation));
        for own in &facts.provides {
            let version = own.constraint.as_ref().map(|c| c.version.as_str());
            let meets = |relation: &Relation| meets_by_provides(version, relation);
            found = found.or_else(|| said_by(own.name.as_str(), &meets));
        }
        found.map_or(Ok(()), |(old, said)| clash(old, said))
    }
}

/// Returns the candidates of a name: the kept version, then the highest first.
pub(super) fn ordered(universe: &Universe, request: &Request, name: &str) -> Vec<CandidateId> {
    let kept = request.keep.get(name);
    let is_kept = |c: &Candidate<'_>| kept.is_some_and(|version| version.as_str() == c.version());
    let versions = universe.versions(name);
    let kept = versions.clone().filter(is_kept);
    kept.chain(versions.filter(|c| !is_kept(c))).map(|c| c.id()).collect()
}

/// Returns all candidates that would meet a need, in the order of its alternatives; of each, real
/// packages first, then those that provide the name.
pub(super) fn options(
    universe: &Universe,
    request: &Request,
    need: &Dependency,
) -> Vec<CandidateId> {
    let mut options = Vec::new();
    for relation in &need.alternatives {
        let name = relation.name.as_str();
        let own = ordered(universe, request, name);
        options.extend(own.into_iter().filter(|id| meets_by_name(universe.get(*id), relation)));
        options.extend(providers(universe, request, relation));
    }
    options
}

/// Returns the candidates that provide what a relation asks for, in apt's order: essential ones,
/// then by priority; what is still equal, apt orders by the accident of its cache, this by name.
fn providers(universe: &Universe, request: &Request, relation: &Relation) -> Vec<CandidateId> {
    let meets = |version: &Option<DebVersion>| {
        meets_by_provides(version.as_ref().map(DebVersion::as_str), relation)
    };
    let providers = universe.providers_of(relation.name.as_str()).iter();
    let mut found: Vec<_> = providers
        .filter(|provider| meets(&provider.version))
        .map(|provider| universe.get(provider.id))
        .filter(|candidate| candidate.name() != relation.name.as_str())
        .filter(|candidate| !request.excluded.contains(candidate.name()))
        .collect();
    let place = |candidate: &Candidate<'_>| {
        let order = ordered(universe, request, candidate.name());
        order.iter().position(|id| *id == candidate.id())
    };
    found.sort_by_cached_key(|c| (!c.is_essential(), c.priority(), c.name(), place(c)));
    found.into_iter().map(|candidate| candidate.id()).collect()
}
