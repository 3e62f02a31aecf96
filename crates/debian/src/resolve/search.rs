use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::facts::FactsCache;
use super::run::{Bans, Clash, Reason, Run, Stop, options, ordered};
use super::{Request, ResolveError, Solution};
use crate::{ArchiveId, Dependency, PackageName, Universe};

/// The most runs before the search is given up; real requests need a handful.
const RUNS_MAX: usize = 5000;
/// The most steps of an explanation.
const CHAIN_MAX: usize = 32;

/// A run that is done, and what it left out.
struct Node {
    bans: Bans,
    result: Result<Solution, Stop>,
}

/// Searches for a solution: runs in apt's order, leaving out what was found not to fit.
///
/// Of the runs to continue the one with the fewest downgrades goes first, then the latest.
pub(super) fn search(universe: &Universe, request: &Request) -> Result<Solution, ResolveError> {
    check_names(universe, request)?;
    let facts = FactsCache::new(universe);
    let mut failure = None;
    let mut open = BTreeMap::new();
    let mut next = vec![Bans::new()];
    let mut tries = 0;
    loop {
        for bans in next.drain(..) {
            tries += 1;
            if tries > RUNS_MAX {
                return Err(ResolveError::GaveUp { tries: RUNS_MAX });
            }
            let outcome = Run::new(&facts, universe, request, &bans)?.solve();
            let result = outcome.result;
            open.insert((outcome.downgrades, Reverse(tries)), Node { bans, result });
        }
        let Some((_, Node { mut bans, result })) = open.pop_first() else { break };
        match result {
            Ok(solution) => return Ok(solution),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::NoCandidate(name)) => {
                // The first dead end is the nearest to what was asked for.
                failure = failure.or_else(|| Some(explain(universe, request, &bans, name)));
            }
            Err(Stop::Unmet { id, reason }) => {
                bans.insert(id, reason);
                next.push(bans);
            }
            Err(Stop::Clash(clash)) => {
                let Clash { new, old, said, old_yields, new_path, old_path } = *clash;
                let mut without_old = bans.clone();
                let reason = Reason::Clash { with: new, said: said.clone(), path: new_path };
                without_old.insert(old, reason);
                bans.insert(new, Reason::Clash { with: old, said, path: old_path });
                // The last one is continued first.
                next = if old_yields { vec![bans, without_old] } else { vec![without_old, bans] };
            }
        }
    }
    // The first run ends in a solution, or in one of the ways that set this.
    Err(failure.unwrap_or(ResolveError::GaveUp { tries }))
}

fn check_names(universe: &Universe, request: &Request) -> Result<(), ResolveError> {
    for name in request.packages.iter().chain(&request.excluded).chain(request.pins.keys()) {
        if universe.versions(name.as_str()).next().is_some() {
            check_eligible(universe, request, name)?;
            continue;
        }
        let providers = universe.providers(name.as_str());
        if providers.is_empty() {
            let nearest = universe.nearest(name.as_str());
            return Err(ResolveError::UnknownPackage { name: name.clone(), nearest });
        }
        if request.packages.contains(name) {
            let providers = providers.into_iter().map(str::to_owned).collect();
            return Err(ResolveError::VirtualPackage { name: name.clone(), providers });
        }
    }
    match request.packages.iter().find(|name| request.excluded.contains(*name)) {
        Some(name) => Err(ResolveError::RequestedAndExcluded { name: name.clone() }),
        None => Ok(()),
    }
}

/// Checks that pins leave something of a package.
fn check_eligible(
    universe: &Universe,
    request: &Request,
    name: &PackageName,
) -> Result<(), ResolveError> {
    if !ordered(universe, request, name.as_str()).is_empty() {
        return Ok(());
    }
    let offers = universe.versions(name.as_str()).map(|candidate| {
        let places = candidate.origins().map(|origin| match &origin.archive {
            ArchiveId::Repository(name) => format!("{name}/{}", origin.suite),
            _ => origin.suite.clone(),
        });
        format!("{} in {}", candidate.version(), places.collect::<Vec<_>>().join(" and "))
    });
    let pin = request.pins.get(name).map(ToString::to_string);
    Err(ResolveError::NotEligible { name: name.clone(), pin, offers: offers.collect() })
}

/// Follows the reasons from a requested package to what stands in the way.
fn explain(
    universe: &Universe,
    request: &Request,
    bans: &Bans,
    requested: PackageName,
) -> ResolveError {
    let mut chain = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = ordered(universe, request, requested.as_str()).first().copied();
    while let Some(id) = next.filter(|id| seen.insert(*id) && chain.len() < CHAIN_MAX) {
        let label = |id| {
            let candidate = universe.get(id);
            format!("{} {}", candidate.name(), candidate.version())
        };
        next = None;
        match bans.get(&id) {
            None => {}
            Some(Reason::Clash { with, said, path }) => {
                chain.push(format!(
                    "{} and {} exclude each other: {said}",
                    label(id),
                    label(*with)
                ));
                chain.extend(path.iter().cloned());
            }
            Some(Reason::Unmet { field, need }) => {
                chain.push(format!("{} has {field}: {need}", label(id)));
                next = options(universe, request, need).first().copied();
                if next.is_none() {
                    chain.push(nothing_meets(universe, request, need));
                }
            }
        }
    }
    ResolveError::Unsatisfiable { requested, chain }
}

/// Says what there is instead of what a need asks for.
fn nothing_meets(universe: &Universe, request: &Request, need: &Dependency) -> String {
    let offers: Vec<_> = need
        .alternatives
        .iter()
        .map(|relation| {
            let name = relation.name.as_str();
            let open = ordered(universe, request, name);
            let closed = universe.versions(name).filter(|c| !open.contains(&c.id()));
            let closed: Vec<_> = closed.map(|candidate| candidate.version()).collect();
            match (open.first(), closed.is_empty()) {
                (None, true) => format!("there is no package {name}"),
                (None, false) => format!("{name} {} need a pin", closed.join(" and ")),
                (Some(id), true) => {
                    format!("{name} is offered as {} only", universe.get(*id).version())
                }
                (Some(id), false) => format!(
                    "{name} is offered as {} only; {} need a pin",
                    universe.get(*id).version(),
                    closed.join(" and ")
                ),
            }
        })
        .collect();
    offers.join(", and ")
}
