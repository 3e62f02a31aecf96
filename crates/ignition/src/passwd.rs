//! Users and groups.

use flagstone_artifact::quote;

use crate::context::Context;
use crate::fields::{Fields, Located};
use crate::report::Problem;

/// Kinds of keys that OpenSSH takes (sshd(8), "`AUTHORIZED_KEYS` FILE FORMAT").
const KEY_TYPES: [&str; 9] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-dss",
    "ssh-ed25519-cert-v01@openssh.com",
];

/// Beginnings of hashes that Debian's libcrypt knows (crypt(5)).
const HASHES: [&str; 9] = ["$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$6$", "$5$", "$1$"];

/// Checks `passwd`.
pub(crate) fn check(passwd: &Fields<'_>, cx: &mut Context<'_>) {
    for group in passwd.objects("groups") {
        check_name(&group, "a group", cx);
        check_number(&group, "gid", cx);
        check_hash(&group, cx);
    }
    for user in passwd.objects("users") {
        check_name(&user, "a user", cx);
        check_number(&user, "uid", cx);
        check_hash(&user, cx);
        for key in user.texts("sshAuthorizedKeys") {
            check_key(&key, cx);
        }
        for path in ["homeDir", "shell"].iter().filter_map(|key| user.filled(key)) {
            if !path.value.starts_with('/') {
                cx.add(
                    Problem::fails(path.span, "the path is not absolute").found(quote(path.value)),
                );
            }
        }
        if let Some(shell) = user.filled("shell")
            && let Some((folder, program)) = shell.value.rsplit_once('/')
            && let Some(shipped) = cx.shipped
            && matches!(folder, "/bin" | "/usr/bin" | "/sbin" | "/usr/sbin")
            && !shipped.has_program(program)
        {
            cx.add(Problem::doubtful(shell.span, "the image has no such shell"));
        }
    }
}

/// Checks a name as useradd(8) of Debian takes it.
fn check_name(fields: &Fields<'_>, what: &str, cx: &mut Context<'_>) {
    let name = fields.text("name").map_or("", |name| name.value);
    let place = fields.place("name");
    let bad = |c: char| c.is_control() || c.is_whitespace() || ":,/".contains(c);
    if name.is_empty() {
        cx.add(Problem::fails(place, format!("{what} has no name")));
    } else if name.len() > 32 {
        let problem = Problem::fails(place, "the name is too long").expected("at most 32 bytes");
        cx.add(problem.found(format!("{} bytes", name.len())));
    } else if name.starts_with(['-', '+', '~']) || name.contains(bad) {
        let message = format!("{what} cannot have this name");
        cx.add(Problem::fails(place, message).found(quote(name)));
    }
}

fn check_number(fields: &Fields<'_>, key: &str, cx: &mut Context<'_>) {
    let Some(number) = fields.integer(key) else { return };
    // The highest two mean "none".
    if !(0..i64::from(u32::MAX) - 1).contains(&number.value) {
        cx.add(Problem::fails(number.span, format!("no {key} is such a number")));
    }
}

fn check_hash(fields: &Fields<'_>, cx: &mut Context<'_>) {
    let Some(hash) = fields.filled("passwordHash") else { return };
    let text = hash.value;
    // The text itself is not shown: it may be a password.
    if text.contains([':', '\n']) {
        let message = "a hash of a password has neither colons nor line ends";
        cx.add(Problem::fails(hash.span, message));
        return;
    }
    let locked = text.starts_with(['*', '!']);
    let known =
        HASHES.iter().any(|known| text.starts_with(known)) && text.matches('$').count() >= 3;
    if !locked && !known {
        cx.add(
            Problem::doubtful(hash.span, "this is no hash of a password that log-ins know")
                .expected("`$y$…`, `$6$…` or the like, or `*` for none")
                .hint("mkpasswd --method=yescrypt makes one"),
        );
    } else if text.starts_with("$1$") {
        cx.add(Problem::doubtful(hash.span, "MD5 hashes of passwords are broken quickly"));
    }
}

/// Checks one line of `authorized_keys`; options may precede the key.
fn check_key(key: &Located<'_, &str>, cx: &mut Context<'_>) {
    let text = key.value.trim();
    if text.contains("PRIVATE KEY") {
        let message = "this is a private key: whoever reads the configuration has it";
        cx.add(Problem::fails(key.span, message).expected("the public key, in `.pub`"));
        return;
    }
    if text.contains(['\n', '\r']) {
        cx.add(
            Problem::doubtful(key.span, "there is more than one line").hint("one key, one string"),
        );
        return;
    }
    let mut words = text.split_whitespace().skip_while(|word| !KEY_TYPES.contains(word));
    let (kind, data) = (words.next(), words.next());
    let Some(kind) = kind else {
        let types = KEY_TYPES[..3].join(", ");
        let problem = Problem::doubtful(key.span, "this is no key that ssh takes");
        cx.add(
            problem.expected(format!("`TYPE BASE64 COMMENT` with a type of {types} or the like")),
        );
        return;
    };
    // The data begins with the length of the type, as 32 bits, and the type: AAAA in base64.
    let sound = |data: &str| data.starts_with("AAAA") && data.len() >= 68;
    if !data.is_some_and(sound) {
        cx.add(Problem::doubtful(key.span, format!("the {kind} key is cut off, or none")));
    } else if kind == "ssh-dss" {
        cx.add(Problem::doubtful(key.span, "ssh takes no DSA keys any more"));
    }
}
