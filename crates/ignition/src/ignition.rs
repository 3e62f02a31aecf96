//! What `ignition` and `kernelArguments` say.

use std::collections::BTreeSet;

use flagstone_artifact::quote;

use crate::context::Context;
use crate::fields::Fields;
use crate::report::Problem;
use crate::resource::{self, Need};
use crate::url;

/// Checks `ignition`, but for its version.
pub(crate) fn check(ignition: &Fields<'_>, cx: &mut Context<'_>) {
    if let Some(config) = ignition.object("config") {
        // Version 3.0.0 let a reference without a source pass.
        let need = if cx.minor == 0 { Need::Optional } else { Need::Required };
        for merged in config.objects("merge") {
            resource::check(&merged, need, cx);
        }
        if let Some(replace) = config.object("replace") {
            resource::check(&replace, Need::Optional, cx);
        }
    }
    if let Some(proxy) = ignition.object("proxy") {
        check_proxy(&proxy, cx);
    }
    let tls = ignition.object("security").and_then(|security| security.object("tls"));
    for authority in tls.into_iter().flat_map(|tls| tls.objects("certificateAuthorities")) {
        resource::check(&authority, Need::Required, cx);
    }
    if let Some(timeouts) = ignition.object("timeouts") {
        for key in ["httpResponseHeaders", "httpTotal"] {
            if let Some(seconds) = timeouts.integer(key).filter(|seconds| seconds.value < 0) {
                let problem = Problem::fails(seconds.span, "a time is less than nothing");
                cx.add(problem.expected("seconds; 0 for no limit"));
            }
        }
    }
}

fn check_proxy(proxy: &Fields<'_>, cx: &mut Context<'_>) {
    for (key, secure) in [("httpProxy", false), ("httpsProxy", true)] {
        let Some(url) = proxy.text(key) else { continue };
        let scheme = url::scheme(url.value);
        match scheme.as_deref() {
            Ok("https") => {}
            Ok("http") => {
                if secure {
                    let message = "the proxy for https is spoken to without encryption";
                    cx.add(Problem::doubtful(url.span, message));
                }
            }
            _ => {
                let problem = Problem::refused(url.span, "this is no address of a proxy");
                cx.add(
                    problem.expected("http: or https: and what follows").found(quote(url.value)),
                );
            }
        }
    }
}

/// The most bytes of arguments that the addon takes, but for what is around them
/// (`flagstone_boot::ADDON_ROOM`).
const ARGUMENTS_MAX: usize = 1536 - "flagstone.arguments  flagstone.arguments.end".len();

/// Checks `kernelArguments`: what is added goes into an addon that nobody has signed, and what the image has stays.
pub(crate) fn check_arguments(arguments: &Fields<'_>, cx: &mut Context<'_>) {
    const HINT: &str = "put them into the recipe, as [kernel] cmdline";
    let mut seen = BTreeSet::new();
    for (key, message) in [
        ("shouldExist", "a machine with Secure Boot does not take them, and the boot fails here"),
        ("shouldNotExist", "what the kernel image itself has stays, and the boot fails here"),
    ] {
        let mut length = 0;
        for argument in arguments.texts(key) {
            length += argument.value.len() + 1;
            if !seen.insert(argument.value) {
                let message = format!("{} is there twice", quote(argument.value));
                cx.add(Problem::refused(argument.span, message));
            }
            if argument.value.is_empty()
                || !argument.value.bytes().all(|b| matches!(b, b' '..=b'~'))
            {
                let problem = Problem::fails(argument.span, "the kernel does not take this");
                cx.add(problem.expected("plain ASCII").found(quote(argument.value)));
            }
        }
        if length == 0 {
            continue;
        }
        let place = arguments.place(key);
        cx.add(Problem::doubtful(place, message).hint(HINT));
        if key == "shouldExist" && length - 1 > ARGUMENTS_MAX {
            let problem = Problem::fails(place, "there is no room for so many arguments");
            let expected = format!("at most {ARGUMENTS_MAX} bytes");
            cx.add(problem.expected(expected).found(format!("{} bytes", length - 1)).hint(HINT));
        }
    }
}
