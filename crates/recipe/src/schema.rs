//! The JSON schemas of both files, made from the tables that the decoder reads.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::layer::{AccountNumber, OnLayers, RecipeLayer, SysctlLayer};
use crate::lock_file::LockTable;
use crate::source::Located;
use crate::update::Threshold;
use crate::usr::CompressionLevel;

/// Describes a text with a grammar.
macro_rules! text_schema {
    ($name:ident, $what:literal, $pattern:expr) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $what,
                    "type": "string",
                    "pattern": $pattern,
                })
            }
        }
    };
}
pub(crate) use text_schema;

/// Stands for `ImageId`, which is another crate's.
pub(crate) struct ImageIdText;
text_schema!(ImageIdText, "an image id", "^[a-z][a-z0-9.-]{0,15}$");

/// Stands for `ImageVersion`.
pub(crate) struct ImageVersionText;
text_schema!(ImageVersionText, "an image version", "^[0-9][A-Za-z0-9.~^-]{0,11}$");

/// Stands for `Architecture`.
pub(crate) struct ArchitectureText;
text_schema!(ArchitectureText, "an architecture", "^(x86-64|amd64|arm64)$");

/// Stands for `Sha256Digest`.
pub(crate) struct DigestText;
text_schema!(DigestText, "a SHA-256 digest", "^[0-9a-f]{64}$");

/// A place is not part of the file.
impl<T: JsonSchema> JsonSchema for Located<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl JsonSchema for OnLayers {
    fn schema_name() -> Cow<'static, str> {
        "OnLayers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let layer = generator.subschema_for::<RecipeLayer>();
        let names = flagstone_artifact::Architecture::ALL.map(|a| [a.name(), a.debian()]);
        let names: std::collections::BTreeSet<&str> = names.into_iter().flatten().collect();
        schemars::json_schema!({
            "type": "object",
            "propertyNames": { "enum": names },
            "additionalProperties": layer,
        })
    }
}

impl JsonSchema for AccountNumber {
    fn schema_name() -> Cow<'static, str> {
        "AccountNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "integer", "minimum": Self::MIN, "maximum": Self::MAX })
    }
}

impl JsonSchema for CompressionLevel {
    fn schema_name() -> Cow<'static, str> {
        "CompressionLevel".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "integer", "minimum": Self::MIN, "maximum": Self::MAX })
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (minimum, maximum) = (Self::BOUNDS.start(), Self::BOUNDS.end());
        schemars::json_schema!({ "type": "integer", "minimum": minimum, "maximum": maximum })
    }
}

impl JsonSchema for SysctlLayer {
    fn schema_name() -> Cow<'static, str> {
        "SysctlValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "integer" },
                { "type": "string", "minLength": 1 },
                {
                    "type": "object",
                    "properties": { "remove": { "const": true } },
                    "required": ["remove"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
}

/// Returns the schema as committed: without `null`, which TOML does not have.
fn schema_text<T: JsonSchema>() -> String {
    let mut value = schemars::schema_for!(T).to_value();
    without_null(&mut value);
    let mut text = serde_json::to_string_pretty(&value).unwrap();
    text.push('\n');
    text
}

fn without_null(value: &mut serde_json::Value) {
    use serde_json::Value;
    let is_null = |value: &Value| {
        value.as_str() == Some("null")
            || value
                .as_object()
                .is_some_and(|o| o.len() == 1 && o.get("type") == Some(&"null".into()))
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            for key in ["type", "anyOf"] {
                let Some(Value::Array(alternatives)) = object.get_mut(key) else { continue };
                alternatives.retain(|value| !is_null(value));
                let [only] = alternatives.as_slice() else { continue };
                let only = only.clone();
                match (key, only) {
                    ("anyOf", Value::Object(inner)) => {
                        object.remove(key);
                        object.extend(inner.into_iter().filter(|(key, _)| key != "description"));
                    }
                    (_, only) => {
                        object.insert(key.to_owned(), only);
                    }
                }
            }
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

fn check(name: &str, text: &str) {
    let path = recipes().join(name);
    if std::env::var_os("FLAGSTONE_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "recipes/{name} is stale: run the tests with FLAGSTONE_BLESS=1");
}

#[test]
fn the_committed_recipe_schema_is_true() {
    check("recipe.schema.json", &schema_text::<RecipeLayer>());
}

#[test]
fn the_committed_lock_schema_is_true() {
    check("lock.schema.json", &schema_text::<LockTable>());
}

/// Judges the schemas and the shipped recipes by another implementation of both formats.
#[test]
fn an_independent_validator_agrees() {
    const JUDGE: &str = r#"
import json, sys, tomllib
import jsonschema
recipe, lock, lock_text, *recipes = sys.argv[1:]
recipe, lock = json.load(open(recipe)), json.load(open(lock))
for schema in recipe, lock:
    jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(recipe)
for path in recipes:
    validator.validate(tomllib.load(open(path, "rb")))
jsonschema.Draft202012Validator(lock).validate(tomllib.loads(lock_text))
for bad in {"pakcages": []}, {"image": {"id": "A"}}, {"packages": {"ad": []}}, {"files": {"/x": {}}}:
    assert not validator.is_valid(bad), bad
for good in {"packages": ["a1"]}, {"packages": {"remove": ["a1"]}}, {"sysctl": {"a.b": {"remove": True}}}:
    assert validator.is_valid(good), good
"#;
    let imports = ["-c", "import jsonschema, tomllib"];
    let present = Command::new("python3").args(imports).output();
    if !present.is_ok_and(|output| output.status.success()) {
        let required = std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_some_and(|v| v == "1");
        assert!(!required, "python3 with jsonschema and tomllib is missing");
        println!("skipped: python3 with jsonschema and tomllib is missing");
        return;
    }
    let files = ["recipe.schema.json", "lock.schema.json"].map(|name| recipes().join(name));
    let shipped = crate::shipped().iter().map(|(name, _)| recipes().join(format!("{name}.toml")));
    let judged = Command::new("python3")
        .args(["-c", JUDGE])
        .args(files)
        .arg(crate::lock_file::tests::sample().render())
        .args(shipped)
        .output()
        .unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}
