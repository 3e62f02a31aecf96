use std::fmt::Write as _;

use super::difference::{Aspect, EtcChange, EtcDiff};

impl EtcDiff {
    /// Returns the differences as text, a path a line: what became of it, the path, and for a change what
    /// differs, the default first.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |what: &str, path: &str, more: &str| {
            let _ = writeln!(text, "{what:<8} {path}{more}");
        };
        let below = |kind: &str| if kind == "directory" { "/" } else { "" };
        for entry in &self.added {
            line("added", &entry.path, below(entry.kind.kind));
        }
        for change in &self.changed {
            line("changed", &change.path, &format!(" ({})", change.text()));
        }
        for entry in &self.removed {
            line("removed", &entry.path, below(entry.kind.kind));
        }
        for entry in &self.same {
            line("same", &entry.path, " (as the default, but does not follow updates)");
        }
        text
    }
}

impl EtcChange {
    fn text(&self) -> String {
        let (old, new) = (&self.default, &self.machine);
        let aspects = self.differs.iter().map(|aspect| match aspect {
            Aspect::Kind => format!("{} -> {}", old.kind, new.kind),
            Aspect::Content => "content".to_owned(),
            Aspect::Target => "target".to_owned(),
            Aspect::Mode => format!("mode {} -> {}", old.mode, new.mode),
            Aspect::Owner => format!("owner {}:{} -> {}:{}", old.uid, old.gid, new.uid, new.gid),
        });
        aspects.collect::<Vec<_>>().join(", ")
    }
}
