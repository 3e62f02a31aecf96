# Makes a machine its own, has it reset, and looks what is left.
step=$(cat /srv/kept/step 2>/dev/null || echo 0)
say() { printf '%s.%s=%s\n' "$step" "$1" "$2"; }
say machine_id "$(cat /etc/machine-id)"
say host_key "$(cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub)"
say provisioned "$(cat /var/lib/provisioned-by-test)"
say unit "$(cat /var/lib/unit-ran)"
say own "$(cat /etc/own /srv/own /srv/kept/own 2>/dev/null | tr '\n' ' ')"
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
if [ "$step" = 0 ]; then
    mkdir -p /srv/kept
    echo 1 >/srv/kept/step
    for place in /etc /srv /srv/kept; do echo mine >$place/own; done
    touch /srv/immutable && chattr +i /srv/immutable
    rm /etc/motd
    cp /etc/issue /run/issue && rm /etc/issue && cp /run/issue /etc/issue
    say diff "$(flagstone-agent etc diff | grep -E ' /etc/(own|motd|issue|machine-id)( |$)' | tr '\n' ';')"
    flagstone-agent etc diff --exit-code >/run/said
    say differs $?
    flagstone-agent reset --keep /srv/nothing --yes >/run/said 2>&1
    say missing "$? $(tr '\n' ' ' </run/said)"
    flagstone-agent reset --keep /srv/kept </dev/null >/run/said 2>&1
    say unasked "$? $(tr '\n' ' ' </run/said)"
    # The machine restarts, with whatever else would be said here.
    flagstone-agent reset --keep /srv/kept --yes
else
    say left "$(ls -A /srv | tr '\n' ' ')"
    say request "$(ls /var/lib/flagstone | tr '\n' ' ')"
    say motd "$(test -e /etc/motd && echo there)"
    say end yes
    systemctl --force poweroff
fi
