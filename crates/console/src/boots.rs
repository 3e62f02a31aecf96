/// Where one boot begins, as firmware and kernel say.
fn begins(line: &str, seen: Seen) -> bool {
    let firmware = line.contains("BdsDxe: loading Boot") || line.contains("UEFI firmware (version");
    (firmware && (seen.kernel || seen.started))
        || (line.contains("] Linux version ") && seen.kernel)
}

/// What the boot that is being read has said.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// The firmware started something.
    started: bool,
    /// The kernel said its version.
    kernel: bool,
}

/// Splits a console into boots: numbered lines, from 1.
pub(crate) fn boots(text: &str) -> Vec<Vec<(usize, &str)>> {
    let mut boots = vec![Vec::new()];
    let mut seen = Seen::default();
    for (index, line) in text.lines().enumerate() {
        if begins(line, seen) {
            boots.push(Vec::new());
            seen = Seen::default();
        }
        seen.started |= line.contains("BdsDxe: starting Boot");
        seen.kernel |= line.contains("] Linux version ");
        if let Some(boot) = boots.last_mut() {
            boot.push((index + 1, line));
        }
    }
    boots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_split_where_firmware_or_kernel_begin_anew() {
        let lengths = |text: &str| boots(text).iter().map(Vec::len).collect::<Vec<_>>();
        let firmware = "BdsDxe: loading Boot0001 x\nBdsDxe: starting Boot0001 x\n";
        let kernel = "[    0.000000] Linux version 6.12\n[    1.0] more\n";
        assert_eq!(lengths(""), [0]);
        assert_eq!(lengths(&[firmware, kernel, firmware, kernel].concat()), [4, 4]);
        // A machine that boots from the network in QEMU has no firmware that speaks.
        assert_eq!(lengths(&[kernel, kernel, kernel].concat()), [2, 2, 2]);
        // One boot option that fails and another one that is started are one boot.
        let second = "BdsDxe: loading Boot0002 y\n";
        assert_eq!(lengths(&["BdsDxe: loading Boot0001 x\n", second, firmware].concat()), [4]);
        assert_eq!(lengths(&[firmware, firmware].concat()), [2, 2]);
    }
}
