use flagstone_tree::Tree;

use super::InitrdError;

/// The list that Flagstone ships.
const SHIPPED: &str = include_str!("../../assets/initrd.list");

/// What an item of a [`ContentList`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ContentKind {
    /// A program or library, with all that it needs to run.
    Exec,
    /// A file, link, or directory with all below it.
    File,
    /// A systemd unit.
    Unit,
    /// A kernel module.
    Module,
    /// A line of passwd.
    User,
    /// A line of group.
    Group,
}

impl ContentKind {
    const ALL: [(&'static str, Self); 6] = [
        ("exec", Self::Exec),
        ("file", Self::File),
        ("unit", Self::Unit),
        ("module", Self::Module),
        ("user", Self::User),
        ("group", Self::Group),
    ];
}

/// One thing that the initrd takes from the finished tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentItem {
    /// What it is.
    pub kind: ContentKind,
    /// Its path or name.
    pub name: String,
    /// Where the initrd has it, if not at its own path.
    pub to: Option<String>,
    /// Whether the tree may do without it.
    pub optional: bool,
    /// Taken only where the tree has this path.
    pub when: Option<String>,
}

/// The declared content of an initrd; `assets/initrd.list` says how one is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentList {
    items: Vec<ContentItem>,
}

impl ContentList {
    /// Returns the list that Flagstone ships.
    ///
    /// # Errors
    /// None in practice: a test parses it.
    pub fn shipped() -> Result<Self, InitrdError> {
        Self::parse(SHIPPED)
    }

    /// Parses a list.
    ///
    /// # Errors
    /// [`InitrdError::List`] with the line.
    pub fn parse(text: &str) -> Result<Self, InitrdError> {
        let mut items = Vec::new();
        let mut when = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix("when ") {
                when = Some(path.trim().to_owned());
                continue;
            }
            let item = parse_line(line).map_err(|expected| InitrdError::List {
                line: index + 1,
                expected,
                found: line.to_owned(),
            })?;
            items.push(ContentItem { when: when.clone(), ..item });
        }
        Ok(Self { items })
    }

    /// Adds a kernel module that must be there.
    pub fn require_module(&mut self, name: &str) {
        let kind = ContentKind::Module;
        let name = name.to_owned();
        self.items.push(ContentItem { kind, name, to: None, optional: false, when: None });
    }

    /// Returns what of the list a tree calls for: items whose condition it does not meet are gone.
    #[must_use]
    pub fn for_tree(&self, tree: &Tree) -> Self {
        let wanted = |item: &&ContentItem| item.when.as_ref().is_none_or(|path| tree.exists(path));
        Self { items: self.items.iter().filter(wanted).cloned().collect() }
    }

    /// Returns the items of one kind, in the list's order.
    pub fn of(&self, kind: ContentKind) -> impl Iterator<Item = &ContentItem> {
        self.items.iter().filter(move |item| item.kind == kind)
    }
}

fn parse_line(line: &str) -> Result<ContentItem, &'static str> {
    let (kind, name) = line.split_once(' ').ok_or("a kind and an argument")?;
    let kind = ContentKind::ALL
        .into_iter()
        .find_map(|(word, value)| (word == kind).then_some(value))
        .ok_or("exec, file, unit, module, user or group")?;
    let name = name.trim();
    let (name, optional) = name.strip_prefix('?').map_or((name, false), |rest| (rest, true));
    let (name, to) = name.split_once(" as ").map_or((name, None), |(name, to)| (name, Some(to)));
    let whole = |word: &str| !word.is_empty() && !word.contains(char::is_whitespace);
    if !whole(name) || !to.is_none_or(whole) {
        return Err("one argument without spaces, or two with \"as\" between");
    }
    let to = to.map(str::to_owned);
    if to.is_some() && !matches!(kind, ContentKind::Exec | ContentKind::File) {
        return Err("\"as\" only for exec and file");
    }
    Ok(ContentItem { kind, name: name.to_owned(), to, optional, when: None })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flagstone_tree::{Inode, Metadata, Mtime};

    use super::*;

    #[test]
    fn the_shipped_list_parses_and_names_nothing_twice() {
        let list = ContentList::shipped().unwrap();
        let distinct: BTreeSet<_> = list.items.iter().map(|item| (item.kind, &item.name)).collect();
        assert_eq!(distinct.len(), list.items.len());
        assert!(
            list.of(ContentKind::Module).any(|item| item.name == "dm_verity" && !item.optional)
        );
    }

    #[test]
    fn lines_that_make_no_sense_are_refused_with_their_number() {
        for (text, bad_line) in [
            ("exec", 1),
            ("\n# x\nprogram a", 3),
            ("file a b", 1),
            ("file ?", 1),
            ("file a as", 1),
            ("file a as b c", 1),
            ("when x\nunit a as b", 2),
        ] {
            match ContentList::parse(text) {
                Err(InitrdError::List { line, .. }) => assert_eq!(line, bad_line, "{text:?}"),
                other => panic!("{text:?} gave {other:?}"),
            }
        }
    }

    #[test]
    fn items_of_a_condition_are_for_trees_that_meet_it() {
        let list = ContentList::parse("exec a\nwhen opt/x\nfile ?b as c\nuser d\n").unwrap();
        let names = |list: &ContentList| -> Vec<String> {
            list.items.iter().map(|item| item.name.clone()).collect()
        };
        let metadata = Metadata::root(0o755, Mtime::default());
        let mut tree = Tree::new(metadata);
        assert_eq!(names(&list.for_tree(&tree)), ["a"]);
        tree.put("opt/x", metadata, Inode::file(metadata, "")).unwrap();
        assert_eq!(names(&list.for_tree(&tree)), ["a", "b", "d"]);
        let moved = list.of(ContentKind::File).next().unwrap();
        assert!(moved.optional && moved.to.as_deref() == Some("c"));
    }
}
