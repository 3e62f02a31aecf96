//! `for`, `while` and `until`.

use std::collections::BTreeSet;

use crate::assigned::{list_assigns, shifts};
use crate::state::{State, join};
use crate::syntax::{List, Word};
use crate::value::{Argument, Chance, Truth, Value};
use crate::walk::{After, Walker};

/// How a loop was left, or its round.
#[derive(Debug, Default)]
pub(crate) struct Loop {
    pub(crate) broken: Option<State>,
    pub(crate) continued: Option<State>,
}

impl Walker<'_> {
    pub(crate) fn iterate(
        &mut self,
        variable: &str,
        words: Option<&[Word]>,
        body: &List,
        mut state: State,
    ) -> After {
        let mut values = Vec::new();
        for word in words.unwrap_or_default() {
            values.extend(self.fields(word, &mut state)?);
        }
        if words.is_none() {
            let arguments = state.arguments.clone();
            let unknown = || vec![Argument::unknown("$@")];
            let argument = |value: Value| Argument::new(value, "$@");
            values = arguments.map_or_else(unknown, |all| all.into_iter().map(argument).collect());
        }
        if values.iter().all(|value| value.as_known().is_some()) {
            return self.each(variable, values, body, state);
        }
        self.forget(body, &mut state);
        state.set(variable, Value::Unknown);
        // A list that starts the same in all its words, as of a pattern, keeps that.
        if let [one] = values.as_slice() {
            state.set(variable, one.value.clone());
        }
        let skipped = state.clone();
        let after = self.unlikely(Chance::Possible, |walker| walker.round(body, state))?;
        Ok(join(after, Some(skipped)))
    }

    /// Goes through a loop whose words are all known.
    fn each(&mut self, variable: &str, values: Vec<Argument>, body: &List, state: State) -> After {
        let (chance, leaves) = (state.chance, self.leaves);
        let mut state = Some(state);
        let mut left: Option<State> = None;
        for value in values {
            let Some(mut now) = state else { break };
            now.set(variable, value.value);
            let before = now.chance;
            self.loops.push(Loop::default());
            let after = self.list(body, now)?;
            let Loop { broken, continued } = self.loops.pop().unwrap_or_default();
            state = join(after, continued);
            if let Some(state) =
                state.as_mut().filter(|_| broken.is_none() && self.leaves == leaves)
            {
                state.chance = before;
            }
            left = join(left, broken);
        }
        let mut after = join(state, left);
        if let Some(after) = after.as_mut().filter(|_| self.leaves == leaves) {
            after.chance = chance;
        }
        Ok(after)
    }

    pub(crate) fn repeat(
        &mut self,
        condition: &List,
        until: bool,
        body: &List,
        mut state: State,
    ) -> After {
        self.forget(condition, &mut state);
        self.forget(body, &mut state);
        let Some(state) = self.list(condition, state)? else { return Ok(None) };
        let truth = if until { state.status.not() } else { state.status };
        let skipped = state.clone().with_status(Truth::True);
        if truth == Truth::False {
            return Ok(Some(skipped));
        }
        let after = self.unlikely(Chance::Possible, |walker| walker.round(body, state))?;
        Ok(join(after, Some(skipped)))
    }

    fn round(&mut self, body: &List, state: State) -> After {
        self.loops.push(Loop::default());
        let after = self.list(body, state)?;
        let Loop { broken, continued } = self.loops.pop().unwrap_or_default();
        Ok(join(join(after, broken), continued))
    }

    /// Forgets what a loop may change, since it is gone through but once here.
    fn forget(&self, list: &List, state: &mut State) {
        let mut assigned = BTreeSet::new();
        list_assigns(list, &mut assigned);
        for name in assigned.iter().chain(&self.assigned) {
            state.set(name, Value::Unknown);
        }
        state.arguments = state.arguments.take().filter(|_| !shifts(list));
    }
}
