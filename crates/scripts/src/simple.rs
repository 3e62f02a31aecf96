//! Simple commands: the shell's own, those that run others, and all else.

use crate::action::Redirected;
use crate::condition;
use crate::state::State;
use crate::syntax::{Assignment, Part, Redirect, Word};
use crate::value::{Argument, Chance, Truth, Value};
use crate::walk::{After, Walker};

/// How many commands that run other commands may stand before one.
const WRAPPERS_MAX: usize = 8;

impl Walker<'_> {
    pub(crate) fn simple(
        &mut self,
        assignments: &[Assignment],
        words: &[Word],
        redirects: &[Redirect],
        line: u32,
        mut state: State,
    ) -> After {
        let mut status = Truth::True;
        for Assignment { name, value } in assignments {
            let text = match value {
                Some(word) => self.text(word, &mut state)?,
                None => Value::Unknown,
            };
            let runs = |part: &Part| matches!(part, Part::Commands { .. });
            if value.as_ref().is_some_and(|word| word.parts.iter().any(runs)) {
                status = Truth::Unknown;
            }
            // Before a command an assignment holds for that command alone.
            if words.is_empty() {
                state.set(name, text);
            }
        }
        let mut fields = Vec::new();
        for word in words {
            fields.extend(self.fields(word, &mut state)?);
        }
        let redirected = self.redirects(redirects, &mut state)?;
        if fields.is_empty() {
            if !redirected.is_empty() {
                self.act(line, Vec::new(), redirected, &state);
            }
            return Ok(Some(state.with_status(status)));
        }
        self.run(fields, redirected, line, state, WRAPPERS_MAX)
    }

    /// Runs a command whose words are expanded.
    fn run(
        &mut self,
        words: Vec<Argument>,
        redirected: Redirected,
        line: u32,
        mut state: State,
        wrappers: usize,
    ) -> After {
        let Some(name) = words[0].as_known().map(str::to_owned) else {
            self.act(line, words, redirected, &state);
            return Ok(Some(state.with_status(Truth::Unknown)));
        };
        if let Some(bodies) = self.functions.get(&name).cloned().filter(|b| !b.is_empty()) {
            if !redirected.is_empty() {
                self.act(line, Vec::new(), redirected, &state);
            }
            let arguments = words.into_iter().skip(1).map(|word| word.value).collect();
            return self.call(&bodies, arguments, state);
        }
        if let Some(inner) = wrapped(&name, &words).filter(|_| wrappers > 0) {
            return self.run(inner, redirected, line, state, wrappers - 1);
        }
        if let Some(inner) = run_on_files(&name, &words).filter(|_| wrappers > 0) {
            self.act(line, vec![Argument::known(name)], redirected, &state);
            let after = self.unlikely(Chance::Possible, |walker| {
                walker.run(inner, Redirected::default(), line, state, wrappers - 1)
            })?;
            return Ok(after.map(|state| state.with_status(Truth::Unknown)));
        }
        if let (Some("sh" | "bash" | "dash"), Some("-c"), Some(text)) =
            (words[0].as_known(), words.get(1).and_then(Argument::as_known), words.get(2))
            && let Some(text) = text.as_known()
        {
            if !redirected.is_empty() {
                self.act(line, Vec::new(), redirected, &state);
            }
            self.apart(state.clone(), |walker, state| walker.script(text, line, state))?;
            return Ok(Some(state.with_status(Truth::Unknown)));
        }
        self.act(line, words.clone(), redirected, &state);
        let known = |at: usize| words.get(at).and_then(Argument::as_known);
        match name.as_str() {
            "exit" => {
                self.exits += 1;
                self.leaves += 1;
                self.ended = crate::state::join(self.ended.take(), Some(state));
                Ok(None)
            }
            "exec" => Ok(Some(state)),
            "return" => {
                self.leave_function(&words, state);
                Ok(None)
            }
            "break" | "continue" => {
                if let Some(mut innermost) = self.loops.pop() {
                    let place = match name.as_str() {
                        "break" => &mut innermost.broken,
                        _ => &mut innermost.continued,
                    };
                    *place = crate::state::join(place.take(), Some(state));
                    self.loops.push(innermost);
                }
                Ok(None)
            }
            "[" => {
                let end = words.len() - usize::from(known(words.len() - 1) == Some("]"));
                let truth = self.test(&words[1..end.max(1)], false);
                Ok(Some(state.with_status(truth)))
            }
            "test" => Ok(Some(state.with_status(self.test(&words[1..], false)))),
            "[[" => {
                let truth = self.test(&words[1..words.len().max(2) - 1], true);
                Ok(Some(state.with_status(truth)))
            }
            "eval" => match words[1..].iter().map(Argument::as_known).collect::<Option<Vec<_>>>() {
                Some(text) => self.script(&text.join(" "), line, state),
                None => Ok(Some(anything(&state))),
            },
            "trap" => {
                if let Some(text) = known(1).filter(|text| !matches!(*text, "-" | "")) {
                    self.traps.push((text.to_owned(), line));
                }
                Ok(Some(state.with_status(Truth::True)))
            }
            "." | "source" => {
                // The library of debconf defines functions; another file may set any variable.
                let library = known(1).is_some_and(|path| path.ends_with("/debconf/confmodule"));
                let state = if library { state } else { anything(&state) };
                Ok(Some(state.with_status(Truth::Unknown)))
            }
            _ => {
                self.change(&name, &words, &mut state);
                let status = self.query(&words);
                Ok(Some(state.with_status(status)))
            }
        }
    }

    /// Returns what debconf answers on a first installation without a person: the default, unless a
    /// script gave another answer.
    fn answer(&mut self, command: &str, question: Option<&str>) -> Value {
        if matches!(command, "db_set" | "db_reset" | "db_register" | "db_unregister") {
            self.answered.insert(question.unwrap_or_default().to_owned());
        }
        let changed = |name: &str| self.answered.contains(name) || self.answered.contains("");
        match question {
            Some(name) if command == "db_get" && !changed(name) => {
                let answer = self.situation.answers.get(name);
                answer.map_or(Value::Unknown, |text| Value::Known(text.clone()))
            }
            _ => Value::Unknown,
        }
    }

    /// Ends the running function, or the script if none runs.
    fn leave_function(&mut self, words: &[Argument], state: State) {
        self.leaves += 1;
        let status = match words.get(1).map(Argument::as_known) {
            Some(Some("0")) => Truth::True,
            Some(Some(_)) => Truth::False,
            Some(None) => Truth::Unknown,
            None => state.status,
        };
        match self.returns.pop() {
            Some(before) => {
                let state = Some(state.with_status(status));
                self.returns.push(crate::state::join(before, state));
            }
            None => self.exits += 1,
        }
    }

    fn test(&self, words: &[Argument], double: bool) -> Truth {
        condition::test(words, double, self.situation, &self.made)
    }

    fn query(&self, words: &[Argument]) -> Truth {
        condition::query(words, self.situation, &self.made)
    }

    /// What builtins do to variables and arguments.
    fn change(&mut self, name: &str, words: &[Argument], state: &mut State) {
        let named = || words.iter().skip(1);
        match name {
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                for word in named().filter(|word| !word.text.starts_with('-')) {
                    self.declare(name, word, state);
                }
            }
            "unset" | "read" | "getopts" => {
                for word in named() {
                    state.set(word.text.trim_matches(['"', '\'']), Value::Unknown);
                }
            }
            "shift" => {
                let count = words.get(1).map_or(Some(1), |word| word.as_known()?.parse().ok());
                state.arguments = match (state.arguments.take(), count) {
                    (Some(arguments), Some(count)) => {
                        Some(arguments.into_iter().skip(count).collect())
                    }
                    _ => None,
                };
            }
            "set" => {
                let marker = words.iter().position(|word| word.as_known() == Some("--"));
                let plain = words.get(1).is_some_and(|word| !word.text.starts_with(['-', '+']));
                let start = marker.map(|at| at + 1).or(plain.then_some(1));
                if let Some(start) = start {
                    let values = words[start..].iter().map(|word| word.value.clone()).collect();
                    let known = words[start..].iter().all(|word| word.as_known().is_some());
                    state.arguments = Some(values).filter(|_| known);
                }
            }
            name if name.starts_with("db_") => {
                let question = words.get(1).and_then(Argument::as_known);
                let answer = self.answer(name, question);
                state.set("RET", answer.clone());
                state.set("ret", answer);
            }
            _ => {}
        }
    }

    fn declare(&mut self, builtin: &str, word: &Argument, state: &mut State) {
        let (name, value) = match (&word.value, word.text.split_once('=')) {
            (Value::Known(text), _) => match text.split_once('=') {
                Some((name, value)) => (name, Some(Value::Known(value.to_owned()))),
                None => (text.as_str(), None),
            },
            (Value::Prefix(text), Some((name, _))) => {
                let known = text.split_once('=').map(|(_, value)| value).unwrap_or_default();
                let prefix = Value::Prefix(known.to_owned());
                (name, Some(if known.is_empty() { Value::Unknown } else { prefix }))
            }
            (_, Some((name, _))) => (name, Some(Value::Unknown)),
            _ => return,
        };
        if builtin == "local" {
            let hidden = state.get(name);
            if let Some(scope) = self.hidden.last_mut() {
                scope.push((name.to_owned(), hidden));
            }
            // Some shells keep the outer value of a local variable, others empty it.
            state.set(name, value.unwrap_or(Value::Unknown));
        } else if let Some(value) = value {
            state.set(name, value);
        }
    }
}

/// Forgets all variables: something changed them that is not followed.
fn anything(state: &State) -> State {
    let variables = std::collections::BTreeMap::new();
    State { variables, status: Truth::Unknown, ..state.clone() }
}

/// Returns the command inside one that runs it as it stands.
fn wrapped(name: &str, words: &[Argument]) -> Option<Vec<Argument>> {
    let rest = &words[1..];
    let start = match name.rsplit('/').next()? {
        "command" | "builtin" | "nohup" | "time" => {
            let first = rest.first()?;
            if first.text.starts_with('-') {
                return None;
            }
            0
        }
        "exec" => rest.first().map(|_| 0)?,
        "setpriv" => rest.iter().position(|word| word.as_known() == Some("--"))? + 1,
        "env" | "nice" | "ionice" | "chronic" => rest.iter().position(|word| {
            let text = &word.text;
            !text.starts_with('-')
                && !text.contains('=')
                && !text.bytes().all(|b| b.is_ascii_digit())
        })?,
        _ => return None,
    };
    Some(rest[start..].to_vec()).filter(|inner| !inner.is_empty())
}

/// Returns the command that `xargs` or `find -exec` runs, with arguments that are not known.
fn run_on_files(name: &str, words: &[Argument]) -> Option<Vec<Argument>> {
    let rest = &words[1..];
    let is = |word: &Argument, text: &[&str]| word.as_known().is_some_and(|w| text.contains(&w));
    match name.rsplit('/').next()? {
        "xargs" => {
            let mut start = 0;
            while rest.get(start).is_some_and(|word| word.text.starts_with('-')) {
                // Options that take their value in the next word.
                start +=
                    if is(&rest[start], &["-n", "-I", "-L", "-P", "-d", "-s"]) { 2 } else { 1 };
            }
            let mut inner = rest.get(start..).filter(|inner| !inner.is_empty())?.to_vec();
            inner.push(Argument::unknown("…"));
            Some(inner)
        }
        "find" => {
            if rest.iter().any(|word| is(word, &["-delete"])) {
                let places = rest.iter().take_while(|word| !word.text.starts_with(['-', '(']));
                let place = |word: &Argument| {
                    let value =
                        word.value.beginning().map_or(Value::Unknown, |t| Value::Prefix(t.into()));
                    Argument::new(value, format!("{word}/…"))
                };
                return Some(
                    [Argument::known("rm")].into_iter().chain(places.map(place)).collect(),
                );
            }
            let start = rest.iter().position(|word| is(word, &["-exec", "-execdir", "-ok"]))? + 1;
            let inner = rest[start..].iter().take_while(|word| !is(word, &[";", "+"]));
            let place = rest.first().and_then(|word| word.value.beginning());
            let value = place.map_or(Value::Unknown, |text| Value::Prefix(text.to_owned()));
            let inner = inner.map(|word| match word.as_known() {
                Some("{}") => Argument::new(value.clone(), word.text.clone()),
                _ => word.clone(),
            });
            let inner: Vec<Argument> = inner.collect();
            Some(inner).filter(|inner| !inner.is_empty())
        }
        _ => None,
    }
}
