use std::collections::BTreeSet;

use flagstone_tree::{Tree, TreePath};

use super::name::{nearest, normalized_alias};
use super::{KernelModules, Module, ModuleName};
use crate::{IndexError, glob};

/// Modules to load for some names, with all that they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleClosure {
    /// The modules' files; what a module needs comes before it.
    pub paths: Vec<TreePath>,
    /// Their names, in the same order.
    pub names: Vec<ModuleName>,
    /// The firmware they may ask for, as paths or patterns below the firmware directory.
    pub firmware: BTreeSet<String>,
    /// The names that the kernel itself holds.
    pub builtin: BTreeSet<String>,
    /// The optional names that no module has.
    pub absent: BTreeSet<String>,
}

/// Reads a kernel's modules and finds those that some names need; see [`KernelModules::closure`].
///
/// # Errors
/// As [`KernelModules::read`] and [`KernelModules::closure`].
pub fn module_closure(
    tree: &Tree,
    version: &str,
    required: &[&str],
    optional: &[&str],
) -> Result<ModuleClosure, IndexError> {
    KernelModules::read(tree, version)?.closure(required, optional, false)
}

impl KernelModules {
    /// Finds the modules that some names need: their dependencies, the modules to load before and
    /// after them (softdeps) and, if asked for, those that they may load by themselves (weakdeps).
    ///
    /// A name is a module's, with dashes or underscores, or an alias, which may stand for several
    /// modules. What is part of the kernel itself is skipped. Soft and weak dependencies that the
    /// kernel does not have are left out.
    ///
    /// # Errors
    /// [`IndexError::UnknownModule`] for a required name that nothing has.
    pub fn closure(
        &self,
        required: &[&str],
        optional: &[&str],
        weak: bool,
    ) -> Result<ModuleClosure, IndexError> {
        let mut walk = Walk {
            kernel: self,
            weak,
            met: vec![false; self.modules.len()],
            closure: ModuleClosure::default(),
        };
        for (names, must_exist) in [(required, true), (optional, false)] {
            for name in names {
                match self.resolve(name) {
                    Found::Modules(modules) => walk.visit_all(&modules),
                    Found::Builtin => {
                        walk.closure.builtin.insert((*name).to_owned());
                    }
                    Found::Nothing if must_exist => return Err(self.unknown(name)),
                    Found::Nothing => {
                        walk.closure.absent.insert((*name).to_owned());
                    }
                }
            }
        }
        Ok(walk.closure)
    }

    fn resolve(&self, text: &str) -> Found {
        let name = ModuleName::new(text);
        if let Some(&module) = self.by_name.get(&name) {
            return Found::Modules(vec![module]);
        }
        if self.builtin.has(&name) {
            return Found::Builtin;
        }
        let Some(alias) = normalized_alias(text.as_bytes()) else { return Found::Nothing };
        let fits = |pattern: &Vec<u8>| {
            normalized_alias(pattern).is_some_and(|pattern| glob::matches(&pattern, &alias))
        };
        let modules: Vec<usize> =
            (0..self.modules.len()).filter(|&i| self.modules[i].aliases.iter().any(fits)).collect();
        if !modules.is_empty() {
            return Found::Modules(modules);
        }
        let builtin = self.builtin.aliases.iter().flatten().any(|(_, pattern)| fits(pattern));
        if builtin { Found::Builtin } else { Found::Nothing }
    }

    fn unknown(&self, name: &str) -> IndexError {
        let known = self.by_name.keys().chain(self.builtin.known()).map(ModuleName::as_str);
        IndexError::UnknownModule {
            name: name.to_owned(),
            kernel: self.version.clone(),
            nearest: nearest(ModuleName::new(name).as_str(), known),
        }
    }
}

enum Found {
    Modules(Vec<usize>),
    Builtin,
    Nothing,
}

struct Walk<'a> {
    kernel: &'a KernelModules,
    weak: bool,
    met: Vec<bool>,
    closure: ModuleClosure,
}

impl Walk<'_> {
    fn visit_all(&mut self, modules: &[usize]) {
        for &module in modules {
            self.visit(module);
        }
    }

    /// Adds a module after what it needs; recursion ends since each is met once.
    fn visit(&mut self, index: usize) {
        if std::mem::replace(&mut self.met[index], true) {
            return;
        }
        let kernel = self.kernel;
        let module = &kernel.modules[index];
        let soft = SoftDependencies::of(module);
        self.visit_names(&soft.before);
        for &need in &kernel.graph.direct[index] {
            self.visit(need);
        }
        self.closure.paths.push(module.path.clone());
        self.closure.names.push(module.name.clone());
        let firmware = module.firmware.iter().map(|name| String::from_utf8_lossy(name).into());
        self.closure.firmware.extend(firmware);
        self.visit_names(&soft.after);
        if self.weak {
            let weak = module.weakdeps.iter().flat_map(|text| words(text)).collect::<Vec<_>>();
            self.visit_names(&weak);
        }
    }

    fn visit_names(&mut self, names: &[String]) {
        for name in names {
            if let Found::Modules(modules) = self.kernel.resolve(name) {
                self.visit_all(&modules);
            }
        }
    }
}

#[derive(Default)]
struct SoftDependencies {
    before: Vec<String>,
    after: Vec<String>,
}

impl SoftDependencies {
    fn of(module: &Module) -> Self {
        let mut soft = Self::default();
        for text in &module.softdeps {
            let mut list: Option<&mut Vec<String>> = None;
            for word in words(text) {
                match word.as_str() {
                    "pre:" => list = Some(&mut soft.before),
                    "post:" => list = Some(&mut soft.after),
                    _ => {
                        if let Some(list) = &mut list {
                            list.push(word);
                        }
                    }
                }
            }
        }
        soft
    }
}

fn words(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).split_ascii_whitespace().map(str::to_owned).collect()
}
