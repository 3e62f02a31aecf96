use flagstone_tree::Xattrs;

use super::fields::Fields;
use super::{Image, Node, ReadAt};
use crate::ReadError;

/// Before the entries, and before each name.
const HEADER: usize = 12;
const ENTRY: usize = 4;

pub(super) fn read<R: ReadAt>(image: &Image<R>, node: &Node) -> Result<Xattrs, ReadError> {
    let mut xattrs = Xattrs::new();
    if node.xattr_size == 0 {
        return Ok(xattrs);
    }
    let bytes = image.bytes(node.nid, node.xattr_position, node.xattr_size)?;
    if bytes[4] != 0 {
        return Err(node.corrupt("it shares attributes, which is not known"));
    }
    let mut rest = &bytes[HEADER..];
    while let Some((head, after)) = rest.split_at_checked(ENTRY) {
        let (name_length, index) = (usize::from(head[0]), head[1]);
        let value_length = usize::from(Fields(head).u16(2));
        let cut = || node.corrupt("an attribute is cut off");
        let (name, after) = after.split_at_checked(name_length).ok_or_else(cut)?;
        let (value, after) = after.split_at_checked(value_length).ok_or_else(cut)?;
        let padding = (name_length + value_length).wrapping_neg() % ENTRY;
        rest = after.get(padding..).ok_or_else(cut)?;
        let prefix: &[u8] = match index {
            1 => b"user.",
            2 => b"system.posix_acl_access",
            3 => b"system.posix_acl_default",
            4 => b"trusted.",
            6 => b"security.",
            _ => return Err(node.corrupt("an attribute has a prefix that is not known")),
        };
        if xattrs.insert([prefix, name].concat(), value.to_vec()).is_some() {
            return Err(node.corrupt("an attribute is there twice"));
        }
    }
    Ok(xattrs)
}
