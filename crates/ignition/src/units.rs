//! Units of systemd and their drop-ins.

use std::ops::Range;

use flagstone_artifact::{nearest, quote};

use crate::context::Context;
use crate::fields::{Fields, Located};
use crate::report::Problem;
use crate::unit_file::{self, UnitFile};

/// What the name of a unit ends in; `.snapshot` is long gone from systemd, and Ignition knows it still.
const TYPES: [&str; 12] = [
    "automount",
    "device",
    "mount",
    "path",
    "scope",
    "service",
    "slice",
    "snapshot",
    "socket",
    "swap",
    "target",
    "timer",
];

/// Sections that systemd looks at.
const SECTIONS: [&str; 11] = [
    "Automount",
    "Install",
    "Mount",
    "Path",
    "Scope",
    "Service",
    "Slice",
    "Socket",
    "Swap",
    "Timer",
    "Unit",
];

/// The longest name of a unit (`UNIT_NAME_MAX` of systemd, with its NUL).
const NAME_MAX: usize = 256;

/// Checks `systemd.units`.
pub(crate) fn check(systemd: &Fields<'_>, cx: &mut Context<'_>) {
    for unit in systemd.objects("units") {
        check_unit(&unit, cx);
    }
}

fn check_unit(unit: &Fields<'_>, cx: &mut Context<'_>) {
    let name = unit.text("name").unwrap_or(Located { value: "", span: unit.span });
    check_name(unit, &name, cx);
    let contents = unit.filled("contents");
    let enabled = unit.flag("enabled") == Some(true);
    let masked = unit.flag("mask") == Some(true);
    if let Some(contents) = contents {
        if let Some(file) = check_contents(&contents, cx) {
            about(&name, enabled, &file, contents.span, cx);
        }
    } else if !masked {
        known(unit, &name, enabled, cx);
    }
    if masked && (contents.is_some() || enabled) {
        let message = "a unit that is masked never starts";
        cx.add(Problem::doubtful(unit.place("mask"), message));
    }
    for dropin in unit.objects("dropins") {
        check_dropin(&dropin, cx);
    }
}

fn check_name(unit: &Fields<'_>, name: &Located<'_, &str>, cx: &mut Context<'_>) {
    let place = unit.place("name");
    let kind = name.value.rsplit_once('.').map(|(_, kind)| kind);
    let Some(kind) = kind.filter(|kind| TYPES.contains(kind)) else {
        let problem = Problem::refused(place, "the name of a unit does not end in a type");
        let hint = kind
            .and_then(|kind| nearest(kind, TYPES))
            .map(|kind| format!("did you mean `.{kind}`?"));
        let problem = problem.expected("`.service`, `.socket`, `.timer`, `.mount` or the like");
        cx.add(problem.found(quote(name.value)).maybe_hint(hint));
        return;
    };
    let stem = &name.value[..name.value.len() - kind.len() - 1];
    let sound = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if stem.is_empty()
        || name.value.len() >= NAME_MAX
        || !stem.chars().all(sound)
        || stem.starts_with('@')
    {
        let problem = Problem::fails(place, "systemd takes no unit of this name");
        cx.add(problem.found(quote(name.value)).hint("systemd-escape(1) makes names"));
    } else if kind == "snapshot" {
        cx.add(Problem::doubtful(place, "systemd has no snapshots any more"));
    } else if stem.ends_with('@') && unit.flag("enabled") == Some(true) {
        let message = "a template is enabled, which needs an instance";
        cx.add(
            Problem::doubtful(place, message).hint("name the instance: `name@instance.service`"),
        );
    }
}

/// Checks the text of a unit or a drop-in.
fn check_contents<'a>(
    contents: &Located<'a, &'a str>,
    cx: &mut Context<'_>,
) -> Option<UnitFile<'a>> {
    let file = match unit_file::read(contents.value) {
        Ok(file) => file,
        Err((line, why)) => {
            let message = format!("line {line} of the unit is wrong: {why}");
            cx.add(line_of(Problem::refused(contents.span, message), contents.value, line));
            return None;
        }
    };
    if let Some(line) = file.stray {
        let message = format!("line {line} of the unit stands before all sections");
        cx.add(line_of(Problem::doubtful(contents.span, message), contents.value, line));
    }
    for section in file.sections.keys().filter(|section| !section.starts_with("X-")) {
        if !SECTIONS.contains(section) {
            let hint = nearest(section, SECTIONS).map(|near| format!("did you mean `[{near}]`?"));
            let message = format!("systemd ignores the section {}", quote(section));
            cx.add(Problem::doubtful(contents.span, message).maybe_hint(hint));
        }
    }
    Some(file)
}

fn line_of<'p>(problem: Problem<'p>, text: &'p str, line: usize) -> Problem<'p> {
    let says = text.split('\n').nth(line - 1).unwrap_or_default().trim();
    problem.found(quote(says)).line(line, says)
}

/// Compares the sections of a unit with its name and with what shall be done with it.
fn about(
    name: &Located<'_, &str>,
    enabled: bool,
    file: &UnitFile<'_>,
    span: &Range<usize>,
    cx: &mut Context<'_>,
) {
    if enabled && file.sections.get("Install").is_none_or(|options| *options == 0) {
        let message = "the unit is enabled, and has no [Install] that says what starts it";
        let hint = "add [Install] with WantedBy=multi-user.target";
        cx.add(Problem::doubtful(span, message).hint(hint));
    }
    // These are nothing without their section.
    let needed = [
        (".service", "Service"),
        (".socket", "Socket"),
        (".timer", "Timer"),
        (".mount", "Mount"),
        (".automount", "Automount"),
        (".swap", "Swap"),
        (".path", "Path"),
    ];
    let needed = needed.iter().find(|(kind, _)| name.value.ends_with(kind));
    if let Some((_, section)) = needed.filter(|(_, section)| !file.sections.contains_key(section)) {
        cx.add(Problem::doubtful(
            span,
            format!("the unit has no [{section}], so systemd loads nothing"),
        ));
    }
}

/// Looks for a unit that is not in the configuration in the image.
fn known(unit: &Fields<'_>, name: &Located<'_, &str>, enabled: bool, cx: &mut Context<'_>) {
    let known = cx.shipped.is_none_or(|shipped| shipped.has_unit(name.value));
    let asked = enabled || unit.objects("dropins").next().is_some();
    if !known && asked && !name.value.is_empty() {
        let message = format!("neither the configuration nor the image has {}", quote(name.value));
        cx.add(
            Problem::doubtful(unit.place("name"), message)
                .hint("give its `contents`, or add the package that has it to the recipe"),
        );
    }
}

fn check_dropin(dropin: &Fields<'_>, cx: &mut Context<'_>) {
    let name = dropin.text("name").map_or("", |name| name.value);
    let place = dropin.place("name");
    if name.rsplit_once('.').is_none_or(|(_, kind)| kind != "conf") {
        let problem = Problem::refused(place, "the name of a drop-in does not end in .conf");
        cx.add(problem.found(quote(name)));
    } else if name.contains('/') {
        cx.add(Problem::fails(place, "the name of a drop-in has no slash").found(quote(name)));
    }
    match dropin.text("contents") {
        Some(contents) => drop(check_contents(&contents, cx)),
        None => {
            if !dropin.has("contents") {
                cx.add(Problem::doubtful(dropin.span, "a drop-in without contents does nothing"));
            }
        }
    }
}
