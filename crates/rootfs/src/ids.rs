//! Fixed numbers for the system accounts that Debian creates dynamically.
//!
//! On an ordinary machine such an account gets the first number that is free when its package is
//! installed. An image that did the same would renumber accounts whenever its set of packages
//! changes, while /var and a copied-up /etc/passwd keep the numbers of the first release: files
//! would change hands. So every known account has its number here, for all images and for good.
//!
//! Rules for this table: a line is never changed or removed, a number is never used twice, and new
//! accounts take the next number downwards. The first eleven are what systemd-sysusers gives them on
//! a fresh trixie installation. The range is `SYS_UID_MIN`–`SYS_UID_MAX` of login.defs: 100–999.

/// The first and last number that accounts outside the table may get.
pub(crate) const DYNAMIC: std::ops::RangeInclusive<u32> = 200..=899;

/// Name and number; where both exist, user and group share it.
pub(crate) const PINNED: &[(&str, u32)] = &[
    ("systemd-journal", 999),
    ("systemd-network", 998),
    ("systemd-timesync", 997),
    ("messagebus", 996),
    ("input", 995),
    ("sgx", 994),
    ("clock", 993),
    ("kvm", 992),
    ("render", 991),
    ("systemd-resolve", 990),
    ("sshd", 989),
    ("polkitd", 988),
    ("_chrony", 987),
    ("systemd-coredump", 986),
    ("systemd-oom", 985),
    ("systemd-journal-remote", 984),
    ("tss", 983),
    ("docker", 982),
    ("tcpdump", 981),
    ("_rpc", 980),
    ("statd", 979),
    ("dnsmasq", 978),
    ("uuidd", 977),
    ("crontab", 976),
    ("ssl-cert", 975),
    ("netdev", 974),
    ("_lldpd", 973),
    ("frr", 972),
    ("frrvty", 971),
    ("haproxy", 970),
    ("bird", 969),
    ("unbound", 968),
    ("mosquitto", 967),
    ("strongswan", 966),
    ("avahi", 965),
    ("openvswitch", 964),
    ("hugetlbfs", 963),
    ("ntpsec", 962),
    ("prometheus", 961),
    ("systemd-journal-upload", 960),
    ("rdma", 959),
    ("plocate", 958),
    ("etcd", 957),
    ("zabbix", 956),
    ("telegraf", 955),
    ("nvpd", 954),
    ("fwupd-refresh", 953),
    ("redis", 952),
    ("postfix", 951),
    ("postdrop", 950),
    ("_ssh", 101),
    ("Debian-snmp", 949),
    ("memcache", 948),
    ("postgres", 947),
    ("radvd", 946),
];

/// Returns the fixed number of an account.
pub(crate) fn pinned(name: &str) -> Option<u32> {
    PINNED.iter().find(|(known, _)| *known == name).map(|&(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique_and_outside_the_dynamic_range() {
        let names: std::collections::BTreeSet<_> = PINNED.iter().map(|(name, _)| name).collect();
        let ids: std::collections::BTreeSet<_> = PINNED.iter().map(|(_, id)| id).collect();
        assert_eq!((names.len(), ids.len()), (PINNED.len(), PINNED.len()));
        assert!(ids.iter().all(|id| (100..=999).contains(*id) && !DYNAMIC.contains(id)));
    }
}
