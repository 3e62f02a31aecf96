# Goes after smoke.sh: takes from a machine what was its own in /etc, and fills its ROOT to the last block.
mount --bind / /mnt
find /mnt/etc -mindepth 1 -delete
umount /mnt
fallocate --length $(($(stat --file-system --format='%f * %S' /) - (32 << 20))) /var/lib/large
dd if=/dev/zero of=/var/lib/rest bs=64k 2>/dev/null
sync
