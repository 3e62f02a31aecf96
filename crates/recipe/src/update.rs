use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::decode::{Decode, Node, decode_integer};
use crate::layer::UpdateLayer;
use crate::report::Report;
use crate::resolve::{Resolver, items};
use crate::source::Located;
use crate::table::Onto;
use crate::{Channel, UpdateUrl};

/// Where updates come from and who may sign them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// The channel.
    pub channel: Option<Channel>,
    /// The address below which channels lie.
    pub url: Option<UpdateUrl>,
    /// Public keys, in the recipe's order.
    pub keys: Vec<TrustedKey>,
    /// How many of the keys must sign.
    pub threshold: Option<u8>,
    /// The list of keys that are trusted no more.
    pub revoked: Option<TrustedKey>,
    /// The root metadata of the repository, which machines start from.
    pub root: Option<TrustedKey>,
    /// The address of a folder for systemd-sysupdate.
    pub sysupdate: Option<UpdateUrl>,
    /// The OpenPGP keys that sign that folder's list.
    pub sysupdate_keyring: Option<TrustedKey>,
    /// Whether the image carries the program that installs and updates.
    pub agent: bool,
}

/// A file about what updates are trusted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The file it was read from.
    pub path: PathBuf,
    /// The file's bytes, not looked into.
    pub content: Vec<u8>,
}

/// How many keys must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Threshold(u8);

impl Threshold {
    pub(crate) const BOUNDS: RangeInclusive<u64> = 1..=64;
}

impl Onto for Threshold {}

impl Decode for Threshold {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        decode_integer(node, &Self::BOUNDS, report).map(Self)
    }
}

impl Update {
    pub(crate) fn resolve(layer: UpdateLayer, resolver: &mut Resolver<'_>) -> Self {
        let mut keys = Vec::new();
        for key in items(layer.keys) {
            keys.extend(resolver.key(&key));
        }
        let url = layer.url.map(|url| url.value);
        Self {
            channel: layer.channel.map(|channel| channel.value),
            keys,
            threshold: layer.threshold.map(|Located { value: Threshold(number), .. }| number),
            revoked: layer.revoked.and_then(|path| resolver.key(&path)),
            root: layer.root.and_then(|path| resolver.key(&path)),
            sysupdate: layer.sysupdate.map(|url| url.value),
            sysupdate_keyring: layer.sysupdate_keyring.and_then(|path| resolver.key(&path)),
            agent: layer.agent.map_or(url.is_some(), |word| word.value),
            url,
        }
    }
}
