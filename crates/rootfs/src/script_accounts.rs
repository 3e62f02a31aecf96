//! Accounts that packages' scripts make, by calls of adduser, useradd and the like.

/// A group that only a script makes.
pub(crate) struct ScriptGroup {
    pub(crate) name: &'static str,
    /// A file of the package that makes it.
    pub(crate) file: &'static str,
}

/// A user that only a script makes, as passwd(5) has it afterwards.
pub(crate) struct ScriptUser {
    pub(crate) name: &'static str,
    /// The primary group; `None` for one of the user's own name.
    pub(crate) group: Option<&'static str>,
    /// A further group.
    pub(crate) member_of: Option<&'static str>,
    pub(crate) gecos: &'static str,
    pub(crate) home: &'static str,
    pub(crate) shell: &'static str,
    /// A file of the package that makes it.
    pub(crate) file: &'static str,
}

const NOLOGIN: &str = "/usr/sbin/nologin";
const FALSE: &str = "/bin/false";
/// What adduser gives a system user that asks for no group.
const NOGROUP: Option<&str> = Some("nogroup");

const fn group(name: &'static str, file: &'static str) -> ScriptGroup {
    ScriptGroup { name, file }
}

/// A user as `adduser --system --group` makes it.
const fn user(
    name: &'static str,
    gecos: &'static str,
    home: &'static str,
    file: &'static str,
) -> ScriptUser {
    ScriptUser { name, group: None, member_of: None, gecos, home, shell: NOLOGIN, file }
}

/// Groups of trixie's scripts.
pub(crate) const GROUPS: [ScriptGroup; 6] = [
    // openssh-client: so that other processes of a user cannot trace the agent.
    group("_ssh", "usr/bin/ssh-agent"),
    group("docker", "usr/sbin/dockerd"),
    group("crontab", "usr/bin/crontab"),
    group("frrvty", "usr/lib/frr/watchfrr"),
    group("netdev", "usr/sbin/avahi-daemon"),
    group("ssl-cert", "usr/sbin/make-ssl-cert"),
];

/// Users of trixie's scripts. A package's own sysusers.d comes first where there is one.
pub(crate) const USERS: [ScriptUser; 20] = [
    ScriptUser { shell: FALSE, ..user("Debian-snmp", "", "/var/lib/snmp", "usr/sbin/snmpd") },
    user("_chrony", "Chrony daemon", "/var/lib/chrony", "usr/sbin/chronyd"),
    user("_lldpd", "", "/run/lldpd", "usr/sbin/lldpd"),
    ScriptUser { group: NOGROUP, ..user("_rpc", "", "/run/rpcbind", "usr/sbin/rpcbind") },
    user("avahi", "Avahi mDNS daemon", "/run/avahi-daemon", "usr/sbin/avahi-daemon"),
    user("bird", "", "/run/bird", "usr/sbin/bird"),
    ScriptUser {
        group: NOGROUP,
        ..user("dnsmasq", "dnsmasq", "/var/lib/misc", "usr/sbin/dnsmasq")
    },
    user("etcd", "", "/var/lib/etcd/", "usr/bin/etcd"),
    ScriptUser {
        member_of: Some("frrvty"),
        shell: "/bin/sh",
        ..user("frr", "", "/nonexistent", "usr/lib/frr/watchfrr")
    },
    user("haproxy", "", "/var/lib/haproxy", "usr/sbin/haproxy"),
    ScriptUser {
        shell: FALSE,
        ..user("memcache", "Memcached", "/nonexistent", "usr/bin/memcached")
    },
    user("mosquitto", "", "/var/lib/mosquitto", "usr/sbin/mosquitto"),
    ScriptUser {
        member_of: Some("ssl-cert"),
        shell: "/bin/bash",
        ..user(
            "postgres",
            "PostgreSQL administrator",
            "/var/lib/postgresql",
            "usr/bin/pg_ctlcluster",
        )
    },
    user(
        "prometheus",
        "Prometheus daemon",
        "/var/lib/prometheus",
        "usr/bin/prometheus-node-exporter",
    ),
    ScriptUser { group: NOGROUP, ..user("radvd", "", "/run/radvd", "usr/sbin/radvd") },
    user("redis", "", "/var/lib/redis", "usr/bin/redis-server"),
    ScriptUser { group: NOGROUP, ..user("statd", "", "/var/lib/nfs", "usr/sbin/rpc.statd") },
    user("tcpdump", "", "/nonexistent", "usr/bin/tcpdump"),
    ScriptUser {
        shell: FALSE,
        ..user(
            "tss",
            "TPM software stack",
            "/var/lib/tpm",
            "usr/lib/udev/rules.d/60-tpm-udev.rules",
        )
    },
    user("unbound", "", "/var/lib/unbound", "usr/sbin/unbound"),
];
