//! Runs the initrd's script that finds out what kind of machine it is.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What firmware says: vendor, product, tag of the chassis, version of the firmware; and what Ignition calls that.
const MACHINES: [([&str; 4], &str); 26] = [
    (["", "", "", ""], "metal"),
    (["Dell Inc.", "PowerEdge R640", "Not Specified", "2.1"], "metal"),
    (["QEMU", "Standard PC (Q35 + ICH9, 2009)", "", "0.0.0"], "qemu"),
    (["Amazon EC2", "m5.large", "Amazon EC2", "1.0"], "aws"),
    (["Xen", "HVM domU", "", "4.11.amazon"], "aws"),
    (["Xen", "HVM domU", "", "4.11"], "metal"),
    (
        ["Microsoft Corporation", "Virtual Machine", "7783-7084-3265-9085-8269-3286-77", "Hyper-V"],
        "azure",
    ),
    (["Microsoft Corporation", "Virtual Machine", "1234", "Hyper-V"], "metal"),
    (["Google", "Google Compute Engine", "", "Google"], "gcp"),
    (["OpenStack Foundation", "OpenStack Nova", "", ""], "openstack"),
    (["Red Hat", "OpenStack Compute", "", ""], "openstack"),
    (["QEMU", "Standard PC", "OpenStack Nova", ""], "openstack"),
    (["OpenTelekomCloud", "x", "OpenTelekomCloud", ""], "openstack"),
    (["Apache Software Foundation", "CloudStack KVM Hypervisor", "", ""], "cloudstack"),
    (["DigitalOcean", "Droplet", "", "20171212"], "digitalocean"),
    (["Exoscale", "Compute Platform", "", ""], "exoscale"),
    (["Alibaba Cloud", "Alibaba Cloud ECS", "", ""], "aliyun"),
    (["KubeVirt", "None", "", ""], "kubevirt"),
    (["Red Hat", "KubeVirt", "", ""], "kubevirt"),
    (["Nutanix", "AHV", "", ""], "nutanix"),
    (["Packet", "c3.small.x86", "", ""], "packet"),
    (["VMware, Inc.", "VMware7,1", "No Asset Tag", "VMW71.00V"], "vmware"),
    (["VMware, Inc.", "VMware Virtual Platform", "", ""], "vmware"),
    (["Vultr", "VC2", "", ""], "vultr"),
    (["innotek GmbH", "VirtualBox", "", "VirtualBox"], "metal"),
    (["amazon.example", "azure; echo gcp", "$(echo aws)", "1.amazonia"], "metal"),
];

#[test]
fn machines_are_known_by_what_their_firmware_says() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/initrd-platform");
    for (says, expected) in MACHINES {
        let dir = tempfile::tempdir().unwrap();
        let names = ["sys_vendor", "product_name", "chassis_asset_tag", "bios_version"];
        for (name, value) in names.into_iter().zip(says).filter(|(_, value)| !value.is_empty()) {
            fs::write(dir.path().join(name), format!("{value}\n")).unwrap();
        }
        let output = Command::new("bash").arg(&script).arg(dir.path()).output().unwrap();
        assert!(output.status.success(), "{says:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{expected}\n"), "{says:?}");
    }
}

/// What Ignition does not know would stop a machine at its first boot.
#[test]
fn every_platform_is_one_that_ignition_knows() {
    let judge = Path::new("/usr/lib/dracut/modules.d/30ignition/ignition");
    if !judge.exists() {
        assert!(
            std::env::var_os("FLAGSTONE_REQUIRE_JUDGES").is_none(),
            "ignition is not installed"
        );
        return;
    }
    let known = |platform: &str| {
        let mut command = Command::new(judge);
        let output = command.arg(format!("--platform={platform}")).arg("--version").output();
        output.unwrap().status.success()
    };
    assert!(!known("flagstone"));
    for (_, platform) in MACHINES {
        assert!(known(platform), "{platform}");
    }
}
