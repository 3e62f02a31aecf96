use crate::context::Context;
use crate::fields::Fields;
use crate::json::{Node, Value};
use crate::json_reader;
use crate::report::{Collector, Problem, Report, SHOWN};
use crate::schema::{CONFIG, Kind};
use crate::shipped::Shipped;
use crate::written::Written;
use crate::{disks, ignition, keys, nodes, passwd, units, version};

/// The longest configuration that is read, in bytes.
pub const CONFIG_MAX: usize = 10 << 20;

/// Checks a configuration.
///
/// `path` is its name in messages. With `shipped`, what the configuration expects of an image is
/// compared with what that image has.
pub fn check(path: &str, data: &[u8], shipped: Option<&Shipped>) -> Report {
    if data.len() > CONFIG_MAX {
        return too_long(path, "the file is too long for a configuration");
    }
    if data.iter().all(u8::is_ascii_whitespace) {
        let problem = Problem::refused(&(0..0), "the file is empty");
        return whole(
            path,
            problem.hint("{\"ignition\": {\"version\": \"3.3.0\"}} is one that does nothing"),
        );
    }
    let lossy = String::from_utf8_lossy(data);
    let mut out = Collector::new(path, &lossy);
    if let Err(error) = std::str::from_utf8(data) {
        let at = error.valid_up_to();
        out.add(Problem::fails(&(at..at + 1), "the file is not UTF-8 text"));
    }
    document(&lossy, out, shipped)
}

/// Checks a configuration that was translated to JSON, and speaks of what was written.
///
/// `shipped` is what [`check`] takes.
pub fn check_translated(json: &str, written: &Written<'_>, shipped: Option<&Shipped>) -> Report {
    if json.len() > CONFIG_MAX {
        return too_long(written.path, "translated, the file is too long for a configuration");
    }
    document(json, Collector::translated(written), shipped)
}

fn document(text: &str, mut out: Collector<'_>, shipped: Option<&Shipped>) -> Report {
    let document = match json_reader::read(text) {
        Ok(document) => document,
        Err(error) => {
            let problem =
                Problem::refused(&error.span, format!("this is no JSON: {}", error.message));
            out.add(problem.maybe_hint(error.hint.map(str::to_owned)));
            return out.finish();
        }
    };
    for (at, (second, first)) in document.duplicates.iter().enumerate() {
        let problem = Problem::fails(second, "the key is there twice");
        // Counting lines is slow, and what is not shown needs none.
        let hint = (at < SHOWN).then(|| {
            let line = text[..first.start].matches('\n').count() + 1;
            format!("the first is in line {line}; Ignition takes the last without a word")
        });
        out.add(problem.maybe_hint(hint));
    }
    for half in &document.halves {
        out.add(Problem::doubtful(half, "this is half a character, which becomes U+FFFD"));
    }
    config(&document.root, out, shipped)
}

fn config(root: &Node, mut out: Collector<'_>, shipped: Option<&Shipped>) -> Report {
    if !matches!(root.value, Value::Object(_) | Value::Null) {
        keys::check(root, &Kind::Object(&CONFIG), 0, &mut out);
        return out.finish();
    }
    let Some(minor) = version::read(&Fields::new(root, &CONFIG, 0), &mut out) else {
        return out.finish();
    };
    keys::check(root, &Kind::Object(&CONFIG), minor, &mut out);
    let config = Fields::new(root, &CONFIG, minor);
    let mut cx = Context { out, minor, shipped };
    if let Some(fields) = config.object("ignition") {
        ignition::check(&fields, &mut cx);
    }
    if let Some(fields) = config.object("kernelArguments") {
        ignition::check_arguments(&fields, &mut cx);
    }
    if let Some(fields) = config.object("passwd") {
        passwd::check(&fields, &mut cx);
    }
    if let Some(fields) = config.object("storage") {
        nodes::check(&fields, &mut cx);
        disks::check(&fields, &mut cx);
    }
    if let Some(fields) = config.object("systemd") {
        units::check(&fields, &mut cx);
    }
    cx.out.finish()
}

fn too_long(path: &str, message: &str) -> Report {
    let problem = Problem::fails(&(0..0), message);
    let expected = format!("at most {CONFIG_MAX} bytes");
    let hint = "large contents are better loaded: give their address as `source`";
    whole(path, problem.expected(expected).hint(hint))
}

/// Makes a report of one thing that is wrong with the whole file.
fn whole(path: &str, problem: Problem<'_>) -> Report {
    let mut out = Collector::new(path, "");
    out.add(problem);
    let mut report = out.finish();
    for finding in &mut report.findings {
        finding.diagnostic.position = None;
        finding.diagnostic.excerpt = None;
    }
    report
}
