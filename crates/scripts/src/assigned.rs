//! Which variables a part of a script may change.

use std::collections::BTreeSet;

use crate::syntax::{Command, Kind, List};

/// Collects the variables that functions of a script assign to.
pub(crate) fn functions_assign(list: &List, assigned: &mut BTreeSet<String>) {
    each_command(list, &mut |command| {
        if let Kind::Function { body, .. } = &command.kind {
            inside_function(body, &mut |command| command_assigns(command, assigned));
        }
    });
}

/// Visits the commands of a function, those of functions in it too.
fn inside_function(body: &Command, visit: &mut dyn FnMut(&Command)) {
    inside(body, &mut |command| {
        visit(command);
        if let Kind::Function { body, .. } = &command.kind {
            inside_function(body, visit);
        }
    });
}

/// Collects the variables that a list assigns to, its substitutions aside: those are subshells.
pub(crate) fn list_assigns(list: &List, assigned: &mut BTreeSet<String>) {
    each_command(list, &mut |command| command_assigns(command, assigned));
}

fn command_assigns(command: &Command, assigned: &mut BTreeSet<String>) {
    const BUILTINS: [&str; 7] =
        ["declare", "export", "getopts", "local", "read", "readonly", "unset"];
    match &command.kind {
        Kind::Simple { assignments, words } => {
            assigned.extend(assignments.iter().map(|assignment| assignment.name.clone()));
            let builtin = words.first().is_some_and(|w| BUILTINS.contains(&w.source.as_str()));
            for word in words.iter().skip(1).filter(|_| builtin) {
                let name = word.source.split('=').next().unwrap_or_default();
                assigned.insert(name.to_owned());
            }
        }
        Kind::For { variable, .. } => drop(assigned.insert(variable.clone())),
        _ => {}
    }
}

/// Tells whether a list may change the script's arguments.
pub(crate) fn shifts(list: &List) -> bool {
    let mut found = false;
    each_command(list, &mut |command| {
        if let Kind::Simple { words, .. } = &command.kind {
            found |= words.first().is_some_and(|w| matches!(w.source.as_str(), "shift" | "set"));
        }
    });
    found
}

/// Visits every command of a list, those inside others too, but not the bodies of functions.
fn each_command(list: &List, visit: &mut dyn FnMut(&Command)) {
    for and_or in list {
        let pipelines = [&and_or.first].into_iter().chain(and_or.rest.iter().map(|(_, p)| p));
        for command in pipelines.flat_map(|pipeline| &pipeline.commands) {
            inside(command, visit);
        }
    }
}

/// Visits a command, and those inside it.
fn inside(command: &Command, visit: &mut dyn FnMut(&Command)) {
    visit(command);
    match &command.kind {
        Kind::Simple { .. } | Kind::Function { .. } | Kind::Arithmetic => {}
        Kind::Group(list) | Kind::Subshell(list) => each_command(list, visit),
        Kind::If { arms, otherwise } => {
            for (condition, body) in arms {
                each_command(condition, visit);
                each_command(body, visit);
            }
            each_command(otherwise, visit);
        }
        Kind::Case { arms, .. } => arms.iter().for_each(|(_, body)| each_command(body, visit)),
        Kind::For { body, .. } => each_command(body, visit),
        Kind::While { condition, body, .. } => {
            each_command(condition, visit);
            each_command(body, visit);
        }
    }
}
