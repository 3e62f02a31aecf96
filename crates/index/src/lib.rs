//! Readers of ELF objects and kernel modules, and the binary indices made from them.
