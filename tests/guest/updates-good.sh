# Versions that are as they should be, and what is refused.
case $step in
0)
    echo mine >/etc/edited
    refused nobody stranger.payload
    # Signed by the key that only the next version trusts.
    refused next site-0.3.payload
    refused cut cut.payload
    refused flipped flipped.payload
    refused lying lying.payload
    refused large large.payload
    refused same site-0.1.payload
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
    refused older site-0.1.payload
    # What it would make room by is gone already.
    rm /boot/EFI/Linux/site_0.1.efi
    dd if=/dev/zero of=/boot/full bs=1M 2>/dev/null
    refused full site-0.3.payload
    rm /boot/full
    mount -o remount,ro /boot
    refused readonly site-0.3.payload
    mount -o remount,rw /boot
    say left "$(ls /boot/EFI/Linux | tr '\n' ' ')"
    refused base site-0.3.from_0.1.payload
    touch /var/lib/cut
    echo 1 >/var/lib/step
    sync
    update site-0.3.payload >/dev/null 2>&1 &
    until [ -e /var/lib/flagstone/agent/checkpoint.json ]; do sleep 0.1; done
    say cut "$(tr '\n' ' ' </var/lib/flagstone/agent/checkpoint.json)"
    sleep 1
    echo b >/proc/sysrq-trigger
    ;;
1b)
    install site-0.3.payload
    ;;
2)
    flagstone-agent rollback >/run/said 2>&1
    say rollback "$? $(tr '\n' ' ' </run/said)"
    systemctl --no-block reboot
    ;;
3)
    refused taken site-0.3.payload
    say end yes
    systemctl --force poweroff
    ;;
esac
