//! The files that depmod writes.

use std::fmt::Write as _;

use flagstone_tree::{FileName, Inode, Metadata, Mtime, Tree};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::graph::symbol_owners;
use super::name::normalized_alias;
use super::trie::Trie;
use super::{KernelModules, hash};
use crate::IndexError;

/// The buckets of depmod's table of symbols, which order `modules.symbols`.
const SYMBOL_BUCKETS: u32 = 2048;

/// Makes one file's bytes.
#[derive(Clone, Copy)]
enum Writer {
    /// A text, which can hold anything.
    Text(fn(&KernelModules) -> Vec<u8>),
    /// An index, whose format has limits.
    Index(fn(&KernelModules) -> Result<Vec<u8>, IndexError>),
}

impl Writer {
    fn write(self, kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
        match self {
            Self::Text(write) => Ok(write(kernel)),
            Self::Index(write) => write(kernel),
        }
    }
}

const FILES: [(&str, Writer); 11] = [
    ("modules.alias.bin", Writer::Index(alias_bin)),
    ("modules.dep.bin", Writer::Index(dep_bin)),
    ("modules.symbols", Writer::Index(symbols)),
    ("modules.symbols.bin", Writer::Index(symbols_bin)),
    ("modules.alias", Writer::Text(alias)),
    ("modules.builtin.alias.bin", Writer::Index(builtin_alias_bin)),
    ("modules.builtin.bin", Writer::Index(builtin_bin)),
    ("modules.dep", Writer::Text(dep)),
    ("modules.devname", Writer::Text(devname)),
    ("modules.softdep", Writer::Text(softdep)),
    ("modules.weakdep", Writer::Text(weakdep)),
];

impl KernelModules {
    /// Returns the indices that kmod reads, as names and bytes: what `depmod` of kmod 34 would
    /// write.
    ///
    /// # Errors
    /// [`IndexError::NotAscii`] or [`IndexError::TooLarge`] for what the format cannot hold.
    pub fn indices(&self) -> Result<Vec<(&'static str, Vec<u8>)>, IndexError> {
        FILES.into_par_iter().map(|(name, file)| Ok((name, file.write(self)?))).collect()
    }

    /// Writes [`Self::indices`] into the kernel's directory of a tree.
    ///
    /// # Errors
    /// As [`Self::indices`], and [`IndexError::Tree`].
    pub fn write_indices(&self, tree: &mut Tree, mtime: Mtime) -> Result<(), IndexError> {
        for (name, data) in self.indices()? {
            let path = self.directory.join(&FileName::new(name.as_bytes())?);
            let file = Inode::file(Metadata::root(0o644, mtime), data);
            tree.put(path, Metadata::root(0o755, mtime), file)?;
        }
        Ok(())
    }

    /// Returns `path: dependency dependency…` of a module.
    fn dep_line(&self, index: usize) -> Vec<u8> {
        let mut line = [&self.modules[index].relative, &b":"[..]].concat();
        for need in self.graph.all(index) {
            line.push(b' ');
            line.extend_from_slice(&self.modules[need].relative);
        }
        line
    }

    fn priority(index: usize) -> u32 {
        u32::try_from(index).unwrap_or(u32::MAX)
    }
}

fn dep(kernel: &KernelModules) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = (0..kernel.modules.len()).map(|i| kernel.dep_line(i)).collect();
    let mut out = lines.join(&b'\n');
    if !out.is_empty() {
        out.push(b'\n');
    }
    out
}

fn dep_bin(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let lines: Vec<Vec<u8>> = (0..kernel.modules.len()).map(|i| kernel.dep_line(i)).collect();
    let mut trie = Trie::new();
    for (i, (module, line)) in kernel.modules.iter().zip(&lines).enumerate() {
        let name = module.name.as_str();
        trie.insert(name.as_bytes(), line, KernelModules::priority(i), name)?;
    }
    trie.to_bytes()
}

fn alias(kernel: &KernelModules) -> Vec<u8> {
    let mut out = b"# Aliases extracted from modules themselves.\n".to_vec();
    for module in &kernel.modules {
        for alias in &module.aliases {
            for part in [b"alias ", alias.as_slice(), b" ", module.name.as_str().as_bytes(), b"\n"]
            {
                out.extend_from_slice(part);
            }
        }
    }
    out
}

fn alias_bin(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let mut keys = Vec::new();
    for (i, module) in kernel.modules.iter().enumerate() {
        keys.extend(module.aliases.iter().filter_map(|text| Some((i, normalized_alias(text)?))));
    }
    let mut trie = Trie::new();
    for (i, key) in &keys {
        let name = kernel.modules[*i].name.as_str();
        trie.insert(key, name.as_bytes(), KernelModules::priority(*i), name)?;
    }
    trie.to_bytes()
}

fn declarations(
    kernel: &KernelModules,
    header: &str,
    keyword: &str,
    of: fn(&super::Module) -> &[Vec<u8>],
) -> Vec<u8> {
    let mut out = header.as_bytes().to_vec();
    for module in &kernel.modules {
        for value in of(module) {
            out.extend_from_slice(format!("{keyword} {} ", module.name).as_bytes());
            out.extend_from_slice(value);
            out.push(b'\n');
        }
    }
    out
}

fn softdep(kernel: &KernelModules) -> Vec<u8> {
    let header = "# Soft dependencies extracted from modules themselves.\n";
    declarations(kernel, header, "softdep", |module| &module.softdeps)
}

fn weakdep(kernel: &KernelModules) -> Vec<u8> {
    let header = "# Weak dependencies extracted from modules themselves.\n";
    declarations(kernel, header, "weakdep", |module| &module.weakdeps)
}

fn symbols(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let mut sorted: Vec<(usize, &str, usize)> = symbol_owners(&kernel.modules)
        .into_iter()
        .map(|(symbol, owner)| {
            let symbol = ascii(symbol, kernel, owner)?;
            Ok((hash::bucket(symbol, SYMBOL_BUCKETS), symbol, owner))
        })
        .collect::<Result<_, IndexError>>()?;
    sorted.sort_unstable();
    let mut out = String::from("# Aliases for symbols, used by symbol_request().\n");
    for (_, symbol, owner) in sorted {
        let _ = writeln!(out, "alias symbol:{symbol} {}", kernel.modules[owner].name);
    }
    Ok(out.into_bytes())
}

fn ascii<'a>(
    symbol: &'a [u8],
    kernel: &KernelModules,
    owner: usize,
) -> Result<&'a str, IndexError> {
    std::str::from_utf8(symbol).ok().filter(|text| text.is_ascii()).ok_or_else(|| {
        IndexError::NotAscii {
            module: kernel.modules[owner].name.to_string(),
            text: String::from_utf8_lossy(symbol).into_owned(),
        }
    })
}

fn symbols_bin(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let keys: Vec<(Vec<u8>, usize)> = symbol_owners(&kernel.modules)
        .into_iter()
        .map(|(symbol, owner)| ([b"symbol:", symbol].concat(), owner))
        .collect();
    let mut trie = Trie::new();
    for (key, owner) in &keys {
        let name = kernel.modules[*owner].name.as_str();
        trie.insert(key, name.as_bytes(), KernelModules::priority(*owner), name)?;
    }
    trie.to_bytes()
}

/// Without `modules.builtin` the file is there and empty.
fn builtin_bin(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let Some(names) = &kernel.builtin.names else { return Ok(Vec::new()) };
    let mut trie = Trie::new();
    for name in names {
        trie.insert(name.as_str().as_bytes(), b"", 0, name.as_str())?;
    }
    trie.to_bytes()
}

/// Without `modules.builtin.modinfo` the file is there and empty.
fn builtin_alias_bin(kernel: &KernelModules) -> Result<Vec<u8>, IndexError> {
    let Some(aliases) = &kernel.builtin.aliases else { return Ok(Vec::new()) };
    let keys: Vec<(Vec<u8>, &[u8])> = aliases
        .iter()
        .filter_map(|(module, alias)| Some((normalized_alias(alias)?, module.as_slice())))
        .collect();
    let mut trie = Trie::new();
    for (key, module) in &keys {
        trie.insert(key, module, 0, &String::from_utf8_lossy(module))?;
    }
    trie.to_bytes()
}

/// Lists the device nodes that load a module when they are opened.
fn devname(kernel: &KernelModules) -> Vec<u8> {
    let mut out = String::new();
    for module in &kernel.modules {
        let mut name = None;
        let mut device = None;
        for alias in &module.aliases {
            let alias = String::from_utf8_lossy(alias);
            if let Some(devname) = alias.strip_prefix("devname:") {
                name = Some(devname.to_owned());
            } else if let Some(number) = device_number(&alias) {
                device = Some(number);
            }
            if name.is_some() && device.is_some() {
                break;
            }
        }
        if let (Some(name), Some((kind, major, minor))) = (name, device) {
            if out.is_empty() {
                out.push_str("# Device nodes to trigger on-demand module loading.\n");
            }
            let _ = writeln!(out, "{} {name} {kind}{major}:{minor}", module.name);
        }
    }
    out.into_bytes()
}

/// Reads `char-major-10-200`; `None` for the pattern `char-major-10-*`.
fn device_number(alias: &str) -> Option<(char, u32, u32)> {
    let (kind, numbers) = match alias.strip_prefix("char-major-") {
        Some(numbers) => ('c', numbers),
        None => ('b', alias.strip_prefix("block-major-")?),
    };
    let (major, minor) = numbers.split_once('-')?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((kind, major.parse().ok()?, minor[..digits].parse().ok()?))
}
