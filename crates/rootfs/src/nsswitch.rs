//! /etc/nsswitch.conf: libc's default, with the modules that are installed.

use flagstone_tree::Tree;

use crate::RootfsError;
use crate::edit::{Edit, names};

/// Where a module goes in a database's list.
enum Place {
    /// At the end.
    Last,
    /// After a module.
    After(&'static str),
    /// Before a module.
    Before(&'static str),
}

/// What the scripts of the libnss packages insert, in the order in which they come out right:
/// module, what is written, databases, place.
const MODULES: [(&str, &str, &[&str], Place); 4] = [
    ("systemd", "systemd", &["passwd", "group", "shadow", "gshadow"], Place::Last),
    ("myhostname", "myhostname", &["hosts"], Place::After("files")),
    ("resolve", "resolve [!UNAVAIL=return]", &["hosts"], Place::Before("dns")),
    ("mymachines", "mymachines", &["hosts"], Place::After("files")),
];

/// Writes `/etc/nsswitch.conf` from libc-bin's default: a script copies it, and the scripts of
/// libnss packages put their modules in. Without `systemd` in it dynamic users have no names; without
/// `myhostname` the machine does not know its own.
pub(crate) fn write(edit: &mut Edit<'_>) -> Result<(), RootfsError> {
    if edit.exists("etc/nsswitch.conf") {
        return Ok(());
    }
    let Some(mut text) = edit.text("usr/share/libc-bin/nsswitch.conf")? else { return Ok(()) };
    for (module, words, databases, place) in &MODULES {
        if has_module(edit.tree, module) {
            text = insert(&text, words, databases, place);
        }
    }
    edit.file("etc/nsswitch.conf", 0o644, text)?;
    Ok(())
}

/// Tells whether libc can load a module: it is a library in any library directory.
fn has_module(tree: &Tree, module: &str) -> bool {
    let library = format!("libnss_{module}.so.2");
    let places = names(tree, "usr/lib").into_iter().map(|dir| format!("usr/lib/{dir}/{library}"));
    places.chain([format!("usr/lib/{library}")]).any(|path| tree.resolve(path).is_ok())
}

fn insert(text: &str, words: &str, databases: &[&str], place: &Place) -> String {
    let edited = text.lines().map(|line| match line.split_once(':') {
        Some((database, list)) if databases.contains(&database) => {
            let blanks = list.len() - list.trim_start().len();
            format!("{database}:{}{}", &list[..blanks], insert_word(list.trim(), words, place))
        }
        _ => line.to_owned(),
    });
    edited.map(|line| line + "\n").collect()
}

fn insert_word(list: &str, words: &str, place: &Place) -> String {
    let (Place::After(anchor) | Place::Before(anchor)) = place else {
        return format!("{list} {words}");
    };
    let mut out: Vec<&str> = list.split_whitespace().collect();
    let Some(mut at) = out.iter().position(|word| word == anchor) else {
        return format!("{list} {words}");
    };
    if matches!(place, Place::After(_)) {
        at += 1;
        // What follows in brackets belongs to the module before it.
        while out.get(at).is_some_and(|word| word.starts_with('[')) {
            at += 1;
        }
    }
    out.insert(at, words);
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_go_where_their_packages_put_them() {
        let text = "# c: x\npasswd:         files\nhosts:          files dns\n";
        let edited = MODULES.iter().fold(text.to_owned(), |text, (_, words, databases, place)| {
            insert(&text, words, databases, place)
        });
        assert_eq!(
            edited,
            "# c: x\npasswd:         files systemd\n\
             hosts:          files mymachines myhostname resolve [!UNAVAIL=return] dns\n"
        );
    }

    #[test]
    fn actions_stay_with_their_module() {
        let place = Place::After("files");
        assert_eq!(
            insert_word("files [NOTFOUND=return] dns", "x", &place),
            "files [NOTFOUND=return] x dns"
        );
        assert_eq!(insert_word("dns", "x", &place), "dns x");
    }
}
