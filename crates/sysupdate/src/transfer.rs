use flagstone_artifact::{Architecture, ImageId};

use crate::Part;

/// The folder of an image in which systemd-sysupdate looks for transfer files.
pub const TRANSFERS: &str = "usr/lib/sysupdate.d";

/// The keyring of an image by which systemd-sysupdate checks a folder's list: OpenPGP keys, not armoured. A
/// machine may add keys in `/etc/systemd/import-pubring.gpg`.
pub const KEYRING: &str = "usr/lib/systemd/import-pubring.gpg";

/// How often the loader tries a new version, as at the agent.
const TRIES: u32 = 3;

/// A transfer file (sysupdate.d(5)): what is taken from where, and what becomes of it on the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name below [`TRANSFERS`]. They are installed in the order of their names.
    pub file_name: &'static str,
    /// Its text.
    pub text: String,
}

/// Returns the transfer files of an image whose releases are in a folder at an address.
///
/// The version that runs is protected, and two are kept: the other slot takes what is new. The list's
/// signature is checked, as systemd-sysupdate does where nothing else is said.
pub fn transfers(id: &ImageId, architecture: Architecture, url: &str) -> [Transfer; 3] {
    Part::ALL.map(|part| {
        let file_name = match part {
            Part::Verity => "10-verity.transfer",
            Part::Usr => "20-usr.transfer",
            Part::Uki => "30-uki.transfer",
        };
        let source = part.pattern(id, architecture);
        let target = target(part, id, architecture);
        // What follows a `%` would be a specifier.
        let url = url.replace('%', "%%");
        let text = format!(
            "[Transfer]\nProtectVersion=%A\n\n\
             [Source]\nType=url-file\nPath={url}\nMatchPattern={source}\n\n\
             [Target]\n{target}InstancesMax=2\n"
        );
        Transfer { file_name, text }
    })
}

fn target(part: Part, id: &ImageId, architecture: Architecture) -> String {
    let (label, kind) = match part {
        Part::Verity => ("_verity", "-verity"),
        Part::Usr => ("", ""),
        Part::Uki => {
            // The first pattern is what a new file is called; the others are what the loader makes of it.
            return format!(
                "Type=regular-file\nPath=/EFI/Linux\nPathRelativeTo=boot\n\
                 MatchPattern={id}_@v+@l.efi {id}_@v+@l-@d.efi {id}_@v.efi\n\
                 Mode=0644\nTriesLeft={TRIES}\nTriesDone=0\n"
            );
        }
    };
    format!(
        "Type=partition\nPath=auto\nMatchPattern={id}_@v{label}\n\
         MatchPartitionType=usr-{architecture}{kind}\nReadOnly=1\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_names_source_and_slot() {
        let id = "base".parse().unwrap();
        let [verity, usr, uki] = transfers(&id, Architecture::X86_64, "https://a.example/b%20c");
        assert_eq!(
            verity.text,
            "[Transfer]\n\
             ProtectVersion=%A\n\n\
             [Source]\n\
             Type=url-file\n\
             Path=https://a.example/b%%20c\n\
             MatchPattern=base_@v_x86-64_@u.usr.verity\n\n\
             [Target]\n\
             Type=partition\n\
             Path=auto\n\
             MatchPattern=base_@v_verity\n\
             MatchPartitionType=usr-x86-64-verity\n\
             ReadOnly=1\n\
             InstancesMax=2\n"
        );
        assert!(usr.text.contains("\nMatchPattern=base_@v\nMatchPartitionType=usr-x86-64\n"));
        assert!(uki.text.contains("\nMatchPattern=base_@v+@l.efi "), "{}", uki.text);
        let names = [verity, usr, uki].map(|transfer| transfer.file_name);
        assert!(names.is_sorted(), "{names:?}");
    }
}
