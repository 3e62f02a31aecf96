/// The most names that are suggested.
const SUGGESTIONS: usize = 3;

/// Returns the names nearest to one that does not exist, the nearest first.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let limit = name.len() / 3 + 1;
    let mut found: Vec<(usize, &str)> = known
        .filter(|other| other.len().abs_diff(name.len()) <= limit)
        .filter_map(|other| Some((distance(name.as_bytes(), other.as_bytes(), limit)?, other)))
        .collect();
    found.sort_unstable();
    found.into_iter().take(SUGGESTIONS).map(|(_, other)| other.to_owned()).collect()
}

/// Counts the edits (insert, remove, replace a byte) from `a` to `b`; `None` beyond `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> Option<usize> {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
        if row.iter().all(|&edits| edits > limit) {
            return None;
        }
    }
    row.last().copied().filter(|&edits| edits <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_come_first() {
        let known = ["bash", "dash", "openssh-server", "openssl", "systemd"];
        let suggest = |name| nearest(name, known.into_iter());
        assert_eq!(suggest("openssh-sever"), ["openssh-server"]);
        assert_eq!(suggest("basch"), ["bash", "dash"]);
        assert_eq!(suggest("sytemd"), ["systemd"]);
        assert!(suggest("something-else").is_empty());
    }
}
