//! What an image brings for its own updates: the program that makes them, and the keys that may sign
//! them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use flagstone_artifact::Architecture;
use flagstone_index::{Elf, ElfClass};
use flagstone_recipe::{Recipe, TrustedKey, Update};
use flagstone_repository::check_root;
use flagstone_signature::{
    KeyKind, PublicKey, REVOKED_FILE, THRESHOLD_FILE, TrustedKeys, default_threshold,
};
use flagstone_tree::{Inode, Metadata, Mtime, Tree};

use crate::tree_files::{fixed, put_files, put_links};
use crate::{BuildError, Progress, sysupdate};

/// Where the program lies in an image, and its name for installing.
const AGENT: &str = "usr/bin/flagstone-agent";
const INSTALLER: &str = "usr/bin/flagstone-install";

/// Where machines look for the keys that they trust.
const KEYS: &str = "usr/share/flagstone/keys";

/// Where machines look for the root metadata that they start from.
const ROOT: &str = "usr/share/flagstone/repository/root.json";

/// Where machines look for the repository's address and their channel.
const SETTINGS: &str = "usr/share/flagstone/update.toml";

/// Units and settings by which boots are judged, and the loader's count has consequences.
const FILES: [(&str, &str); 8] = [
    (
        "usr/lib/systemd/system/flagstone-health.service",
        include_str!("../assets/agent/flagstone-health.service"),
    ),
    (
        "usr/lib/systemd/system/flagstone-settle.service",
        include_str!("../assets/agent/flagstone-settle.service"),
    ),
    (
        "usr/lib/systemd/system/flagstone-fall-back.service",
        include_str!("../assets/agent/flagstone-fall-back.service"),
    ),
    (
        "usr/lib/systemd/system/flagstone-update.service",
        include_str!("../assets/agent/flagstone-update.service"),
    ),
    (
        "usr/lib/systemd/system/flagstone-update.timer",
        include_str!("../assets/agent/flagstone-update.timer"),
    ),
    (
        "usr/lib/systemd/system/boot-complete.target.d/50-flagstone.conf",
        include_str!("../assets/agent/boot-complete.conf"),
    ),
    (
        "usr/lib/systemd/system/emergency.target.d/50-flagstone.conf",
        include_str!("../assets/agent/emergency.conf"),
    ),
    (
        "usr/lib/systemd/system.conf.d/50-flagstone-watchdog.conf",
        include_str!("../assets/agent/watchdog.conf"),
    ),
];

/// What pulls the units in: path and target of links.
const LINKS: [(&str, &str); 3] = [
    (
        "usr/lib/systemd/system/boot-complete.target.requires/flagstone-health.service",
        "../flagstone-health.service",
    ),
    (
        "usr/lib/systemd/system/multi-user.target.wants/flagstone-settle.service",
        "../flagstone-settle.service",
    ),
    (
        "usr/lib/systemd/system/timers.target.wants/flagstone-update.timer",
        "../flagstone-update.timer",
    ),
];

/// What every version of glibc that a program may need is called by.
const GLIBC: &[u8] = b"GLIBC_2.";

/// Program and keys, checked.
#[derive(Debug)]
pub(crate) struct Updates<'a> {
    update: &'a Update,
    agent: Option<Agent>,
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct Agent {
    path: PathBuf,
    program: Bytes,
    architecture: Architecture,
}

impl<'a> Updates<'a> {
    /// Reads the program, if the recipe wants it, and the recipe's keys.
    ///
    /// # Errors
    /// [`BuildError::NoAgent`], [`BuildError::Agent`], [`BuildError::TrustedKeys`],
    /// [`BuildError::UpdateRoot`], [`BuildError::NoKeyring`], [`BuildError::Keyring`].
    pub(crate) fn read(recipe: &'a Recipe, agent: Option<&Path>) -> Result<Self, BuildError> {
        let update = &recipe.update;
        let agent = update.agent.then(|| Agent::read(agent, recipe.image.architecture));
        root(update)?;
        sysupdate::check(update)?;
        Ok(Self { update, agent: agent.transpose()?, keys: keys(update)? })
    }

    /// Puts both into the tree.
    pub(crate) fn install(
        &self,
        tree: &mut Tree,
        date: Mtime,
        progress: &dyn Progress,
    ) -> Result<(), BuildError> {
        let folder = Metadata::root(0o755, date);
        if let Some(agent) = &self.agent {
            agent.check_libc(tree)?;
            let program = Inode::file(Metadata::root(0o755, date), agent.program.clone());
            tree.put(AGENT, folder, program)?;
            let link = Inode::symlink(date, "flagstone-agent");
            tree.put(INSTALLER, folder, link)?;
            put_files(tree, date, fixed(&FILES))?;
            put_links(tree, date, &LINKS)?;
        }
        put_files(tree, date, self.trust())?;
        self.remark(progress);
        Ok(())
    }

    /// Returns the files that say where updates are and who may sign them.
    fn trust(&self) -> Vec<(String, Bytes)> {
        let key = |name: &str| format!("{KEYS}/{name}");
        let mut files = Vec::new();
        for public in &self.keys {
            files.push((key(&format!("{}.pub", public.id())), public.to_text().into()));
        }
        if let Some(threshold) = self.update.threshold {
            files.push((key(THRESHOLD_FILE), format!("{threshold}\n").into()));
        }
        if let Some(revoked) = &self.update.revoked {
            files.push((key(REVOKED_FILE), revoked.content.clone().into()));
        }
        if let Some(root) = &self.update.root {
            files.push((ROOT.to_owned(), root.content.clone().into()));
        }
        let settings = settings(self.update);
        if !settings.is_empty() {
            files.push((SETTINGS.to_owned(), settings.into()));
        }
        files
    }

    /// Says what a person has to know before machines live with it.
    fn remark(&self, progress: &dyn Progress) {
        if self.agent.is_some() && self.keys.is_empty() {
            progress.note(
                "updates: the recipe names no keys ([update] keys), so that machines refuse every \
                 update and install only what --keys or --no-signature allows",
            );
        }
        if self.update.url.is_some() && self.update.root.is_none() {
            progress.note(
                "updates: the recipe names a repository, but no root ([update] root), without which \
                 machines cannot tell whether it is the right one",
            );
        }
        for key in self.keys.iter().filter(|key| key.kind() == KeyKind::Development) {
            progress.note(&format!(
                "updates: {} {} is a development key: whoever has it owns the machines",
                key.id(),
                key.name()
            ));
        }
    }
}

impl Agent {
    fn read(path: Option<&Path>, architecture: Architecture) -> Result<Self, BuildError> {
        let path = path.ok_or(BuildError::NoAgent { architecture })?.to_owned();
        let failed = |reason: String| BuildError::Agent { path: path.clone(), reason };
        let program = fs::read(&path).map_err(|error| failed(error.to_string()))?;
        let elf = Elf::parse(&program).map_err(|error| failed(error.to_string()))?;
        let found = elf.machine().multiarch(ElfClass::Elf64).unwrap_or("another machine");
        if found != architecture.multiarch() {
            let expected = architecture.multiarch();
            return Err(failed(format!("it is for {found}, the image for {expected}")));
        }
        Ok(Self { path, program: program.into(), architecture })
    }

    /// Checks that the image's libc is as new as the one that the program was linked with: else it
    /// would not start.
    fn check_libc(&self, tree: &Tree) -> Result<(), BuildError> {
        let failed = |reason: String| BuildError::Agent { path: self.path.clone(), reason };
        let needed = glibc_versions(&self.program);
        let Some(newest) = needed.last() else { return Ok(()) };
        let triplet = self.architecture.multiarch();
        let libc = tree.read(format!("usr/lib/{triplet}/libc.so.6"));
        let libc = libc.map_err(|_| failed("the image has no libc.so.6 for it".to_owned()))?;
        match glibc_versions(&libc).last() {
            Some(has) if has >= newest => Ok(()),
            Some(has) => Err(failed(format!("it needs glibc 2.{newest}, the image has 2.{has}"))),
            None => Err(failed("the image's libc.so.6 is not glibc".to_owned())),
        }
    }
}

/// Returns the minor numbers of all versions of glibc 2 that an object names.
fn glibc_versions(object: &[u8]) -> BTreeSet<u32> {
    let mut versions = BTreeSet::new();
    let mut rest = object;
    while let Some(at) = rest.windows(GLIBC.len()).position(|window| window == GLIBC) {
        rest = &rest[at + GLIBC.len()..];
        let digits = rest.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        let number = str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse::<u32>().ok());
        versions.extend(number);
    }
    versions
}

/// Reads the keys, and checks that a machine will take them together.
fn keys(update: &Update) -> Result<Vec<PublicKey>, BuildError> {
    let failed = |path: &Path, source| BuildError::TrustedKeys { path: path.to_owned(), source };
    let mut keys = Vec::new();
    for TrustedKey { path, content } in &update.keys {
        keys.push(PublicKey::parse(content).map_err(|source| failed(path, source))?);
    }
    let revoked = match &update.revoked {
        Some(file) => TrustedKeys::parse_revoked(&file.content)
            .map_err(|source| failed(&file.path, source))?,
        None => BTreeSet::new(),
    };
    let Some(last) = update.keys.last() else { return Ok(keys) };
    let threshold = match update.threshold {
        Some(threshold) => usize::from(threshold),
        None => default_threshold(&last.path, keys.len())
            .map_err(|source| failed(&last.path, source))?,
    };
    TrustedKeys::new(keys.clone(), &revoked, threshold)
        .map_err(|source| failed(&last.path, source))?;
    Ok(keys)
}

/// Checks the root metadata that machines start from, if there are any.
fn root(update: &Update) -> Result<(), BuildError> {
    let Some(TrustedKey { path, content }) = &update.root else { return Ok(()) };
    let failed = |source| BuildError::UpdateRoot { path: path.clone(), source: Box::new(source) };
    check_root(content).map(drop).map_err(failed)
}

/// Returns the text of the machine's settings, as far as the recipe has any. Neither word can hold what
/// ends a string of TOML.
fn settings(update: &Update) -> String {
    let line = |key: &str, value: &dyn std::fmt::Display| format!("{key} = \"{value}\"\n");
    let url = update.url.as_ref().map(|url| line("url", url));
    let channel = update.channel.as_ref().map(|channel| line("channel", channel));
    [url, channel].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_no_machine_could_start_from_is_refused() {
        let mut update = Update::default();
        root(&update).unwrap();
        let path = PathBuf::from("keys/root.json");
        update.root = Some(TrustedKey { path, content: b"{\"signatures\": []}".to_vec() });
        let error = root(&update).unwrap_err();
        assert!(error.to_string().ends_with("is wrong: keys/root.json"), "{error}");
        assert!(error.hint().unwrap().contains("flagstone publish"), "{error}");
    }

    #[test]
    fn the_root_lies_where_machines_look() {
        let path = PathBuf::from("root.json");
        let root = Some(TrustedKey { path, content: b"{}".to_vec() });
        let update = Update { root, channel: Some("beta".parse().unwrap()), ..Update::default() };
        let updates = Updates { update: &update, agent: None, keys: Vec::new() };
        let files: Vec<_> = updates.trust();
        let [(root, content), (settings, text)] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!((root.as_str(), content.as_ref()), (ROOT, b"{}".as_slice()));
        assert_eq!(
            (settings.as_str(), text.as_ref()),
            (SETTINGS, b"channel = \"beta\"\n".as_slice())
        );
    }

    #[test]
    fn settings_say_what_the_recipe_says() {
        let mut update = Update::default();
        assert_eq!(settings(&update), "");
        update.channel = Some("lts".parse().unwrap());
        assert_eq!(settings(&update), "channel = \"lts\"\n");
        update.url = Some("https://updates.example/a".parse().unwrap());
        let both = "url = \"https://updates.example/a\"\nchannel = \"lts\"\n";
        assert_eq!(settings(&update), both);
    }

    #[test]
    fn the_newest_glibc_that_an_object_names_is_found() {
        let object = b"\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0";
        assert_eq!(glibc_versions(object).last(), Some(&34));
        assert!(glibc_versions(b"GLIBC_2.").is_empty());
    }

    #[test]
    fn a_program_for_another_machine_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        fs::write(&path, b"#!/bin/sh\n").unwrap();
        let error = Agent::read(Some(&path), Architecture::X86_64).unwrap_err();
        assert!(matches!(error, BuildError::Agent { .. }), "{error}");
        let error = Agent::read(None, Architecture::Arm64).unwrap_err();
        assert!(error.hint().unwrap().contains("--agent"), "{error}");
        let this = std::env::current_exe().unwrap();
        let (own, other) = if cfg!(target_arch = "x86_64") {
            (Architecture::X86_64, Architecture::Arm64)
        } else {
            (Architecture::Arm64, Architecture::X86_64)
        };
        Agent::read(Some(&this), own).unwrap();
        let error = Agent::read(Some(&this), other).unwrap_err().to_string();
        assert!(error.contains("-linux-gnu"), "{error}");
    }
}
