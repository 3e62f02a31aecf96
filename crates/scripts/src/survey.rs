use std::collections::{BTreeMap, BTreeSet};

use crate::action::Action;
use crate::declaration::{Declaration, declarations};
use crate::files::LOGIN_GROUP;
use crate::rules::{
    Context, DECLARED_ACCOUNT, DECLARED_ALTERNATIVE, DECLARED_FILE, DECLARED_OWNER,
    MADE_FOR_A_WHILE,
};
use crate::verdict::{Rule, Verdict};
use crate::{
    Knowledge, PathKind, Paths, ScriptError, ScriptKind, Situation, debconf, rules, triggers, walk,
};

/// One command of a script, or one interest in a trigger, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line in the script, counted from 1.
    pub line: u32,
    /// The command, shortened, on one line.
    pub command: String,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What is known of one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// Every command that a first installation may run.
    pub commands: Vec<Finding>,
    /// Why the script could not be followed; it has no commands then.
    pub error: Option<ScriptError>,
}

impl Findings {
    /// Returns the commands of which nobody knows whether they are needed.
    pub fn unknown(&self) -> impl Iterator<Item = &Finding> + Clone {
        self.commands.iter().filter(|finding| finding.verdict == Verdict::Unknown)
    }

    /// Tells whether nothing in the script is unknown.
    pub fn is_classified(&self) -> bool {
        self.error.is_none() && self.unknown().next().is_none()
    }
}

/// What is known of all scripts of an image.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By package and the name of the control file.
    pub scripts: BTreeMap<(String, String), Findings>,
    /// What scripts declare, by package.
    pub declarations: Vec<(String, Declaration)>,
}

/// Looks through the scripts of an image: first what they declare, then what is left.
#[derive(Debug)]
pub struct Survey<'a> {
    paths: &'a Paths,
    scripts: BTreeMap<(String, ScriptKind), Result<Followed, ScriptError>>,
    triggers: BTreeMap<String, String>,
    answers: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug)]
struct Followed {
    actions: Vec<Action>,
    /// Which of the actions declare something, and what.
    declared: BTreeMap<usize, Vec<Declaration>>,
}

impl<'a> Survey<'a> {
    /// Starts a survey of an image whose packages bring these paths.
    pub fn new(paths: &'a Paths) -> Self {
        Self {
            paths,
            scripts: BTreeMap::new(),
            triggers: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Reads the questions of a package, before its scripts are followed: without a person debconf
    /// answers with the default. Questions that the `config` script answers are left out.
    pub fn questions(&mut self, package: &str, templates: &[u8], config: Option<&[u8]>) {
        let answers = debconf::answers(templates, config.unwrap_or_default());
        self.answers.insert(package.to_owned(), answers);
    }

    /// Follows a script.
    pub fn script(&mut self, package: &str, script: ScriptKind, text: &[u8]) {
        let none = BTreeMap::new();
        let answers = self.answers.get(package).unwrap_or(&none);
        let situation = Situation { package, script, paths: self.paths, answers };
        let followed = follow(text, &situation).map(|actions| {
            let declared = declarations(&actions, self.paths);
            Followed { actions, declared }
        });
        self.scripts.insert((package.to_owned(), script), followed);
    }

    /// Reads a `triggers` file.
    pub fn triggers(&mut self, package: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        self.triggers.insert(package.to_owned(), text);
    }

    /// Returns what the scripts of each package remove or move away.
    fn removed(&self) -> BTreeMap<String, Paths> {
        let mut removed: BTreeMap<String, Paths> = BTreeMap::new();
        for ((package, _), followed) in &self.scripts {
            let actions = followed.iter().flat_map(|followed| &followed.actions);
            for action in actions.filter(|a| matches!(a.name(), Some("rm" | "rmdir" | "mv"))) {
                let paths = removed.entry(package.clone()).or_default();
                let last = action.words.len() - usize::from(action.name() == Some("mv"));
                let files = action.words.get(1..last).unwrap_or_default();
                files.iter().filter_map(|file| file.as_known()).for_each(|f| {
                    paths.insert(f, PathKind::File);
                });
            }
        }
        removed
    }

    /// Judges everything by what the finishers know and what the scripts declare.
    pub fn finish(self, knowledge: &Knowledge) -> Report {
        let mut report = Report::default();
        let mut known = knowledge.clone();
        let removed = self.removed();
        for ((package, _), followed) in &self.scripts {
            let all = followed.iter().flat_map(|followed| followed.declared.values().flatten());
            let stay = all.filter(|one| !is_made_for_a_while(one, removed.get(package)));
            report.declarations.extend(stay.map(|one| (package.clone(), one.clone())));
        }
        for (_, declaration) in &report.declarations {
            if let Declaration::Group { name, .. } = declaration {
                known.groups.insert(name.clone());
            }
        }
        for (_, declaration) in &report.declarations {
            if let Declaration::User(user) = declaration
                && has_accounts(declaration, &known)
            {
                known.users.insert(user.name.clone());
            }
        }
        report.declarations.retain(|(_, declaration)| has_accounts(declaration, &known));
        let context = Context { paths: self.paths, knowledge: &known };
        for ((package, script), followed) in self.scripts {
            let findings = match followed {
                Ok(followed) => followed.judge(context, removed.get(&package)),
                Err(error) => Findings { commands: Vec::new(), error: Some(error) },
            };
            report.scripts.insert((package, script.name().to_owned()), findings);
        }
        for (package, text) in self.triggers {
            let commands = triggers::judge_file(&text, &known).into_iter();
            let commands =
                commands.map(|(line, command, verdict)| Finding { line, command, verdict });
            let findings = Findings { commands: commands.collect(), error: None };
            report.scripts.insert((package, "triggers".to_owned()), findings);
        }
        report
    }
}

/// Tells whether a declared file is removed again.
fn is_made_for_a_while(declaration: &Declaration, removed: Option<&Paths>) -> bool {
    let (Declaration::Directory { path }
    | Declaration::Copy { to: path, .. }
    | Declaration::Link { path, .. }
    | Declaration::Empty { path }) = declaration
    else {
        return false;
    };
    removed.is_some_and(|removed| removed.contains(path))
}

impl Followed {
    fn judge(self, context: Context<'_>, removed: Option<&Paths>) -> Findings {
        let mut commands = Vec::with_capacity(self.actions.len());
        for (at, action) in self.actions.iter().enumerate() {
            let declared = self
                .declared
                .get(&at)
                .filter(|declared| declared.iter().all(|one| has_accounts(one, context.knowledge)));
            let verdict = match declared.and_then(|declared| declared.first()) {
                Some(first) if is_made_for_a_while(first, removed) => {
                    Verdict::of(Some(&MADE_FOR_A_WHILE))
                }
                Some(first) => Verdict::of(Some(rule_of(first))),
                None => match rules::judge(action, context) {
                    Verdict::Unknown if rules::is_taken_away(action, removed) => {
                        Verdict::of(Some(&MADE_FOR_A_WHILE))
                    }
                    verdict => verdict,
                },
            };
            commands.push(Finding { line: action.line, command: action.to_string(), verdict });
        }
        commands.dedup();
        Findings { commands, error: None }
    }
}

fn rule_of(declaration: &Declaration) -> &'static Rule {
    match declaration {
        Declaration::Group { .. } | Declaration::User(_) | Declaration::Member { .. } => {
            &DECLARED_ACCOUNT
        }
        Declaration::Alternative(_) => &DECLARED_ALTERNATIVE,
        Declaration::Owner { .. } | Declaration::Mode { .. } => &DECLARED_OWNER,
        Declaration::Directory { .. }
        | Declaration::Copy { .. }
        | Declaration::Link { .. }
        | Declaration::Text { .. }
        | Declaration::Empty { .. } => &DECLARED_FILE,
    }
}

/// Tells whether the accounts that a declaration needs exist in the image.
fn has_accounts(declaration: &Declaration, known: &Knowledge) -> bool {
    let has = |names: &BTreeSet<String>, name: &String| {
        names.contains(name) || name == LOGIN_GROUP || name.bytes().all(|b| b.is_ascii_digit())
    };
    match declaration {
        Declaration::Member { user, group } => {
            known.users.contains(user) && known.groups.contains(group)
        }
        Declaration::Owner { user, group, .. } => {
            user.as_ref().is_none_or(|user| has(&known.users, user))
                && group.as_ref().is_none_or(|group| has(&known.groups, group))
        }
        Declaration::User(user) => {
            user.group.as_ref().is_none_or(|group| has(&known.groups, group))
        }
        _ => true,
    }
}

/// Reads a script if a shell runs it, and follows it.
fn follow(text: &[u8], situation: &Situation<'_>) -> Result<Vec<Action>, ScriptError> {
    let first = text.split(|&b| b == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(&first[..first.len().min(200)]).into_owned();
    let line = first.strip_prefix("#!").map(str::trim);
    let mut words = line.unwrap_or_default().split_ascii_whitespace();
    let program = match words.next().map(|path| path.rsplit('/').next().unwrap_or_default()) {
        Some("env") => words.next(),
        program => program,
    };
    match program {
        Some("sh" | "dash" | "bash") => walk::walk(&String::from_utf8_lossy(text), situation),
        Some(program) => Err(ScriptError::Interpreter(
            program.chars().filter(|c| !c.is_control()).take(40).collect(),
        )),
        None => Err(ScriptError::Interpreter("an unknown program".to_owned())),
    }
}
