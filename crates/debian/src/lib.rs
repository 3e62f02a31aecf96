//! Debian Policy in Rust: versions, control data, archives, packages, the resolver.
