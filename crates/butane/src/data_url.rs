//! Contents as `data:` addresses (RFC 2397), in the shortest of three forms.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Characters that stand for themselves beside letters and digits (RFC 2396, section 2.3).
const UNRESERVED: &[u8] = b"-_.!~*'()";

/// Contents, ready for a `source`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DataUrl {
    pub(crate) url: String,
    /// Whether they are compressed with gzip.
    pub(crate) gzip: bool,
}

impl DataUrl {
    /// Writes contents with %XX, the only form of the first version.
    pub(crate) fn escaped(contents: &[u8]) -> Self {
        let mut url = String::from("data:,");
        for byte in contents {
            if byte.is_ascii_alphanumeric() || UNRESERVED.contains(byte) {
                url.push(char::from(*byte));
            } else {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        Self { url, gzip: false }
    }

    /// Writes contents in their shortest form, compressed only if they may be.
    pub(crate) fn shortest(contents: &[u8], may_compress: bool) -> Self {
        let mut best = Self::escaped(contents);
        let base64 = in_base64(contents);
        if base64.len() < best.url.len() {
            best.url = base64;
        }
        if may_compress {
            let gzip = in_base64(&compressed(contents));
            // The word `gzip` has to be written, too.
            if gzip.len() + "gzip".len() < best.url.len() {
                best = Self { url: gzip, gzip: true };
            }
        }
        best
    }
}

fn in_base64(data: &[u8]) -> String {
    format!("data:;base64,{}", STANDARD.encode(data))
}

fn compressed(contents: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(contents).and_then(|()| encoder.finish());
    written.expect("memory takes every write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_form_is_taken() {
        for (contents, may_compress, url) in [
            ("", true, "data:,"),
            ("hello world", true, "data:,hello%20world"),
            ("=\n\u{e9}\u{e9}\u{e9}", true, "data:;base64,PQrDqcOpw6k="),
            ("a-_.!~*'()", true, "data:,a-_.!~*'()"),
        ] {
            let found = DataUrl::shortest(contents.as_bytes(), may_compress);
            assert_eq!(found, DataUrl { url: url.to_owned(), gzip: false }, "{contents}");
        }
        let long = "hello world\n".repeat(50);
        let found = DataUrl::shortest(long.as_bytes(), true);
        assert!(found.gzip && found.url.starts_with("data:;base64,H4sI"), "{found:?}");
        let found = DataUrl::shortest(long.as_bytes(), false);
        assert!(!found.gzip && found.url.len() > 700, "{found:?}");
    }
}
