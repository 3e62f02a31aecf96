use roxmltree::Node;

use super::field::{self, Field};
use super::magic::Magic;
use super::tree_magic::TreeMagic;
use crate::glib_table::GlibTable;
use crate::integer::BLANKS;
use crate::xml;

/// The namespace of the elements that mean something here.
pub(super) const NAMESPACE: &str = "http://www.freedesktop.org/standards/shared-mime-info";

/// What stands for a pattern where a type drops all that were given before.
const NO_GLOBS: &str = "__NOGLOBS__";

const DEFAULT_WEIGHT: u8 = 50;

/// What stands for a weight that is none: the fault is named, and the pattern counts all the same.
const FAULTY_WEIGHT: i16 = -1;

type Checked<T> = Result<T, &'static str>;

/// A pattern of file names.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    pub(super) pattern: String,
    pub(super) mime_type: String,
    /// From 0 to 100, or [`FAULTY_WEIGHT`].
    pub(super) weight: i16,
    pub(super) is_case_sensitive: bool,
    /// Whether it drops the patterns before it.
    pub(super) drops: bool,
}

/// What the sources read so far say; later ones add to earlier ones.
#[derive(Debug)]
pub(super) struct Database {
    /// What is copied into each type's own file.
    pub(super) types: GlibTable<Vec<Field>>,
    pub(super) globs: GlibTable<Vec<Glob>>,
    pub(super) magic: Vec<Magic>,
    pub(super) tree_magic: Vec<TreeMagic>,
    pub(super) parents: GlibTable<Vec<String>>,
    pub(super) aliases: GlibTable<String>,
    pub(super) icons: GlibTable<String>,
    pub(super) generic_icons: GlibTable<String>,
    /// Types by the namespace and the name of their root element, with a blank between them.
    pub(super) namespaces: GlibTable<String>,
}

impl Database {
    pub(super) fn new() -> Self {
        Self {
            types: GlibTable::new(),
            globs: GlibTable::new(),
            magic: Vec::new(),
            tree_magic: Vec::new(),
            parents: GlibTable::new(),
            aliases: GlibTable::new(),
            icons: GlibTable::new(),
            generic_icons: GlibTable::new(),
            namespaces: GlibTable::new(),
        }
    }

    /// Adds a source. Of a type with a fault, what comes before it counts; the faults are returned.
    pub(super) fn add(&mut self, text: &str) -> Checked<Vec<String>> {
        let document = xml::parse(text)?;
        let root = document.root_element();
        if !is_own(root) || root.tag_name().name() != "mime-info" {
            return Err("its root is no <mime-info>");
        }
        let mut refused = Vec::new();
        for element in root.children().filter(Node::is_element) {
            let name = element.attribute("type").unwrap_or("unknown");
            if let Err(reason) = self.add_type(element) {
                refused.push(format!("what is wrong in type {name} is ignored: {reason}"));
            }
        }
        Ok(refused)
    }

    fn add_type(&mut self, element: Node<'_, '_>) -> Checked<()> {
        if !is_own(element) || element.tag_name().name() != "mime-type" {
            return Err("it is no <mime-type>");
        }
        let name = element.attribute("type").ok_or("it has no name")?;
        if name.bytes().filter(|&byte| byte == b'/').count() != 1 {
            return Err("its name has not exactly one slash");
        }
        if !self.types.contains(name) {
            self.types.insert(name, Vec::new());
        }
        for element in element.children().filter(Node::is_element) {
            if !is_own(element) || self.add_field(name, element)? {
                let copy = Field::copy(element)?;
                if let Some(fields) = self.types.get_mut(name) {
                    field::push(fields, copy);
                }
            }
        }
        Ok(())
    }

    /// Adds what a type's element says; tells whether the element is copied into the type's file.
    fn add_field(&mut self, name: &str, element: Node<'_, '_>) -> Checked<bool> {
        match element.tag_name().name() {
            "comment" | "acronym" | "expanded-acronym" => return Ok(true),
            "glob" => {
                self.add_glob(name, element)?;
                return Ok(true);
            }
            "glob-deleteall" => {
                self.push_glob(Glob {
                    pattern: NO_GLOBS.to_owned(),
                    mime_type: name.to_owned(),
                    weight: 0,
                    is_case_sensitive: false,
                    drops: true,
                });
                return Ok(true);
            }
            "magic" => self.magic.push(Magic::read(name, element)?),
            "magic-deleteall" => self.magic.push(Magic::dropping(name)),
            "treemagic" => self.tree_magic.push(TreeMagic::read(name, element)?),
            "alias" => {
                self.aliases.insert(other_type(element)?, name.to_owned());
                return Ok(true);
            }
            "sub-class-of" => {
                let parent = other_type(element)?.to_owned();
                match self.parents.get_mut(name) {
                    Some(parents) => parents.push(parent),
                    None => self.parents.insert(name, vec![parent]),
                }
                return Ok(true);
            }
            "root-XML" => self.add_namespace(name, element)?,
            kind @ ("icon" | "generic-icon") => {
                let Some(icon) = element.attribute("name") else { return Ok(false) };
                let icons = if kind == "icon" { &mut self.icons } else { &mut self.generic_icons };
                icons.insert(name, icon.to_owned());
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn add_glob(&mut self, name: &str, element: Node<'_, '_>) -> Checked<()> {
        let pattern = element.attribute("pattern").filter(|pattern| !pattern.is_empty());
        let pattern = pattern.ok_or("a <glob> has no pattern")?;
        let weight = weight(element, "weight").map_or(FAULTY_WEIGHT, i16::from);
        let is_case_sensitive = element.attribute("case-sensitive") == Some("true");
        let pattern =
            if is_case_sensitive { pattern.to_owned() } else { pattern.to_ascii_lowercase() };
        if pattern.contains('\n') {
            return Err("a <glob> has more than one line");
        }
        self.push_glob(Glob {
            pattern,
            mime_type: name.to_owned(),
            weight,
            is_case_sensitive,
            drops: false,
        });
        if weight == FAULTY_WEIGHT {
            return Err("a <glob> has a weight that is none");
        }
        Ok(())
    }

    fn push_glob(&mut self, glob: Glob) {
        match self.globs.get_mut(&glob.pattern) {
            Some(globs) => globs.push(glob),
            None => self.globs.insert(&glob.pattern.clone(), vec![glob]),
        }
    }

    fn add_namespace(&mut self, name: &str, element: Node<'_, '_>) -> Checked<()> {
        let attribute = |name| element.attribute(name).ok_or("a <root-XML> lacks an attribute");
        let (namespace, local) = (attribute("namespaceURI")?, attribute("localName")?);
        if (namespace.is_empty() && local.is_empty())
            || [namespace, local].iter().any(|text| text.contains([' ', '\n']))
        {
            return Err("a <root-XML> has no name, or one with blanks");
        }
        self.namespaces.insert(&format!("{namespace} {local}"), name.to_owned());
        Ok(())
    }

    /// Brings the rules into the order in which they are tried.
    pub(super) fn sort_magic(&mut self) {
        self.magic.sort_by(Magic::compare);
        self.tree_magic.sort_by(TreeMagic::compare);
    }

    /// Returns the patterns, those that drop others first, the heaviest next.
    pub(super) fn sorted_globs(&self) -> Vec<&Glob> {
        let mut globs: Vec<&Glob> = self.globs.iter().flat_map(|(_, globs)| globs).collect();
        globs.sort_by_key(|glob| (!glob.drops, -glob.weight));
        globs
    }
}

/// Tells whether an element is of the database's namespace.
pub(super) fn is_own(element: Node<'_, '_>) -> bool {
    element.tag_name().namespace() == Some(NAMESPACE)
}

fn other_type<'a>(element: Node<'a, '_>) -> Checked<&'a str> {
    let name = element.attribute("type").filter(|name| name.contains('/'));
    name.ok_or("an alias or a superclass is no type")
}

/// Returns a weight or priority, from 0 to 100; `None` for anything else.
pub(super) fn weight(element: Node<'_, '_>, attribute: &str) -> Option<u8> {
    let Some(text) = element.attribute(attribute) else { return Some(DEFAULT_WEIGHT) };
    let text = text.trim_start_matches(BLANKS);
    text.parse().ok().filter(|weight| *weight <= 100)
}

/// Compares types by their media, then by their subtypes.
pub(super) fn compare_types(a: &str, b: &str) -> std::cmp::Ordering {
    a.split_once('/').cmp(&b.split_once('/'))
}
