//! Readers of ELF objects and kernel modules, and the binary indices made from them.
//!
//! Everything works on a [`flagstone_tree::Tree`] and on nothing else: no file of this machine is
//! read and no program is run, so that an image for one architecture can be made on another.
//!
//! - [`Elf`] reads an object; [`closure`] finds all that some programs need to run.
//! - [`KernelModules`] reads the modules of a kernel, finds those that some names need, and makes
//!   the indices that kmod reads. [`decompress_modules`] stores them plainly.
//! - [`LdSoCache`] makes the loader's cache, [`Hwdb`] udev's hardware database.
//!
//! The indices are byte for byte what the tools of Debian's trixie write (kmod 34, glibc 2.41,
//! systemd 257); the tests compare with these tools. The crate knows those formats. It must not
//! know where a tree came from, which programs an image needs, or how it will be written.
//!
//! Trees are made of packages, so their contents are checked like any input: a malformed object is
//! an error that names the file, never a panic.

mod cache;
mod closure;
mod elf;
mod error;
mod glob;
mod hwdb;
mod ld_so_cache;
mod library_dirs;
mod modules;
mod program;
mod trail;

pub use cache::IndexCache;
pub use closure::{Closure, DlopenPolicy, Missing, closure};
pub use elf::{DlopenNote, DlopenPriority, Dynamic, Elf, ElfClass, ElfMachine, Section};
pub use error::{ClosureError, ElfError, IndexError};
pub use hwdb::Hwdb;
pub use ld_so_cache::LdSoCache;
pub use library_dirs::LibraryDirs;
pub use modules::{
    Declared, KernelModules, Module, ModuleClosure, ModuleName, decompress_modules, module_closure,
};
