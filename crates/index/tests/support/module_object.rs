/// A kernel module with nothing but what the indices are made of.
#[derive(Default)]
pub(crate) struct ModuleObject {
    pub(crate) info: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) imports: Vec<String>,
    /// Offers symbols by `__ksymtab_strings` only, as kernels without checksums do.
    pub(crate) without_checksums: bool,
}

impl ModuleObject {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let nul = |texts: &[String]| -> Vec<u8> {
            texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect()
        };
        let mut strings = vec![0];
        let mut symbols = vec![0; 24];
        // An absolute section index (SHN_ABS) makes the value the checksum.
        let defined = self.exports.iter().map(|name| (format!("__crc_{name}"), 0xfff1_u16));
        let defined = defined.filter(|_| !self.without_checksums);
        for (name, section) in defined.chain(self.imports.iter().map(|name| (name.clone(), 0))) {
            symbols.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
            symbols.extend([0x10, 0]);
            symbols.extend(section.to_le_bytes());
            symbols.extend([0; 16]);
            strings.extend([name.as_bytes(), b"\0"].concat());
        }
        let mut versions = Vec::new();
        for name in self.imports.iter().map(String::as_str).chain(["module_layout"]) {
            versions.extend([1, 0, 0, 0, 0, 0, 0, 0]);
            versions.extend(name.as_bytes());
            versions.resize(versions.len().next_multiple_of(64), 0);
        }
        let mut sections = vec![
            (".modinfo", 1_u32, nul(&self.info)),
            (".symtab", 2, symbols),
            (".strtab", 3, strings),
            ("__versions", 1, versions),
        ];
        if self.without_checksums {
            sections.push(("__ksymtab_strings", 1, nul(&self.exports)));
        }
        assemble(sections)
    }
}

fn assemble(mut sections: Vec<(&str, u32, Vec<u8>)>) -> Vec<u8> {
    let mut names = vec![0];
    let mut name_at = Vec::new();
    for (name, ..) in sections.iter().chain([&(".shstrtab", 3, Vec::new())]) {
        name_at.push(u32::try_from(names.len()).unwrap());
        names.extend([name.as_bytes(), b"\0"].concat());
    }
    sections.push((".shstrtab", 3, names));

    let mut file = vec![0; 64];
    let mut headers = vec![0; 64];
    for ((_, kind, data), name) in sections.iter().zip(name_at) {
        headers.extend(name.to_le_bytes());
        headers.extend(kind.to_le_bytes());
        for word in [0, 0, file.len() as u64, data.len() as u64, 0, 1, 0] {
            headers.extend(word.to_le_bytes());
        }
        // sh_entsize shares its place with nothing: the last word above is it.
        file.extend(data);
    }
    let count = u16::try_from(sections.len() + 1).unwrap();
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    header.extend(1_u16.to_le_bytes());
    header.extend(62_u16.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    for word in [0, 0, file.len() as u64] {
        header.extend(word.to_le_bytes());
    }
    header.extend(0_u32.to_le_bytes());
    for half in [64, 0, 0, 64, count, count - 1] {
        header.extend(u16::to_le_bytes(half));
    }
    file[..64].copy_from_slice(&header);
    file.extend(headers);
    file
}
