//! Sources: contents of files, other configurations, certificates, keys.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256, Sha512};

use flagstone_artifact::quote;

use crate::context::Context;
use crate::data_url;
use crate::fields::Fields;
use crate::report::Problem;
use crate::url;

/// Whether a source has to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// Checks a source with its headers, compression and digest.
pub(crate) fn check(resource: &Fields<'_>, need: Need, cx: &mut Context<'_>) {
    let scheme = source(resource, need, cx);
    compression(resource, cx);
    headers(resource, scheme.as_deref(), cx);
    let hash = resource.object("verification").filter(|verification| verification.has("hash"));
    if let Some(verification) = &hash {
        digest(resource, verification, cx);
    }
    let plain = matches!(scheme.as_deref(), Some("http" | "tftp"));
    if plain && hash.is_none() {
        let message = "whoever is on the network's way can change what this loads";
        cx.add(
            Problem::doubtful(resource.place("source"), message)
                .hint("give its digest as `verification.hash`, or use https"),
        );
    }
}

fn source(resource: &Fields<'_>, need: Need, cx: &mut Context<'_>) -> Option<String> {
    let Some(source) = resource.filled("source") else {
        if need == Need::Required {
            cx.add(Problem::refused(resource.place("source"), "there is no source"));
        }
        return None;
    };
    match url::check_source(source.value, cx.minor) {
        Ok(scheme) => Some(scheme),
        Err(why) => {
            let expected = "data:, http:, https:, tftp:, s3: or gs: and what follows";
            let message = format!("the source is no address that Ignition takes: {why}");
            let problem = Problem::refused(source.span, message).found(quote(source.value));
            cx.add(if why.contains("scheme") { problem.expected(expected) } else { problem });
            None
        }
    }
}

fn compression(resource: &Fields<'_>, cx: &mut Context<'_>) {
    let Some(compression) = resource.filled("compression") else { return };
    if compression.value != "gzip" {
        cx.add(
            Problem::refused(compression.span, "there is no such compression")
                .expected("`gzip`, or no such key")
                .found(quote(compression.value)),
        );
        return;
    }
    let data = resource.filled("source").and_then(|source| data_url::decode(source.value).ok());
    if data.is_some_and(|data| !data.starts_with(&[0x1f, 0x8b])) {
        let message = "the data is not compressed with gzip";
        cx.add(Problem::fails(compression.span, message));
    }
}

fn headers(resource: &Fields<'_>, scheme: Option<&str>, cx: &mut Context<'_>) {
    let mut any = false;
    for header in resource.objects("httpHeaders") {
        any = true;
        if header.filled("name").is_none() {
            cx.add(Problem::refused(header.place("name"), "a header has no name"));
        }
        match header.text("value") {
            Some(value) if value.value.is_empty() => {
                cx.add(Problem::refused(value.span, "a header has an empty value"));
            }
            Some(_) => {}
            None if header.has("value") => {}
            None => {
                cx.add(
                    Problem::doubtful(header.span, "a header has no value")
                        .hint("where configurations are merged, it removes the header"),
                );
            }
        }
    }
    let sound = resource.filled("source").is_none() || scheme.is_some();
    if any && sound && !matches!(scheme, Some("http" | "https")) {
        let place = resource.place("httpHeaders");
        let message = "only sources by http and https have headers";
        cx.add(Problem::refused(place, message));
    }
}

fn digest(resource: &Fields<'_>, verification: &Fields<'_>, cx: &mut Context<'_>) {
    if !resource.has("source") {
        let message = "there is a digest, and no source that it is of";
        cx.add(Problem::refused(verification.place("hash"), message));
    }
    let Some(hash) = verification.text("hash") else { return };
    let expected = if cx.minor == 0 {
        "`sha512-` and 128 hexadecimal digits"
    } else {
        "`sha512-` and 128, or `sha256-` and 64 hexadecimal digits"
    };
    let (function, sum) = hash.value.split_once('-').unwrap_or((hash.value, ""));
    let digits = match function {
        "sha512" => 128,
        "sha256" if cx.minor > 0 => 64,
        _ => 0,
    };
    if digits == 0 || sum.len() != digits {
        let found = if digits == 0 {
            quote(hash.value)
        } else {
            format!("{} characters after `{function}-`", sum.chars().count())
        };
        let problem = Problem::refused(hash.span, "this is no digest");
        cx.add(problem.expected(expected).found(found));
        return;
    }
    if !sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        let message = "the digest has other characters than 0 to 9 and a to f";
        cx.add(Problem::fails(hash.span, message));
        return;
    }
    // With compression, the digest is of what comes out.
    let source = resource.filled("source").filter(|_| resource.filled("compression").is_none());
    let Some(data) = source.and_then(|source| data_url::decode(source.value).ok()) else { return };
    let actual = match function {
        "sha256" => hex(&Sha256::digest(&data)),
        _ => hex(&Sha512::digest(&data)),
    };
    if actual != sum {
        let message = "the digest is not that of the data";
        let problem = Problem::fails(hash.span, message);
        cx.add(problem.expected(format!("`{function}-{actual}`")));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
