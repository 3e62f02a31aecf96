use std::collections::{BTreeMap, BTreeSet};

use flagstone_scripts::Declaration;
use flagstone_tree::{Mtime, Tree};

use crate::{
    Choice, EtcInput, Home, ModulesInput, Note, OwnFile, RootfsError, UnitsInput, UsersInput,
    alternatives, ca_certificates, declared_files, etc_files, module_settings, own_files,
    ownership, pam, set_id, units, users,
};

/// What the finishers are told.
#[derive(Clone, Debug, Default)]
pub struct FinishInput {
    /// The build's date: of all files made here, and of the accounts' passwords.
    pub date: Mtime,
    /// Users, groups and their numbers.
    pub users: UsersInput,
    /// The recipe's own files.
    pub files: Vec<OwnFile>,
    /// Names and places.
    pub etc: EtcInput,
    /// Which units start.
    pub units: UnitsInput,
    /// Kernel parameters for sysctl.d(5).
    pub sysctl: BTreeMap<String, String>,
    /// Lines for tmpfiles.d(5).
    pub tmpfiles: Vec<String>,
    /// Kernel modules.
    pub modules: ModulesInput,
    /// Which program a command is, where the best one is not wanted.
    pub alternatives: Vec<Choice>,
    /// What packages' scripts state in plain words, by package, in the order of the scripts.
    pub declarations: Vec<(String, Declaration)>,
}

/// What the finishers found and made.
#[derive(Clone, Debug)]
pub struct FinishReport {
    /// Every user's number by name.
    pub users: BTreeMap<String, u32>,
    /// Every group's number by name.
    pub groups: BTreeMap<String, u32>,
    /// Home directories of the recipe's users. The machine must make them before Ignition runs,
    /// which adds keys to a user that exists only where there is a home.
    pub homes: Vec<Home>,
    /// Links that enable units, as `target.wants/unit`.
    pub unit_links: BTreeSet<String>,
    /// What a person may want to know.
    pub notes: Vec<Note>,
}

/// Finishes a merged tree: does what maintainer scripts and an installer would have done.
///
/// Does not run anything and does not touch the host. Indices made from objects (`ld.so.cache`,
/// module dependencies, the hardware database) are made elsewhere, after this and before
/// [`split`](crate::split).
///
/// # Errors
/// [`RootfsError`] of the first step that fails.
pub fn finish(tree: &mut Tree, input: &FinishInput) -> Result<FinishReport, RootfsError> {
    let date = input.date;
    let mut notes = Vec::new();
    own_files::place(tree, &input.files, date)?;
    own_files::settings(tree, &input.sysctl, &input.tmpfiles, date)?;
    module_settings::write(tree, &input.modules, date)?;
    let users::UsersOutcome { accounts, homes } =
        users::create(tree, &input.users, &input.declarations, date, &mut notes)?;
    own_files::check_accounts(&input.tmpfiles, &accounts)?;
    etc_files::write(tree, &input.etc, date)?;
    pam::configure(tree, date)?;
    ca_certificates::install(tree, date, &mut notes)?;
    alternatives::link(tree, &input.alternatives, &input.declarations, date)?;
    declared_files::make(tree, &input.declarations, &accounts, date, &mut notes)?;
    ownership::fix_owners(tree, &accounts)?;
    own_files::assign_owners(tree, &input.files, &accounts)?;
    set_id::report(tree, &mut notes);
    let unit_links = units::enable(tree, &input.units, date, &mut notes)?;
    let (users, groups) = (accounts.uids(), accounts.gids());
    Ok(FinishReport { users, groups, homes, unit_links, notes })
}
