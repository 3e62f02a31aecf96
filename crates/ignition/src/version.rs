use flagstone_artifact::quote;

use crate::fields::Fields;
use crate::report::{Collector, Problem};

/// The Ignition whose judgement is meant.
const PROGRAM: &str = "Ignition 2.14.0";

/// Versions of the specification that it knows, by their minor number.
pub(crate) const VERSIONS: [&str; 5] = ["3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0-experimental"];

/// Returns the minor number of the version that a configuration states.
pub(crate) fn read(config: &Fields<'_>, out: &mut Collector<'_>) -> Option<u8> {
    let ignition = config.object("ignition");
    let stated = ignition.and_then(|ignition| ignition.filled("version"));
    let Some(stated) = stated else {
        let place = ignition.map_or(config.span, |ignition| ignition.place("version"));
        out.add(
            Problem::refused(place, "the configuration has no version")
                .expected("{\"ignition\": {\"version\": \"3.3.0\"}}"),
        );
        return None;
    };
    let version = stated.value;
    let minor = VERSIONS.iter().position(|known| *known == version);
    if let Some(minor) = minor.and_then(|minor| u8::try_from(minor).ok()) {
        if version.ends_with("-experimental") {
            out.add(
                Problem::doubtful(
                    stated.span,
                    "an experimental version: no later Ignition takes it",
                )
                .hint("3.3.0 is the newest that lasts"),
            );
        }
        return Some(minor);
    }
    let numbers = numbers(version);
    let problem = match numbers {
        None => Problem::refused(stated.span, "this is no version"),
        Some([..=2, ..]) => Problem::refused(stated.span, "the version is too old")
            .hint("version 2 is another language: write Butane, or convert it with ign-converter"),
        Some(_) => Problem::refused(stated.span, "the version is too new")
            .hint("3.3.0 has all that 3.4.0 has but special bits of modes and ARNs as sources"),
    };
    let known = VERSIONS.join(", ");
    out.add(
        problem.expected(format!("a version that {PROGRAM} knows ({known})")).found(quote(version)),
    );
    // Whoever has to change the version wants to know the rest, too.
    match numbers {
        Some([3, minor, _]) if version != "3.4.0" => Some(minor.try_into().unwrap_or(4).min(4)),
        Some([3, ..]) => Some(4),
        _ => None,
    }
}

/// Reads `MAJOR.MINOR.PATCH`, without what may follow it.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| part.parse::<u64>().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}
