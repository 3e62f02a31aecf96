/// Returns the candidate that `word` is most like, if it is like one at all: at most a third of its
/// characters have to change (insertions, deletions, replacements).
pub(crate) fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    let word: Vec<char> = word.chars().take(64).collect();
    let limit = (word.len() / 3).max(1);
    let measured = candidates.iter().map(|candidate| (distance(&word, candidate), *candidate));
    measured.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

fn distance(word: &[char], other: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (i, theirs) in other.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, ours) in word.iter().enumerate() {
            let replaced = diagonal + usize::from(*ours != theirs);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word() {
        let words = ["kernel", "initrd", "cmdline"];
        for (word, near) in
            [("kernal", Some("kernel")), ("initrds", Some("initrd")), ("x", None), ("", None)]
        {
            assert_eq!(nearest(word, &words), near, "{word}");
        }
    }
}
