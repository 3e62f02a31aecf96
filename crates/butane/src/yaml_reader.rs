//! Reads one document of YAML and keeps where every value stands.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use flagstone_artifact::quote;

use crate::findings::{Findings, Problem};
use crate::yaml::{Member, Node, Scalar, Value};

/// How deep values may lie within each other; configurations need ten.
const DEPTH_MAX: usize = 64;

const TOO_DEEP: &str = "values lie more than 64 deep within each other";

/// How many values a text may have, with those that aliases repeat.
const VALUES_MAX: usize = 1 << 20;

/// What the tags of YAML itself begin with.
const YAML: &str = "tag:yaml.org,2002:";

/// How many bytes of texts aliases may repeat.
const REPEATED_MAX: usize = 10 << 20;

/// Reads a text that is one document; what is wrong goes into `out`.
///
/// A text that cannot be read to its end gives `None`. Keys that are there twice are an error, and
/// the first one counts.
pub(crate) fn read(text: &str, out: &mut Findings<'_>) -> Option<Node> {
    match Reader::new(out).run(text) {
        Ok(Some(root)) => Some(root),
        Ok(None) => {
            out.error(Problem::new(&(0..0), "there is nothing in the file but comments"));
            None
        }
        Err(problem) => {
            out.error(*problem);
            None
        }
    }
}

/// What stops the reading.
type Read<T> = Result<T, Box<Problem>>;

/// A list or mapping that is being read.
struct Open {
    start: usize,
    anchor: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Node>),
    Mapping(Keys),
}

/// The keys of a mapping so far.
#[derive(Default)]
struct Keys {
    members: Vec<Member>,
    /// Where each name stands.
    seen: BTreeMap<String, Range<usize>>,
    /// The key whose value comes next.
    key: Option<(Scalar, Range<usize>)>,
    /// What `<<` brings.
    merged: Option<Node>,
}

struct Reader<'o, 'a> {
    out: &'o mut Findings<'a>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    values: usize,
    repeated: usize,
}

impl<'o, 'a> Reader<'o, 'a> {
    fn new(out: &'o mut Findings<'a>) -> Self {
        let (open, anchors) = (Vec::new(), BTreeMap::new());
        Self { out, open, anchors, root: None, values: 0, repeated: 0 }
    }

    fn run(mut self, text: &str) -> Read<Option<Node>> {
        let options = granit_parser::options! {
            emit_comments: false,
            // As Butane's library has it.
            block_scalar_eof_without_line_feed: true,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            let (event, span) = event.map_err(|error| syntax(text, &error))?;
            let place = span.byte_range().unwrap_or_default();
            self.event(event, &span, place)?;
        }
        Ok(self.root)
    }

    fn event(&mut self, event: Event<'_>, span: &Span, place: Range<usize>) -> Read<()> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                let problem = Problem::new(&place, "a second document begins here");
                Err(Box::new(problem.hint("one file is one configuration")))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = is_plain(style, tag.as_deref(), &place)?;
                // The library writes `~` where nothing is.
                let nothing = style == ScalarStyle::Plain && span.is_empty();
                let text = if nothing { String::new() } else { text.into_owned() };
                let node = Node { span: place, value: Value::Scalar(Scalar { text, plain }) };
                self.node(anchor, node)
            }
            Event::Alias(anchor) => self.alias(anchor, place),
            Event::SequenceStart(_, anchor, tag) => {
                untagged("seq", tag.as_deref(), &place)?;
                self.begin(Open { start: place.start, anchor, holds: Holds::List(Vec::new()) })
            }
            Event::MappingStart(_, anchor, tag) => {
                untagged("map", tag.as_deref(), &place)?;
                let holds = Holds::Mapping(Keys::default());
                self.begin(Open { start: place.start, anchor, holds })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&place),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Read<()> {
        if self.open.len() == DEPTH_MAX {
            return too_deep(&(open.start..open.start + 1));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, place: &Range<usize>) -> Read<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.holds {
            Holds::List(items) => Value::List(items),
            Holds::Mapping(mut keys) => {
                if let Some(merged) = keys.merged.take() {
                    self.merge(&mut keys, &merged)?;
                }
                Value::Mapping(keys.members)
            }
        };
        // A block ends where the next one begins.
        let last = match &value {
            Value::List(items) => items.last().map(|item| item.span.end),
            Value::Mapping(members) => members.last().map(|member| member.node.span.end),
            Value::Scalar(_) => None,
        };
        let end = if place.is_empty() { last.unwrap_or(place.end) } else { place.end };
        let span = open.start..end.max(open.start);
        self.node(open.anchor, Node { span, value })
    }

    /// Puts the keys of other mappings into one that has not got them.
    fn merge(&mut self, keys: &mut Keys, merged: &Node) -> Read<()> {
        let sources = match &merged.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(merged),
        };
        for source in sources {
            let Value::Mapping(others) = &source.value else {
                return stop(&source.span, "`<<` takes a mapping, or a list of them");
            };
            for other in others {
                if !keys.seen.contains_key(&other.key) {
                    self.count(&other.node)?;
                    keys.seen.insert(other.key.clone(), other.key_span.clone());
                    keys.members.push(other.clone());
                }
            }
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, place: Range<usize>) -> Read<()> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return stop(&place, "an alias stands inside of what it repeats");
        };
        let depth = self.count(&node)?;
        if self.open.len() + depth > DEPTH_MAX {
            return too_deep(&place);
        }
        self.node(0, node)
    }

    /// Counts what is repeated; returns how deep it is.
    fn count(&mut self, node: &Node) -> Read<usize> {
        self.values += 1;
        let deepest = match &node.value {
            Value::Scalar(scalar) => {
                self.repeated += scalar.text.len();
                return self.bounded(node).map(|()| 0);
            }
            Value::List(items) => {
                items.iter().try_fold(0, |depth, item| Ok(self.count(item)?.max(depth)))
            }
            Value::Mapping(members) => members.iter().try_fold(0, |depth, member| {
                self.repeated += member.key.len();
                Ok(self.count(&member.node)?.max(depth))
            }),
        };
        self.bounded(node)?;
        deepest.map(|depth| depth + 1)
    }

    fn bounded(&self, node: &Node) -> Read<()> {
        if self.values > VALUES_MAX {
            return stop(&node.span, "there are more than a million values");
        }
        if self.repeated > REPEATED_MAX {
            return stop(&node.span, "aliases repeat more than 10 MiB");
        }
        Ok(())
    }

    /// Puts a value where it belongs.
    fn node(&mut self, anchor: usize, node: Node) -> Read<()> {
        self.values += 1;
        self.bounded(&node)?;
        if anchor != 0 {
            self.count(&node)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        let keys = match &mut open.holds {
            Holds::List(items) => {
                items.push(node);
                return Ok(());
            }
            Holds::Mapping(keys) => keys,
        };
        if let Some((key, key_span)) = keys.key.take() {
            if let Some(first) = keys.add(key, key_span.clone(), node) {
                self.out.twice(&key_span, &first);
            }
            return Ok(());
        }
        let Value::Scalar(scalar) = node.value else {
            return stop(&node.span, "a key is no text");
        };
        keys.key = Some((scalar, node.span));
        Ok(())
    }
}

impl Keys {
    /// Adds a key with its value; one that is there already is left as it is, and its place returned.
    fn add(&mut self, key: Scalar, key_span: Range<usize>, node: Node) -> Option<Range<usize>> {
        let first = self.seen.get(&key.text).cloned();
        if first.is_none() {
            self.seen.insert(key.text.clone(), key_span.clone());
            if key.plain && key.text == "<<" {
                self.merged = Some(node);
            } else {
                self.members.push(Member { key: key.text, key_span, node });
            }
        }
        first
    }
}

fn stop<T>(place: &Range<usize>, message: impl Into<String>) -> Read<T> {
    Err(Box::new(Problem::new(place, message)))
}

fn too_deep<T>(place: &Range<usize>) -> Read<T> {
    stop(place, TOO_DEEP)
}

fn syntax(text: &str, error: &ScanError) -> Box<Problem> {
    let at = error.marker().byte_offset().unwrap_or(text.len());
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return Box::new(Problem::new(&(at..at + 1), TOO_DEEP));
    }
    let info = error.info();
    let problem = Problem::new(&(at..at + 1), format!("this is no YAML: {info}"));
    let tab = text.get(at..).is_some_and(|rest| rest.starts_with('\t')) || info.contains("tab");
    Box::new(if tab { problem.hint("YAML is indented with spaces") } else { problem })
}

/// Tells whether a scalar may stand for something else than its text.
fn is_plain(style: ScalarStyle, tag: Option<&Tag>, place: &Range<usize>) -> Read<bool> {
    let Some(tag) = tag.filter(|tag| !is_plain_mark(tag)) else {
        return Ok(style == ScalarStyle::Plain);
    };
    match tag.suffix_in_namespace(YAML).as_deref() {
        Some("str") => Ok(false),
        Some("int" | "bool" | "null" | "float" | "timestamp") => Ok(true),
        Some("binary") => {
            let problem = Problem::new(place, "`!!binary` is not read here");
            Err(Box::new(problem.hint("put the data into a file, and name it as `local`")))
        }
        _ => stop(place, format!("the tag {} means nothing here", quote(&tag.original()))),
    }
}

fn untagged(own: &str, tag: Option<&Tag>, place: &Range<usize>) -> Read<()> {
    match tag {
        Some(tag)
            if !is_plain_mark(tag) && tag.suffix_in_namespace(YAML).as_deref() != Some(own) =>
        {
            stop(place, format!("the tag {} means nothing here", quote(&tag.original())))
        }
        _ => Ok(()),
    }
}

/// Tells whether a tag is the lone `!`, which says nothing.
fn is_plain_mark(tag: &Tag) -> bool {
    tag.original() == "!"
}
