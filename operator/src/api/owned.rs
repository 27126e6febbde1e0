//! The directives of redis.conf that an owner must not set, and why.
//!
//! The words of the wire stand here because they are the directives' names.

/// A directive that we set ourselves, or that would cut a member off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnedDirective {
    /// Its name in redis.conf, in lower case.
    pub name: &'static str,
    /// Why it is ours, and what to write instead where there is something.
    pub reason: &'static str,
}

const ADDRESS: &str =
    "Services, the operator and the other members expect a member at its pod's address and port";
const USERS: &str = "Zoneward manages the users: use spec.auth";
const PERSISTENCE: &str = "use spec.persistence";
const FILES: &str =
    "only /data is writable, and a member's files must lie where its next pod finds them";
const FOLLOWING: &str = "Zoneward decides who follows whom";
const COPY: &str = "a follower that takes writes of its own is no copy of its leader";
const CONTAINER: &str = "the process must stay the container's own, and log to its output";
const LOCKED: &str = "it would let a client reach around the operator";
const WITNESS: &str = "Zoneward notices the loss of a zone by how old the replication links are";

/// Whole families, by the beginning of the name.
pub const OWNED_PREFIXES: &[OwnedDirective] = &[
    owned(
        "cluster-",
        "Zoneward forms and repairs the cluster with settings that belong together; \
         cluster-node-timeout is spec.nodeTimeoutMillis",
    ),
    owned("tls-", "use spec.tls"),
];

/// Single directives, sorted by name.
pub const OWNED_DIRECTIVES: &[OwnedDirective] = &[
    owned("aclfile", USERS),
    owned("appenddirname", FILES),
    owned("appendfilename", FILES),
    owned("appendonly", PERSISTENCE),
    owned("bind", ADDRESS),
    owned("bind-source-addr", ADDRESS),
    owned("daemonize", CONTAINER),
    owned("databases", "a cluster has one database"),
    owned("dbfilename", FILES),
    owned("dir", FILES),
    owned("enable-debug-command", LOCKED),
    owned("enable-module-command", LOCKED),
    owned("enable-protected-configs", LOCKED),
    owned(
        "include",
        "there is no other file in the container; write the directives themselves",
    ),
    owned(
        "loadmodule",
        "a module that does not load ends every member at its start; build it into the image",
    ),
    owned("logfile", CONTAINER),
    owned("masterauth", USERS),
    owned("masteruser", USERS),
    owned("pidfile", CONTAINER),
    owned("port", ADDRESS),
    owned("primaryauth", USERS),
    owned("primaryuser", USERS),
    owned("protected-mode", ADDRESS),
    owned(
        "rename-command",
        "the operator needs the commands by their names; use ACL users",
    ),
    owned(
        "repl-diskless-load",
        "a follower must keep its old copy until it has the new one",
    ),
    owned(
        "repl-diskless-sync",
        "a new follower must not need room on its leader's disk",
    ),
    owned(
        "repl-diskless-sync-delay",
        "a shard without its follower is not zone-safe: no waiting",
    ),
    owned("repl-ping-primary-period", WITNESS),
    owned("repl-ping-replica-period", WITNESS),
    owned("repl-ping-slave-period", WITNESS),
    owned("replica-announce-ip", ADDRESS),
    owned("replica-announce-port", ADDRESS),
    owned("replica-read-only", COPY),
    owned("replicaof", FOLLOWING),
    owned("requirepass", USERS),
    owned("save", PERSISTENCE),
    owned(
        "shutdown-on-sigint",
        "the preStop hook has handed over before the signal comes",
    ),
    owned(
        "shutdown-on-sigterm",
        "the preStop hook has handed over before the signal comes",
    ),
    owned("slave-announce-ip", ADDRESS),
    owned("slave-announce-port", ADDRESS),
    owned("slave-read-only", COPY),
    owned("slaveof", FOLLOWING),
    owned("supervised", CONTAINER),
    owned("syslog-enabled", CONTAINER),
    owned("unixsocket", FILES),
    owned("user", USERS),
];

/// Why an owner must not set this directive; none where it is theirs to set.
pub fn owned_directive(name: &str) -> Option<&'static str> {
    // As the server reads its configuration: without regard to case.
    let name = name.to_ascii_lowercase();
    OWNED_DIRECTIVES
        .iter()
        .find(|directive| directive.name == name)
        .or_else(|| {
            OWNED_PREFIXES
                .iter()
                .find(|family| name.starts_with(family.name))
        })
        .map(|directive| directive.reason)
}

const fn owned(name: &'static str, reason: &'static str) -> OwnedDirective {
    OwnedDirective { name, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_may_set_what_is_not_ours() {
        for name in [
            "maxmemory",
            "maxmemory-policy",
            "appendfsync",
            "timeout",
            "hz",
            "io-threads",
        ] {
            assert_eq!(owned_directive(name), None, "{name}");
        }
    }

    #[test]
    fn ours_are_found_by_name_by_family_and_in_any_case() {
        for name in [
            "port",
            "PORT",
            "cluster-enabled",
            "Cluster-Node-Timeout",
            "tls-port",
            "user",
        ] {
            assert!(owned_directive(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_in_lower_case() {
        assert!(OWNED_DIRECTIVES.is_sorted_by(|a, b| a.name < b.name));
        assert!(
            OWNED_DIRECTIVES
                .iter()
                .all(|d| d.name == d.name.to_ascii_lowercase())
        );
    }
}
