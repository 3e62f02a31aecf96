//! Whether a rebuild gave what a manifest names, and if not, what differs and why.

use std::fmt;
use std::path::{Path, PathBuf};

use flagstone_artifact::{Manifest, Sha256Digest};
use flagstone_recipe::{Lock, Recipe};
use serde::Serialize;

use crate::CompareError;
use crate::locate::{Located, Place, first_field, locate};
use crate::packages::{PackagesDiff, of_lock, of_manifest};
use crate::release::{base_name, manifest_in, read_all};
use crate::spread::digest;
use crate::window::Window;

/// The format of a proof as JSON.
pub const PROOF_VERSION: u32 = 1;

/// The list of digests that a build writes, and its greatest length.
const SUMS: &str = "SHA256SUMS";
const SUMS_MAX: u64 = 1 << 20;

/// How many packages or places are named in a text.
const NAMED_MAX: usize = 10;

/// Artefacts in the order in which a build makes them: what comes later contains what came before.
const ORDER: [&str; 6] = [".usr.erofs", ".usr.verity", ".efi", ".spdx.json", ".cdx.json", ".raw"];

/// What a rebuild proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The format of this; [`PROOF_VERSION`].
    pub proof_version: u32,
    /// The manifest that was proved.
    pub manifest: String,
    /// Whether every artefact is the same.
    pub identical: bool,
    /// Whether a rebuild was made; it is not where its inputs are others.
    pub rebuilt: bool,
    /// Every artefact, in the order in which a build makes them.
    pub artifacts: Vec<ArtifactProof>,
    /// The likely causes of what differs, the most certain first.
    pub causes: Vec<String>,
}

/// What became of one artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArtifactProof {
    /// Its file's name.
    pub name: String,
    /// What became of it.
    pub state: ArtifactState,
    /// Its digest in the manifest.
    pub expected: Option<Sha256Digest>,
    /// The digest of the rebuilt one.
    pub rebuilt: Option<Sha256Digest>,
    /// Where it differs; what was found → what was rebuilt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
}

/// What can become of an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactState {
    /// The file, the manifest's digest and the rebuilt file agree.
    Identical,
    /// The file is not there; the manifest's digest and the rebuilt file agree.
    Absent,
    /// The file is other than the manifest says, and the rebuilt one is as it says.
    ChangedAfterBuild,
    /// The manifest's digest is other than both files, which agree.
    ManifestChanged,
    /// The rebuilt file is another.
    Differs,
}

impl ArtifactState {
    fn text(self) -> &'static str {
        match self {
            Self::Identical => "identical",
            Self::Absent => "not there; its digest is that of the rebuilt one",
            Self::ChangedAfterBuild => "changed after the build",
            Self::ManifestChanged => "as rebuilt, but the manifest names another digest",
            Self::Differs => "differs",
        }
    }
}

/// Returns the manifest that belongs to a path: itself, the one in a folder, or the one beside an
/// artefact.
///
/// # Errors
/// [`CompareError`] if there is none, or it does not name the artefact.
pub fn find_manifest(path: &Path) -> Result<PathBuf, CompareError> {
    let metadata = std::fs::metadata(path).map_err(CompareError::read(path))?;
    if metadata.is_dir() {
        return manifest_in(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let base = ORDER.iter().find_map(|ending| name.strip_suffix(ending));
    let Some(base) = base else { return Ok(path.to_owned()) };
    let manifest = path.with_file_name(format!("{base}.manifest.json"));
    let known = crate::read_manifest(&manifest)?;
    if known.artifacts.contains_key(&name) {
        return Ok(manifest);
    }
    let names: Vec<&str> = known.artifacts.keys().map(String::as_str).collect();
    Err(CompareError::Unfit {
        path: manifest,
        place: "artifacts".to_owned(),
        expected: name,
        found: names.join(", "),
        hint: "name an artefact that its manifest knows, or the manifest",
    })
}

/// Returns why recipe and lock cannot give what a manifest names; nothing if they may.
pub fn other_inputs(manifest: &Manifest, recipe: &Recipe, lock: &Lock) -> Vec<String> {
    let mut causes = Vec::new();
    let (built, asked) = (base_name(manifest), recipe.image.to_string());
    if built != asked {
        causes.push(format!("another recipe: it makes {asked}, the manifest is of {built}"));
    }
    let (built, asked) = (manifest.lock_sha256, Sha256Digest::of(lock.render().as_bytes()));
    let packages = PackagesDiff::between(&of_manifest(manifest), &of_lock(lock));
    if built.is_some_and(|built| built != asked) || !packages.is_empty() {
        let what = packages_of(&packages).unwrap_or_else(|| {
            format!("same packages, but expected the digest {}, found {asked}", shown(built))
        });
        causes.push(format!("another lock: {what}"));
    } else if manifest.source_date != lock.date.unix_seconds() {
        causes.push(format!(
            "another lock: expected the date {}, found {}",
            manifest.source_date,
            lock.date.unix_seconds()
        ));
    }
    let asked = recipe.digest();
    if let Some(built) = manifest.recipe_sha256.filter(|built| *built != asked) {
        causes.push(format!(
            "another recipe: expected what has the digest {built}, found {asked}; it changed, or a recipe that it extends or a file that it names did"
        ));
    }
    causes
}

fn shown(digest: Option<Sha256Digest>) -> String {
    digest.map_or_else(|| "of another lock".to_owned(), |digest| digest.to_string())
}

/// Says which packages differ, old being the manifest's.
fn packages_of(packages: &PackagesDiff) -> Option<String> {
    let PackagesDiff { added, removed, upgraded, downgraded, rebuilt, same: _ } = packages;
    let other = upgraded.iter().chain(downgraded).map(|change| {
        format!("{} is {} instead of {}", change.name, change.new.version, change.old.version)
    });
    let rebuilt = rebuilt
        .iter()
        .map(|change| format!("{} {} has another digest", change.name, change.new.version));
    let added = added.iter().map(|package| format!("{} was not in the image", package.name));
    let removed = removed.iter().map(|package| format!("{} is missing", package.name));
    let all: Vec<String> = other.chain(rebuilt).chain(added).chain(removed).collect();
    if all.is_empty() {
        return None;
    }
    let more = all.len().saturating_sub(NAMED_MAX);
    let named = all[..all.len() - more].join(", ");
    Some(if more == 0 { named } else { format!("{named} and {more} more") })
}

impl Proof {
    /// Returns what is known where no rebuild was made, since its inputs are others.
    pub fn without_rebuild(manifest: &Path, causes: Vec<String>) -> Self {
        Self {
            proof_version: PROOF_VERSION,
            manifest: manifest.display().to_string(),
            identical: false,
            rebuilt: false,
            artifacts: Vec::new(),
            causes,
        }
    }

    /// Compares the artefacts beside a manifest with those that a rebuild put into a folder.
    ///
    /// # Errors
    /// [`CompareError`] if a file cannot be read.
    pub fn of(
        path: &Path,
        manifest: &Manifest,
        folder: &Path,
        rebuilt: &Manifest,
    ) -> Result<Self, CompareError> {
        let mut proof = Self::without_rebuild(path, Vec::new());
        proof.rebuilt = true;
        let beside = path.parent().unwrap_or(Path::new(""));
        let mut placement_only = false;
        for name in names(manifest, rebuilt) {
            let expected = manifest.artifacts.get(&name).and_then(|record| record.sha256);
            // Where the manifest has no digest, only the files can be compared.
            let unsummed = manifest.artifacts.get(&name).is_some_and(|r| r.sha256.is_none());
            let made = rebuilt.artifacts.get(&name).and_then(|record| record.sha256);
            let made = made.filter(|_| !unsummed);
            let (file, other) = (beside.join(&name), folder.join(&name));
            let both = file.exists() && rebuilt.artifacts.contains_key(&name);
            let located = if both { Some(locate(&name, &file, &other)?) } else { None };
            let state = match &located {
                None if expected == made => ArtifactState::Absent,
                Some(None) if expected == made => ArtifactState::Identical,
                Some(None) => ArtifactState::ManifestChanged,
                Some(Some(_)) if expected == made && !unsummed => ArtifactState::ChangedAfterBuild,
                _ => ArtifactState::Differs,
            };
            if state == ArtifactState::Differs && file.exists() {
                let actual = Window::open(&file)
                    .and_then(|window| digest(&window).map_err(CompareError::read(&file)))?;
                if expected.is_some_and(|expected| expected != actual) {
                    proof.causes.push(format!("{name} was changed after the build, too: expected the digest {}, found {actual}", shown(expected)));
                }
            }
            let located = located.flatten().unwrap_or_default();
            placement_only |= located.placement_only && state == ArtifactState::Differs;
            let Located { places, .. } = located;
            proof.artifacts.push(ArtifactProof { name, state, expected, rebuilt: made, places });
        }
        proof.fields(manifest, rebuilt);
        proof.sums(path, manifest)?;
        proof.identical = proof.causes.is_empty()
            && proof.artifacts.iter().all(|artifact| {
                matches!(artifact.state, ArtifactState::Identical | ArtifactState::Absent)
            });
        proof.explain(manifest, rebuilt, placement_only);
        Ok(proof)
    }

    /// Compares what the manifests say besides digests of artefacts.
    fn fields(&mut self, manifest: &Manifest, rebuilt: &Manifest) {
        let mut rebuilt = rebuilt.clone();
        rebuilt.artifacts.clone_from(&manifest.artifacts);
        if self.artifacts.iter().any(|artifact| artifact.state == ArtifactState::Differs) {
            // It follows from the usr image, and explains nothing.
            rebuilt.root_hash = manifest.root_hash;
        }
        // Older manifests do not have them.
        rebuilt.lock_sha256 = manifest.lock_sha256.and(rebuilt.lock_sha256);
        rebuilt.recipe_sha256 = manifest.recipe_sha256.and(rebuilt.recipe_sha256);
        let value = |manifest: &Manifest| serde_json::to_value(manifest).unwrap_or_default();
        if let Some(place) = first_field(&value(manifest), &value(&rebuilt), String::new()) {
            let how = place.how.unwrap_or_default();
            self.causes.push(format!("the manifest differs at {}: {how}", place.what));
        }
    }

    /// Checks the list of digests beside the manifest, if there is one.
    fn sums(&mut self, path: &Path, manifest: &Manifest) -> Result<(), CompareError> {
        let sums = path.with_file_name(SUMS);
        if !sums.exists() {
            return Ok(());
        }
        let list = read_all(&Window::open(&sums)?, &sums, SUMS_MAX)?;
        let window = Window::open(path)?;
        let own = digest(&window).map_err(CompareError::read(path))?.to_string();
        let own_name = path.file_name().unwrap_or_default().to_string_lossy();
        for line in String::from_utf8_lossy(&list).lines() {
            let Some((found, name)) = line.split_once("  ") else { continue };
            let known = manifest.artifacts.get(name).and_then(|record| record.sha256);
            let known = known.map(|digest| digest.to_string());
            let known = known.or_else(|| (*name == *own_name).then(|| own.clone()));
            if let Some(expected) = known.filter(|expected| expected != found) {
                self.causes.push(format!(
                    "{SUMS} has another digest of {name}: expected {expected}, found {found}"
                ));
            }
        }
        Ok(())
    }

    /// Adds what may have caused the difference.
    fn explain(&mut self, manifest: &Manifest, rebuilt: &Manifest, placement_only: bool) {
        let has = |state| self.artifacts.iter().any(|artifact| artifact.state == state);
        let mut causes = Vec::new();
        if has(ArtifactState::ChangedAfterBuild) {
            causes.push(
                "the artefact was changed after the build: the rebuilt one has the digest that the manifest names".to_owned(),
            );
        }
        if has(ArtifactState::ManifestChanged) {
            causes.push("the manifest was changed after the build".to_owned());
        }
        if has(ArtifactState::Differs) {
            let (built, this) = (&manifest.flagstone_version, &rebuilt.flagstone_version);
            if built != this {
                causes.push(format!("another Flagstone: {built} built it, this is {this}"));
            }
            if !manifest.hermetic || !rebuilt.hermetic {
                let names = manifest.commands.iter().chain(&rebuilt.commands);
                let mut names: Vec<&str> = names.map(|command| command.name.as_str()).collect();
                names.dedup();
                causes.push(format!(
                    "commands of [run], which may give other bytes each time: {}",
                    names.join(", ")
                ));
            }
            if placement_only {
                causes.push(
                    "other settings of the compressor ([usr] in the recipe), or another Flagstone: the files are the same".to_owned(),
                );
            }
            if manifest.recipe_sha256.is_none() {
                causes.push("another recipe: the manifest has no digest of it".to_owned());
            }
            if causes.is_empty() {
                causes.push(
                    "another program of the same version: recipe, lock and version are those of the manifest".to_owned(),
                );
            }
        }
        causes.append(&mut self.causes);
        self.causes = causes;
    }
}

/// Returns the names of all artefacts, in the order in which a build makes them.
fn names(manifest: &Manifest, rebuilt: &Manifest) -> Vec<String> {
    let mut names: Vec<String> =
        manifest.artifacts.keys().chain(rebuilt.artifacts.keys()).cloned().collect();
    let rank = |name: &String| ORDER.iter().position(|ending| name.ends_with(ending));
    names.sort_by_key(|name| (rank(name).unwrap_or(ORDER.len()), name.clone()));
    names.dedup();
    names
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ArtifactProof { name, state, expected, rebuilt, places } in &self.artifacts {
            writeln!(f, "{name}: {}", state.text())?;
            if expected != rebuilt {
                let digest = |digest: &Option<Sha256Digest>| {
                    digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
                };
                writeln!(f, "  expected {}\n  rebuilt  {}", digest(expected), digest(rebuilt))?;
            }
            for place in places.iter().take(NAMED_MAX) {
                writeln!(f, "  {place}")?;
            }
            let more = places.len().saturating_sub(NAMED_MAX);
            if more > 0 {
                writeln!(f, "  … and {more} more places")?;
            }
        }
        for cause in &self.causes {
            writeln!(f, "likely cause: {cause}")?;
        }
        if self.identical {
            return writeln!(f, "identical: {} is what recipe and lock give", self.manifest);
        }
        let failed = |artifact: &&ArtifactProof| {
            !matches!(artifact.state, ArtifactState::Identical | ArtifactState::Absent)
        };
        match self.artifacts.iter().find(failed) {
            Some(first) => writeln!(f, "not the same: {} is the first that differs", first.name),
            None if self.rebuilt => writeln!(f, "not the same: the manifest differs"),
            None => writeln!(f, "not verified: the inputs are others, so nothing was rebuilt"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.what.is_empty() { "bytes" } else { &self.what })?;
        if let Some(bytes) = &self.bytes {
            if bytes.first == bytes.last {
                write!(f, ", byte {}", bytes.first)?;
            } else {
                let crate::Spread { first, last, count } = bytes;
                write!(f, ", bytes {first} to {last} ({count} differ)")?;
            }
        }
        match &self.how {
            Some(how) => write!(f, ": {how}"),
            None => Ok(()),
        }
    }
}
