//! Keeps the direction in which the crates depend on each other (docs/architecture.md).

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may know of, at most.
const ALLOWED: [(&str, &[&str]); 29] = [
    ("artifact", &[]),
    ("tree", &["artifact"]),
    ("scripts", &[]),
    ("console", &[]),
    ("certificate", &["artifact"]),
    ("fetch", &["artifact"]),
    ("debian", &["artifact", "fetch"]),
    ("recipe", &["artifact"]),
    ("ignition", &["artifact"]),
    ("butane", &["artifact"]),
    ("index", &["artifact", "tree"]),
    ("caches", &["tree"]),
    ("rootfs", &["artifact", "scripts", "tree"]),
    ("image", &["artifact", "tree"]),
    ("boot", &["artifact", "index", "tree"]),
    ("disk", &["artifact"]),
    ("sandbox", &["tree"]),
    ("sbom", &["artifact"]),
    ("store", &["artifact"]),
    ("serve", &["artifact"]),
    ("signature", &["artifact"]),
    ("payload", &["artifact", "image", "signature"]),
    ("torture", &["artifact", "disk"]),
    ("repository", &["artifact", "fetch", "payload", "signature"]),
    ("sysupdate", &["artifact", "disk", "payload"]),
    ("agent", &["artifact", "disk", "fetch", "payload", "repository", "signature"]),
    ("compare", &["artifact", "boot", "debian", "disk", "image", "recipe"]),
    (
        "build",
        &[
            "artifact",
            "boot",
            "caches",
            "certificate",
            "debian",
            "disk",
            "fetch",
            "image",
            "index",
            "recipe",
            "repository",
            "rootfs",
            "sandbox",
            "sbom",
            "scripts",
            "signature",
            "store",
            "sysupdate",
            "tree",
        ],
    ),
    (
        "cli",
        &[
            "artifact",
            "build",
            "butane",
            "certificate",
            "compare",
            "console",
            "debian",
            "fetch",
            "ignition",
            "payload",
            "recipe",
            "repository",
            "sandbox",
            "scripts",
            "serve",
            "signature",
            "store",
            "sysupdate",
            "torture",
        ],
    ),
];

/// Crates of others that only one border may be crossed with.
const FENCED: [(&str, &[&str]); 10] = [
    ("ureq", &["fetch"]),
    ("clap", &["agent", "cli"]),
    ("granit-parser", &["butane"]),
    ("hyper", &["serve"]),
    ("indicatif", &["cli"]),
    ("nix", &["sandbox", "serve"]),
    ("pgp", &["debian"]),
    ("prost", &["payload"]),
    ("tokio", &["serve"]),
    ("ed25519-dalek", &["signature"]),
];

#[test]
fn crates_depend_downwards_only() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".into()]).exec();
    let metadata = metadata.unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut seen = BTreeSet::new();
    for package in &metadata.packages {
        let name = package.name.strip_prefix("flagstone-").unwrap();
        seen.insert(name);
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no place yet"));
        let own = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        for dependency in own {
            if let Some(other) = dependency.name.strip_prefix("flagstone-") {
                assert!(allowed.contains(&other), "{name} must not know {other}");
            }
            for (fenced, homes) in FENCED {
                let at_home = dependency.name != fenced || homes.contains(&name);
                assert!(at_home, "{name} must not use {fenced}");
            }
        }
    }
    assert_eq!(seen, allowed.keys().copied().collect());
}
