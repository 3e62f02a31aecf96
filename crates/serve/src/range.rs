/// Which part of a file a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it.
    Whole,
    /// Bytes from the first to before the second; never empty.
    Part(u64, u64),
    /// None: the range begins behind the end.
    Nothing,
}

/// Reads a `Range` header (RFC 9110, section 14.2) for a file of `len` bytes.
///
/// What is not understood is ignored, as are several ranges at once: the whole file answers both.
pub(crate) fn select(header: &str, len: u64) -> Selection {
    let Some((first, last)) =
        header.trim().strip_prefix("bytes=").and_then(|range| range.trim().split_once('-'))
    else {
        return Selection::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number that does not fit lies behind the end of every file.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (first, number(first), last, number(last)) {
        ("", _, _, Some(0)) => Selection::Nothing,
        ("", _, _, Some(_)) if len == 0 => Selection::Nothing,
        ("", _, _, Some(count)) => Selection::Part(len - count.min(len), len),
        (_, Some(first), "", _) if first < len => Selection::Part(first, len),
        (_, Some(first), _, Some(last)) if first <= last && first < len => {
            Selection::Part(first, last.saturating_add(1).min(len))
        }
        (_, Some(first), _, Some(last)) if first <= last => Selection::Nothing,
        (_, Some(_), "", _) => Selection::Nothing,
        _ => Selection::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_select_parts() {
        use Selection::{Nothing, Part, Whole};
        for (header, selected) in [
            ("bytes=0-0", Part(0, 1)),
            ("bytes=2-5", Part(2, 6)),
            ("bytes=2-", Part(2, 10)),
            ("bytes=0-99", Part(0, 10)),
            ("bytes=-3", Part(7, 10)),
            ("bytes=-99", Part(0, 10)),
            ("bytes=9-9", Part(9, 10)),
            ("bytes=10-", Nothing),
            ("bytes=10-12", Nothing),
            ("bytes=-0", Nothing),
            ("bytes=99999999999999999999999-", Nothing),
            ("bytes=1-99999999999999999999999", Part(1, 10)),
            ("bytes=5-2", Whole),
            ("bytes=-", Whole),
            ("bytes=", Whole),
            ("bytes=0-1,3-4", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(select(header, 10), selected, "{header}");
        }
        for header in ["bytes=0-", "bytes=-1", "bytes=0-0"] {
            assert_eq!(select(header, 0), Nothing, "{header}");
        }
    }
}
