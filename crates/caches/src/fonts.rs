//! Times of font folders, by which fontconfig knows whether its caches are still true.

use flagstone_tree::{InodeId, Mtime, Tree};

const FONTS: &str = "usr/share/fonts";

/// Gives every folder of fonts the build's date.
///
/// fontconfig keeps a cache for each folder in /var and looks at nothing but the folder's time. A
/// folder that several packages share has the time of one of them: an update that brings another
/// package would leave it as it was, and the new fonts would not be found.
pub(crate) fn date_folders(tree: &mut Tree, date: Mtime) {
    let Ok((_, top)) = tree.resolve(FONTS) else { return };
    let mut todo: Vec<InodeId> = vec![top];
    while let Some(id) = todo.pop() {
        let inode = tree.inode_mut(id);
        let Some(children) = inode.children() else { continue };
        todo.extend(children.values().copied());
        inode.metadata.mtime = date;
    }
}

#[cfg(test)]
mod tests {
    use flagstone_tree::{Inode, Metadata};

    use super::*;

    #[test]
    fn folders_of_fonts_carry_the_date_and_fonts_their_own() {
        let (old, date) = (Mtime::from_seconds(1), Mtime::from_seconds(9));
        let meta = Metadata::root(0o755, old);
        let mut tree = Tree::new(meta);
        let font = "usr/share/fonts/truetype/a.ttf";
        tree.put(font, meta, Inode::file(meta, "")).unwrap();
        date_folders(&mut tree, date);
        let time = |path: &str| tree.inode(tree.resolve(path).unwrap().1).metadata.mtime;
        assert_eq!([time(FONTS), time("usr/share/fonts/truetype")], [date; 2]);
        assert_eq!([time("usr/share"), time(font)], [old; 2]);
    }
}
