//! XML documents, within bounds.

use roxmltree::{Document, Node, ParsingOptions};

/// The most nodes a document may have. The MIME types of all Debian have about 70,000.
const MAX_NODES: u32 = 2_000_000;

/// Parses a document; entities that it declares itself are resolved within bounds, others refused.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, &'static str> {
    let options =
        ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|_| "it is not well-formed XML")
}

/// Returns the values of the attributes that an element may have, in the order of the names.
pub(crate) fn attributes<'a, const N: usize>(
    element: Node<'a, '_>,
    names: [&str; N],
) -> Result<[Option<&'a str>; N], &'static str> {
    let unknown = element
        .attributes()
        .any(|attribute| attribute.namespace().is_none() && !names.contains(&attribute.name()));
    if unknown {
        return Err("an element has an unknown attribute");
    }
    Ok(names.map(|name| element.attribute(name)))
}

/// Returns the elements in an element that holds no text. Those with a prefix are passed over.
pub(crate) fn elements<'a, 'input>(
    parent: Node<'a, 'input>,
) -> Result<Vec<Node<'a, 'input>>, &'static str> {
    let is_blank = |text: &str| text.chars().all(crate::is_blank);
    if parent.children().any(|node| node.is_text() && !node.text().is_none_or(is_blank)) {
        return Err("an element holds text where none is allowed");
    }
    Ok(parent.children().filter(|node| node.is_element() && !has_prefix(*node)).collect())
}

/// Tells whether an element is of a namespace other than that of its document.
fn has_prefix(element: Node<'_, '_>) -> bool {
    element.tag_name().namespace() != element.default_namespace()
}

/// Checks that an element holds nothing.
pub(crate) fn nothing(element: Node<'_, '_>) -> Result<(), &'static str> {
    if elements(element)?.is_empty() { Ok(()) } else { Err("an element holds an unknown one") }
}

/// Returns the text of an element that holds no others.
pub(crate) fn text(element: Node<'_, '_>) -> Result<String, &'static str> {
    if element.children().any(|node| node.is_element() && !has_prefix(node)) {
        return Err("an element that is to be text holds another");
    }
    Ok(element.children().filter(Node::is_text).filter_map(|node| node.text()).collect())
}
