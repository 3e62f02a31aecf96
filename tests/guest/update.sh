# Goes from version to version, one step at each boot that was found good; SERVER is replaced.
step=$(cat /var/lib/step 2>/dev/null || echo 0)
echo $((step + 1)) >/var/lib/step
# After the power cut in step 1.
[ "$step" != 1 ] || [ ! -e /var/lib/cut ] || step=1b
say() { printf '%s.%s=%s\n' "$step" "$1" "$2"; }
update() { flagstone-agent update --payload "SERVER/files/$1" "${@:2}"; }
# Tries what has to be refused: its name in the report, then arguments.
refused() {
    local name=$1
    shift
    update "$@" >/run/said 2>&1
    say "$name" "$? $(tr '\n' ' ' </run/said)"
}
# Installs, and restarts when that is in the report.
install() {
    update "$1" >/run/said 2>&1
    say installed "$? $(tr '\n' ' ' </run/said)"
    systemctl --no-block reboot
}
# Nobody else is to update meanwhile.
systemctl stop flagstone-update.timer
. /usr/lib/os-release
say version "$IMAGE_VERSION"
say slot "$(basename "$(echo /sys/block/dm-0/slaves/*[35])")"
say status "$(flagstone-agent status --json | tr '\n' ' ')"
say entries "$(ls /boot/EFI/Linux | tr '\n' ' ')"
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say machine "$(cat /etc/machine-id) $(cat /etc/edited 2>/dev/null)"
say default "$(cat /etc/default-of)"
case $step in
0)
    echo mine >/etc/edited
    refused nobody stranger.payload
    # Signed by the key that only the next version trusts.
    refused next base-0.3.payload
    refused cut cut.payload
    refused flipped flipped.payload
    refused lying lying.payload
    refused large large.payload
    refused same base-0.1.payload
    refused missing no-such.payload
    # A repository that nobody has signed anything in for years.
    now=$(date +%s)
    date --set="@$((now + 10 * 365 * 86400))" >/dev/null
    flagstone-agent poll >/run/said 2>&1
    say expired "$? $(tr '\n' ' ' </run/said)"
    date --set="@$now" >/dev/null
    # By the channel, as the timer does it.
    mkdir -p /etc/flagstone
    echo 'reboot = "off"' >/etc/flagstone/update.toml
    systemctl start flagstone-update.service
    say installed "$? $(journalctl --unit=flagstone-update.service --output=cat | tr '\n' ' ')"
    rm /etc/flagstone/update.toml
    # What was written is not written again; now the machine may restart.
    flagstone-agent poll
    ;;
1)
    flagstone-agent poll >/run/said 2>&1
    say polled "$? $(tr '\n' ' ' </run/said)"
    say metrics "$(grep -v '^#' /run/flagstone/agent.prom | tr '\n' ' ')"
    refused older base-0.1.payload
    # What it would make room by is gone already.
    rm /boot/EFI/Linux/base_0.1.efi
    dd if=/dev/zero of=/boot/full bs=1M 2>/dev/null
    refused full base-0.3.payload
    rm /boot/full
    mount -o remount,ro /boot
    refused readonly base-0.3.payload
    mount -o remount,rw /boot
    say left "$(ls /boot/EFI/Linux | tr '\n' ' ')"
    refused base base-0.3.from_0.1.payload
    touch /var/lib/cut
    echo 1 >/var/lib/step
    sync
    update base-0.3.from_0.2.payload >/dev/null 2>&1 &
    until [ -e /var/lib/flagstone/agent/checkpoint.json ]; do sleep 0.1; done
    say cut "$(tr '\n' ' ' </var/lib/flagstone/agent/checkpoint.json)"
    sleep 1
    echo b >/proc/sysrq-trigger
    ;;
1b)
    install base-0.3.from_0.2.payload
    ;;
2)
    flagstone-agent rollback >/run/said 2>&1
    say rollback "$? $(tr '\n' ' ' </run/said)"
    systemctl --no-block reboot
    ;;
3)
    refused taken base-0.3.payload
    echo 'tries = 1' >/etc/flagstone/update.toml
    install panics.payload
    ;;
4)
    refused again panics.payload
    echo 'tries = 2' >/etc/flagstone/update.toml
    install unhealthy.payload
    ;;
5)
    echo 'tries = 1' >/etc/flagstone/update.toml
    install emergency.payload
    ;;
6)
    install hangs.payload
    ;;
7)
    install empty.payload
    ;;
8)
    flagstone-agent pin >/run/said 2>&1
    refused pinned base-0.3.payload --older
    say end yes
    systemctl --no-block poweroff
    ;;
esac
