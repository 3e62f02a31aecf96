use flagstone_artifact::ImageName;
use flagstone_boot::OsRelease;

use crate::BuildError;

/// Returns what the image says about itself: in /usr, in the initrd, and to the boot loader.
///
/// `base` is the text of the distribution's own os-release; only its codename is kept.
pub(crate) fn os_release(name: &ImageName, base: &str) -> Result<OsRelease, BuildError> {
    let of_base = |key: &str| {
        let line = base.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let base_name = of_base("PRETTY_NAME").unwrap_or_else(|| "Debian".to_owned());
    let mut release = OsRelease::new();
    release
        .set("ID", "flagstone")?
        .set("ID_LIKE", "debian")?
        .set("NAME", "Flagstone")?
        .set("PRETTY_NAME", format!("Flagstone {} {} ({base_name})", name.id, name.version))?
        .set("VERSION", name.version.as_str())?
        .set("VERSION_ID", name.version.as_str())?
        .set("IMAGE_ID", name.id.as_str())?
        .set("IMAGE_VERSION", name.version.as_str())?
        .set("ARCHITECTURE", name.architecture.name())?
        .set("SYSEXT_LEVEL", extension_level(name))?;
    if let Some(codename) = of_base("VERSION_CODENAME") {
        release.set("VERSION_CODENAME", codename)?;
    }
    Ok(release)
}

/// Returns the level that extensions of a release are bound to: the release itself, since an extension is made
/// of what it lacks.
fn extension_level(name: &ImageName) -> String {
    name.usr_label()
}

/// Returns what an extension says about itself and the release it is for (os-release(5), extension-release).
pub(crate) fn extension_release(
    extension: &ImageName,
    base: &ImageName,
) -> Result<OsRelease, BuildError> {
    let mut release = OsRelease::new();
    release
        .set("ID", "flagstone")?
        .set("SYSEXT_LEVEL", extension_level(base))?
        .set("SYSEXT_SCOPE", "system")?
        .set("ARCHITECTURE", extension.architecture.name())?
        .set("SYSEXT_ID", extension.id.as_str())?
        .set("SYSEXT_VERSION_ID", extension.version.as_str())?
        // The manager then reads the units that came.
        .set("EXTENSION_RELOAD_MANAGER", "1")?;
    Ok(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_names_itself_and_what_it_is_made_of() {
        let name = ImageName {
            id: "base".parse().unwrap(),
            version: "1.2".parse().unwrap(),
            architecture: flagstone_artifact::Architecture::X86_64,
        };
        let base = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nVERSION_CODENAME=trixie\n";
        let release = os_release(&name, base).unwrap();
        assert_eq!(
            release.get("PRETTY_NAME"),
            Some("Flagstone base 1.2 (Debian GNU/Linux 13 (trixie))")
        );
        assert_eq!(release.get("VERSION_CODENAME"), Some("trixie"));
        assert_eq!(release.get("IMAGE_VERSION"), Some("1.2"));
    }
}
