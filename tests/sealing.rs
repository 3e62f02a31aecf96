//! A machine whose ROOT is encrypted, with a key that its TPM keeps.

use std::fs;

use flagstone_console::Stage;

use super::{LIMIT, assert_provisioned, assert_sound, ignition, manifest};
use crate::{guest, support};

const RECIPE: &str = "extends = \"base\"\n\
    [image]\nid = \"sealed\"\n\
    [disk]\nroot-encryption = \"tpm2\"\n\
    [packages]\nadd = [\"libtss2-esys-3.0.2-0t64\", \"libtss2-rc0t64\"]\n";

#[test]
#[ignore = "boots QEMU"]
fn an_encrypted_root_opens_on_its_own_machine_alone() {
    let dir = support::scratch("smoke-sealing");
    fs::write(dir.join("sealed.toml"), RECIPE).unwrap();
    let image = support::build_with("./sealed.toml", &["--no-pxe", "--no-disk-sum"], &dir);
    let manifest = manifest(&dir.join("out"));
    let (state, ours) = (dir.join("state"), ignition(&dir, "ours"));
    let script = format!("{}\n{}", include_str!("guest/smoke.sh"), include_str!("guest/sealed.sh"));
    fs::write(dir.join("sealed.sh"), script).unwrap();
    let boot = || {
        let script = dir.join("sealed.sh");
        guest::boot_so(
            &image,
            &state,
            LIMIT,
            &guest::Extras {
                arguments: &["--tpm", "--ignition", &ours],
                script: Some(&script),
                ..guest::Extras::default()
            },
        )
    };
    let [first, second] = [boot(), boot()];
    for (boot, earlier) in [(&first, "0"), (&second, "1")] {
        assert_sound(boot, &manifest);
        assert_provisioned(boot, "ours");
        assert_eq!(boot.report["earlier_boots"], earlier);
        assert_eq!(boot.report["root_source"], "/dev/mapper/root");
        // One key, which is the TPM's, and its cipher.
        assert_eq!(boot.report["luks"], "2 slots=1 tokens=systemd-tpm2 label=flagstone-root");
        assert_eq!(boot.report["cipher"], "aes-xts-plain64");
        // It fills the disk.
        assert!(boot.report["root_bytes"].parse::<u64>().unwrap() > 4 << 30);
        assert_eq!(boot.report["left"], "");
    }
    // Another board: its TPM never saw the key.
    fs::remove_dir_all(state.join("tpm")).unwrap();
    let stolen = boot();
    assert_eq!(stolen.report.get("end"), None, "{:?}", stolen.report);
    assert_eq!(stolen.stopped_at(), Some(Stage::Root), "{}", stolen.diagnosis());
    assert!(stolen.diagnosis().contains("the TPM does not give the key"), "{}", stolen.diagnosis());
}
