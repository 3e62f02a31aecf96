use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use flagstone_artifact::Sha256Digest;
use flagstone_boot::{
    INITRD_ALIGNMENT, KernelCommandLine, OsRelease, UkiParts, netboot_part, write_cpio, write_uki,
};
use flagstone_recipe::Recipe;
use flagstone_rootfs::Kernel;
use flagstone_tree::{Content, Data, Mtime, Source};

use crate::BuildError;
use crate::boot_files::{self, InitrdParts, Loader};
use crate::output::{Names, Output};
use crate::usr_image::UsrImage;

/// How much is written at once.
const BUFFER: usize = 1 << 20;

/// A file in the output folder, to be read again.
#[derive(Debug)]
struct Written(File);

impl Source for Written {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// What machines boot from the network: the disk's kernel and initrd, which carries /usr as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Netboot<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) loader: &'a Loader,
    pub(crate) kernel: &'a Kernel,
    pub(crate) initrd: &'a InitrdParts,
    pub(crate) usr: &'a UsrImage,
    pub(crate) release: &'a OsRelease,
    pub(crate) date: Mtime,
    pub(crate) names: &'a Names,
    pub(crate) output: &'a Output,
}

impl Netboot<'_> {
    /// Writes kernel, initrd, script, and all of it in one image for firmware that boots by HTTP.
    pub(crate) fn write(&self) -> Result<(), BuildError> {
        let cmdline = boot_files::cmdline(KernelCommandLine::for_netboot(), self.recipe)?;
        self.output.write(&self.names.pxe_kernel(), &self.kernel.image)?;
        self.write_initrd()?;
        let script = self.script(&cmdline);
        self.output.write(&self.names.pxe_script(), script.as_bytes())?;
        self.write_uki(&cmdline)
    }

    fn write_initrd(&self) -> Result<(), BuildError> {
        let name = self.names.pxe_initrd();
        let failed = |source| BuildError::Write { path: self.output.path(&name), source };
        let mut out = BufWriter::with_capacity(BUFFER, self.output.create(&name)?);
        let mut end = 0;
        for archive in self.initrd.archives() {
            out.write_all(&[0; 4][..pad(end)]).map_err(failed)?;
            out.write_all(archive).map_err(failed)?;
            end += pad(end) as u64 + archive.len() as u64;
        }
        out.write_all(&[0; 4][..pad(end)]).map_err(failed)?;
        let UsrImage { root_hash, .. } = self.usr;
        let usr = self.content(&self.names.usr())?;
        let hash_tree = self.content(&self.names.verity())?;
        let part =
            netboot_part(root_hash, usr, hash_tree, self.date).map_err(BuildError::Initrd)?;
        write_cpio(&part, self.date.seconds, &mut out).map_err(BuildError::Cpio)?;
        out.flush().map_err(failed)
    }

    fn write_uki(&self, cmdline: &KernelCommandLine) -> Result<(), BuildError> {
        let name = self.names.pxe_uki();
        let failed = |source| BuildError::Write { path: self.output.path(&name), source };
        let mut out = BufWriter::with_capacity(BUFFER, self.output.create(&name)?);
        let parts = UkiParts {
            stub: &self.loader.stub,
            linux: &self.kernel.image,
            initrd: &[self.content(&self.names.pxe_initrd())?],
            os_release: self.release,
            cmdline,
            uname: &self.kernel.version,
        };
        write_uki(&parts, &mut out).map_err(BuildError::Uki)?;
        out.flush().map_err(failed)
    }

    /// Returns the script: relative names, so that it works below any address.
    fn script(&self, cmdline: &KernelCommandLine) -> String {
        let (kernel, initrd) = (self.names.pxe_kernel(), self.names.pxe_initrd());
        format!(
            "#!ipxe\n\
             # {}, /usr with root hash {}\n\
             kernel {kernel} initrd={initrd} {cmdline} ${{flagstone-args}}\n\
             initrd --name {initrd} {initrd}\n\
             boot\n",
            self.recipe.image, self.usr.root_hash
        )
    }

    /// Returns what has been written under a name.
    fn content(&self, name: &str) -> Result<Content, BuildError> {
        let path = self.output.path(name);
        let open = || {
            let file = File::open(&path)?;
            let len = file.metadata()?.len();
            // Nobody asks for the digest of what only goes by.
            let digest = Sha256Digest::of(name.as_bytes());
            Ok(Content::from(Data::stored(Arc::new(Written(file)), 0, len, digest)))
        };
        open().map_err(|source| BuildError::Write { path: path.clone(), source })
    }
}

fn pad(len: u64) -> usize {
    usize::try_from(len.next_multiple_of(INITRD_ALIGNMENT) - len).unwrap_or_default()
}
