# Goes from version to version, one step at each boot that was found good; SERVER is replaced. What is done at which
# step comes behind this.
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
