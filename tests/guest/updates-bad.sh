# Versions that are signed and no good.
case $step in
0)
    mkdir -p /etc/flagstone
    echo 'tries = 2' >/etc/flagstone/update.toml
    install panics.payload
    ;;
1)
    refused again panics.payload
    echo 'tries = 1' >/etc/flagstone/update.toml
    install unhealthy.payload
    ;;
2)
    install emergency.payload
    ;;
3)
    install hangs.payload
    ;;
4)
    install empty.payload
    ;;
5)
    flagstone-agent pin >/run/said 2>&1
    refused pinned site-0.3.payload --older
    say end yes
    systemctl --force poweroff
    ;;
esac
