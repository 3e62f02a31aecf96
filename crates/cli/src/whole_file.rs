use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Returns the folder that a file lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file whole, or leaves what was there.
pub(crate) fn write_whole(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".flagstone-").tempfile_in(folder_of(path))?;
    file.write_all(data)?;
    file.as_file().sync_all()?;
    // A temporary file is private; what it becomes is as readable as any file of the user's.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
