//! Folders that are embedded with all that is in them.

use std::collections::BTreeMap;
use std::ops::Range;

use flagstone_artifact::quote;

use crate::files_dir::{Entry, EntryKind};
use crate::findings::Problem;
use crate::json::{Json, JsonValue, Object};
use crate::sugar::embed;
use crate::translate::Translator;

/// A folder that is to be embedded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    /// The place of the folder's name.
    span: Range<usize>,
    local: String,
    /// Where its contents go.
    path: String,
    owners: Vec<(&'static str, Json)>,
    file_mode: Option<Json>,
    dir_mode: Option<Json>,
}

/// The lists that have paths.
const LISTS: [&str; 3] = ["files", "directories", "links"];

/// Where each path stands: in which list, and the how manieth it is.
type Known = BTreeMap<String, (&'static str, usize)>;

impl Tree {
    pub(crate) fn new(span: &Range<usize>, sugar: &Object) -> Self {
        let owners = ["user", "group"].into_iter();
        let mode = |key| sugar.get(key).cloned();
        Self {
            span: sugar.get("local").map_or(span, |json| &json.span).clone(),
            local: sugar.text("local").unwrap_or_default().to_owned(),
            path: sugar.filled("path").unwrap_or("/").to_owned(),
            owners: owners.filter_map(|key| Some((key, sugar.get(key)?.clone()))).collect(),
            file_mode: mode("fileMode"),
            dir_mode: mode("dirMode"),
        }
    }

    fn node(&self, path: &str) -> Object {
        let mut node = Object::default();
        node.set("path", &self.span, JsonValue::Text(path.to_owned()));
        for (key, owner) in &self.owners {
            node.push(key, self.span.clone(), owner.clone());
        }
        node
    }
}

impl Translator<'_> {
    /// Adds what lies in the embedded folders.
    pub(crate) fn add_trees(&mut self, config: &mut Object) {
        let trees = std::mem::take(&mut self.trees);
        let Some(first) = trees.first() else { return };
        let storage = config.object_mut("storage", &first.span);
        let mut known = known(storage);
        for tree in &trees {
            if tree.local.is_empty() {
                let problem = Problem::new(&tree.span, "a tree has no `local`");
                self.out.error(problem.expected("the path of a folder in that of files"));
                continue;
            }
            let Some(files) = self.files else {
                self.no_files_dir(&tree.span);
                return;
            };
            match files.walk(&tree.local, &mut self.left) {
                Ok(entries) => self.add_tree(tree, entries, storage, &mut known),
                Err(error) => self.local_error(&tree.span, &error),
            }
        }
    }

    fn add_tree(
        &mut self,
        tree: &Tree,
        entries: Vec<Entry>,
        storage: &mut Object,
        known: &mut Known,
    ) {
        for Entry { path, kind } in entries {
            let path = format!("{}{path}", tree.path.trim_end_matches('/'));
            let path = if path.is_empty() { "/".to_owned() } else { path };
            let list = match &kind {
                EntryKind::Directory if tree.owners.is_empty() && tree.dir_mode.is_none() => {
                    continue;
                }
                EntryKind::Directory => "directories",
                EntryKind::File { .. } => "files",
                EntryKind::Link { .. } => "links",
            };
            let nodes = storage.list_mut(list, &tree.span);
            let at = match known.get(&path) {
                Some((there, at)) if *there == list && list != "directories" => *at,
                Some(_) => {
                    self.exists(tree, &path);
                    continue;
                }
                None => {
                    let value = JsonValue::Object(tree.node(&path));
                    nodes.push(Json { span: tree.span.clone(), value });
                    known.insert(path.clone(), (list, nodes.len() - 1));
                    nodes.len() - 1
                }
            };
            let Some(node) = nodes[at].as_object_mut() else { continue };
            if !fill(node, kind, tree) {
                self.exists(tree, &path);
            }
        }
    }

    fn exists(&mut self, tree: &Tree, path: &str) {
        let message = format!("the configuration has {} already", quote(path));
        let problem = Problem::new(&tree.span, message);
        let hint = "an entry without contents may give owner and mode to a file of the tree";
        self.out.error(problem.hint(hint));
    }
}

fn known(storage: &Object) -> Known {
    let mut known = Known::new();
    for list in LISTS {
        for (at, node) in storage.list(list).iter().enumerate() {
            let path = node.as_object().and_then(|node| node.text("path"));
            known.extend(path.map(|path| (path.to_owned(), (list, at))));
        }
    }
    known
}

/// Gives a mode, which stands where the tree states it.
fn set_mode(node: &mut Object, stated: Option<&Json>, usual: i64, span: &Range<usize>) {
    let usual = || Json { span: span.clone(), value: JsonValue::Integer(usual) };
    let mode = stated.cloned().unwrap_or_else(usual);
    node.set("mode", &mode.span, mode.value);
}

/// Puts contents into an entry; `false` if it has some.
fn fill(node: &mut Object, kind: EntryKind, tree: &Tree) -> bool {
    let span = &tree.span;
    match kind {
        EntryKind::Directory => {
            set_mode(node, tree.dir_mode.as_ref(), 0o755, span);
        }
        EntryKind::File { contents, executable } => {
            let resource = node.object_mut("contents", span);
            if resource.filled("source").is_some() {
                return false;
            }
            embed(resource, span, &contents);
            if node.get("mode").is_none() {
                let usual = if executable { 0o755 } else { 0o644 };
                set_mode(node, tree.file_mode.as_ref(), usual, span);
            }
        }
        EntryKind::Link { target } => {
            if node.filled("target").is_some() {
                return false;
            }
            node.set("target", span, JsonValue::Text(target));
        }
    }
    true
}
