use flagstone_tree::Mtime;

/// Inodes start at multiples of this; a nid counts these units (`EROFS_ISLOTBITS`).
pub(super) const SLOT: u64 = 32;

/// How the data of an inode is found (`datalayout` in `i_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataLayout {
    /// `EROFS_INODE_FLAT_PLAIN`: in consecutive blocks.
    FlatPlain = 0,
    /// `EROFS_INODE_COMPRESSED_FULL`: compressed, with the large form of an index; or, as here,
    /// within the packed inode.
    Packed = 1,
    /// `EROFS_INODE_FLAT_INLINE`: likewise, but the last part follows the inode.
    FlatInline = 2,
    /// `EROFS_INODE_COMPRESSED_COMPACT`: compressed, with an index after the inode.
    Compressed = 3,
    /// `EROFS_INODE_CHUNK_BASED`: a table of chunks follows the inode.
    ChunkBased = 4,
}

/// The size of an inode on disk (bit 0 of `i_format`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `struct erofs_inode_compact`: 16-bit ids and link count, 32-bit size, the volume's time.
    Compact,
    /// `struct erofs_inode_extended`: everything in full.
    Extended,
}

impl Form {
    pub(super) fn size(self) -> u64 {
        match self {
            Self::Compact => 32,
            Self::Extended => 64,
        }
    }
}

/// The content of either on-disk inode.
#[derive(Clone, Debug)]
pub(super) struct DiskInode {
    pub(super) layout: DataLayout,
    /// `i_xattr_icount`, as [`super::xattr::count`] gives it.
    pub(super) xattr_count: u16,
    /// File type and permissions.
    pub(super) mode: u16,
    pub(super) links: u32,
    pub(super) size: u64,
    /// `i_u`: first block, number of compressed blocks, device number or chunk format.
    pub(super) data: u32,
    /// `i_ino`: a number that fits 32 bits; Linux does not read it.
    pub(super) ino: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Mtime,
}

impl DiskInode {
    /// Returns the smallest form that loses nothing in a volume with this build time.
    pub(super) fn form(&self, build_time: Mtime) -> Form {
        let compact = u16::try_from(self.uid).is_ok()
            && u16::try_from(self.gid).is_ok()
            && u16::try_from(self.links).is_ok()
            && u32::try_from(self.size).is_ok()
            && self.mtime == build_time;
        if compact { Form::Compact } else { Form::Extended }
    }

    /// Appends the inode in the form that [`Self::form`] chose.
    pub(super) fn encode(&self, form: Form, out: &mut Vec<u8>) {
        let version = u16::from(form == Form::Extended);
        out.extend((version | (self.layout as u16) << 1).to_le_bytes());
        out.extend(self.xattr_count.to_le_bytes());
        out.extend(self.mode.to_le_bytes());
        match form {
            Form::Compact => self.encode_compact(out),
            Form::Extended => self.encode_extended(out),
        }
    }

    fn encode_compact(&self, out: &mut Vec<u8>) {
        let short = |n: u32| u16::try_from(n).expect("the compact form is chosen for small ids");
        let size = u32::try_from(self.size).expect("the compact form is chosen for small files");
        out.extend(short(self.links).to_le_bytes());
        out.extend(size.to_le_bytes());
        out.extend([0; 4]); // a time relative to the volume's in newer kernels
        out.extend(self.data.to_le_bytes());
        out.extend(self.ino.to_le_bytes());
        out.extend(short(self.uid).to_le_bytes());
        out.extend(short(self.gid).to_le_bytes());
        out.extend([0; 4]);
    }

    fn encode_extended(&self, out: &mut Vec<u8>) {
        out.extend([0; 2]);
        out.extend(self.size.to_le_bytes());
        out.extend(self.data.to_le_bytes());
        out.extend(self.ino.to_le_bytes());
        out.extend(self.uid.to_le_bytes());
        out.extend(self.gid.to_le_bytes());
        out.extend(self.mtime.seconds.to_le_bytes());
        out.extend(self.mtime.nanoseconds.to_le_bytes());
        out.extend(self.links.to_le_bytes());
        out.extend([0; 16]);
    }
}

/// Returns a device number as Linux encodes it on disk (`new_encode_dev`): 12 bits of major
/// number and 20 of minor; `None` if they do not fit.
pub(super) fn device_number(major: u32, minor: u32) -> Option<u32> {
    (major < 1 << 12 && minor < 1 << 20)
        .then_some((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inode() -> DiskInode {
        DiskInode {
            layout: DataLayout::FlatInline,
            xattr_count: 2,
            mode: 0o100_644,
            links: 1,
            size: 9,
            data: 0x0102_0304,
            ino: 5,
            uid: 6,
            gid: 7,
            mtime: Mtime { seconds: 8, nanoseconds: 9 },
        }
    }

    #[test]
    fn an_inode_is_extended_only_where_it_must_be() {
        let build_time = inode().mtime;
        let cases = [
            (inode(), Form::Compact),
            (DiskInode { uid: 65_535, ..inode() }, Form::Compact),
            (DiskInode { uid: 65_536, ..inode() }, Form::Extended),
            (DiskInode { gid: 65_536, ..inode() }, Form::Extended),
            (DiskInode { links: 65_536, ..inode() }, Form::Extended),
            (DiskInode { size: 1 << 32, ..inode() }, Form::Extended),
            (DiskInode { mtime: Mtime::from_seconds(8), ..inode() }, Form::Extended),
        ];
        for (number, (inode, form)) in cases.into_iter().enumerate() {
            assert_eq!(inode.form(build_time), form, "case {number}");
            let mut bytes = Vec::new();
            inode.encode(form, &mut bytes);
            assert_eq!(bytes.len() as u64, form.size(), "case {number}");
        }
    }

    #[test]
    fn fields_are_where_the_kernel_reads_them() {
        let mut bytes = Vec::new();
        inode().encode(Form::Compact, &mut bytes);
        let compact = [
            4, 0, 2, 0, 0xa4, 0x81, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 7,
            0, 0, 0, 0, 0,
        ];
        assert_eq!(bytes, compact);
        bytes.clear();
        inode().encode(Form::Extended, &mut bytes);
        let extended = [
            5, 0, 2, 0, 0xa4, 0x81, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 6, 0, 0,
            0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0,
        ];
        assert_eq!(bytes[..48], extended);
        assert_eq!(bytes[48..], [0; 16]);
    }

    #[test]
    fn device_numbers_are_split_as_in_linux() {
        assert_eq!(device_number(8, 1), Some(0x801));
        assert_eq!(device_number(259, 0x12345), Some(0x1231_0345));
        assert_eq!(device_number(4095, (1 << 20) - 1), Some(u32::MAX));
        assert_eq!(device_number(4096, 0), None);
        assert_eq!(device_number(0, 1 << 20), None);
    }
}
