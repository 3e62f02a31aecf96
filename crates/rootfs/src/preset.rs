//! Preset files: which units are enabled by policy (systemd.preset(5)).

use crate::RootfsError;
use crate::glob::name_matches;
use crate::unit_file::UnitName;

/// What presets say about a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is enabled; a template as these instances, or, without any, as its default instance.
    Enable(Vec<String>),
    Disable,
    /// It stays as it is.
    Ignore,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: String,
    verdict: Verdict,
}

/// The rules of all preset files, in order; the first that matches counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presets {
    rules: Vec<Rule>,
}

impl Presets {
    /// Adds the rules of one file.
    pub(crate) fn add(&mut self, path: &str, text: &str) -> Result<(), RootfsError> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_whitespace();
            let verb = words.next().unwrap_or_default();
            let pattern = words.next();
            let instances = words.map(str::to_owned).collect();
            let (Some(pattern), Some(verdict)) = (pattern, verdict(verb, instances)) else {
                let reason = format!("{line:?} is no rule of a preset");
                return Err(RootfsError::Syntax { path: path.to_owned(), line: number, reason });
            };
            self.rules.push(Rule { pattern: pattern.to_owned(), verdict });
        }
        Ok(())
    }

    /// Returns what the presets say about a unit. What no rule matches is enabled, as in systemd.
    pub(crate) fn query(&self, unit: &UnitName) -> Verdict {
        let matching = self.rules.iter().find(|rule| rule.covers(unit));
        match matching.map(|rule| &rule.verdict) {
            Some(Verdict::Enable(_)) if !unit.is_template() => Verdict::Enable(Vec::new()),
            Some(verdict) => verdict.clone(),
            None => Verdict::Enable(Vec::new()),
        }
    }
}

impl Rule {
    /// Tells whether the rule is about a unit. A rule that lists instances is about the template and
    /// those instances alone.
    fn covers(&self, unit: &UnitName) -> bool {
        if let (Verdict::Enable(instances), Some(instance)) = (&self.verdict, unit.instance())
            && !instances.is_empty()
            && unit.template().as_str() == self.pattern
        {
            return instances.iter().any(|listed| listed == instance);
        }
        name_matches(self.pattern.as_bytes(), unit.as_str().as_bytes())
    }
}

fn verdict(verb: &str, instances: Vec<String>) -> Option<Verdict> {
    Some(match verb {
        "enable" => Verdict::Enable(instances),
        "disable" => Verdict::Disable,
        "ignore" => Verdict::Ignore,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_counts() {
        let mut presets = Presets::default();
        presets.add("a", "# c\n\nenable ssh.service\nenable getty@.service tty1 tty2\nignore x.*\ndisable systemd-*\n").unwrap();
        presets.add("b", "enable systemd-networkd.service\n").unwrap();
        let enable = |instances: &[&str]| {
            Verdict::Enable(instances.iter().map(ToString::to_string).collect())
        };
        for (unit, expected) in [
            ("ssh.service", enable(&[])),
            ("getty@.service", enable(&["tty1", "tty2"])),
            ("getty@tty2.service", enable(&[])),
            ("x.timer", Verdict::Ignore),
            ("systemd-networkd.service", Verdict::Disable),
            ("other.service", enable(&[])),
        ] {
            assert_eq!(presets.query(&unit.parse().unwrap()), expected, "{unit}");
        }
    }

    #[test]
    fn a_line_that_is_no_rule_is_named() {
        for bad in ["enable", "allow x.service"] {
            let error = Presets::default().add("p", &format!("\n{bad}\n")).unwrap_err();
            assert_eq!(error.to_string(), format!("/p, line 2: {bad:?} is no rule of a preset"));
        }
    }
}
