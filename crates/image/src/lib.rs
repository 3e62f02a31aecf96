//! File system images: EROFS and dm-verity.
