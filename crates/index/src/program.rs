use flagstone_tree::{Inode, TreeError, TreePath};

use crate::{ClosureError, DlopenNote, Elf, ElfClass, ElfError, ElfMachine};

/// The most bytes of a first line that the kernel looks at (`BINPRM_BUF_SIZE`).
const FIRST_LINE_MAX: usize = 256;

/// The longest file that is looked into; a longer one is taken for data.
const MAX_PROGRAM_BYTES: u64 = 1 << 30;

/// What running or loading a file would ask for.
#[derive(Debug)]
pub(crate) enum Program {
    /// An ELF program or library.
    Object(Box<Object>),
    /// A text that names its interpreter.
    Script {
        interpreter: Vec<u8>,
        /// The command, if the interpreter is `env`.
        argument: Option<Vec<u8>>,
    },
    /// Anything else.
    Data,
}

/// The part of an ELF object that decides which others it needs.
#[derive(Debug)]
pub(crate) struct Object {
    /// Its path without links.
    pub(crate) path: TreePath,
    pub(crate) interpreter: Option<Vec<u8>>,
    pub(crate) soname: Option<Vec<u8>>,
    pub(crate) needed: Vec<Vec<u8>>,
    pub(crate) notes: Vec<DlopenNote>,
    runpath: Option<Vec<u8>>,
    rpath: Option<Vec<u8>>,
    class: ElfClass,
    machine: ElfMachine,
}

impl Program {
    pub(crate) fn read(path: &TreePath, inode: &Inode) -> Result<Self, ClosureError> {
        let Some(content) = inode.content().filter(|file| file.len() <= MAX_PROGRAM_BYTES) else {
            return Ok(Self::Data);
        };
        let data = content.to_bytes().map_err(|source| {
            ClosureError::Tree(TreeError::Content { path: path.clone(), source })
        })?;
        if let Some(line) = data.strip_prefix(b"#!") {
            return Ok(Self::script(line));
        }
        if !Elf::is_elf(&data) {
            return Ok(Self::Data);
        }
        match Object::read(path, &data) {
            Ok(object) => Ok(Self::Object(Box::new(object))),
            Err(source) => Err(ClosureError::Elf { path: path.clone(), source }),
        }
    }

    pub(crate) fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    fn script(line: &[u8]) -> Self {
        let line = &line[..line.len().min(FIRST_LINE_MAX)];
        let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let Some(interpreter) = words.next().map(<[u8]>::to_vec) else { return Self::Data };
        // `env -S command` splits the rest of the line; `env NAME=value command` sets a variable.
        let argument =
            words.find(|word| !word.starts_with(b"-") && !word.contains(&b'=')).map(<[u8]>::to_vec);
        Self::Script { interpreter, argument }
    }
}

impl Object {
    fn read(path: &TreePath, data: &[u8]) -> Result<Self, ElfError> {
        let elf = Elf::parse(data)?;
        let dynamic = elf.dynamic()?.unwrap_or_default();
        let owned = |text: Option<&[u8]>| text.map(<[u8]>::to_vec);
        Ok(Self {
            path: path.clone(),
            interpreter: owned(elf.interpreter()?),
            soname: owned(dynamic.soname),
            needed: dynamic.needed.into_iter().map(<[u8]>::to_vec).collect(),
            notes: elf.dlopen_notes()?,
            runpath: owned(dynamic.runpath),
            rpath: owned(dynamic.rpath),
            class: elf.class(),
            machine: elf.machine(),
        })
    }

    /// Tells whether both can be in one process.
    pub(crate) fn runs_with(&self, other: &Self) -> bool {
        (self.class, self.machine) == (other.class, other.machine)
    }

    /// Returns the directories that this object, or the program it is loaded into, names.
    pub(crate) fn library_dirs(&self, root: &Self) -> Vec<Vec<u8>> {
        let split = |owner: &Self, list: &Option<Vec<u8>>| -> Vec<Vec<u8>> {
            let list = list.as_deref().unwrap_or_default();
            let dirs = list.split(|&b| b == b':').filter(|dir| !dir.is_empty());
            dirs.map(|dir| owner.expand(dir)).collect()
        };
        if self.runpath.is_some() {
            return split(self, &self.runpath);
        }
        let mut dirs = split(self, &self.rpath);
        if root.runpath.is_none() {
            dirs.extend(split(root, &root.rpath));
        }
        dirs
    }

    /// Returns the directories that this object's loader knows by itself.
    pub(crate) fn default_dirs(&self) -> Vec<Vec<u8>> {
        let multiarch = self.machine.multiarch(self.class).map(|triplet| format!("/{triplet}"));
        let suffixes = multiarch.into_iter().chain([String::new(), "64".to_owned()]);
        suffixes
            .flat_map(|suffix| [format!("lib{suffix}"), format!("usr/lib{suffix}")])
            .map(String::into_bytes)
            .collect()
    }

    /// Replaces the loader's tokens `$ORIGIN` and `$LIB`.
    pub(crate) fn expand(&self, text: &[u8]) -> Vec<u8> {
        let origin = self.path.parent().unwrap_or_default();
        let multiarch = self.machine.multiarch(self.class).unwrap_or_default();
        let lib = format!("lib/{multiarch}");
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            let token = (first == b'$').then(|| token(after)).flatten();
            rest = match token {
                Some((b"ORIGIN", after)) => {
                    out.extend_from_slice(origin.as_bytes());
                    after
                }
                Some((b"LIB", after)) => {
                    out.extend_from_slice(lib.as_bytes());
                    after
                }
                _ => {
                    out.push(first);
                    after
                }
            };
        }
        out
    }
}

/// Splits `NAME` or `{NAME}` off what follows a dollar sign.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(braced) = text.strip_prefix(b"{") {
        let end = braced.iter().position(|&b| b == b'}')?;
        return Some((&braced[..end], &braced[end + 1..]));
    }
    let end = text.iter().position(|b| !b.is_ascii_alphabetic()).unwrap_or(text.len());
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_name_interpreters_and_commands() {
        type Expected = Option<(&'static str, Option<&'static str>)>;
        let cases: [(&str, Expected); 5] = [
            ("/bin/sh\n", Some(("/bin/sh", None))),
            (" /usr/bin/env -S FOO=1 python3 -u\nx", Some(("/usr/bin/env", Some("python3")))),
            ("/bin/sed -f\n", Some(("/bin/sed", None))),
            ("\n/bin/sh", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let found = match Program::script(line.as_bytes()) {
                Program::Script { interpreter, argument } => Some((interpreter, argument)),
                _ => None,
            };
            let expected = expected.map(|(interpreter, argument)| {
                (interpreter.as_bytes().to_vec(), argument.map(|text| text.as_bytes().to_vec()))
            });
            assert_eq!(found, expected, "{line:?}");
        }
    }
}
