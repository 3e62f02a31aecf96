use std::fmt::Write as _;

use crate::address::BaseUrl;
use crate::served_path::ServedPath;

/// The name of the variable that a build's boot script has its URLs below.
const BASE_VARIABLE: &str = "flagstone-base";

/// The word where such a script takes further arguments; a profile's stand in its place.
const MORE_ARGUMENTS: &str = "${flagstone-args}";

/// What a build's boot script (`.pxe.ipxe`) says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BootScript {
    /// The file that `kernel` names.
    pub kernel: String,
    /// The files that `initrd` names.
    pub initrd: Vec<String>,
    /// The arguments of `kernel` but for `initrd=`, which follows from the files, and the place for
    /// more.
    pub cmdline: Vec<String>,
}

impl BootScript {
    /// Reads the script.
    ///
    /// # Errors
    /// What was expected, if it is none.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.lines().next().map(str::trim_end) != Some("#!ipxe") {
            return Err("a boot script begins with the line `#!ipxe`");
        }
        let mut script = Self::default();
        for line in text.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("kernel") => {
                    let mut words = words.skip_while(|word| word.starts_with("--"));
                    let file = words.next().ok_or("`kernel` names no file")?;
                    script.kernel = file_of(file);
                    let own = words
                        .filter(|word| !word.starts_with("initrd=") && *word != MORE_ARGUMENTS);
                    script.cmdline = own.map(str::to_owned).collect();
                }
                Some("initrd") => {
                    let file = words.next_back().ok_or("`initrd` names no file")?;
                    script.initrd.push(file_of(file));
                }
                _ => {}
            }
        }
        if script.kernel.is_empty() {
            return Err("the boot script has no line `kernel`");
        }
        let foreign = script.cmdline.iter().any(|word| {
            word.replace(&format!("${{{BASE_VARIABLE}}}"), "").contains("${")
                || word.bytes().any(|b| !b.is_ascii_graphic())
        });
        if foreign {
            return Err("the kernel's arguments use variables other than `flagstone-base`");
        }
        Ok(script)
    }
}

/// Returns the last component of a URL.
fn file_of(url: &str) -> String {
    let end = url.rsplit(['/', '}']).next().unwrap_or_default();
    crate::percent::decode(end, false).unwrap_or_default()
}

/// Writes the first script: it sends the machine on with its labels.
pub(crate) fn first_script(base: &BaseUrl) -> String {
    // A serial number or a host name may have spaces, which would end the URL.
    format!(
        "#!ipxe\n\
         chain --replace {base}/ipxe?mac=${{net0/mac:hexhyp}}&uuid=${{uuid}}\
         &serial=${{serial:uristring}}&hostname=${{hostname:uristring}}&arch=${{buildarch}} || goto failed\n\
         :failed\n\
         echo {base} has nothing to boot for this machine (its log says why)\n\
         sleep 10\n\
         exit 1\n"
    )
}

/// Everything that goes into one machine's script, already in words.
pub(crate) struct MachineScript<'s> {
    pub(crate) base: &'s BaseUrl,
    pub(crate) kernel: Option<&'s ServedPath>,
    pub(crate) initrd: &'s [ServedPath],
    pub(crate) uki: Option<&'s ServedPath>,
    pub(crate) cmdline: &'s [String],
}

impl MachineScript<'_> {
    /// Writes the script.
    pub(crate) fn write(&self) -> String {
        let url = |path: &ServedPath| format!("{}/files/{}", self.base, path.to_url());
        let words = || self.cmdline.iter().flat_map(|word| [" ", word]);
        let Some(kernel) = self.kernel else {
            let uki = self.uki.map(url).unwrap_or_default();
            let words: String = words().collect();
            return format!("#!ipxe\nchain --replace {uki}{words}\n");
        };
        let folder = kernel.sibling("x").map_or_else(|_| String::new(), |path| path.to_url());
        let folder = folder.trim_end_matches('x');
        let mut script = format!("#!ipxe\nset {BASE_VARIABLE} {}/files/{folder}\n", self.base);
        let _ = write!(script, "kernel {}", url(kernel));
        for path in self.initrd {
            let _ = write!(script, " initrd={}", word(path));
        }
        script.extend(words());
        script.push('\n');
        for path in self.initrd {
            let _ = writeln!(script, "initrd --name {} {}", word(path), url(path));
        }
        script + "boot\n"
    }
}

/// The name of an initrd inside the script, without anything that would end the word.
fn word(path: &ServedPath) -> String {
    let sound = |c: char| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' };
    path.name().chars().map(sound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builds_script_is_read() {
        let text = "#!ipxe\n# edge 1, /usr with root hash 00\n\
            kernel e.pxe-vmlinuz initrd=e.pxe-initrd rw panic=5 ${flagstone-args}\n\
            initrd --name e.pxe-initrd e.pxe-initrd\nboot\n";
        let script = BootScript::parse(text).unwrap();
        assert_eq!(
            (script.kernel, script.initrd),
            ("e.pxe-vmlinuz".into(), vec!["e.pxe-initrd".into()])
        );
        assert_eq!(script.cmdline, ["rw", "panic=5"]);
        let text = "#!ipxe\nset flagstone-base http://x/y\n\
            kernel ${flagstone-base}/a_1_x86-64.pxe-vmlinuz initrd=a.pxe-initrd rd.x=${flagstone-base}/q quiet\n\
            initrd --name a.pxe-initrd ${flagstone-base}/a_1_x86-64.pxe-initrd\nboot\n";
        let script = BootScript::parse(text).unwrap();
        assert_eq!(script.kernel, "a_1_x86-64.pxe-vmlinuz");
        assert_eq!(script.initrd, ["a_1_x86-64.pxe-initrd"]);
        assert_eq!(script.cmdline, ["rd.x=${flagstone-base}/q", "quiet"]);
        for text in
            ["", "kernel a", "#!ipxe\nboot", "#!ipxe\nkernel", "#!ipxe\nkernel a b=${net0/mac}"]
        {
            assert!(BootScript::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_machines_script_names_its_files() {
        let base = "http://192.0.2.1:8080".parse().unwrap();
        let kernel = "r 1/k".parse().unwrap();
        let initrd = ["r 1/i".parse().unwrap(), "j k".parse().unwrap()];
        let uki = "u.efi".parse().unwrap();
        let cmdline = ["quiet".to_owned(), "a=b".to_owned()];
        let mut script = MachineScript {
            base: &base,
            kernel: Some(&kernel),
            initrd: &initrd,
            uki: Some(&uki),
            cmdline: &cmdline,
        };
        assert_eq!(
            script.write(),
            "#!ipxe\nset flagstone-base http://192.0.2.1:8080/files/r%201/\n\
             kernel http://192.0.2.1:8080/files/r%201/k initrd=i initrd=j_k quiet a=b\n\
             initrd --name i http://192.0.2.1:8080/files/r%201/i\n\
             initrd --name j_k http://192.0.2.1:8080/files/j%20k\nboot\n"
        );
        script.kernel = None;
        let chained = "#!ipxe\nchain --replace http://192.0.2.1:8080/files/u.efi quiet a=b\n";
        assert_eq!(script.write(), chained);
        let first = first_script(&base);
        let chain =
            "chain --replace http://192.0.2.1:8080/ipxe?mac=${net0/mac:hexhyp}&uuid=${uuid}&";
        assert!(first.starts_with(&format!("#!ipxe\n{chain}")), "{first}");
    }
}
