//! Follows a script the way a first installation goes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::action::{Action, Redirected};
use crate::assigned::functions_assign;
use crate::loops::Loop;
use crate::made::Made;
use crate::parser::{parse, parse_nested};
use crate::pattern::matches;
use crate::state::{State, join};
use crate::syntax::{AndOr, Command, Direction, Join, Kind, List, Pipeline, Redirect, Word};
use crate::value::{Argument, Chance, Truth, Value};
use crate::{ScriptError, Situation};

/// The most commands that are followed, those of loops and functions each time.
const STEPS_MAX: usize = 30_000;

/// The deepest that commands, functions and substitutions are followed into each other.
const DEPTH_MAX: usize = 120;

/// Returns every simple command that a first installation may run.
pub(crate) fn walk(text: &str, situation: &Situation<'_>) -> Result<Vec<Action>, ScriptError> {
    let list = parse(text)?;
    let mut assigned = BTreeSet::new();
    functions_assign(&list, &mut assigned);
    let mut walker = Walker::new(situation, assigned);
    let end = walker.list(&list, situation.state())?;
    walker.run_traps(end)?;
    Ok(distinct(walker.actions))
}

/// Leaves of equal commands the first, which is as likely as the likeliest of them.
fn distinct(actions: Vec<Action>) -> Vec<Action> {
    let mut places: BTreeMap<(u32, Vec<Argument>, Vec<Argument>), usize> = BTreeMap::new();
    let mut all: Vec<Action> = Vec::with_capacity(actions.len());
    for action in actions {
        let key = (action.line, action.words.clone(), action.writes.clone());
        if let Some(&at) = places.get(&key) {
            all[at].chance = all[at].chance.max(action.chance);
        } else {
            places.insert(key, all.len());
            all.push(action);
        }
    }
    all
}

/// The state after a command; `None` if nothing comes after it.
pub(crate) type After = Result<Option<State>, ScriptError>;

/// Follows one script.
#[derive(Debug)]
pub(crate) struct Walker<'a> {
    pub(crate) situation: &'a Situation<'a>,
    pub(crate) actions: Vec<Action>,
    /// Every body that a name may have.
    pub(crate) functions: BTreeMap<String, Vec<Arc<Command>>>,
    /// Variables that functions assign to.
    pub(crate) assigned: BTreeSet<String>,
    /// Texts that run when the script ends.
    pub(crate) traps: Vec<(String, u32)>,
    /// The states in which the script ended.
    pub(crate) ended: Option<State>,
    /// Questions whose answers the script may have changed; the empty one stands for all.
    pub(crate) answered: BTreeSet<String>,
    /// States in which the running functions returned.
    pub(crate) returns: Vec<Option<State>>,
    /// What left the running loops.
    pub(crate) loops: Vec<Loop>,
    /// Values that `local` hides, of the running functions.
    pub(crate) hidden: Vec<Vec<(String, Value)>>,
    /// How likely the branch is that is followed.
    pub(crate) chance: Chance,
    /// Files that the script may have made by now.
    pub(crate) made: Made,
    /// How often the script ended.
    pub(crate) exits: usize,
    /// How often the script or a function ended.
    pub(crate) leaves: usize,
    steps: usize,
    depth: usize,
}

impl<'a> Walker<'a> {
    fn new(situation: &'a Situation<'a>, assigned: BTreeSet<String>) -> Self {
        Self {
            situation,
            actions: Vec::new(),
            functions: BTreeMap::new(),
            assigned,
            traps: Vec::new(),
            ended: None,
            answered: BTreeSet::new(),
            returns: Vec::new(),
            loops: Vec::new(),
            hidden: Vec::new(),
            chance: Chance::Certain,
            made: Made::default(),
            exits: 0,
            leaves: 0,
            steps: 0,
            depth: 0,
        }
    }

    /// Runs what traps hold, in whatever state the script ended.
    fn run_traps(&mut self, end: Option<State>) -> Result<(), ScriptError> {
        let Some(end) = join(end, self.ended.take()) else { return Ok(()) };
        for (text, line) in std::mem::take(&mut self.traps) {
            let state = end.clone();
            self.unlikely(Chance::Possible, |walker| {
                walker.apart(state, |walker, state| walker.script(&text, line, state))
            })?;
        }
        Ok(())
    }

    /// Runs something that is less likely than what leads there.
    pub(crate) fn unlikely<T>(&mut self, chance: Chance, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.chance;
        self.chance = before.min(chance);
        let result = run(self);
        self.chance = before;
        result
    }

    pub(crate) fn list(&mut self, list: &List, state: State) -> After {
        let mut state = state;
        for and_or in list {
            match self.and_or(and_or, state)? {
                Some(next) => state = next,
                None => return Ok(None),
            }
        }
        Ok(Some(state))
    }

    fn and_or(&mut self, and_or: &AndOr, state: State) -> After {
        let mut state = self.pipeline(&and_or.first, state)?;
        for (kind, pipeline) in &and_or.rest {
            let Some(before) = state else { return Ok(None) };
            let status = before.status;
            let goes_on = if *kind == Join::And { status } else { status.not() };
            let skipped = Truth::of(*kind == Join::Or);
            let mut second = Truth::Unknown;
            state = self.branch(
                goes_on,
                before,
                |walker, state| {
                    let after = walker.pipeline(pipeline, state)?;
                    second = after.as_ref().map_or(Truth::Unknown, |after| after.status);
                    Ok(after)
                },
                |_, state| Ok(Some(state.with_status(skipped))),
            )?;
            // What is presumed of the parts is presumed of the whole.
            if let Some(after) = state.as_mut().filter(|after| after.status == Truth::Unknown) {
                after.status = match kind {
                    Join::And => status.min(second),
                    Join::Or => status.max(second),
                };
            }
        }
        Ok(state)
    }

    /// Goes one way, or both if it is not known which.
    pub(crate) fn branch(
        &mut self,
        truth: Truth,
        state: State,
        then: impl FnOnce(&mut Self, State) -> After,
        otherwise: impl FnOnce(&mut Self, State) -> After,
    ) -> After {
        let (chance, other_chance) = match truth {
            Truth::True => return then(self, state),
            Truth::False => return otherwise(self, state),
            _ => (truth.chance(), truth.not().chance()),
        };
        let one = self.unlikely(chance, |walker| then(walker, state.clone()))?;
        let other = self.unlikely(other_chance, |walker| otherwise(walker, state))?;
        Ok(match (one, other) {
            // What is presumed is known for what follows.
            (Some(one), Some(other)) => Some(match truth {
                Truth::Presumed => State { status: one.joined_status(&other), ..one },
                Truth::Doubted => State { status: one.joined_status(&other), ..other },
                _ => one.join(&other),
            }),
            (one, None) => one.map(|one| one.at_most(chance)),
            (None, other) => other.map(|other| other.at_most(other_chance)),
        })
    }

    fn pipeline(&mut self, pipeline: &Pipeline, state: State) -> After {
        let after = match pipeline.commands.as_slice() {
            [command] => self.command(command, state)?,
            commands => {
                let mut status = Truth::Unknown;
                for command in commands {
                    let after =
                        self.apart(state.clone(), |walker, state| walker.command(command, state))?;
                    status = after.map_or(Truth::Unknown, |after| after.status);
                }
                if asks_for_account(commands) {
                    status = Truth::Doubted;
                }
                Some(state.with_status(status))
            }
        };
        let negate = |state: State| {
            let status = state.status.not();
            state.with_status(status)
        };
        Ok(if pipeline.negated { after.map(negate) } else { after })
    }

    /// Runs something in a subshell: what ends there ends nothing else.
    pub(crate) fn apart(
        &mut self,
        state: State,
        run: impl FnOnce(&mut Self, State) -> After,
    ) -> After {
        let counts = (self.exits, self.leaves);
        let running = (std::mem::take(&mut self.returns), std::mem::take(&mut self.loops));
        let after = run(self, state);
        (self.returns, self.loops) = running;
        (self.exits, self.leaves) = counts;
        after
    }

    fn command(&mut self, command: &Command, state: State) -> After {
        self.steps += 1;
        self.depth += 1;
        if self.steps > STEPS_MAX || self.depth > DEPTH_MAX {
            return Err(ScriptError::TooInvolved);
        }
        let after = self.command_here(command, state);
        self.depth -= 1;
        after
    }

    fn command_here(&mut self, command: &Command, mut state: State) -> After {
        if let Kind::Simple { assignments, words } = &command.kind {
            return self.simple(assignments, words, &command.redirects, command.line, state);
        }
        let writes = self.redirects(&command.redirects, &mut state)?;
        if !writes.is_empty() {
            self.act(command.line, Vec::new(), writes, &state);
        }
        match &command.kind {
            Kind::Simple { .. } | Kind::Arithmetic => Ok(Some(state.with_status(Truth::Unknown))),
            Kind::Group(list) => self.list(list, state),
            Kind::Subshell(list) => {
                let inner = self.apart(state.clone(), |walker, state| walker.list(list, state))?;
                let status = inner.map_or(Truth::Unknown, |inner| inner.status);
                Ok(Some(state.with_status(status)))
            }
            Kind::If { arms, otherwise } => self.arms(arms, otherwise, state),
            Kind::Case { subject, arms } => self.case(subject, arms, state),
            Kind::For { variable, words, body } => {
                self.iterate(variable, words.as_deref(), body, state)
            }
            Kind::While { condition, until, body } => self.repeat(condition, *until, body, state),
            Kind::Function { name, body } => {
                let bodies = self.functions.entry(name.clone()).or_default();
                if state.chance.min(self.chance) == Chance::Certain {
                    bodies.clear();
                }
                if !bodies.contains(body) {
                    bodies.push(Arc::clone(body));
                }
                Ok(Some(state.with_status(Truth::True)))
            }
        }
    }

    fn arms(&mut self, arms: &[(List, List)], otherwise: &List, state: State) -> After {
        let Some(((condition, body), rest)) = arms.split_first() else {
            return self.list(otherwise, state.with_status(Truth::True));
        };
        let Some(state) = self.list(condition, state)? else { return Ok(None) };
        let truth = state.status;
        self.branch(
            truth,
            state,
            |walker, state| walker.list(body, state),
            |walker, state| walker.arms(rest, otherwise, state),
        )
    }

    fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, List)], mut state: State) -> After {
        let value = self.text(subject, &mut state)?;
        let mut ways: Option<State> = None;
        let mut chance = state.chance;
        let mut fallen = false;
        for (patterns, body) in arms {
            let truth = self.fits(&value, patterns, &mut state)?;
            match truth {
                Truth::False => continue,
                Truth::True if !fallen => return self.list(body, state),
                _ => fallen = true,
            }
            let way = self.unlikely(Chance::Possible, |w| w.list(body, state.clone()))?;
            if way.is_none() {
                chance = chance.min(Chance::Possible);
            }
            ways = join(ways, way);
            if truth == Truth::True {
                return Ok(ways.map(|way| way.at_most(chance)));
            }
        }
        let none = state.with_status(Truth::True);
        Ok(join(ways, Some(none)).map(|way| way.at_most(chance)))
    }

    fn fits(
        &mut self,
        value: &Value,
        patterns: &[Word],
        state: &mut State,
    ) -> Result<Truth, ScriptError> {
        let mut truth = Truth::False;
        for pattern in patterns {
            let fits = match (value, self.text(pattern, state)?) {
                (_, Value::Known(pattern)) if pattern == "*" => Truth::True,
                (Value::Known(text), Value::Known(pattern)) => Truth::of(matches(&pattern, text)),
                _ => Truth::Unknown,
            };
            truth = truth.max(fits);
        }
        Ok(truth)
    }

    /// Calls a function with everything that its name may stand for.
    pub(crate) fn call(
        &mut self,
        bodies: &[Arc<Command>],
        arguments: Vec<Value>,
        mut state: State,
    ) -> After {
        let callers = state.arguments.replace(arguments);
        let mut after = None;
        let exits = self.exits;
        let chance = state.chance;
        let each = if bodies.len() > 1 { Chance::Possible } else { Chance::Certain };
        for body in bodies {
            self.returns.push(None);
            self.hidden.push(Vec::new());
            let end = self.unlikely(each, |walker| walker.command(body, state.clone()))?;
            let end = join(end, self.returns.pop().flatten());
            let hidden = self.hidden.pop().unwrap_or_default();
            let end = end.map(|mut end| {
                for (name, value) in hidden.into_iter().rev() {
                    end.set(&name, value);
                }
                end
            });
            after = join(after, end);
        }
        Ok(after.map(|mut after| {
            after.arguments = callers;
            if self.exits == exits {
                after.chance = chance;
            }
            after
        }))
    }

    /// Runs a text that is a script itself.
    pub(crate) fn script(&mut self, text: &str, line: u32, state: State) -> After {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ScriptError::TooInvolved);
        }
        let list = parse_nested(text, line, 0)?;
        let after = self.list(&list, state);
        self.depth -= 1;
        after
    }

    /// Returns where redirections lead.
    pub(crate) fn redirects(
        &mut self,
        redirects: &[Redirect],
        state: &mut State,
    ) -> Result<Redirected, ScriptError> {
        let mut all = Redirected::default();
        for Redirect { direction, target } in redirects {
            let value = self.text(target, state)?;
            match direction {
                Direction::Out | Direction::Append => {
                    let text = value.known().map_or_else(|| target.source.clone(), str::to_owned);
                    all.appends |= *direction == Direction::Append;
                    all.writes.push(Argument::new(value, text));
                }
                Direction::Text => all.input = Some(value),
                Direction::In | Direction::Duplicate => {}
            }
        }
        Ok(all)
    }

    /// Writes down that a command may run.
    pub(crate) fn act(
        &mut self,
        line: u32,
        words: Vec<Argument>,
        redirected: Redirected,
        state: &State,
    ) {
        let Redirected { writes, appends, input } = redirected;
        let mark = |word: Argument| Argument { made: self.made.holds(&word.value), ..word };
        let words: Vec<Argument> = words.into_iter().map(mark).collect();
        let writes: Vec<Argument> = writes.into_iter().map(mark).collect();
        let chance = self.chance.min(state.chance);
        if chance != Chance::Improbable {
            self.made.add(&words, &writes);
        }
        self.actions.push(Action { line, words, writes, appends, input, chance });
    }
}

/// Tells whether a pipeline looks an account up: `getent passwd | grep name`.
fn asks_for_account(commands: &[Command]) -> bool {
    let words = |command: &Command| match &command.kind {
        Kind::Simple { words, .. } => words.iter().map(|w| w.source.clone()).collect(),
        _ => Vec::new(),
    };
    let first: Vec<String> = commands.first().map(words).unwrap_or_default();
    let last: Vec<String> = commands.last().map(words).unwrap_or_default();
    let asks = first.first().is_some_and(|name| matches!(name.as_str(), "getent" | "cat"))
        && first.get(1).is_some_and(|what| {
            matches!(what.as_str(), "passwd" | "group" | "/etc/passwd" | "/etc/group")
        });
    asks && last.first().is_some_and(|name| matches!(name.as_str(), "grep" | "egrep"))
}
