//! Debian Policy in Rust: versions, control data, archives, packages, the resolver.
//!
//! The crate reads what a Debian archive publishes and decides which packages are needed:
//!
//! ```text
//! InRelease ─ Keyring ─► VerifiedRelease ─► Packages ─► Universe ─ resolve ─► Solution
//!                                                         .deb ─► Deb: control, scripts, data.tar
//! ```
//!
//! Nothing of a release is parsed before a signature over it was found good, and nothing of an
//! index or a package before its digest was ([`VerifiedRelease`] and the fetcher see to that). Every
//! length that input claims is bounded before memory is spent on it.
//!
//! It knows Debian's formats and rules, and how an archive is laid out. It must not know what the
//! packages are wanted for: no recipes, no file trees, no images. It opens no connection but
//! through a [`flagstone_fetch::Fetcher`], and is given the time.

mod ar;
mod archive;
mod candidate;
mod clearsign;
mod codec;
mod control;
mod copyright;
mod date;
mod deb;
mod error;
mod keyring;
mod mirror;
mod name;
mod packages;
mod relation;
mod release;
mod repository;
mod resolve;
mod sources;
mod suggest;
#[cfg(test)]
mod test_judge;
#[cfg(test)]
mod test_keys;
mod universe;
mod version;

pub use archive::{Archive, ArchiveRequest, ReleaseRecord, SuiteRequest};
pub use candidate::{Candidate, CandidateId, MultiArch, Priority};
pub use codec::Compression;
pub use control::{Field, Stanza, Stanzas};
pub use copyright::Copyright;
pub use date::{format_date, parse_date};
pub use deb::{Control, Deb, MaintainerScript};
pub use error::{
    ArchiveError, CodecError, ControlError, DebError, GrammarError, ReleaseError, SignatureError,
};
pub use keyring::Keyring;
pub use mirror::{ArchiveId, Mirrors, Suite};
pub use name::PackageName;
pub use relation::{Dependency, Relation, RelationField, VersionConstraint, VersionOperator};
pub use release::{IndexFile, Release, VerifiedRelease};
pub use repository::{Origin, RepositoryName};
pub use resolve::{Pin, Request, ResolveError, Solution, Solved, VersionPattern, Why, resolve};
pub use sources::{SourceEntry, parse_sources, read_sources};
pub use universe::Universe;
pub use version::DebVersion;
