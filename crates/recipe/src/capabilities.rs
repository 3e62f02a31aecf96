use std::fmt;
use std::str::FromStr;

use flagstone_artifact::ParseError;

use crate::decode::Word;
use flagstone_artifact::did_you_mean;

/// The names of Linux's capabilities without `cap_`, each at the place of its number
/// (`linux/capability.h`).
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// What a program may do though its user may not, as `setcap` takes it: `cap_net_raw=ep`.
///
/// One clause of `cap_text_formats(7)`: names, `=` or `+` (the same, where nothing was before), and
/// the sets they go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileCapabilities {
    /// One bit a capability, at the place of its number: what a process may take up.
    pub permitted: u64,
    /// What stays permitted over the start of this program.
    pub inheritable: u64,
    /// Whether the program starts with them in effect.
    pub effective: bool,
}

impl FileCapabilities {
    #[cfg(test)]
    pub(crate) fn pattern() -> String {
        let name = format!("cap_({})", NAMES.join("|"));
        format!("^{name}(,{name}){{0,40}}[=+](p|i|ep|pe|ei|ie|ip|pi|eip|epi|iep|ipe|pei|pie)$")
    }
}

/// Returns the number of a capability.
fn number(name: &str) -> Option<usize> {
    let name = name.strip_prefix("cap_")?;
    NAMES.iter().position(|known| *known == name)
}

impl FromStr for FileCapabilities {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).ok_or_else(|| ParseError {
            text: text.to_owned(),
            what: "a set of capabilities",
            rule: "it has names such as \"cap_net_raw\" joined by \",\", then \"=\", then \"e\", \
                   \"i\" and \"p\" as they apply, as in \"cap_net_raw=ep\"",
        })
    }
}

fn parse(text: &str) -> Option<FileCapabilities> {
    let (names, sets) = text.split_once(['=', '+'])?;
    if names.split(',').count() > NAMES.len() {
        return None;
    }
    let mut bits = 0_u64;
    for name in names.split(',') {
        bits |= 1 << number(name)?;
    }
    let count = |set: char| sets.chars().filter(|c| *c == set).count();
    let (effective, inheritable, permitted) = (count('e'), count('i'), count('p'));
    let known = effective + inheritable + permitted == sets.len();
    let once = effective <= 1 && inheritable <= 1 && permitted <= 1;
    (known && once && inheritable + permitted > 0).then_some(FileCapabilities {
        permitted: if permitted == 1 { bits } else { 0 },
        inheritable: if inheritable == 1 { bits } else { 0 },
        effective: effective == 1,
    })
}

impl fmt::Display for FileCapabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.permitted | self.inheritable;
        let names = NAMES.iter().enumerate().filter(|(number, _)| bits >> number & 1 == 1);
        let names: Vec<String> = names.map(|(_, name)| format!("cap_{name}")).collect();
        f.write_str(&names.join(","))?;
        f.write_str("=")?;
        for (letter, holds) in
            [("e", self.effective), ("i", self.inheritable != 0), ("p", self.permitted != 0)]
        {
            f.write_str(if holds { letter } else { "" })?;
        }
        Ok(())
    }
}

impl Word for FileCapabilities {
    fn hint(text: &str) -> Option<String> {
        let names = text.split(['=', '+']).next().unwrap_or_default();
        let unknown = names.split(',').find(|name| number(name).is_none());
        let Some(unknown) = unknown else {
            return Some(format!("did you mean `{names}=ep`?"));
        };
        let known = NAMES.map(|name| format!("cap_{name}"));
        did_you_mean(&unknown.to_ascii_lowercase(), known.iter().map(String::as_str))
            .or_else(|| did_you_mean(&format!("cap_{unknown}"), known.iter().map(String::as_str)))
    }
}

#[cfg(test)]
impl schemars::JsonSchema for FileCapabilities {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileCapabilities".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "a set of capabilities",
            "type": "string",
            "pattern": Self::pattern(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_what_setcap_makes_of_the_same_text() {
        let parse = |text: &str| text.parse::<FileCapabilities>().unwrap();
        let raw = parse("cap_net_raw=ep");
        assert_eq!((raw.permitted, raw.inheritable, raw.effective), (1 << 13, 0, true));
        let both = parse("cap_net_admin,cap_net_raw+eip");
        assert_eq!((both.permitted, both.inheritable), (3 << 12, 3 << 12));
        assert_eq!(parse("cap_checkpoint_restore=p").permitted, 1 << 40);
        assert_eq!(both.to_string(), "cap_net_admin,cap_net_raw=eip");
        for bad in [
            "",
            "=",
            "=ep",
            "cap_net_raw",
            "cap_net_raw=",
            "cap_net_raw=e",
            "cap_net_raw=pp",
            "cap_net_raw=epx",
            "net_raw=p",
            "cap_net_raw=+ep",
            "cap_net_raw, cap_kill=p",
            "CAP_KILL=p",
            "all=ep",
        ] {
            assert!(bad.parse::<FileCapabilities>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hints_name_the_capability_that_was_meant() {
        let hint = |text| FileCapabilities::hint(text).unwrap();
        assert_eq!(hint("cap_net_rwa=ep"), "did you mean `cap_net_raw`?");
        assert_eq!(hint("net_raw=ep"), "did you mean `cap_net_raw`?");
        assert_eq!(hint("CAP_KILL=ep"), "did you mean `cap_kill`?");
        assert_eq!(hint("cap_kill"), "did you mean `cap_kill=ep`?");
    }
}
