use std::fmt::Write;

use roxmltree::{Node, NodeType};

use super::database::{NAMESPACE, is_own};

/// How deep a copied element may nest.
const MAX_DEPTH: usize = 64;

const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// An element of a source that is copied into its type's file, as it is written there.
#[derive(Clone, Debug)]
pub(super) struct Field {
    sort: Sort,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sort {
    /// A `<comment>`, of which there is one for each language and one for none.
    Comment(Option<String>),
    Other,
}

/// Adds a field; a comment takes the place of one in the same language.
pub(super) fn push(fields: &mut Vec<Field>, field: Field) {
    if field.sort != Sort::Other {
        let same = |known: &Field| known.sort == field.sort;
        if let Some(index) = fields.iter().position(same) {
            fields.remove(index);
        }
    }
    fields.push(field);
}

/// Returns a type's file, in the layout of libxml2.
pub(super) fn document(name: &str, fields: &[Field]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<mime-type".to_owned();
    attribute(&mut out, "xmlns", NAMESPACE);
    attribute(&mut out, "type", name);
    out += ">\n  <!--Created automatically by update-mime-database. DO NOT EDIT!-->\n";
    for field in fields {
        out.extend(["  ", &field.text, "\n"]);
    }
    out += "</mime-type>\n";
    out
}

impl Field {
    /// Copies an element of a source.
    pub(super) fn copy(element: Node<'_, '_>) -> Result<Self, &'static str> {
        let is_comment = is_own(element) && element.tag_name().name() == "comment";
        let language = element.attribute((XML_NAMESPACE, "lang")).map(str::to_owned);
        let mut text = String::new();
        write_element(&mut text, element, Layout { level: 1, is_indented: true }, true)?;
        let sort = if is_comment { Sort::Comment(language) } else { Sort::Other };
        Ok(Self { sort, text })
    }
}

#[derive(Clone, Copy)]
struct Layout {
    level: usize,
    /// Elements get lines of their own, unless there is text beside them.
    is_indented: bool,
}

fn write_element(
    out: &mut String,
    element: Node<'_, '_>,
    layout: Layout,
    is_top: bool,
) -> Result<(), &'static str> {
    if layout.level > MAX_DEPTH {
        return Err("an element nests too deeply");
    }
    let name = qualified(element, element.tag_name().namespace(), element.tag_name().name());
    out.extend(["<", &name]);
    declare_namespaces(out, element, is_top);
    for own in element.attributes() {
        attribute(out, &qualified(element, own.namespace(), own.name()), own.value());
    }
    if !element.has_children() {
        *out += "/>";
        return Ok(());
    }
    let is_indented = layout.is_indented && !element.children().any(|child| child.is_text());
    let inner = Layout { level: layout.level + 1, is_indented };
    *out += ">";
    for child in element.children() {
        if is_indented {
            out.extend(["\n", &"  ".repeat(inner.level)]);
        }
        match child.node_type() {
            NodeType::Element => write_element(out, child, inner, false)?,
            NodeType::Text => escape(out, child.text().unwrap_or_default(), false),
            NodeType::Comment => out.extend(["<!--", child.text().unwrap_or_default(), "-->"]),
            NodeType::PI => {
                if let Some(pi) = child.pi() {
                    out.extend(["<?", pi.target]);
                    pi.value.iter().for_each(|value| out.extend([" ", value]));
                    *out += "?>";
                }
            }
            NodeType::Root => {}
        }
    }
    if is_indented {
        out.extend(["\n", &"  ".repeat(layout.level)]);
    }
    out.extend(["</", &name, ">"]);
    Ok(())
}

/// Writes the namespaces that begin at an element or, at the top, that it needs from around it.
/// Those of the database's own elements are left out, since the file declares theirs.
fn declare_namespaces(out: &mut String, element: Node<'_, '_>, is_top: bool) {
    if is_top && is_own(element) && element.default_namespace() == Some(NAMESPACE) {
        return;
    }
    let outer = element.parent().filter(|_| !is_top);
    for namespace in element.namespaces() {
        let is_inherited =
            outer.is_some_and(|outer| outer.namespaces().any(|known| known == namespace));
        let is_used = !is_top || is_needed(element, namespace.uri());
        if is_inherited || !is_used || namespace.uri() == XML_NAMESPACE {
            continue;
        }
        match namespace.name() {
            Some(prefix) => attribute(out, &format!("xmlns:{prefix}"), namespace.uri()),
            None => attribute(out, "xmlns", namespace.uri()),
        }
    }
}

fn is_needed(element: Node<'_, '_>, uri: &str) -> bool {
    element.descendants().filter(Node::is_element).any(|node| {
        node.tag_name().namespace() == Some(uri)
            || node.attributes().any(|attribute| attribute.namespace() == Some(uri))
    })
}

/// Returns a name with the prefix that stands for its namespace.
fn qualified(element: Node<'_, '_>, namespace: Option<&str>, name: &str) -> String {
    match namespace {
        Some(XML_NAMESPACE) => format!("xml:{name}"),
        Some(uri) => match element.lookup_prefix(uri).filter(|prefix| !prefix.is_empty()) {
            Some(prefix) if element.default_namespace() != Some(uri) => format!("{prefix}:{name}"),
            _ => name.to_owned(),
        },
        None => name.to_owned(),
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.extend([" ", name, "=\""]);
    escape(out, value, true);
    *out += "\"";
}

/// Writes a text as libxml2 escapes it.
fn escape(out: &mut String, text: &str, is_attribute: bool) {
    for c in text.chars() {
        match c {
            '<' => *out += "&lt;",
            '>' => *out += "&gt;",
            '&' => *out += "&amp;",
            '"' if is_attribute => *out += "&quot;",
            '\r' => *out += "&#13;",
            '\t' | '\n' if is_attribute => {
                // Writing to a string does not fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
}
