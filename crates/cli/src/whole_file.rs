use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Returns the folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file whole, or leaves what was there, with the permissions that it had. A link is followed; what is no file,
/// such as a terminal, is written to.
pub(crate) fn write_whole(path: &Path, data: &[u8]) -> io::Result<()> {
    let known = fs::metadata(path).ok();
    if known.as_ref().is_some_and(|known| !known.is_file() && !known.is_dir()) {
        return File::options().write(true).open(path)?.write_all(data);
    }
    let real = if known.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
    let mut file = tempfile::Builder::new()
        .prefix(".flagstone-")
        // Less what the user's mask takes.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(&real))?;
    file.write_all(data)?;
    if let Some(known) = known {
        file.as_file().set_permissions(known.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(real).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_keeps_its_permissions_and_what_is_none_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, new] = ["file", "link", "new"].map(|name| dir.path().join(name));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        symlink("file", &link).unwrap();
        write_whole(&link, b"secret").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&file).unwrap(), b"secret");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        write_whole(&new, b"x").unwrap();
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o111, 0);
        write_whole(Path::new("/dev/null"), b"x").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(write_whole(dir.path(), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
