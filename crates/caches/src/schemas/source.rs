use roxmltree::Node;

use super::key::{Item, Key, Sort, Translation};
use super::schema::{Schema, check_name, lineage};
use super::words::Words;
use crate::glib_table::GlibTable;
use crate::gvariant::Kind;
use crate::{integer, xml};

type Checked<T> = Result<T, &'static str>;

/// What the sources read so far define.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) schemas: GlibTable<Schema>,
    enums: GlibTable<Words>,
    flags: GlibTable<Words>,
}

/// The ids that one file defines, which are taken back if it breaks a rule later.
#[derive(Debug, Default)]
struct Defined {
    schemas: Vec<String>,
    enums: Vec<String>,
    flags: Vec<String>,
}

impl Sources {
    pub(super) fn new() -> Self {
        Self { schemas: GlibTable::new(), enums: GlibTable::new(), flags: GlibTable::new() }
    }

    /// Adds what one file defines, or, if it breaks a rule, nothing.
    pub(super) fn add(&mut self, text: &str) -> Checked<()> {
        let document = xml::parse(text)?;
        let mut defined = Defined::default();
        let result = self.add_list(document.root_element(), &mut defined);
        if result.is_err() {
            defined.schemas.iter().rev().for_each(|id| self.schemas.remove(id));
            defined.flags.iter().rev().for_each(|id| self.flags.remove(id));
            defined.enums.iter().rev().for_each(|id| self.enums.remove(id));
        }
        result
    }

    fn add_list(&mut self, list: Node<'_, '_>, defined: &mut Defined) -> Checked<()> {
        if list.tag_name().name() != "schemalist" {
            return Err("its root is no <schemalist>");
        }
        let [domain] = xml::attributes(list, ["gettext-domain"])?;
        for element in xml::elements(list)? {
            match element.tag_name().name() {
                "schema" => self.add_schema(element, domain, defined)?,
                "enum" => {
                    let id = add_words(element, &mut self.enums, false, &mut defined.enums)?;
                    self.enums.insert(&id.0, id.1);
                }
                "flags" => {
                    let id = add_words(element, &mut self.flags, true, &mut defined.flags)?;
                    self.flags.insert(&id.0, id.1);
                }
                _ => return Err("a <schemalist> holds an unknown element"),
            }
        }
        Ok(())
    }

    fn add_schema(
        &mut self,
        element: Node<'_, '_>,
        domain: Option<&str>,
        defined: &mut Defined,
    ) -> Checked<()> {
        let names = ["id", "path", "gettext-domain", "extends", "list-of"];
        let [id, path, own_domain, extends, list_of] = xml::attributes(element, names)?;
        let id = id.ok_or("a <schema> has no id")?;
        if self.schemas.contains(id) {
            return Err("a schema of one id is there already");
        }
        let list_of = self.check_schema(path, extends, list_of)?;
        let schema = Schema {
            path: path.map(str::to_owned),
            gettext_domain: own_domain.or(domain).map(str::to_owned),
            extends: extends.map(str::to_owned),
            list_of,
            items: GlibTable::new(),
        };
        self.schemas.insert(id, schema);
        defined.schemas.push(id.to_owned());
        for element in xml::elements(element)? {
            let (name, item) = match element.tag_name().name() {
                "key" => self.key(element, id)?,
                "child" => child(element)?,
                "override" => self.override_key(element, id)?,
                _ => return Err("a <schema> holds an unknown element"),
            };
            let schema = self.schemas.get_mut(id).ok_or("a schema is missing")?;
            if schema.items.contains(&name) {
                return Err("a schema has two items of one name");
            }
            schema.items.insert(&name, item);
        }
        Ok(())
    }

    /// Checks how a schema relates to others; returns what it is a list of.
    fn check_schema(
        &self,
        path: Option<&str>,
        extends: Option<&str>,
        list_of: Option<&str>,
    ) -> Checked<Option<String>> {
        let known = |id: Option<&str>| match id {
            Some(id) => self.schemas.get(id).map(Some).ok_or("a schema refers to an unknown one"),
            None => Ok(None),
        };
        let (base, element) = (known(extends)?, known(list_of)?);
        if element.is_some_and(|element| element.path.is_some()) {
            return Err("a list is of a schema that has a path");
        }
        let mut list_of = list_of.map(str::to_owned);
        if let Some(base) = base {
            if base.path.is_some() {
                return Err("a schema extends one that has a path");
            }
            match (&list_of, &base.list_of) {
                (None, inherited) => list_of.clone_from(inherited),
                (Some(_), None) => return Err("a list extends a schema that is none"),
                (Some(own), Some(inherited)) => {
                    let mut ancestors = lineage(&self.schemas, own);
                    let is_subclass = own == inherited
                        || ancestors.any(|s| s.extends.as_ref() == Some(inherited));
                    if !is_subclass {
                        return Err("a list extends one of unrelated schemas");
                    }
                }
            }
        }
        match path {
            Some(path) if !path.starts_with('/') || !path.ends_with('/') => {
                Err("a path does not begin and end with a slash")
            }
            Some(path) if list_of.is_some() && !path.ends_with(":/") => {
                Err("a list's path does not end with \":/\"")
            }
            _ => Ok(list_of),
        }
    }

    fn key(&self, element: Node<'_, '_>, id: &str) -> Checked<(String, Item)> {
        let [name, kind, enumeration, flags] =
            xml::attributes(element, ["name", "type", "enum", "flags"])?;
        let name = name.ok_or("a <key> has no name")?;
        let schema = self.schemas.get(id).ok_or("a schema is missing")?;
        if schema.list_of.is_some() {
            return Err("a list has keys");
        }
        check_name(name)?;
        let shadowed = lineage(&self.schemas, id).skip(1).any(
            |schema| matches!(schema.items.get(name), Some(Item::Key(key)) if !key.is_override),
        );
        if shadowed {
            return Err("a key hides one of the schema that is extended");
        }
        let strings = || Kind::Array(Box::new(Kind::String));
        let (kind, sort, words) = match (kind, enumeration, flags) {
            (Some(kind), None, None) => {
                let kind = Kind::parse(kind).ok_or("a key has an invalid type")?;
                (kind, Sort::Plain, Words::default())
            }
            (None, Some(id), None) => {
                let words = self.enums.get(id).ok_or("a key's enumeration is unknown")?;
                (Kind::String, Sort::Enumeration, words.clone())
            }
            (None, None, Some(id)) => {
                let words = self.flags.get(id).ok_or("a key's flags are unknown")?;
                (strings(), Sort::Flags, words.clone())
            }
            _ => return Err("a key has not exactly one of type, enum and flags"),
        };
        let mut key = Key::new(kind, sort, words);
        for element in xml::elements(element)? {
            key_part(element, &mut key, schema)?;
        }
        if key.default.is_none() {
            return Err("a key has no default");
        }
        Ok((name.to_owned(), Item::Key(Box::new(key))))
    }

    fn override_key(&self, element: Node<'_, '_>, id: &str) -> Checked<(String, Item)> {
        let [name, l10n, context] = xml::attributes(element, ["name", "l10n", "context"])?;
        let name = name.ok_or("an <override> has no name")?;
        let schema = self.schemas.get(id).ok_or("a schema is missing")?;
        let mut ancestors = lineage(&self.schemas, id).skip(1);
        let original = ancestors.find_map(|schema| match schema.items.get(name) {
            Some(Item::Key(key)) => Some(key),
            _ => None,
        });
        let mut key = original.ok_or("an <override> is of no known key")?.overridden();
        key.translation = translation(l10n, context, schema)?;
        key.set_default(&xml::text(element)?)?;
        Ok((name.to_owned(), Item::Key(Box::new(key))))
    }
}

fn key_part(element: Node<'_, '_>, key: &mut Key, schema: &Schema) -> Checked<()> {
    match element.tag_name().name() {
        "default" => {
            let [l10n, context] = xml::attributes(element, ["l10n", "context"])?;
            if let Some(translation) = translation(l10n, context, schema)? {
                key.translation = Some(translation);
            }
            key.set_default(&xml::text(element)?)
        }
        "summary" | "description" => {
            let [] = xml::attributes(element, [])?;
            xml::text(element).map(drop)
        }
        "range" => {
            let [min, max] = xml::attributes(element, ["min", "max"])?;
            key.set_range(min, max)?;
            xml::nothing(element)
        }
        "choices" => choices(element, key),
        "aliases" => aliases(element, key),
        _ => Err("a <key> holds an unknown element"),
    }
}

fn add_words(
    element: Node<'_, '_>,
    known: &mut GlibTable<Words>,
    is_flags: bool,
    defined: &mut Vec<String>,
) -> Checked<(String, Words)> {
    let [id] = xml::attributes(element, ["id"])?;
    let id = id.ok_or("an enumeration has no id")?;
    if known.contains(id) {
        return Err("an enumeration of one id is there already");
    }
    known.insert(id, Words::default());
    defined.push(id.to_owned());
    let mut words = Words::default();
    for value in xml::elements(element)? {
        if value.tag_name().name() != "value" {
            return Err("an enumeration holds an unknown element");
        }
        xml::nothing(value)?;
        let [nick, number] = xml::attributes(value, ["nick", "value"])?;
        let nick = nick.filter(|nick| nick.len() >= 2).ok_or("a nick is shorter than 2 letters")?;
        let number = number.and_then(integer::parse).ok_or("a value is no number")?;
        let number = if is_flags {
            u32::try_from(number)
        } else {
            i32::try_from(number).map(i32::cast_unsigned)
        };
        let number = number.map_err(|_| "a value is out of range")?;
        if words.knows(nick) || words.has_number(number) {
            return Err("a value is there twice");
        }
        if is_flags && number == 0 {
            // No flag at all: an empty list says so.
            continue;
        }
        if is_flags && !number.is_power_of_two() {
            return Err("a flag has more than one bit");
        }
        words.add(nick, number).ok_or("a nick is too long")?;
    }
    if words.is_empty() {
        return Err("an enumeration is empty");
    }
    Ok((id.to_owned(), words))
}

fn child(element: Node<'_, '_>) -> Checked<(String, Item)> {
    let [name, schema] = xml::attributes(element, ["name", "schema"])?;
    let name = name.ok_or("a <child> has no name")?;
    let schema = schema.ok_or("a <child> has no schema")?;
    check_name(name)?;
    xml::nothing(element)?;
    Ok((format!("{name}/"), Item::Child(schema.to_owned())))
}

fn translation(
    l10n: Option<&str>,
    context: Option<&str>,
    schema: &Schema,
) -> Checked<Option<Translation>> {
    let category = match l10n {
        Some("messages") => b'm',
        Some("time") => b't',
        Some(_) => return Err("a default depends on an unknown category of the locale"),
        None if context.is_some() => return Err("a default has a context but is not translated"),
        None => return Ok(None),
    };
    if schema.gettext_domain.is_none() {
        return Err("a default is translated but there is no gettext domain");
    }
    Ok(Some(Translation { category, context: context.map(str::to_owned) }))
}

fn choices(element: Node<'_, '_>, key: &mut Key) -> Checked<()> {
    let [] = xml::attributes(element, [])?;
    if key.sort == Sort::Enumeration || key.has_choices || !is_of_strings(&key.kind) {
        return Err("a key has <choices> twice, or though it is no string");
    }
    for choice in xml::elements(element)? {
        if choice.tag_name().name() != "choice" {
            return Err("<choices> hold an unknown element");
        }
        xml::nothing(choice)?;
        let [value] = xml::attributes(choice, ["value"])?;
        let value = value.ok_or("a <choice> has no value")?;
        if key.words.knows(value) {
            return Err("a <choice> is there twice");
        }
        key.words.add(value, 0).ok_or("a <choice> is too long")?;
        key.has_choices = true;
    }
    if !key.has_choices {
        return Err("<choices> are empty");
    }
    key.check_default()
}

/// Tells whether a type is a string or holds nothing but strings.
fn is_of_strings(kind: &Kind) -> bool {
    match kind {
        Kind::Maybe(element) | Kind::Array(element) => is_of_strings(element),
        kind => *kind == Kind::String,
    }
}

fn aliases(element: Node<'_, '_>, key: &mut Key) -> Checked<()> {
    let [] = xml::attributes(element, [])?;
    if key.has_aliases || (key.sort == Sort::Plain && !key.has_choices) {
        return Err("a key has <aliases> twice, or nothing that they could stand for");
    }
    for alias in xml::elements(element)? {
        if alias.tag_name().name() != "alias" {
            return Err("<aliases> hold an unknown element");
        }
        xml::nothing(alias)?;
        let [value, target] = xml::attributes(alias, ["value", "target"])?;
        let value = value.ok_or("an <alias> has no value")?;
        let target = target.ok_or("an <alias> has no target")?;
        if key.words.knows(value) {
            return Err("an <alias> is there already");
        }
        key.words.add_alias(value, target).ok_or("an <alias> stands for nothing")?;
        key.has_aliases = true;
    }
    if key.has_aliases { Ok(()) } else { Err("<aliases> are empty") }
}
