//! Which module needs which.

use std::collections::HashMap;

use super::Module;
use crate::IndexError;

/// The dependencies between modules, by their index.
#[derive(Debug)]
pub(super) struct Graph {
    /// Direct dependencies, sorted by [`Self::rank`].
    pub(super) direct: Vec<Vec<usize>>,
    /// Each module's place in a list where users come before what they use.
    rank: Vec<usize>,
}

impl Graph {
    /// Matches the symbols that modules need with those that modules offer.
    pub(super) fn new(modules: &[Module]) -> Result<Self, IndexError> {
        let owners = symbol_owners(modules);
        let mut direct: Vec<Vec<usize>> = modules
            .iter()
            .map(|module| {
                let mut needs = Vec::new();
                for symbol in &module.imports {
                    // PowerPC's function descriptors: `.foo` is `foo`.
                    let symbol = symbol.strip_prefix(b".").unwrap_or(symbol);
                    if let Some(&owner) = owners.get(symbol)
                        && !needs.contains(&owner)
                    {
                        needs.push(owner);
                    }
                }
                needs
            })
            .collect();
        let rank = ranks(modules, &direct)?;
        for needs in &mut direct {
            needs.sort_by_key(|&module| rank[module]);
        }
        Ok(Self { direct, rank })
    }

    /// Returns all that a module needs, directly or not, users before what they use.
    pub(super) fn all(&self, module: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut stack = self.direct[module].clone();
        while let Some(next) = stack.pop() {
            if !found.contains(&next) {
                found.push(next);
                stack.extend(&self.direct[next]);
            }
        }
        found.sort_by_key(|&module| self.rank[module]);
        found
    }
}

/// Returns the module that offers each symbol: the last one, where several do.
pub(super) fn symbol_owners(modules: &[Module]) -> HashMap<&[u8], usize> {
    let mut owners = HashMap::new();
    for (i, module) in modules.iter().enumerate() {
        owners.extend(module.exports.iter().map(|symbol| (symbol.as_slice(), i)));
    }
    owners
}

/// Sorts topologically, in depmod's order: a stack of the modules that nobody (any more) uses.
fn ranks(modules: &[Module], direct: &[Vec<usize>]) -> Result<Vec<usize>, IndexError> {
    let mut users = vec![0_usize; modules.len()];
    for &need in direct.iter().flatten() {
        users[need] += 1;
    }
    let mut unused: Vec<usize> = (0..modules.len()).filter(|&i| users[i] == 0).collect();
    let mut rank = vec![usize::MAX; modules.len()];
    let mut next = 0;
    while let Some(module) = unused.pop() {
        rank[module] = next;
        next += 1;
        for &need in &direct[module] {
            users[need] -= 1;
            if users[need] == 0 {
                unused.push(need);
            }
        }
    }
    if next < modules.len() {
        let stuck = modules.iter().zip(&rank).filter(|(_, rank)| **rank == usize::MAX);
        let mut names: Vec<String> = stuck.map(|(module, _)| module.name.to_string()).collect();
        names.sort_unstable();
        return Err(IndexError::ModuleCycle(names));
    }
    Ok(rank)
}
