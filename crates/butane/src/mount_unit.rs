use std::fmt::Write as _;
use std::ops::Range;

/// A file system that shall have a unit, which mounts it or swaps to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MountUnit {
    /// The place of `with_mount_unit`.
    pub(crate) span: Range<usize>,
    pub(crate) device: String,
    pub(crate) format: String,
    pub(crate) path: String,
    pub(crate) options: Vec<String>,
}

impl MountUnit {
    fn is_swap(&self) -> bool {
        self.format == "swap"
    }

    /// Returns the name that systemd asks of it.
    pub(crate) fn name(&self) -> String {
        if self.is_swap() {
            format!("{}.swap", escape_path(&self.device))
        } else {
            format!("{}.mount", escape_path(&self.path))
        }
    }

    /// Returns the unit's text; `remote` says that the device is there only with the network.
    pub(crate) fn contents(&self, remote: bool) -> String {
        let Self { device, format, path, .. } = self;
        let mut options = self.options.clone();
        if remote {
            options.push("_netdev".to_owned());
        }
        let mut text = String::from("# Made from with_mount_unit\n");
        if self.is_swap() {
            let _ = writeln!(text, "[Swap]\nWhat={device}");
        } else {
            let check = format!("systemd-fsck@{}.service", escape_path(device));
            let _ = writeln!(text, "[Unit]\nRequires={check}\nAfter={check}\n");
            let _ = writeln!(text, "[Mount]\nWhere={path}\nWhat={device}\nType={format}");
        }
        if !options.is_empty() {
            let _ = writeln!(text, "Options={}", options.join(","));
        }
        let target = match (self.is_swap(), remote) {
            (true, _) => "swap.target",
            (false, true) => "remote-fs.target",
            (false, false) => "local-fs.target",
        };
        let _ = writeln!(text, "\n[Install]\nRequiredBy={target}");
        text
    }
}

/// Makes a path the name of a unit (systemd.unit(5), "STRING ESCAPING FOR INCLUSION IN UNIT NAMES").
fn escape_path(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return "-".to_owned();
    }
    let mut name = String::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            name.push('-');
        }
        for (within, byte) in part.bytes().enumerate() {
            let first_dot = byte == b'.' && at == 0 && within == 0;
            if (byte.is_ascii_alphanumeric() || b":_.".contains(&byte)) && !first_dot {
                name.push(char::from(byte));
            } else {
                let _ = write!(name, "\\x{byte:02x}");
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_names_as_systemd_escape_makes_them() {
        for (path, name) in [
            ("/", "-"),
            ("/var/lib/data", "var-lib-data"),
            ("//var//lib/", "var-lib"),
            ("/dev/disk/by-label/a b", "dev-disk-by\\x2dlabel-a\\x20b"),
            ("/.x/.y", "\\x2ex-.y"),
            ("/\u{e9}\t", "\\xc3\\xa9\\x09"),
        ] {
            assert_eq!(escape_path(path), name, "{path}");
        }
    }
}
