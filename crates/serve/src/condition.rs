use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE};

/// What tells one state of a file from another.
#[derive(Clone, Debug)]
pub(crate) struct Validators {
    /// The strong entity tag, quotes included.
    pub(crate) etag: String,
    /// When the file was changed, in whole seconds, as HTTP has them.
    pub(crate) modified: SystemTime,
}

impl Validators {
    /// Makes the validators of a file; `stamp` is its size, inode and time of change.
    pub(crate) fn new(len: u64, inode: u64, modified: SystemTime) -> Self {
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{len:x}-{inode:x}-{:x}\"", since.as_nanos());
        Self { etag, modified: UNIX_EPOCH + Duration::from_secs(since.as_secs()) }
    }

    /// Tells whether the client already has this state (RFC 9110, section 13.2.2).
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, &IF_NONE_MATCH) {
            let tags = tags.split(',').map(str::trim);
            return tags
                .map(|tag| tag.trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == self.etag);
        }
        let since =
            text(headers, &IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok());
        since.is_some_and(|since| self.modified <= since)
    }

    /// Tells whether a part of the file may be sent to who has other parts of this state
    /// (RFC 9110, section 13.1.5). Only a strong tag or the exact date will do.
    pub(crate) fn allows_range(&self, headers: &HeaderMap) -> bool {
        text(headers, &IF_RANGE).is_none_or(|condition| {
            condition == self.etag
                || httpdate::parse_http_date(condition).is_ok_and(|date| date == self.modified)
        })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn answers(name: HeaderName, value: &'static str) -> (bool, bool) {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_000_000_500);
        let validators = Validators::new(255, 1, modified);
        assert_eq!(validators.etag, "\"ff-1-de0b6b3c5316500\"");
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        (validators.is_known(&headers), validators.allows_range(&headers))
    }

    #[test]
    fn conditions_compare_states() {
        for (name, value, expected) in [
            (IF_NONE_MATCH, "\"ff-1-de0b6b3c5316500\"", (true, true)),
            (IF_NONE_MATCH, "\"a\", W/\"ff-1-de0b6b3c5316500\"", (true, true)),
            (IF_NONE_MATCH, "*", (true, true)),
            (IF_NONE_MATCH, "\"a\"", (false, true)),
            (IF_MODIFIED_SINCE, "Sun, 09 Sep 2001 01:46:40 GMT", (true, true)),
            (IF_MODIFIED_SINCE, "Sun, 09 Sep 2001 01:46:39 GMT", (false, true)),
            (IF_MODIFIED_SINCE, "yesterday", (false, true)),
            (IF_RANGE, "\"ff-1-de0b6b3c5316500\"", (false, true)),
            (IF_RANGE, "W/\"ff-1-de0b6b3c5316500\"", (false, false)),
            (IF_RANGE, "\"a\"", (false, false)),
            (IF_RANGE, "Sun, 09 Sep 2001 01:46:40 GMT", (false, true)),
            (IF_RANGE, "Sun, 09 Sep 2001 01:46:41 GMT", (false, false)),
        ] {
            assert_eq!(answers(name.clone(), value), expected, "{name}: {value}");
        }
    }
}
