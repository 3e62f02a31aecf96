use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{Config, DhcpConfig, HttpBoot, Limits, LogFormat, ProfileSpec, TlsFiles};
use crate::diagnostic::{Located, Mistake, Mistakes, Place, Text};
use crate::group::{self, Group};
use crate::label::{LabelName, Labels, STANDARD};
use crate::suggest::nearest;
use crate::template::{OWN, is_name};

/// The keys of each table; `*` stands for a name of the user's own.
const KEYS: [(&[&str], &[&str]); 8] = [
    (
        &[],
        &[
            "listen", "folders", "ipxe", "url", "check", "labels", "tls", "tftp", "dhcp", "limits",
            "log", "profiles", "groups",
        ],
    ),
    (&["tls"], &["certificate", "key"]),
    (&["tftp"], &["enable", "listen"]),
    (&["dhcp"], &["proxy", "listen", "boot", "address", "interface", "http-boot"]),
    (
        &["limits"],
        &[
            "connections",
            "header-bytes",
            "header-seconds",
            "write-seconds",
            "minimum-rate",
            "grace-seconds",
        ],
    ),
    (&["log"], &["format"]),
    (&["profiles", "*"], &["kernel", "initrd", "uki", "script", "cmdline", "ignition"]),
    (&["groups", "*"], &["profile", "match", "metadata"]),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    listen: Option<SocketAddr>,
    #[serde(default)]
    folders: Vec<PathBuf>,
    ipxe: Option<PathBuf>,
    url: Option<Spanned<String>>,
    check: Option<bool>,
    #[serde(default)]
    labels: Vec<Spanned<String>>,
    tls: Option<RawTls>,
    tftp: Option<RawTftp>,
    dhcp: Option<RawDhcp>,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    log: RawLog,
    #[serde(default)]
    profiles: BTreeMap<Spanned<String>, RawProfile>,
    #[serde(default)]
    groups: BTreeMap<Spanned<String>, RawGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTftp {
    enable: Option<bool>,
    listen: Option<SocketAddr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawDhcp {
    #[serde(default)]
    proxy: bool,
    listen: Option<SocketAddr>,
    boot: Option<SocketAddr>,
    address: Option<Ipv4Addr>,
    interface: Option<String>,
    #[serde(default)]
    http_boot: RawHttpBoot,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawHttpBoot {
    #[default]
    Ipxe,
    Uki,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawLimits {
    connections: Option<Spanned<u64>>,
    header_bytes: Option<Spanned<u64>>,
    header_seconds: Option<Spanned<u64>>,
    write_seconds: Option<Spanned<u64>>,
    minimum_rate: Option<Spanned<u64>>,
    grace_seconds: Option<Spanned<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLog {
    format: Option<RawFormat>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawFormat {
    Json,
    Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProfile {
    kernel: Option<Spanned<String>>,
    #[serde(default)]
    initrd: Vec<Spanned<String>>,
    uki: Option<Spanned<String>>,
    script: Option<Spanned<String>>,
    #[serde(default)]
    cmdline: Vec<Spanned<String>>,
    ignition: Option<Spanned<PathBuf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    profile: Spanned<String>,
    #[serde(default, rename = "match")]
    selectors: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    metadata: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// Reads a configuration: first its syntax, then its keys, then its values.
pub(crate) fn parse(path: &Path, content: String) -> Result<Config, Mistakes> {
    let text = Arc::new(Text { path: path.to_owned(), content });
    let one = |error: &toml::de::Error| {
        let place = error.span().map_or_else(|| Place::whole(path), |span| Place::at(&text, &span));
        Mistakes(vec![place.mistake(error.message(), None)])
    };
    let table = DeTable::parse(&text.content).map_err(|error| one(&error))?;
    let mut mistakes = Vec::new();
    check_keys(table.get_ref(), &mut Vec::new(), &text, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    let raw: RawConfig = toml::from_str(&text.content).map_err(|error| one(&error))?;
    let mut reader = Reader { text: Arc::clone(&text), mistakes };
    let config = reader.config(raw);
    if reader.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(reader.mistakes)) }
}

fn check_keys<'t>(
    table: &'t DeTable<'_>,
    path: &mut Vec<&'t str>,
    text: &Arc<Text>,
    mistakes: &mut Vec<Mistake>,
) {
    let is_here = |pattern: &&[&str]| {
        pattern.len() == path.len() && pattern.iter().zip(&*path).all(|(p, k)| *p == "*" || p == k)
    };
    let known = KEYS.iter().find(|(pattern, _)| is_here(pattern)).map_or(&[][..], |(_, keys)| keys);
    for (key, value) in table {
        let name: &str = key.get_ref();
        if !known.is_empty() && !known.contains(&name) {
            let hint = nearest(name, known).map_or_else(
                || format!("known here: {}", known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let place = Place::at(text, &key.span());
            mistakes.push(place.mistake(format!("unknown key `{name}`"), Some(hint)));
            continue;
        }
        if let DeValue::Table(inner) = value.get_ref() {
            path.push(name);
            check_keys(inner, path, text, mistakes);
            path.pop();
        }
    }
}

/// Turns raw values into checked ones; what is wrong with them adds up.
struct Reader {
    text: Arc<Text>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn config(&mut self, raw: RawConfig) -> Config {
        let defaults = Config::default();
        let folder = self.text.path.parent().unwrap_or(Path::new("")).to_owned();
        let tls = raw.tls.map(|tls| TlsFiles {
            certificate: folder.join(tls.certificate),
            key: folder.join(tls.key),
        });
        let dhcp = raw.dhcp.filter(|dhcp| dhcp.proxy).map(|dhcp| {
            let usual = DhcpConfig::default();
            DhcpConfig {
                listen: dhcp.listen.unwrap_or(usual.listen),
                boot: dhcp.boot.unwrap_or(usual.boot),
                address: dhcp.address,
                interface: dhcp.interface,
                http_boot: match dhcp.http_boot {
                    RawHttpBoot::Ipxe => HttpBoot::Ipxe,
                    RawHttpBoot::Uki => HttpBoot::Uki,
                },
            }
        });
        // Firmware that asks a proxy is sent to TFTP, unless it is told not to.
        let wanted = raw.tftp.as_ref().and_then(|tftp| tftp.enable).unwrap_or(dhcp.is_some());
        let tftp = wanted.then(|| raw.tftp.and_then(|tftp| tftp.listen).unwrap_or(Config::TFTP));
        let url = raw.url.and_then(|url| self.word(&url));
        let labels = raw.labels.iter().filter_map(|name| self.word(name)).collect();
        let profiles: Vec<ProfileSpec> =
            raw.profiles.into_iter().map(|(name, raw)| self.profile(&folder, &name, raw)).collect();
        let groups: Vec<Group> =
            raw.groups.into_iter().map(|(name, raw)| self.group(&name, raw, &profiles)).collect();
        self.mistakes.extend(group::twins(&groups));
        Config {
            listen: raw.listen.unwrap_or(defaults.listen),
            folders: raw.folders.into_iter().map(|path| folder.join(path)).collect(),
            ipxe: raw.ipxe.map(|path| folder.join(path)).or(defaults.ipxe),
            check: raw.check.unwrap_or(true),
            tftp,
            dhcp,
            tls,
            limits: self.limits(&raw.limits),
            log: match raw.log.format {
                Some(RawFormat::Json) => LogFormat::Json,
                _ => LogFormat::Text,
            },
            url,
            labels,
            profiles,
            groups,
        }
    }

    fn limits(&mut self, raw: &RawLimits) -> Limits {
        let usual = Limits::default();
        let seconds = |value: u64| Duration::from_secs(value);
        let connections = self.bounded(raw.connections.as_ref(), 1, 1 << 20);
        // hyper reads heads into no less.
        let header_bytes = self.bounded(raw.header_bytes.as_ref(), 8 << 10, 1 << 20);
        let size = |value: Option<u64>, usual| {
            value.and_then(|value| usize::try_from(value).ok()).unwrap_or(usual)
        };
        let header_time = self.bounded(raw.header_seconds.as_ref(), 1, 3600);
        let write_time = self.bounded(raw.write_seconds.as_ref(), 1, 3600);
        let minimum_rate = self.bounded(raw.minimum_rate.as_ref(), 0, 1 << 30);
        let grace = self.bounded(raw.grace_seconds.as_ref(), 0, 3600);
        Limits {
            connections: size(connections, usual.connections),
            header_bytes: size(header_bytes, usual.header_bytes),
            header_time: header_time.map_or(usual.header_time, seconds),
            write_time: write_time.map_or(usual.write_time, seconds),
            minimum_rate: minimum_rate.unwrap_or(usual.minimum_rate),
            grace: grace.map_or(usual.grace, seconds),
        }
    }

    fn bounded(&mut self, value: Option<&Spanned<u64>>, least: u64, most: u64) -> Option<u64> {
        let value = value?;
        if !(least..=most).contains(value.get_ref()) {
            let message = format!("{} is out of bounds", value.get_ref());
            let place = Place::at(&self.text, &value.span());
            self.mistakes.push(place.mistake(message, Some(format!("it is {least} to {most}"))));
        }
        Some(*value.get_ref())
    }

    fn profile(&mut self, folder: &Path, name: &Spanned<String>, raw: RawProfile) -> ProfileSpec {
        let located = |value: Spanned<String>| self.located(value);
        let profile = ProfileSpec {
            name: self.located(name.clone()),
            kernel: raw.kernel.map(located),
            initrd: raw.initrd.into_iter().map(located).collect(),
            uki: raw.uki.map(located),
            script: raw.script.map(located),
            cmdline: raw.cmdline.into_iter().map(located).collect(),
            ignition: raw.ignition.map(|path| {
                let Located { value, place } = self.located(path);
                Located { value: folder.join(value), place }
            }),
        };
        let boots = profile.kernel.is_some() || profile.uki.is_some() || profile.script.is_some();
        if !boots && (profile.ignition.is_none() || !profile.initrd.is_empty()) {
            let message = format!("the profile `{}` boots nothing", profile.name.value);
            let hint = "name `kernel` and `initrd`, a `script` of a build, or a `uki`".to_owned();
            self.mistakes.push(profile.name.place.mistake(message, Some(hint)));
        }
        profile
    }

    fn group(&mut self, name: &Spanned<String>, raw: RawGroup, profiles: &[ProfileSpec]) -> Group {
        let Located { value: profile, place } = self.located(raw.profile);
        let names: Vec<&str> = profiles.iter().map(|known| known.name.value.as_str()).collect();
        if !names.contains(&profile.as_str()) {
            let hint = nearest(&profile, &names).map(|near| format!("did you mean `{near}`?"));
            let hint = hint.or_else(|| Some(format!("add a table [profiles.{profile}]")));
            self.mistakes.push(place.mistake(format!("there is no profile `{profile}`"), hint));
        }
        let mut selectors = Labels::default();
        for (name, value) in &raw.selectors {
            let Some(label) = self.word::<LabelName>(name) else { continue };
            if let Err(error) = selectors.insert(label, value.get_ref()) {
                let place = Place::at(&self.text, &value.span());
                self.mistakes.push(place.mistake(error.to_string(), None));
            }
        }
        raw.metadata.keys().for_each(|name| self.metadata_name(name));
        let metadata = raw.metadata.into_iter();
        let metadata = metadata.map(|(name, value)| (name.into_inner(), value.into_inner()));
        Group {
            name: name.get_ref().clone(),
            place: Place::at(&self.text, &name.span()),
            profile,
            metadata: metadata.collect(),
            selectors,
        }
    }

    fn metadata_name(&mut self, name: &Spanned<String>) {
        let text = name.get_ref().as_str();
        let message = if !is_name(text) {
            format!("{text:?} is not the name of a variable")
        } else if OWN.contains(&text) || STANDARD.contains(&text) {
            format!("`{text}` has a meaning of its own")
        } else {
            return;
        };
        let hint = Some("choose another name: a letter, then a-z, 0-9, `-` and `_`".to_owned());
        self.mistakes.push(Place::at(&self.text, &name.span()).mistake(message, hint));
    }

    fn located<T>(&self, value: Spanned<T>) -> Located<T> {
        let place = Place::at(&self.text, &value.span());
        Located { value: value.into_inner(), place }
    }

    fn word<T: std::str::FromStr<Err: std::fmt::Display>>(
        &mut self,
        text: &Spanned<String>,
    ) -> Option<T> {
        let parsed = text.get_ref().parse();
        let place = || Place::at(&self.text, &text.span());
        parsed
            .map_err(|error: T::Err| self.mistakes.push(place().mistake(error.to_string(), None)))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> String {
        parse(Path::new("s.toml"), text.to_owned()).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_file_says_what_the_program_would_do_anyway() {
        let config = parse(Path::new("d/s.toml"), String::new()).unwrap();
        assert!(config.tftp.is_none() && config.dhcp.is_none() && config.tls.is_none());
        assert!(config.check && config.folders.is_empty());
        let text = "folders = [\"out\", \"/x\"]\n[dhcp]\nproxy = true\n";
        let config = parse(Path::new("d/s.toml"), text.to_owned()).unwrap();
        assert_eq!(config.folders, [PathBuf::from("d/out"), PathBuf::from("/x")]);
        assert_eq!(config.tftp, Some(Config::TFTP));
        assert_eq!(config.dhcp.map(|dhcp| dhcp.listen.port()), Some(67));
    }

    #[test]
    fn each_mistake_says_where_and_what_to_do() {
        let profile = "[profiles.a]\nkernel = \"k\"\n";
        for (text, shown) in [
            ("lissen = 1", "s.toml:1:1: unknown key `lissen`\n  = hint: did you mean `listen`?"),
            (
                "[profiles.a]\nkernal = 1",
                "s.toml:2:1: unknown key `kernal`\n  = hint: did you mean `kernel`?",
            ),
            (
                "[groups.a]\nmatches = {}",
                "s.toml:2:1: unknown key `matches`\n  = hint: did you mean `match`?",
            ),
            ("[log]\nx = 1", "s.toml:2:1: unknown key `x`\n  = hint: known here: format"),
            ("listen = ", "s.toml:1:10: "),
            ("listen = 80", "s.toml:1:10: invalid type"),
            ("listen = \"x\"", "s.toml:1:10: invalid socket address syntax"),
            ("url = \"a b\"", "s.toml:1:7: not a base URL"),
            ("labels = [\"A\"]", "s.toml:1:11: \"A\" is not a label's name"),
            (
                "[limits]\nconnections = 0",
                "s.toml:2:15: 0 is out of bounds\n  = hint: it is 1 to 1048576",
            ),
            ("[profiles.a]\n", "s.toml:1:11: the profile `a` boots nothing"),
            ("[groups.a]\nprofile = \"b\"", "s.toml:2:11: there is no profile `b`"),
            (
                &format!("{profile}[groups.g]\nprofile = \"a\"\nmatch = {{ mac = \"1\" }}"),
                "s.toml:5:17: the label `mac` is not",
            ),
            (
                &format!("{profile}[groups.g]\nprofile = \"a\"\nmetadata = {{ mac = \"1\" }}"),
                "s.toml:5:14: `mac` has a meaning of its own",
            ),
            (
                &format!("{profile}[groups.g]\nprofile = \"a\"\n[groups.h]\nprofile = \"a\""),
                "s.toml:5:9: the groups `g` and `h` match the same machines",
            ),
        ] {
            assert!(mistakes(text).starts_with(shown), "{text}: {}", mistakes(text));
        }
    }
}
