# Asks one of three nodes, and has the third leave.
say() { printf '%s=%s\n' "$1" "$2"; }
node=$(</proc/sys/kernel/hostname)
patiently() {
    for _ in {1..300}; do
        if "$@"; then return; fi
        sleep 2
    done
    return 1
}
has() { [ "$(etcdctl get --print-value-only "$@")" = yes ]; }
all_have_seen() { [ "$(etcdctl get --prefix --keys-only /seen/ | grep -c .)" = 3 ]; }
is_gone() { ! etcdctl --endpoints=http://10.12.0.13:2379 endpoint health; }
patiently systemctl --quiet is-active k3s.service
say k3s "$(systemctl is-active k3s.service)"
say members "$(etcdctl member list | cut -d' ' -f2,3 | sort | tr '\n' ' ')"
say nodes "$(etcdctl get --prefix /registry/minions/ | tr '\n' ' ')"
say failed "$(systemctl list-units --failed --no-legend --plain | cut -d' ' -f1 | tr '\n' ' ')"
say kubectl "$(kubectl version --client | head -n 1 | cut -d. -f1)"
patiently etcdctl put "/seen/$node" yes
patiently all_have_seen
case $node in
node1)
    patiently is_gone
    patiently etcdctl put /without-third yes && say wrote yes
    # Whoever has it, has it from both: the other may be gone by now.
    patiently has --consistency=s /read && say read yes
    ;;
node2)
    patiently is_gone
    patiently has /without-third && say read yes
    patiently etcdctl put /read yes && say wrote yes
    ;;
esac
say end yes
