//! What the firmware starts: cpio, initrd, command line, unified kernel image.
