# Goes after smoke.sh: installs to a disk that fails in the middle and to a good one, from a system that was booted
# from the network; SERVER and IMAGE are replaced.
install() { flagstone-install "/dev/disk/by-id/virtio-$1" --image SERVER/files/IMAGE --platform metal --yes "${@:2}"; }
first() { head -c 1048576 "/dev/disk/by-id/virtio-$1" | tr -d '\0' | wc -c; }
say keys "$(ls /usr/share/flagstone/keys | wc -l)"
install bad >/run/bad 2>&1
say bad_status $?
say bad_words "$(tr '\n' ' ' </run/bad)"
say bad_first "$(first bad)"
install good --ignition SERVER/files/ours.ign >/run/good 2>&1
say good_status $?
say good_words "$(tr '\n' ' ' </run/good)"
udevadm settle
mkdir /run/in-use
mount /dev/disk/by-id/virtio-good-part7 /run/in-use
install good >/run/used 2>&1
say used_status $?
say used_words "$(tr '\n' ' ' </run/used)"
umount /run/in-use
say address "$(ip -4 -o address show scope global | tr -s ' ' | cut -d' ' -f4 | tr '\n' ' ')"
say colour "$(cat /run/credentials/@system/colour)"
say installed yes
