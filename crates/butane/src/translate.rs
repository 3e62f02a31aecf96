use std::ops::Range;

use flagstone_artifact::{Diagnostic, did_you_mean, quote};

use crate::files_dir::FilesDir;
use crate::findings::{Findings, Problem, Refusal};
use crate::json::{self, Json, JsonValue, Object, Places};
use crate::mount_unit::MountUnit;
use crate::release::{NEWEST, Release, Variant};
use crate::schema::{CONFIG, Fate, Key, Kind, Shape};
use crate::trees::Tree;
use crate::yaml::{Member, Node, Scalar, Value};
use crate::yaml_reader;

/// The longest text that is read, in bytes; what it embeds may have as many.
pub const SOURCE_MAX: usize = 10 << 20;

/// A configuration in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The JSON, with a line end.
    pub json: String,
    /// Where what stands in it comes from.
    pub places: Places,
    /// The YAML.
    pub source: String,
    /// What works and may not be meant.
    pub warnings: Vec<Diagnostic>,
    /// The version of Butane that it is written in, with its variant: `fcos 1.4.0`.
    pub stated: String,
    /// The version of Ignition's specification that the JSON states.
    pub ignition: String,
    /// Whether Butane itself would state a later one, of which nothing is used.
    pub lowered: bool,
}

/// Translates a configuration.
///
/// `path` is its name in messages. Files that it embeds come from `files`. The JSON has line ends
/// and spaces if it shall be `pretty`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn translate(
    path: &str,
    data: &[u8],
    files: Option<&FilesDir>,
    pretty: bool,
) -> Result<Translation, Refusal> {
    let text = checked(path, data)?;
    let mut out = Findings::new(path, text);
    let root = yaml_reader::read(text, &mut out);
    let release = root.as_ref().and_then(|root| release(root, &mut out));
    let (Some(root), Some(release)) = (root, release) else {
        return Err(out.finish().err().unwrap_or_default());
    };
    let mut translator =
        Translator { out, release, files, left: SOURCE_MAX, mounts: Vec::new(), trees: Vec::new() };
    let json = translator.config(&root);
    let warnings = translator.out.finish()?;
    let (json, places) = json::write(&json, pretty);
    Ok(Translation {
        json,
        places,
        source: text.to_owned(),
        warnings,
        stated: format!("{} {}", release.variant.name(), release.version),
        ignition: release.ignition(),
        lowered: release.minor > NEWEST,
    })
}

/// Returns a text that is short enough and no other encoding.
fn checked<'d>(path: &str, data: &'d [u8]) -> Result<&'d str, Refusal> {
    if data.len() > SOURCE_MAX {
        let problem = Diagnostic::new(path, "the file is too long for a configuration");
        return Err(problem.expected(format!("at most {SOURCE_MAX} bytes")).into());
    }
    if data.iter().all(u8::is_ascii_whitespace) {
        let hint = "`variant: fcos` and `version: 1.4.0` make one that does nothing";
        return Err(Diagnostic::new(path, "the file is empty").hint(hint).into());
    }
    std::str::from_utf8(data).map_err(|error| {
        let at = error.valid_up_to();
        let problem = Diagnostic::new(path, "the file is not UTF-8 text");
        problem.at(&String::from_utf8_lossy(data), &(at..at + 1)).into()
    })
}

fn release(root: &Node, out: &mut Findings<'_>) -> Option<Release> {
    if matches!(root.value, Value::Mapping(_)) {
        return Release::read(root, out);
    }
    let start = root.span.start;
    let problem = Problem::new(&(start..start + 1), "a configuration is a mapping");
    out.error(problem.expected("`variant: fcos` and other keys").found(root.kind()));
    None
}

/// What the translation of one configuration has so far.
pub(crate) struct Translator<'a> {
    pub(crate) out: Findings<'a>,
    pub(crate) release: Release,
    pub(crate) files: Option<&'a FilesDir>,
    /// How many bytes may still be embedded.
    pub(crate) left: usize,
    pub(crate) mounts: Vec<MountUnit>,
    pub(crate) trees: Vec<Tree>,
}

impl Translator<'_> {
    fn config(&mut self, root: &Node) -> Json {
        let mut config = Object::default();
        let mut sugar = Object::default();
        self.members(root.members(), &CONFIG, &mut config, &mut sugar);
        let stated = root.member("version").map_or(0..0, |member| member.node.span.clone());
        let ignition = config.object_mut("ignition", &stated);
        ignition.set("version", &stated, JsonValue::Text(self.release.ignition()));
        ignition.put_first("version");
        config.put_first("ignition");
        self.add_mount_units(&mut config);
        self.add_trees(&mut config);
        Json { span: root.span.clone(), value: JsonValue::Object(config) }
    }

    /// Translates a mapping: what is written goes into one object, what is sugar into another.
    fn members(
        &mut self,
        members: &[Member],
        shape: &'static Shape,
        written: &mut Object,
        sugar: &mut Object,
    ) {
        for member in members {
            let Some(key) = self.key(member, shape) else { continue };
            let Some(value) = self.value(&member.node, &key.kind) else { continue };
            // Empty ones mean the same as none.
            if value.is_empty() {
                continue;
            }
            let target = match key.fate {
                Fate::Written => &mut *written,
                Fate::Sugar => &mut *sugar,
            };
            target.push(&camel_case(key.name), member.key_span.clone(), value);
        }
    }

    /// Finds a key that may be used.
    fn key(&mut self, member: &Member, shape: &'static Shape) -> Option<&'static Key> {
        let span = &member.key_span;
        let Some(key) = shape.keys.iter().find(|key| key.name == member.key) else {
            let known = shape.keys.iter().filter(|key| !matches!(key.kind, Kind::Refused(_)));
            let names = known.map(|key| key.name);
            let hint = did_you_mean(&member.key, names.clone())
                .unwrap_or_else(|| format!("known are {}", names.collect::<Vec<_>>().join(", ")));
            let message = format!("unknown key {} {}", quote(&member.key), shape.place);
            let problem = Problem::new(span, message).hint(hint);
            self.out.error(problem);
            return None;
        };
        let Release { variant, version, minor } = self.release;
        let problem = if let Kind::Refused(why) = key.kind {
            Problem::new(span, format!("`{}` is not read here: {why}", key.name))
        } else if key.since > NEWEST && key.fate == Fate::Written {
            let message =
                format!("`{}` came with version 3.{}.0 of the specification", key.name, key.since);
            Problem::new(span, message)
                .expected(format!("keys up to 3.{NEWEST}.0, which images read"))
        } else if key.since > minor {
            let message =
                format!("{} {version} has no `{}` {}", variant.name(), key.name, shape.place);
            let later = variant.version_of(key.since);
            let hint = later.map(|later| format!("it came with `version: {later}`"));
            Problem::new(span, message).maybe_hint(hint)
        } else if variant == Variant::Flatcar && key.name == "clevis" {
            Problem::new(span, "flatcar has no `clevis`")
        } else {
            return Some(key);
        };
        self.out.error(problem);
        None
    }

    /// Translates a value; `None` for nothing, and for what is wrong.
    fn value(&mut self, node: &Node, kind: &'static Kind) -> Option<Json> {
        if node.is_null() {
            return None;
        }
        let span = node.span.clone();
        let value = match (kind, &node.value) {
            (Kind::Text, Value::Scalar(scalar)) => JsonValue::Text(scalar.text.clone()),
            (Kind::Integer, Value::Scalar(scalar)) => self.integer(scalar, &span)?,
            (Kind::Mode, Value::Scalar(scalar)) => {
                let mode = self.integer(scalar, &span)?;
                self.check_mode(&mode, &scalar.text, &span);
                mode
            }
            (Kind::Flag, Value::Scalar(scalar)) if scalar.flag().is_some() => {
                JsonValue::Flag(scalar.flag()?)
            }
            (Kind::Object(shape), Value::Mapping(members)) => {
                let (mut written, mut sugar) = (Object::default(), Object::default());
                self.members(members, shape, &mut written, &mut sugar);
                self.sweeten(shape.sugar, &span, &mut written, &sugar);
                JsonValue::Object(written)
            }
            (Kind::List(of), Value::List(items)) => self.list(items, of),
            _ => {
                self.wrong_type(node, kind);
                return None;
            }
        };
        Some(Json { span, value })
    }

    fn list(&mut self, items: &[Node], of: &'static Kind) -> JsonValue {
        let mut list = Vec::new();
        for item in items {
            if item.is_null() {
                let problem = Problem::new(&item.span, "an item is empty, and is left out");
                self.out.warn(problem);
            }
            list.extend(self.value(item, of));
        }
        JsonValue::List(list)
    }

    fn integer(&mut self, scalar: &Scalar, span: &Range<usize>) -> Option<JsonValue> {
        match scalar.integer() {
            Ok(number) => Some(JsonValue::Integer(number)),
            Err(why) => {
                let problem = Problem::new(span, why).expected("a whole number");
                self.out.error(problem.found(quote(&scalar.text)));
                None
            }
        }
    }

    /// Refuses bits that take effect where the stated version is read, and not here.
    fn check_mode(&mut self, mode: &JsonValue, text: &str, span: &Range<usize>) {
        let JsonValue::Integer(mode) = mode else { return };
        // `755` was meant to be octal, and has none of them: that is for others to say.
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let slip = octal && text.len() == 3 && !text.starts_with('0');
        let special = mode & 0o7000 != 0 && (0..=0o7777).contains(mode);
        if self.release.minor > NEWEST && special && !slip {
            let message = "setuid, setgid and sticky bits have no effect in version 3.3.0 of the specification";
            let problem = Problem::new(span, message).expected("at most 0777");
            self.out.error(problem.found(format!("0{mode:o}")));
        }
    }

    fn wrong_type(&mut self, node: &Node, kind: &Kind) {
        let hint = match (kind, &node.value) {
            (Kind::List(Kind::Object(_)), Value::Mapping(_)) => {
                Some("write `- ` before its first key")
            }
            (Kind::List(_), Value::Scalar(_)) => Some("write it in [ ], or `- ` before it"),
            (Kind::Object(_), Value::List(_)) => Some("write its keys without `- `"),
            (Kind::Text, _) => Some("write it in quotes"),
            _ => None,
        };
        let start = node.span.start;
        let span = match &node.value {
            Value::Scalar(_) => node.span.clone(),
            _ => start..start + 1,
        };
        let problem = Problem::new(&span, "the value is of the wrong type");
        let problem = problem.expected(kind.name()).found(node.kind());
        self.out.error(problem.maybe_hint(hint.map(str::to_owned)));
    }
}

/// Returns the name that a key has in JSON.
fn camel_case(key: &str) -> String {
    let mut words = key.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        if word == "mib" {
            name.push_str("MiB");
            continue;
        }
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}
