use std::collections::BTreeSet;

use crate::Paths;

/// What the finishers do whatever scripts say, as the caller's finishers know it.
///
/// It is handed in, so that a verdict cannot say more than what the finishers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Users that they make.
    pub users: BTreeSet<String>,
    /// Groups that they make.
    pub groups: BTreeSet<String>,
    /// Files and links that they write.
    pub files: Paths,
    /// Files and directories whose owner and mode they set.
    pub owners: Paths,
    /// Shells that they list.
    pub shells: BTreeSet<String>,
    /// Whether they make the caches of desktops: settings schemas, MIME types, icon themes.
    pub desktop_caches: bool,
}
