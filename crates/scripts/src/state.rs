use std::collections::BTreeMap;

use crate::value::{Chance, Truth, Value};

/// The most variables that are followed.
const VARIABLES_MAX: usize = 400;

/// What is known at a place of a script.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) variables: BTreeMap<String, Value>,
    /// `$1`, `$2`, …; `None` if not even their number is known.
    pub(crate) arguments: Option<Vec<Value>>,
    /// Of the last command.
    pub(crate) status: Truth,
    /// How likely a first installation comes here.
    pub(crate) chance: Chance,
}

impl State {
    pub(crate) fn new(arguments: Vec<Value>, variables: BTreeMap<String, Value>) -> Self {
        Self { variables, arguments: Some(arguments), status: Truth::True, chance: Chance::Certain }
    }

    pub(crate) fn get(&self, name: &str) -> Value {
        self.variables.get(name).cloned().unwrap_or(Value::Unknown)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if value == Value::Unknown {
            self.variables.remove(name);
        } else if self.variables.contains_key(name) || self.variables.len() < VARIABLES_MAX {
            self.variables.insert(name.to_owned(), value);
        }
    }

    pub(crate) fn with_status(mut self, status: Truth) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn at_most(mut self, chance: Chance) -> Self {
        self.chance = self.chance.min(chance);
        self
    }

    /// Returns what is known of the last command after either of two ways.
    pub(crate) fn joined_status(&self, other: &Self) -> Truth {
        if self.status == other.status { self.status } else { Truth::Unknown }
    }

    /// Returns what holds whichever of two ways a script came.
    pub(crate) fn join(mut self, other: &Self) -> Self {
        let others = &other.variables;
        self.variables.retain(|name, value| match others.get(name).map(|o| value.or(o)) {
            None | Some(Value::Unknown) => false,
            Some(joined) => {
                *value = joined;
                true
            }
        });
        self.arguments = match (self.arguments.take(), &other.arguments) {
            (Some(own), Some(others)) if own.len() == others.len() => {
                Some(own.iter().zip(others).map(|(a, b)| a.or(b)).collect())
            }
            _ => None,
        };
        self.status = self.joined_status(other);
        self.chance = self.chance.min(other.chance);
        self
    }
}

/// Joins two ways of which each may have ended.
pub(crate) fn join(one: Option<State>, other: Option<State>) -> Option<State> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.join(&other)),
        (one, other) => one.or(other),
    }
}
