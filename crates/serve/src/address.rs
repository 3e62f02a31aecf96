use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// The URL that machines reach the server at, without a slash at its end: `http://192.0.2.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

/// A text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a base URL: it is written http://192.0.2.1:8080, with `https` and a host name if you like"
)]
pub(crate) struct BaseUrlError;

impl BaseUrl {
    /// Makes the URL from what a client wrote into its `Host` header, if that can be a host.
    pub(crate) fn from_host(host: &str, is_tls: bool) -> Result<Self, BaseUrlError> {
        let scheme = if is_tls { "https" } else { "http" };
        format!("{scheme}://{host}").parse()
    }

    /// Makes the URL from the address that a client came in at.
    pub(crate) fn from_address(address: SocketAddr, is_tls: bool) -> Self {
        let scheme = if is_tls { "https" } else { "http" };
        Self(format!("{scheme}://{address}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let text = text.trim_end_matches('/');
        let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let host = host.ok_or(BaseUrlError)?;
        let known = |b: u8| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b);
        let sound = !host.is_empty() && host.len() <= 260 && host.bytes().all(known);
        if sound { Ok(Self(text.to_owned())) } else { Err(BaseUrlError) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_header_cannot_smuggle_anything_into_a_script() {
        for (host, url) in [
            ("192.0.2.1:8080", Some("http://192.0.2.1:8080")),
            ("[2001:db8::1]:80", Some("http://[2001:db8::1]:80")),
            ("boot.example", Some("http://boot.example")),
            ("", None),
            ("a b", None),
            ("a\nboot", None),
            ("a/b", None),
            ("${x}", None),
            ("a@b", None),
        ] {
            let made = BaseUrl::from_host(host, false).ok();
            assert_eq!(made.as_ref().map(BaseUrl::as_str), url, "{host}");
        }
    }
}
