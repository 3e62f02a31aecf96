# Reports what a test asserts, one "key=value" a line, from inside the booted system.
say() { printf '%s=%s\n' "$1" "$2"; }
. /usr/lib/os-release
say image "$IMAGE_ID $IMAGE_VERSION"
say machine "$(uname -m)"
say boot_complete "$(systemctl is-active boot-complete.target)"
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say usr_source "$(findmnt --noheadings --output SOURCE /usr)"
say usr_type "$(findmnt --noheadings --output FSTYPE /usr)"
say usr_options "$(findmnt --noheadings --output OPTIONS /usr)"
say usr_verity "$(dmsetup status usr | cut -d' ' -f3-4)"
if touch /usr/written 2>/dev/null; then say usr_written yes; else say usr_written no; fi
say root_hash "$(dmsetup table usr | cut -d' ' -f12)"
say provisioned "$(cat /var/lib/provisioned-by-test 2>/dev/null)"
say hostname "$(cat /proc/sys/kernel/hostname)"
say core "$(id -u core 2>/dev/null) $(cat /home/core/.ssh/authorized_keys.d/ignition 2>/dev/null)"
say unit "$(cat /var/lib/unit-ran 2>/dev/null | tr '\n' ' ')"
say link "$(readlink /etc/provisioned-by-test)"
say crew "$(getent group crew)"
say instance "$(cat /var/lib/instance-ran 2>/dev/null)"
say root_type "$(findmnt --noheadings --output FSTYPE /)"
say root_bytes "$(findmnt --bytes --noheadings --output SIZE /)"
say etc_type "$(findmnt --noheadings --output FSTYPE /etc)"
say machine_id "$(cat /etc/machine-id)"
say disk_guid "$(sfdisk --disk-id /dev/vda 2>/dev/null)"
say host_key "$(cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub 2>/dev/null)"
say entries "$(ls /boot/EFI/Linux 2>/dev/null | tr '\n' ' ')"
say world_writable "$(find / /etc -xdev -not -type l -perm -0002 -not -perm -1000 | sort | tr '\n' ' ')"
say shadow "$(cut -d: -f2 /etc/shadow | grep -cv '^[!*]')"
say sysctl "$(cd /proc/sys && cat fs/protected_{fifos,regular,symlinks,hardlinks} \
    kernel/{kptr_restrict,dmesg_restrict,unprivileged_bpf_disabled} | tr '\n' ' ')"
if command -v sshd >/dev/null; then
    say sshd "$(sshd -T 2>/dev/null | grep -E '^(passwordauthentication|x11forwarding|kbdinteractiveauthentication|permitrootlogin|permitemptypasswords) ' | sort | tr '\n' ';')"
fi
if command -v ss >/dev/null; then
    say listening "$(ss -Hltun | tr -s ' ' | cut -d' ' -f1,5 | tr ' ' '/' | sort -u | tr '\n' ' ')"
fi
if command -v ctr >/dev/null; then
    say containerd "$(systemctl is-active containerd.service)"
    say cri "$(ctr plugins ls id==cri | tail -n 1 | tr -s ' ' | cut -d' ' -f4)"
    say overlayfs "$(ctr plugins ls id==overlayfs | tail -n 1 | tr -s ' ' | cut -d' ' -f4)"
    say bridge "$(cat /proc/sys/net/bridge/bridge-nf-call-iptables)"
    say forward "$(cat /proc/sys/net/ipv4/ip_forward)"
    say overcommit "$(cat /proc/sys/vm/overcommit_memory)"
    say loopback "$(readlink -f /opt/cni/bin/loopback)"
    say iptables "$(iptables -t nat -L -n >/dev/null && iptables --version)"
    say modules "$(for m in br_netfilter ip_vs nf_conntrack overlay; do
        [ -e /sys/module/$m ] && printf '%s ' $m; done)"
    say propagation "$(findmnt --noheadings --output PROPAGATION /)"
fi
count=$(cat /var/lib/smoke-count 2>/dev/null || echo 0)
echo $((count + 1)) >/var/lib/smoke-count
say earlier_boots "$count"
say end yes
