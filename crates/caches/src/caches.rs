use bytes::Bytes;
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::{CacheError, desktop_entries, fonts, icon_theme, mime, schemas};

/// Versions of the packages whose tools write their own version into what they make.
#[derive(Clone, Debug, Default)]
pub struct ToolVersions {
    /// Of `shared-mime-info`, as Debian numbers it.
    pub shared_mime_info: String,
}

/// The caches of a tree: files for it, and what is to be said about their sources.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    files: Vec<(String, Bytes)>,
    notes: Vec<String>,
}

impl Caches {
    /// Makes every cache whose tool is in the tree. Does not change the tree.
    ///
    /// # Errors
    /// [`CacheError::TooLarge`].
    pub fn make(tree: &Tree, tools: &ToolVersions) -> Result<Self, CacheError> {
        let mime_version = upstream(&tools.shared_mime_info);
        let ((schemas, mime), (entries, icons)) = rayon::join(
            || rayon::join(|| schemas::compile(tree), || mime::update(tree, mime_version)),
            || rayon::join(|| desktop_entries::update(tree), || icon_theme::update(tree)),
        );
        let mut all = schemas?;
        for more in [mime?, entries, icons?] {
            all.append(more);
        }
        Ok(all)
    }

    /// Returns the files by their paths.
    pub fn files(&self) -> &[(String, Bytes)] {
        &self.files
    }

    /// Returns what a person may want to know: sources that were ignored, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Puts the files into the tree they were made from, and gives folders of fonts the files' time.
    ///
    /// # Errors
    /// [`CacheError::Tree`] if something is in the way.
    pub fn write(&self, tree: &mut Tree, mtime: Mtime) -> Result<(), CacheError> {
        for (path, bytes) in &self.files {
            let file = Inode::file(Metadata::root(0o644, mtime), bytes.clone());
            tree.put(path, Metadata::root(0o755, mtime), file).map_err(CacheError::Tree)?;
        }
        fonts::date_folders(tree, mtime);
        Ok(())
    }

    pub(crate) fn add(&mut self, path: impl Into<String>, bytes: impl Into<Bytes>) {
        self.files.push((path.into(), bytes.into()));
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    pub(crate) fn append(&mut self, more: Self) {
        self.files.extend(more.files);
        self.notes.extend(more.notes);
    }
}

/// Returns the part of a Debian version that the tool's makers gave.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}
