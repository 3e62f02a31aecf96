use std::collections::BTreeMap;

use flagstone_artifact::Sha256Digest;

/// The name of the list of digests that a build writes beside its artefacts.
pub(crate) const SUMS_NAME: &str = "SHA256SUMS";

/// Longer lists are not of this kind.
pub(crate) const MAX_SUMS_BYTES: u64 = 1 << 20;

/// Reads a list as `sha256sum` writes it; lines that are none are passed over.
pub(crate) fn parse(text: &str) -> BTreeMap<&str, Sha256Digest> {
    let entries = text.lines().filter_map(|line| {
        let (digest, name) = line.split_once(' ')?;
        let name = name.strip_prefix(['*', ' '])?;
        Some((name.strip_prefix("./").unwrap_or(name), digest.parse().ok()?))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sha256sum_are_read() {
        let digest = Sha256Digest::of(b"");
        let text = format!("{digest}  a.efi\n{digest} *./b\nx  c\n{digest} d\n\n");
        assert_eq!(parse(&text).into_keys().collect::<Vec<_>>(), ["a.efi", "b"]);
    }
}
