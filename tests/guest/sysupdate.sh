# Has systemd-sysupdate install what the server has, and restarts into it.
step=$(cat /var/lib/step 2>/dev/null || echo 0)
echo $((step + 1)) >/var/lib/step
say() { printf '%s.%s=%s\n' "$step" "$1" "$2"; }
sum() { sha256sum | cut -d' ' -f1; }
. /usr/lib/os-release
say version "$IMAGE_VERSION"
case $step in
0)
    # As its timer does it.
    systemctl start --wait systemd-sysupdate.service
    say updated "$(systemctl show --property=Result --value systemd-sysupdate.service)"
    say said "$(journalctl --unit=systemd-sysupdate.service --output=cat | tr '\n' ' ')"
    say usr "$(head -c USR_BYTES /dev/vda5 | sum)"
    say verity "$(head -c VERITY_BYTES /dev/vda6 | sum)"
    say uki "$(sum </boot/EFI/Linux/ci_0.2+3.efi)"
    say labels "$(sfdisk --part-label /dev/vda 5) $(sfdisk --part-label /dev/vda 6)"
    say identifiers "$(sfdisk --part-uuid /dev/vda 5) $(sfdisk --part-uuid /dev/vda 6)"
    say entries "$(ls /boot/EFI/Linux | tr '\n' ' ')"
    systemctl --no-block reboot
    ;;
1)
    say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
    say entries "$(ls /boot/EFI/Linux | tr '\n' ' ')"
    if /usr/lib/systemd/systemd-sysupdate pending; then say pending yes; else say pending no; fi
    say end yes
    systemctl --force poweroff
    ;;
esac
