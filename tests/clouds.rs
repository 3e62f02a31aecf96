//! Machines that find out by themselves in which cloud they are, and are provisioned from there.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{LIMIT, assert_provisioned, assert_sound, ignition, manifest};
use crate::{guest, support};

#[test]
#[ignore = "boots QEMU"]
fn machines_in_clouds_know_it_and_ask_there() {
    let dir = support::scratch("smoke-clouds");
    let image = support::build_with("base", &["--no-disk-sum"], &dir);
    let manifest = manifest(&dir.join("out"));
    std::thread::scope(|scope| {
        let tests = [("aws", aws as fn(&Path) -> Vec<String>), ("openstack", openstack)].map(
            |(name, machine)| {
                let (dir, image, manifest) = (&dir, &image, &manifest);
                scope.spawn(move || {
                    let state = dir.join(name);
                    fs::create_dir(&state).unwrap();
                    let config = ignition(&state, name);
                    fs::rename(config, state.join("user-data")).unwrap();
                    let boot = guest::boot_so(
                        image,
                        &state,
                        LIMIT,
                        &guest::Extras {
                            arguments: &["--pxe", "--memory", "768"],
                            machine: &machine(&state),
                            ..guest::Extras::default()
                        },
                    );
                    assert_sound(&boot, manifest);
                    assert_provisioned(&boot, name);
                    let said = format!("Ignition runs, for the platform {name}");
                    assert!(boot.console.contains(&said), "nobody says {said:?}");
                })
            },
        );
        for test in tests {
            test.join().expect("a cloud failed, see above");
        }
    });
    let asked = fs::read_to_string(dir.join("aws/asked")).unwrap();
    assert!(asked.starts_with("PUT /latest/api/token -\n"), "{asked}");
    assert!(asked.lines().any(|line| line.ends_with("/user-data a-token")), "{asked}");
}

/// An instance of EC2: its metadata service is on a network of its own here.
fn aws(state: &Path) -> Vec<String> {
    let service = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guest/metadata");
    let network = format!(
        "user,model=virtio,net=169.254.169.0/24,guestfwd=tcp:169.254.169.254:80-cmd:{} {}",
        service.display(),
        state.display()
    );
    let said = "type=1,manufacturer=Amazon EC2,product=m5.large";
    ["-smbios", said, "-nic", &network].map(str::to_owned).to_vec()
}

/// An instance of `OpenStack` with a configuration drive.
fn openstack(state: &Path) -> Vec<String> {
    let drive = state.join("drive.img");
    let run = |program: &str, arguments: &[&str]| {
        let status = Command::new(program).arg("-i").arg(&drive).args(arguments).status().unwrap();
        assert!(status.success(), "{program}");
    };
    let data = state.join("user-data");
    run("mformat", &["-C", "-T", "8192", "-v", "config-2", "::"]);
    run("mmd", &["::/openstack", "::/openstack/latest"]);
    run("mcopy", &[data.to_str().unwrap(), "::/openstack/latest/user_data"]);
    let said = "type=1,manufacturer=OpenStack Foundation,product=OpenStack Nova";
    let drive = format!("if=virtio,format=raw,readonly=on,file={}", drive.display());
    ["-smbios", said, "-drive", &drive].map(str::to_owned).to_vec()
}
