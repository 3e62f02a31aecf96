use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::facts::{Facts, FactsCache, meets_by_name, meets_by_provides};
use super::pin::is_eligible;
use super::{Request, Solution, Solved, Why};
use crate::{
    Candidate, CandidateId, DebVersion, Dependency, PackageName, Relation, RelationField,
    ResolveError, Universe,
};

/// The most steps that lead to a package in an explanation.
const PATH_MAX: usize = 16;

/// Why a candidate cannot be part of the solution.
#[derive(Clone, Debug)]
pub(super) enum Reason {
    /// It was left out, since it does not get along with another one.
    Clash {
        with: CandidateId,
        said: String,
        /// What leads to the other one, from it to what was requested.
        path: Vec<String>,
    },
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
    Clash(Box<Clash>),
    /// The universe is malformed.
    Error(ResolveError),
}

/// Two packages that do not get along.
pub(super) struct Clash {
    /// The one that was to be chosen.
    pub(super) new: CandidateId,
    /// The one that is chosen.
    pub(super) old: CandidateId,
    pub(super) said: String,
    pub(super) old_yields: bool,
    /// What leads to each, from it to what was requested.
    pub(super) new_path: Vec<String>,
    pub(super) old_path: Vec<String>,
}

/// One pass of apt's order, without going back.
pub(super) struct Run<'a> {
    universe: &'a Universe,
    facts: &'a FactsCache<'a>,
    request: &'a Request,
    bans: &'a Bans,
    chosen: BTreeMap<&'a str, Chosen>,
    /// What the chosen ones provide: by name, with the version.
    provided: HashMap<String, Vec<(CandidateId, Option<DebVersion>)>>,
    /// What the excluded ones would provide: by name, with the version and who.
    provided_absent: HashMap<String, Vec<(&'a PackageName, Option<DebVersion>)>>,
    /// What the chosen ones refuse: by the name refused.
    refused: HashMap<String, Vec<(CandidateId, RelationField, Relation)>>,
    absent: BTreeMap<PackageName, BTreeSet<PackageName>>,
}

struct Chosen {
    id: CandidateId,
    why: Why,
    /// Whether the request leads to it without any choice between packages.
    settled: bool,
}

/// Where a run ended.
pub(super) struct Outcome {
    pub(super) result: Result<Solution, Stop>,
    /// How many packages were chosen in another version than the preferred one.
    pub(super) downgrades: usize,
}

/// The best way to meet a need.
struct Choice {
    id: CandidateId,
    /// Whether no other package would do.
    only: bool,
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
            provided_absent: HashMap::new(),
            refused: HashMap::new(),
            absent: BTreeMap::new(),
        };
        for name in &request.excluded {
            // What is excluded counts as there, with all that it provides.
            let Some(id) = run.preferred(name.as_str()) else { continue };
            for relation in &facts.of(id)?.provides {
                let virtual_name = relation.name.as_str().to_owned();
                let provided = run.provided_absent.entry(virtual_name).or_default();
                provided.push((name, provided_version(relation).cloned()));
            }
        }
        Ok(run)
    }

    /// Chooses everything.
    pub(super) fn solve(mut self) -> Outcome {
        let result = self.choose_all();
        let lower = |c: &&Chosen| self.preferred(self.universe.get(c.id).name()) != Some(c.id);
        let downgrades = self.chosen.values().filter(lower).count();
        let packages = self.chosen.into_iter().map(|(name, Chosen { id, why, .. })| {
            let name = name.parse().expect("the universe checks names");
            (name, Solved { id, why })
        });
        let solution = Solution { packages: packages.collect(), absent: self.absent };
        Outcome { result: result.map(|()| solution), downgrades }
    }

    fn choose_all(&mut self) -> Result<(), Stop> {
        let mut roots = Vec::new();
        for name in &self.request.packages {
            if self.chosen.contains_key(name.as_str()) {
                continue;
            }
            let free = |id: &CandidateId| !self.bans.contains_key(id);
            let id = self.ordered(name.as_str()).into_iter().find(free);
            let id = id.ok_or_else(|| Stop::NoCandidate(name.clone()))?;
            self.choose(id, Why::Requested, true)?;
            roots.push(id);
        }
        roots.into_iter().try_for_each(|id| self.meet_needs(id))
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
                let wish = facts.recommends.get(next - facts.needs.len());
                if let Some(wish) = wish.filter(|_| self.request.recommends) {
                    stack.extend(self.grant(id, wish)?);
                } else {
                    stack.pop();
                }
                continue;
            };
            if self.is_met(id, need) {
                continue;
            }
            let Some(option) = self.best(need) else {
                let reason = Reason::Unmet { field: *field, need: need.clone() };
                return Err(Stop::Unmet { id, reason });
            };
            let name = self.universe.get(id).name();
            let settled = option.only && self.chosen.get(name).is_some_and(|c| c.settled);
            self.choose(option.id, self.why(id, *field, need), settled)?;
            stack.push(self.frame(option.id)?);
        }
        Ok(())
    }

    fn why(&self, by: CandidateId, field: RelationField, need: &Dependency) -> Why {
        let by = self.universe.get(by).name().parse().expect("the universe checks names");
        Why::Needed { by, relation: format!("{field}: {need}") }
    }

    /// Chooses what a package recommends, if nothing speaks against it.
    fn grant(&mut self, id: CandidateId, wish: &Dependency) -> Result<Option<Frame>, Stop> {
        let mut alternatives = wish.alternatives.iter();
        if alternatives.any(|r| self.is_met_by_chosen(r) || self.absent_for(r).is_some()) {
            return Ok(None);
        }
        let Some(Choice { id: option, .. }) = self.best(wish) else { return Ok(None) };
        // Another version than the usual one is taken for what is needed, not for what is nice.
        if self.preferred(self.universe.get(option).name()) != Some(option) {
            return Ok(None);
        }
        match self.choose(option, self.why(id, RelationField::Recommends, wish), false) {
            Ok(()) => self.frame(option).map(Some),
            Err(Stop::Clash(_)) => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    /// Returns what leads to a package, from it to what was requested, one step each.
    fn path<'w>(&'w self, id: CandidateId, mut why: &'w Why) -> Vec<String> {
        let mut steps = Vec::new();
        let mut name = self.universe.get(id).name();
        while steps.len() < PATH_MAX {
            match why {
                Why::Requested => {
                    steps.push(format!("{name} is requested"));
                    break;
                }
                Why::Needed { by, relation } => {
                    steps.push(format!("{name} is needed: {by} has {relation}"));
                    let Some((other, chosen)) = self.chosen.get_key_value(by.as_str()) else {
                        break;
                    };
                    (name, why) = (*other, &chosen.why);
                }
            }
        }
        steps
    }

    fn frame(&self, id: CandidateId) -> Result<Frame, Stop> {
        Ok(Frame { id, facts: self.facts.of(id).map_err(Stop::Error)?, next: 0 })
    }

    /// Tells whether a need is met by what is chosen, or excluded.
    fn is_met(&mut self, id: CandidateId, need: &Dependency) -> bool {
        if need.alternatives.iter().any(|relation| self.is_met_by_chosen(relation)) {
            return true;
        }
        let Some(absent) = need.alternatives.iter().find_map(|r| self.absent_for(r)) else {
            return false;
        };
        let by = self.universe.get(id).name().parse().expect("the universe checks names");
        self.absent.entry(absent.clone()).or_default().insert(by);
        true
    }

    fn is_met_by_chosen(&self, relation: &Relation) -> bool {
        let name = relation.name.as_str();
        let own = self.chosen.get(name).map(|chosen| self.universe.get(chosen.id));
        own.is_some_and(|candidate| meets_by_name(candidate, relation))
            || self.provider(relation).is_some()
    }

    /// Returns a chosen package that provides what a relation asks for.
    fn provider(&self, relation: &Relation) -> Option<CandidateId> {
        let mut providers = self.provided.get(relation.name.as_str())?.iter();
        let (id, _) = providers.find(|(_, v)| meets_by_provides(v.as_ref(), relation))?;
        Some(*id)
    }

    /// Returns an excluded package that meets a relation, whatever its version.
    fn absent_for(&self, relation: &Relation) -> Option<&'a PackageName> {
        self.request.excluded.get(relation.name.as_str()).or_else(|| {
            let mut providers = self.provided_absent.get(relation.name.as_str())?.iter();
            let (name, _) = providers.find(|(_, v)| meets_by_provides(v.as_ref(), relation))?;
            Some(*name)
        })
    }

    /// Returns the best candidate for a need that nothing chosen meets.
    ///
    /// What is kept from before comes first, then what apt would take; other versions last.
    fn best(&self, need: &Dependency) -> Option<Choice> {
        let mut options = options(self.universe, self.request, need);
        options.retain(|id| !self.bans.contains_key(id));
        let is_kept = |id: &&CandidateId| {
            let candidate = self.universe.get(**id);
            let kept = self.request.keep.get(candidate.name());
            kept.is_some_and(|version| version.as_str() == candidate.version())
        };
        let is_preferred =
            |id: &&CandidateId| self.preferred(self.universe.get(**id).name()) == Some(**id);
        let kept = options.iter().find(is_kept);
        let id = *kept.or_else(|| options.iter().find(is_preferred)).or(options.first())?;
        let name = |id: CandidateId| self.universe.get(id).name();
        Some(Choice { id, only: options.iter().all(|other| name(*other) == name(id)) })
    }

    fn preferred(&self, name: &str) -> Option<CandidateId> {
        self.ordered(name).first().copied()
    }

    fn ordered(&self, name: &str) -> Vec<CandidateId> {
        ordered(self.universe, self.request, name)
    }

    /// Adds a candidate to what is chosen, if it gets along with everything there.
    fn choose(&mut self, id: CandidateId, why: Why, settled: bool) -> Result<(), Stop> {
        let candidate = self.universe.get(id);
        let facts = self.facts.of(id).map_err(Stop::Error)?;
        if let Some((old, said)) = self.opponent(candidate, &facts) {
            // apt takes back a package that it chose among others for one that has to be.
            let old_settled = self.chosen.get(self.universe.get(old).name());
            let old_yields = settled && old_settled.is_some_and(|c| !c.settled);
            let old_path = old_settled.map(|c| self.path(old, &c.why)).unwrap_or_default();
            let new_path = self.path(id, &why);
            let clash = Clash { new: id, old, said, old_yields, new_path, old_path };
            return Err(Stop::Clash(Box::new(clash)));
        }
        self.chosen.insert(candidate.name(), Chosen { id, why, settled });
        for relation in &facts.provides {
            let provided = self.provided.entry(relation.name.as_str().to_owned()).or_default();
            provided.push((id, provided_version(relation).cloned()));
        }
        for (field, relation) in &facts.refuses {
            let name = relation.name.as_str().to_owned();
            self.refused.entry(name).or_default().push((id, *field, relation.clone()));
        }
        Ok(())
    }

    /// Returns a chosen package that does not get along with a new one, and what says so.
    fn opponent(&self, new: Candidate<'_>, facts: &Facts) -> Option<(CandidateId, String)> {
        if let Some(old) = self.chosen.get(new.name()) {
            return Some((old.id, "there can be one version only".into()));
        }
        for (field, relation) in &facts.refuses {
            let name = relation.name.as_str();
            let own = self.chosen.get(name).map(|chosen| chosen.id);
            let own = own.filter(|old| meets_by_name(self.universe.get(*old), relation));
            if let Some(old) = own.or_else(|| self.provider(relation)) {
                return Some((old, format!("{} has {field}: {relation}", new.name())));
            }
        }
        let said_by = |name: &str, meets: &dyn Fn(&Relation) -> bool| {
            let mut refusals = self.refused.get(name).into_iter().flatten();
            let (old, field, relation) = refusals.find(|(_, _, relation)| meets(relation))?;
            let said = format!("{} has {field}: {relation}", self.universe.get(*old).name());
            Some((*old, said))
        };
        said_by(new.name(), &|relation| meets_by_name(new, relation)).or_else(|| {
            facts.provides.iter().find_map(|own| {
                let version = provided_version(own);
                said_by(own.name.as_str(), &|relation| meets_by_provides(version, relation))
            })
        })
    }
}

/// Returns the version that a relation in `Provides` gives.
fn provided_version(relation: &Relation) -> Option<&DebVersion> {
    relation.constraint.as_ref().map(|constraint| &constraint.version)
}

/// Returns the candidates of a name: the kept version, then the highest first.
pub(super) fn ordered(universe: &Universe, request: &Request, name: &str) -> Vec<CandidateId> {
    let kept = request.keep.get(name);
    let is_kept = |c: &Candidate<'_>| kept.is_some_and(|version| version.as_str() == c.version());
    let versions = universe.versions(name).filter(|c| is_eligible(universe, request, *c));
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
/// then by priority. What is still equal apt orders by its cache's numbers, the newest first; for
/// names that nothing mentioned before that is the order of the index, backwards.
fn providers(universe: &Universe, request: &Request, relation: &Relation) -> Vec<CandidateId> {
    let providers = universe.providers_of(relation.name.as_str()).iter();
    let mut found: Vec<_> = providers
        .filter(|provider| meets_by_provides(provider.version.as_ref(), relation))
        .map(|provider| universe.get(provider.id))
        .filter(|candidate| candidate.name() != relation.name.as_str())
        .filter(|candidate| !request.excluded.contains(candidate.name()))
        .filter(|candidate| is_eligible(universe, request, *candidate))
        .collect();
    let place = |candidate: &Candidate<'_>| {
        let order = ordered(universe, request, candidate.name());
        order.iter().position(|id| *id == candidate.id())
    };
    found.sort_by_cached_key(|c| (!c.is_essential(), c.priority(), Reverse(c.name()), place(c)));
    found.into_iter().map(|candidate| candidate.id()).collect()
}
