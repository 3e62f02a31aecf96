use std::ops::Deref;

use flagstone_tree::TreePath;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::ModuleName;
use super::cache;
use super::compression::decompressed;
use super::listing::ModuleFile;
use crate::IndexCache;
use crate::{Elf, ElfClass, ElfError, IndexError};

/// How a symbol's checksum is called; every exported symbol has one on kernels with
/// `CONFIG_MODVERSIONS`.
const CHECKSUM_PREFIX: &[u8] = b"__crc_";

/// The size of an entry of `__versions`: a checksum as wide as an address, then the name.
const VERSION_ENTRY: usize = 64;

/// One kernel module and what it says about itself.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: ModuleName,
    /// Its file in the tree.
    pub path: TreePath,
    /// Its file below the kernel's directory, as the indices name it.
    pub(super) relative: Vec<u8>,
    /// What it says.
    declared: Declared,
}

/// What a module says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The names that ask for it beside its own: device patterns, file systems, ciphers.
    pub aliases: Vec<Vec<u8>>,
    /// What should be loaded before and after it (`pre: a b post: c`), one text a declaration.
    pub softdeps: Vec<Vec<u8>>,
    /// What it may ask for by itself later.
    pub weakdeps: Vec<Vec<u8>>,
    /// The firmware files it may load, as paths or patterns below the firmware directory.
    pub firmware: Vec<Vec<u8>>,
    /// The symbols that it offers to other modules.
    pub(super) exports: Vec<Vec<u8>>,
    /// The symbols that it needs, in the order of its symbol table.
    pub(super) imports: Vec<Vec<u8>>,
}

impl Deref for Module {
    type Target = Declared;

    fn deref(&self) -> &Declared {
        &self.declared
    }
}

/// Reads modules in parallel, as far as a store has not got what they say; the result has the order of the
/// files.
pub(super) fn read_all(
    files: Vec<ModuleFile>,
    cache: Option<&dyn IndexCache>,
) -> Result<Vec<Module>, IndexError> {
    let declared = cache::declared(&files, cache)?;
    let modules = files.into_iter().zip(declared).map(|(file, declared)| {
        let ModuleFile { path, relative, name, .. } = file;
        Module { name, path, relative, declared }
    });
    Ok(modules.collect())
}

/// Reads what modules say, in parallel.
pub(super) fn read_declared(files: &[ModuleFile]) -> Result<Vec<Declared>, IndexError> {
    files.par_iter().map(read).collect()
}

fn read(file: &ModuleFile) -> Result<Declared, IndexError> {
    let ModuleFile { path, content, .. } = file;
    let data = content.to_bytes().map_err(|source| cache::unreadable(path, source))?;
    let data = decompressed(data)
        .map_err(|source| IndexError::Decompress { path: path.clone(), source })?;
    let mut declared = Declared::default();
    match declared.fill(&data) {
        Ok(()) => Ok(declared),
        Err(source) => Err(IndexError::Module { path: path.clone(), source }),
    }
}

impl Declared {
    /// Returns all lists, in the order in which they are kept.
    pub(super) fn lists(&self) -> [&Vec<Vec<u8>>; 6] {
        let Self { aliases, softdeps, weakdeps, firmware, exports, imports } = self;
        [aliases, softdeps, weakdeps, firmware, exports, imports]
    }

    pub(super) fn lists_mut(&mut self) -> [&mut Vec<Vec<u8>>; 6] {
        let Self { aliases, softdeps, weakdeps, firmware, exports, imports } = self;
        [aliases, softdeps, weakdeps, firmware, exports, imports]
    }

    fn fill(&mut self, data: &[u8]) -> Result<(), ElfError> {
        let elf = Elf::parse(data)?;
        let sections = elf.sections()?;
        let section = |name: &[u8]| {
            sections.iter().find(|section| section.name == name).map(|section| section.data)
        };
        self.fill_info(section(b".modinfo").unwrap_or_default());
        let mut undefined = Vec::new();
        if let (Some(table), Some(strings)) = (section(b".symtab"), section(b".strtab")) {
            for symbol in elf.symbols(table, strings) {
                let symbol = symbol?;
                if let Some(name) = symbol.name.strip_prefix(CHECKSUM_PREFIX) {
                    self.exports.push(name.to_vec());
                }
                if symbol.undefined && !symbol.name.is_empty() {
                    undefined.push(symbol.name);
                }
            }
        }
        if self.exports.is_empty() {
            let names = section(b"__ksymtab_strings").unwrap_or_default();
            self.exports = strings(names).map(<[u8]>::to_vec).collect();
        }
        self.imports = undefined.iter().map(|name| name.to_vec()).collect();
        // Names with a checksum but no undefined symbol are needed too.
        undefined.sort_unstable();
        let versions = section(b"__versions").unwrap_or_default();
        self.imports.extend(
            version_names(versions, elf.class())
                .filter(|name| undefined.binary_search(name).is_err())
                .map(<[u8]>::to_vec),
        );
        Ok(())
    }

    fn fill_info(&mut self, info: &[u8]) {
        for record in strings(info) {
            let Some(at) = record.iter().position(|&b| b == b'=') else { continue };
            let value = record[at + 1..].to_vec();
            match &record[..at] {
                b"alias" => self.aliases.push(value),
                b"softdep" => self.softdeps.push(value),
                b"weakdep" => self.weakdeps.push(value),
                b"firmware" => self.firmware.push(value),
                _ => {}
            }
        }
    }
}

/// Splits a section of NUL-terminated texts, with any padding between them.
fn strings(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&b| b == 0).filter(|text| !text.is_empty())
}

fn version_names(data: &[u8], class: ElfClass) -> impl Iterator<Item = &[u8]> {
    let checksum = match class {
        ElfClass::Elf32 => 4,
        ElfClass::Elf64 => 8,
    };
    data.chunks_exact(VERSION_ENTRY)
        .filter_map(move |entry| entry[checksum..].split(|&b| b == 0).next())
        .filter(|name| !name.is_empty())
}
