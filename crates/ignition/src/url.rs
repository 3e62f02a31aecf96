//! Addresses of sources, as far as Ignition's own library looks at them.

use crate::data_url;

/// Returns the scheme of an address in small letters; empty if there is none.
///
/// # Errors
/// What keeps it from being an address.
pub(crate) fn scheme(url: &str) -> Result<String, &'static str> {
    if url.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err("it has a control character");
    }
    let Some((scheme, rest)) = url.split_once(':') else { return Ok(String::new()) };
    let mut chars = scheme.chars();
    let sound = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !sound {
        return Ok(String::new());
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    escapes(fragment)?;
    let rest = rest.split('?').next().unwrap_or_default();
    if let Some(after) = rest.strip_prefix("//") {
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        check_authority(authority)?;
        escapes(path)?;
    } else if rest.starts_with('/') {
        escapes(rest)?;
    }
    Ok(scheme.to_ascii_lowercase())
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    escapes(user)?;
    let port = if let Some(rest) = host.strip_prefix('[') {
        rest.split_once(']').ok_or("its host has no ]")?.1
    } else {
        if host.bytes().any(|byte| b" \"<>\\^`{|}".contains(&byte)) {
            return Err("its host has characters that no name has");
        }
        host.find(':').map_or("", |at| &host[at..])
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("its port is no number");
    }
    Ok(())
}

/// Checks that each `%` is followed by two hexadecimal digits.
fn escapes(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    let mut percents = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    let whole = percents.all(|(at, _)| {
        bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    });
    if whole { Ok(()) } else { Err("a % is not followed by two hexadecimal digits") }
}

/// Checks the address of a source.
///
/// # Errors
/// Why Ignition refuses it under this version of the specification.
pub(crate) fn check_source(url: &str, minor: u8) -> Result<String, &'static str> {
    let scheme = scheme(url)?;
    match scheme.as_str() {
        "http" | "https" | "tftp" => {}
        "gs" if minor >= 2 => {}
        "gs" => return Err("gs came with version 3.2.0"),
        "s3" => object_version(url)?,
        "arn" if minor >= 4 => check_arn(url)?,
        "arn" => return Err("arn came with version 3.4.0-experimental"),
        "data" => drop(data_url::decode(url)?),
        "" => return Err("it has no scheme"),
        _ => return Err("its scheme is unknown to Ignition"),
    }
    Ok(scheme)
}

/// Checks `arn:PARTITION:s3:REGION:ACCOUNT:BUCKET/KEY`.
fn check_arn(url: &str) -> Result<(), &'static str> {
    let name = url.split(['?', '#']).next().unwrap_or_default();
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    let [_, _, "s3", _, _, resource] = parts[..] else {
        return Err("it is no ARN of an object in S3");
    };
    let needed = if resource.starts_with("accesspoint/") { 2 } else { 1 };
    if name.matches('/').count() < needed {
        return Err("it is no ARN of an object in S3");
    }
    object_version(url)
}

fn object_version(url: &str) -> Result<(), &'static str> {
    let query = url.split('#').next().and_then(|url| url.split_once('?')).map_or("", |two| two.1);
    let first = query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == "versionId").then_some(value)
    });
    if first == Some("") { Err("its versionId is empty") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_judged_by_scheme_and_form() {
        for (url, minor, judged) in [
            ("https://a.example/b%20c", 3, Ok("https")),
            ("HTTP://[2001:db8::1]:8080/", 3, Ok("http")),
            ("tftp://a/b", 0, Ok("tftp")),
            ("gs://bucket/o", 2, Ok("gs")),
            ("gs://bucket/o", 1, Err("gs came with version 3.2.0")),
            ("s3://bucket/o?versionId=1", 3, Ok("s3")),
            ("s3://bucket/o?versionId=", 3, Err("its versionId is empty")),
            ("arn:aws:s3:::bucket/o", 4, Ok("arn")),
            ("arn:aws:s3:::bucket", 4, Err("it is no ARN of an object in S3")),
            ("arn:aws:iam:::bucket/o", 4, Err("it is no ARN of an object in S3")),
            ("arn:aws:s3:::bucket/o", 3, Err("arn came with version 3.4.0-experimental")),
            ("ftp://a/b", 3, Err("its scheme is unknown to Ignition")),
            ("/a/b", 3, Err("it has no scheme")),
            ("https://a/%zz", 3, Err("a % is not followed by two hexadecimal digits")),
            ("https://a:b/", 3, Err("its port is no number")),
            ("https://a b/", 3, Err("its host has characters that no name has")),
            ("https://a/\n", 3, Err("it has a control character")),
        ] {
            assert_eq!(check_source(url, minor).as_deref(), judged.as_ref().map(|s| *s), "{url}");
        }
    }
}
