use std::fmt::Write;

use super::*;
use crate::{ArchiveId, Origin};

/// Writes an index of short stanzas: `name version | Field: value | …`.
fn index(packages: &[&str]) -> String {
    let mut index = String::new();
    for package in packages {
        let mut parts = package.split('|').map(str::trim);
        let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
        writeln!(
            index,
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\n\
             Size: 1\nSHA256: {}",
            "0".repeat(64)
        )
        .unwrap();
        for field in parts {
            index += &field.replace('/', "|");
            index += "\n";
        }
        index += "\n";
    }
    index
}

/// Makes a universe of one suite.
fn universe(packages: &[&str]) -> Universe {
    let mut universe = Universe::new("amd64");
    universe.add(&index(packages), &origin(ArchiveId::Main, "trixie")).unwrap();
    universe
}

fn origin(archive: ArchiveId, suite: &str) -> Origin {
    Origin { archive, suite: suite.to_owned(), automatic: suite != "trixie-backports" }
}

fn names(list: &str) -> Vec<PackageName> {
    list.split_ascii_whitespace().map(|name| name.parse().unwrap()).collect()
}

fn request(packages: &str) -> Request {
    Request { packages: names(packages), ..Request::default() }
}

/// Returns `name version` of all chosen packages, in one line.
fn solve(packages: &[&str], request: &Request) -> Result<String, ResolveError> {
    let universe = universe(packages);
    let solution = resolve(&universe, request)?;
    let line = solution.packages.iter().map(|(name, solved)| {
        let candidate = universe.get(solved.id);
        assert_eq!(candidate.name(), name.as_str());
        format!("{name} {}", candidate.version())
    });
    Ok(line.collect::<Vec<_>>().join(", "))
}

#[test]
fn dependencies_are_followed_and_nothing_else_is_chosen() {
    let packages = [
        "aa 1 | Depends: bb (>= 2), cc | Recommends: ee",
        "bb 1",
        "bb 2 | Pre-Depends: dd",
        "cc 1 | Depends: aa",
        "dd 1",
        "ee 1",
    ];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, bb 2, cc 1, dd 1");
}

#[test]
fn the_reason_is_recorded() {
    let universe = universe(&["aa 1 | Depends: xx / bb (>= 2)", "bb 2"]);
    let solution = resolve(&universe, &request("aa")).unwrap();
    let why = |name: &str| solution.packages[name].why.to_string();
    assert_eq!(why("aa"), "requested");
    assert_eq!(why("bb"), "needed by aa (Depends: xx | bb (>= 2))");
}

#[test]
fn the_first_alternative_wins_unless_another_is_there() {
    let packages = ["aa 1 | Depends: bb / cc", "bb 1", "cc 1", "dd 1 | Depends: cc"];
    for (wanted, expected) in [
        ("aa", "aa 1, bb 1"),
        ("aa cc", "aa 1, cc 1"),
        ("dd aa", "aa 1, cc 1, dd 1"),
        ("aa dd", "aa 1, bb 1, cc 1, dd 1"),
    ] {
        assert_eq!(solve(&packages, &request(wanted)).unwrap(), expected, "{wanted}");
    }
}

#[test]
fn an_alternative_that_cannot_be_had_is_passed_over() {
    let packages = [
        "aa 1 | Depends: bb / cc / dd",
        "bb 1 | Depends: ee",
        "ee 1 | Depends: nowhere",
        "dd 1",
        "cc 1 | Depends: ff (>= 2)",
        "ff 1",
    ];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, dd 1");
}

#[test]
fn real_packages_come_before_providers_and_those_by_priority() {
    let packages = [
        "aa 1 | Depends: mta",
        "bb 1 | Provides: mta",
        "cc 1 | Provides: mta | Priority: standard",
        "mta 1",
        "dd 1 | Depends: awk",
        "gawk 1 | Provides: awk",
        "mawk 1 | Provides: awk | Priority: required",
    ];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, mta 1");
    assert_eq!(solve(&packages, &request("dd")).unwrap(), "dd 1, mawk 1");
    assert_eq!(solve(&packages, &request("dd gawk")).unwrap(), "dd 1, gawk 1");
}

#[test]
fn a_versioned_need_is_met_by_a_versioned_provides_only() {
    let packages = [
        "aa 1 | Depends: api (>= 2)",
        "bb 1 | Provides: api",
        "cc 1 | Provides: api (= 1)",
        "dd 1 | Provides: api (= 2.1)",
    ];
    assert_eq!(solve(&packages, &request("aa bb cc")).unwrap(), "aa 1, bb 1, cc 1, dd 1");
}

#[test]
fn the_highest_version_wins_unless_one_is_kept() {
    let packages = ["aa 1 | Depends: bb (>= 2)", "bb 1", "bb 3", "bb 2", "bb 10"];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, bb 10");
    for (kept, expected) in [("2", "bb 2"), ("1", "bb 10"), ("9", "bb 10")] {
        let keep = [("bb".parse().unwrap(), kept.parse().unwrap())].into();
        let request = Request { keep, ..request("aa") };
        assert_eq!(solve(&packages, &request).unwrap(), format!("aa 1, {expected}"));
    }
}

#[test]
fn what_was_chosen_before_stays_among_alternatives() {
    let packages = ["aa 1 | Depends: bb / cc", "bb 1", "cc 1"];
    let keep = [("cc".parse().unwrap(), "1".parse().unwrap())].into();
    assert_eq!(solve(&packages, &Request { keep, ..request("aa") }).unwrap(), "aa 1, cc 1");
}

#[test]
fn excluded_packages_count_as_there() {
    let packages =
        ["aa 1 | Depends: perl, awk, bb / cc", "perl 5", "mawk 1 | Provides: awk", "cc 1", "bb 1"];
    let excluded: BTreeSet<_> = names("perl mawk cc").into_iter().collect();
    let request = Request { excluded, ..request("aa") };
    assert_eq!(solve(&packages, &request).unwrap(), "aa 1");
    let solution = resolve(&universe(&packages), &request).unwrap();
    let absent: Vec<_> = solution.absent.keys().map(PackageName::as_str).collect();
    assert_eq!(absent, ["cc", "mawk", "perl"]);
}

#[test]
fn conflicts_and_breaks_are_heeded_in_both_directions() {
    for refusal in
        ["Conflicts: bb", "Breaks: bb (<< 2)", "Conflicts: virtual", "Breaks: virtual (= 7)"]
    {
        for wanted in ["aa dd", "dd aa"] {
            let aa = format!("aa 1 | {refusal}");
            let packages =
                [aa.as_str(), "bb 1 | Provides: virtual (= 7)", "cc 1", "dd 1 | Depends: bb / cc"];
            let solution = solve(&packages, &request(wanted)).unwrap();
            assert_eq!(solution, "aa 1, cc 1, dd 1", "{refusal} {wanted}");
        }
    }
}

#[test]
fn refusals_that_do_not_apply_are_no_matter() {
    let packages = [
        "aa 1 | Conflicts: bb (<< 1), virtual (<< 7), virt2 (= 1) | Provides: virtual, virt3",
        "bb 1 | Provides: virtual (= 7), virt2",
        "cc 1 | Provides: virt3 | Conflicts: virt4",
        "dd 1 | Provides: virt5 | Conflicts: virt5",
    ];
    assert!(solve(&packages, &request("aa bb cc dd")).is_ok());
}

#[test]
fn an_early_choice_is_taken_back_when_it_must_be() {
    let packages = [
        "aa 1 | Depends: bb / cc, dd",
        "bb 1 | Depends: lib (= 1)",
        "cc 1",
        "dd 1 | Depends: ee",
        "ee 1 | Depends: lib (>= 2)",
        "lib 1",
        "lib 2",
    ];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, cc 1, dd 1, ee 1, lib 2");
}

#[test]
fn a_lower_version_is_taken_when_the_highest_does_not_fit() {
    let packages = ["aa 2 | Depends: nowhere", "aa 1 | Depends: bb (<< 5)", "bb 9", "bb 4"];
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, bb 4");
}

#[test]
fn qualifiers_for_this_architecture_are_understood() {
    let packages = [
        "aa 1 | Depends: python3:any, bb:amd64 | Multi-Arch: allowed",
        "python3 3 | Multi-Arch: allowed",
        "bb 1",
        "cc 1 | Depends: bb:arm64 / dd",
        "dd 1",
    ];
    assert_eq!(solve(&packages, &request("aa cc")).unwrap(), "aa 1, bb 1, cc 1, dd 1, python3 3");
}

#[test]
fn errors_say_what_stands_in_the_way() {
    let packages = [
        "systemd 1",
        "bash 5",
        "mawk 1 | Provides: awk",
        "aa 1 | Depends: bb",
        "bb 1 | Depends: cc (>= 3)",
        "cc 2",
        "dd 1 | Depends: ee / ff",
        "ee 1 | Conflicts: bash",
        "gg 1 | Pre-Depends: nowhere / nohow",
    ];
    for (wanted, expected) in [
        ("sytemd", "there is no package sytemd"),
        ("awk", "awk is no package, but provided by mawk"),
        (
            "aa",
            "aa cannot be installed:\n  aa 1 has Depends: bb\n  bb 1 has Depends: cc (>= 3)\n  \
             cc is offered as 2 only",
        ),
        (
            "bash dd",
            "dd cannot be installed:\n  dd 1 has Depends: ee | ff\n  ee 1 and bash 5 exclude each \
             other: ee has Conflicts: bash\n  bash is requested",
        ),
        (
            "gg",
            "gg cannot be installed:\n  gg 1 has Pre-Depends: nowhere | nohow\n  there is no package \
             nowhere, and there is no package nohow",
        ),
    ] {
        let error = solve(&packages, &request(wanted)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }
    let error = solve(&packages, &request("sytemd")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean systemd?");
    let excluded = names("bash").into_iter().collect();
    let error = solve(&packages, &Request { excluded, ..request("bash") }).unwrap_err();
    assert_eq!(error.to_string(), "bash is both requested and excluded");
}

#[test]
fn a_very_deep_chain_is_no_trouble() {
    let packages: Vec<_> =
        (0..20_000).map(|i| format!("p{i} 1 | Depends: p{}", (i + 1) % 20_000)).collect();
    let packages: Vec<_> = packages.iter().map(String::as_str).collect();
    let universe = universe(&packages);
    assert_eq!(resolve(&universe, &request("p0")).unwrap().packages.len(), 20_000);
}

#[test]
fn the_search_ends_even_in_a_maze() {
    // Every one of twenty packages has two forms, and all forms of different packages clash.
    let mut packages = Vec::new();
    for i in 0..20 {
        packages.push(format!("want{i} 1 | Depends: one{i} / two{i}"));
        packages.push(format!("one{i} 1 | Provides: only | Conflicts: only"));
        packages.push(format!("two{i} 1 | Provides: only | Conflicts: only"));
    }
    let packages: Vec<_> = packages.iter().map(String::as_str).collect();
    let wanted: Vec<_> = (0..20).map(|i| format!("want{i}")).collect();
    assert!(solve(&packages, &request(&wanted.join(" "))).is_err());
}

/// Tries every subset of a small universe.
fn exists_by_force(universe: &Universe, packages: &[&str], wanted: &[PackageName]) -> bool {
    let all: Vec<_> = (0..u32::try_from(packages.len()).unwrap()).map(CandidateId).collect();
    (0u32..1 << all.len()).any(|set| {
        let chosen: Vec<_> = all.iter().filter(|id| set >> id.0 & 1 == 1).collect();
        fits(universe, &chosen)
            && wanted
                .iter()
                .all(|name| chosen.iter().any(|id| universe.get(**id).name() == name.as_str()))
    })
}

/// Tells whether a set is consistent; written to be obvious, not fast.
fn fits(universe: &Universe, chosen: &[&CandidateId]) -> bool {
    let meets = |id: CandidateId, relation: &crate::Relation| {
        let candidate = universe.get(id);
        let by_name =
            candidate.name() == relation.name.as_str() && relation.allows_text(candidate.version());
        by_name
            || candidate.provides().unwrap().iter().any(|provided| {
                provided.name == relation.name
                    && match (&provided.constraint, &relation.constraint) {
                        (_, None) => true,
                        (None, Some(_)) => false,
                        (Some(p), Some(_)) => relation.allows_text(p.version.as_str()),
                    }
            })
    };
    chosen.iter().all(|id| {
        let candidate = universe.get(**id);
        let needs = candidate.depends().unwrap().into_iter().all(|need| {
            need.alternatives.iter().any(|r| chosen.iter().any(|other| meets(**other, r)))
        });
        let refuses = candidate
            .conflicts()
            .unwrap()
            .iter()
            .any(|r| chosen.iter().any(|other| other != id && meets(**other, r)));
        let twin = chosen.iter().any(|o| o != id && universe.get(**o).name() == candidate.name());
        needs && !refuses && !twin
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn a_solution_is_found_exactly_if_there_is_one(
        needs in proptest::collection::vec((0u8..6, 0u8..6, 0u8..4), 9),
        clashes in proptest::collection::vec((0u8..9, 0u8..6), 0..6),
        wanted in proptest::collection::vec(0u8..6, 1..4),
    ) {
        // p0 to p5; the first three in two versions.
        let mut packages = Vec::new();
        for (i, (left, right, form)) in needs.iter().enumerate() {
            let (name, version) = (i % 6, 1 + i / 6);
            let need = match form {
                0 => String::new(),
                1 => format!(" | Depends: p{left} / p{right}"),
                2 => format!(" | Depends: p{left} (>= 2) / p{right}"),
                _ => format!(" | Depends: p{left}, virtual | Provides: v{right}"),
            };
            let refused: Vec<_> = clashes.iter().filter(|c| usize::from(c.0) == i)
                .map(|c| format!("p{} (<< 2), v{}", c.1, c.1)).collect();
            let refusal = if refused.is_empty() {
                String::new()
            } else {
                format!(" | Conflicts: {}", refused.join(", "))
            };
            packages.push(format!("p{name} {version}{need}{refusal}"));
        }
        packages.push("real 1 | Provides: virtual".into());
        let packages: Vec<_> = packages.iter().map(String::as_str).collect();
        let universe = universe(&packages);
        let mut wanted: Vec<PackageName> =
            wanted.iter().map(|i| format!("p{i}").parse().unwrap()).collect();
        wanted.sort();
        wanted.dedup();
        let request = Request { packages: wanted.clone(), ..Request::default() };
        let exists = exists_by_force(&universe, &packages, &wanted);
        match resolve(&universe, &request) {
            Ok(solution) => {
                let ids: Vec<_> = solution.packages.values().map(|s| s.id).collect();
                assert!(fits(&universe, &ids.iter().collect::<Vec<_>>()), "{packages:?} {ids:?}");
            }
            Err(error) => assert!(!exists, "{error} {packages:?} {wanted:?}"),
        }
    }
}

#[test]
fn recommended_packages_come_along_if_asked_for_and_possible() {
    let packages = [
        "aa 1 | Depends: bb | Recommends: rr, nowhere, xx, ss / tt",
        "bb 1 | Conflicts: xx | Recommends: qq (>= 2)",
        "qq 1",
        "rr 1 | Depends: uu",
        "uu 1",
        "xx 1",
        "ss 1 | Depends: nowhere",
        "tt 1",
    ];
    let wish = Request { recommends: true, ..request("aa") };
    assert_eq!(solve(&packages, &request("aa")).unwrap(), "aa 1, bb 1");
    assert_eq!(solve(&packages, &wish).unwrap(), "aa 1, bb 1, rr 1, tt 1, uu 1");
    let without = Request { excluded: names("rr").into_iter().collect(), ..wish };
    assert_eq!(solve(&packages, &without).unwrap(), "aa 1, bb 1, tt 1");
}

#[test]
fn what_is_recommended_never_stands_in_the_way_of_what_is_needed() {
    let packages =
        ["aa 1 | Recommends: rr", "rr 1 | Depends: deep", "deep 1 | Conflicts: zz", "zz 1"];
    let wish = Request { recommends: true, ..request("aa zz") };
    assert_eq!(solve(&packages, &wish).unwrap(), "aa 1, zz 1");
}

/// A release, its backports, and a repository of somebody else's.
fn three_places() -> Universe {
    let mut universe = Universe::new("amd64");
    let other = ArchiveId::Repository("other".parse().unwrap());
    let places = [
        (ArchiveId::Main, "trixie", &["aa 1 | Depends: bb", "bb 1", "cc 1"][..]),
        (ArchiveId::Main, "trixie-backports", &["aa 2 | Depends: bb (>= 2)", "bb 2"]),
        (other, "stable", &["bb 3", "dd 3 | Depends: bb"]),
    ];
    for (archive, suite, packages) in places {
        let digest = suite.len().to_string().repeat(64);
        let index = index(packages).replace(&"0".repeat(64), &digest[..64]);
        universe.add(&index, &origin(archive, suite)).unwrap();
    }
    universe
}

fn pinned(packages: &str, pins: &[(&str, Pin)]) -> Result<String, ResolveError> {
    let universe = three_places();
    let pins = pins.iter().map(|(name, pin)| (name.parse().unwrap(), pin.clone())).collect();
    let solution = resolve(&universe, &Request { pins, ..request(packages) })?;
    let words = solution.packages.iter();
    let words = words.map(|(name, s)| format!("{name} {}", universe.get(s.id).version()));
    Ok(words.collect::<Vec<_>>().join(", "))
}

#[test]
fn backports_and_other_repositories_replace_nothing_unless_a_pin_says_so() {
    let backports = Pin { suite: Some("trixie-backports".into()), ..Pin::default() };
    let other = Pin { repository: Some("other".parse().unwrap()), ..Pin::default() };
    let two = Pin { version: Some("2*".parse().unwrap()), ..Pin::default() };
    assert_eq!(pinned("aa dd", &[]).unwrap(), "aa 1, bb 1, dd 3");
    let both = [("aa", backports.clone()), ("bb", backports.clone())];
    assert_eq!(pinned("aa", &both).unwrap(), "aa 2, bb 2");
    assert_eq!(pinned("aa", &[("bb", other)]).unwrap(), "aa 1, bb 3");
    // A version alone does not open a suite that wants to be named.
    let error = pinned("aa", &[("bb", two)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no version of bb matches its pin (version 2*); there are 3 in other/stable, 2 in \
         trixie-backports, 1 in trixie"
    );
    // What only a pin could bring is said where a need is not met.
    let error = pinned("aa", &[("aa", backports)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "aa cannot be installed:\n  aa 2 has Depends: bb (>= 2)\n  bb is offered as 1 only; 3 \
         and 2 need a pin"
    );
    let one = Pin { version: Some("1".parse().unwrap()), ..Pin::default() };
    assert!(pinned("cc", &[("nowhere", one)]).is_err());
}

#[test]
fn a_file_beside_the_recipe_stands_in_for_its_name() {
    let mut universe = three_places();
    let local = Origin { archive: ArchiveId::Local, suite: String::new(), automatic: true };
    let file = index(&["bb 0.5"]).replace(&"0".repeat(64), &"f".repeat(64));
    universe.add(&file, &local).unwrap();
    let solution = resolve(&universe, &request("aa")).unwrap();
    assert_eq!(universe.get(solution.packages["bb"].id).version(), "0.5");
}

#[test]
fn one_file_in_two_suites_is_one_candidate_of_both() {
    let mut universe = universe(&["aa 1"]);
    universe.add(&index(&["aa 1"]), &origin(ArchiveId::Security, "trixie-security")).unwrap();
    let suites: Vec<_> = {
        let mut versions = universe.versions("aa");
        let only = versions.next().unwrap();
        assert!(versions.next().is_none());
        only.origins().map(|origin| origin.suite.clone()).collect()
    };
    assert_eq!(suites, ["trixie", "trixie-security"]);
}
