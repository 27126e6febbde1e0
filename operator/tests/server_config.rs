//! The generated configuration and scripts, run by real servers.
//!
//! Goal: every engine and version that we promise starts with what the `ConfigMap` holds, starts
//! closed, dials nobody, and is held by its preStop hook exactly as long as it should be.
//! Method: the files of the `ConfigMap` with their paths moved below a directory of the test, run
//! with nothing in PATH but what the scripts say they use.
//!
//! Servers: those in `ZONEWARD_SERVERS` (default: the cache that `e2e/servers/fetch` fills), else
//! the one in PATH.
#![allow(
    clippy::disallowed_methods,
    reason = "real servers live by the real clock"
)]
#![allow(
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is a test, and clippy takes only the functions marked so for one"
)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "server_config/member.rs"]
mod member;
#[path = "server_config/servers.rs"]
mod servers;

use std::thread::sleep;
use std::time::{Duration, Instant};

use member::{Member, Persistence, User};
use servers::each_server;

/// Members of an earlier life. One was marked `noaddr`, which must not survive; one has what newer
/// servers write behind the address.
const OLD_NODES_CONF: &str = "\
1111111111111111111111111111111111111111 127.77.77.1:6379@16379 myself,master - 0 0 7 connected 0-5460
2222222222222222222222222222222222222222 127.77.77.2:6379@16379,host-b master - 0 1700000000000 8 connected 5461-10922
3333333333333333333333333333333333333333 :0@0 master,noaddr - 1700000000000 1700000000000 9 disconnected 10923-16383
4444444444444444444444444444444444444444 fd00::7:6379@16379 slave 1111111111111111111111111111111111111111 0 1700000000000 7 connected
vars currentEpoch 9 lastVoteEpoch 9
";

#[test]
fn a_member_starts_closed() {
    each_server("closed", |server| {
        for persistence in [Persistence::None, Persistence::Rdb, Persistence::Aof] {
            let member = Member::new(server, 1, persistence).start();
            check_closed(&member);
        }
    });
}

fn check_closed(member: &Member) {
    let write = member.ask(User::Operator, &["SET", "x", "1"]);
    assert_eq!(write, "CLUSTERDOWN Hash slot not served");
    let myself = member.ask(User::Operator, &["CLUSTER", "NODES"]);
    assert!(
        myself.contains(member.address()),
        "it does not announce its address: {myself}"
    );
    let hook = |command: &[&str]| member.ask(User::Hook, command);
    assert!(hook(&["ROLE"]).starts_with("master"));
    assert!(hook(&["INFO", "replication"]).contains("role:master"));
    assert!(hook(&["ACL", "GETUSER", "zoneward"]).starts_with("flags"));
    for command in [&["GET", "x"][..], &["CONFIG", "GET", "*"], &["ACL", "LIST"]] {
        let reply = hook(command);
        assert!(
            reply.contains("NOPERM"),
            "the hook may {command:?}: {reply}"
        );
    }
    for user in [User::Nobody, User::Replication] {
        for command in [
            &["PING"][..],
            &["REPLCONF", "capa", "eof"],
            &["PSYNC", "?", "-1"],
        ] {
            let reply = member.ask(user, command);
            assert!(
                reply.contains("NOAUTH"),
                "{user:?} may {command:?}: {reply}"
            );
        }
    }
    assert_eq!(member.users_file_mode(), 0o600);
    let command_line = member.command_line();
    for user in [User::Operator, User::Replication, User::Hook] {
        assert!(!command_line.contains(user.password()), "{command_line}");
    }
}

#[test]
fn a_body_dials_nobody_it_remembers() {
    each_server("blank", |server| {
        let member = Member::new(server, 1, Persistence::Aof)
            .with_nodes_conf(OLD_NODES_CONF)
            .start();
        check_table(&member.ask(User::Operator, &["CLUSTER", "NODES"]));
        // Two node timeouts and more: the state is fail all along, and no write is taken.
        let until = Instant::now() + Duration::from_secs(6);
        while Instant::now() < until {
            let info = member.ask(User::Operator, &["CLUSTER", "INFO"]);
            assert!(info.contains("cluster_current_epoch:9"), "{info}");
            assert!(info.contains("cluster_state:fail"), "{info}");
            let reply = member.ask(User::Operator, &["SET", "b", "1"]);
            assert!(reply.starts_with("CLUSTERDOWN"), "{reply}");
            sleep(Duration::from_millis(100));
        }
    });
}

fn check_table(nodes: &str) {
    for (digit, slots) in [("1", "0-5460"), ("2", "5461-10922"), ("3", "10923-16383")] {
        let id = digit.repeat(40);
        let line = nodes.lines().find(|line| line.starts_with(&id));
        let line = line.unwrap_or_else(|| panic!("{id} is forgotten: {nodes}"));
        assert!(line.ends_with(slots), "{line}");
        let address = line.split(' ').nth(1).unwrap_or_default();
        assert_eq!(
            address.starts_with(":0@0"),
            !line.contains("myself"),
            "{line}"
        );
        assert!(!line.contains("noaddr"), "{line}");
    }
    assert!(nodes.contains("slave 1111"), "{nodes}");
}

/// The limits are wide because the machine may be busy: without an end of its own the hook would
/// hold for a minute.
#[test]
fn a_leader_is_held_until_the_operator_lets_it_go() {
    each_server("hold", |server| {
        let (leader, follower) = a_shard(server);
        let took = follower.pre_stop(60).wait();
        assert!(
            took < Duration::from_secs(4),
            "a follower was held: {took:?}"
        );
        let took = leader.pre_stop(60).wait();
        assert!(
            (4..30).contains(&took.as_secs()),
            "nobody answers: {took:?}"
        );

        let mut held = leader.pre_stop(60);
        leader.ask(
            User::Operator,
            &["ACL", "SETUSER", "zoneward-departure-acknowledged"],
        );
        sleep(Duration::from_secs(8));
        assert!(held.is_running(), "it did not wait for the operator");
        leader.ask(
            User::Operator,
            &["ACL", "SETUSER", "zoneward-departure-released"],
        );
        let took = held.wait();
        assert!(
            took < Duration::from_secs(30),
            "held after its release: {took:?}"
        );
    });
}

#[test]
fn a_leader_is_held_no_longer_than_it_may_or_must() {
    each_server("limit", |server| {
        let (leader, follower) = a_shard(server);
        leader.ask(
            User::Operator,
            &["ACL", "SETUSER", "zoneward-departure-acknowledged"],
        );
        let took = leader.pre_stop(8).wait();
        assert!((7..30).contains(&took.as_secs()), "{took:?}");

        let mut held = leader.pre_stop(60);
        sleep(Duration::from_secs(1));
        assert!(held.is_running());
        let reply = follower.ask(User::Operator, &["CLUSTER", "FAILOVER", "TAKEOVER"]);
        assert_eq!(reply, "OK");
        let took = held.wait();
        assert!(
            took < Duration::from_secs(30),
            "held after the switchover: {took:?}"
        );
    });
}

#[test]
fn a_shard_that_speaks_tls_alone_replicates_and_is_held_at_its_departure() {
    let authority = certificates::Authority::new("server-config");
    each_server("tls", |server| {
        let leader = Member::sealed(server, 1, &authority).start();
        let follower = Member::sealed(server, 2, &authority).start();
        for member in [&leader, &follower] {
            let port = member.ask(User::Operator, &["CONFIG", "GET", "port"]);
            assert_eq!(port, "port\n0");
        }
        replicate(&leader, &follower);
        let mut held = leader.pre_stop(60);
        leader.tell(&["ACL", "SETUSER", "zoneward-departure-acknowledged"]);
        sleep(Duration::from_secs(7));
        assert!(held.is_running(), "it did not wait for the operator");
        leader.tell(&["ACL", "SETUSER", "zoneward-departure-released"]);
        let took = held.wait();
        assert!(
            took < Duration::from_secs(30),
            "held after its release: {took:?}"
        );
    });
}

#[test]
fn a_human_can_have_a_follower_lead_only_when_its_leader_is_gone() {
    each_server("takeover", |server| {
        let (leader, follower) = a_shard(server);
        let says = leader.take_over();
        assert!(says.contains("it leads already"), "{says}");
        let says = follower.take_over();
        assert!(says.contains("its leader feeds it"), "{says}");
        drop(leader);
        let link = ["INFO", "replication"];
        follower.until("its link is down", &link, "master_link_status:down");
        assert_eq!(follower.take_over(), "OK");
        follower.until("it leads", &link, "role:master");
    });
}

/// Makes a shard of two. The follower logs in as the start script wrote it, and only after its
/// leader was opened.
fn a_shard(server: &servers::Server) -> (Member, Member) {
    let leader = Member::new(server, 1, Persistence::None).start();
    let took = leader.pre_stop(60).wait();
    assert!(
        took < Duration::from_secs(4),
        "held without a follower: {took:?}"
    );

    let follower = Member::new(server, 2, Persistence::None).start();
    replicate(&leader, &follower);
    (leader, follower)
}

fn replicate(leader: &Member, follower: &Member) {
    leader.tell(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    leader.tell(&["CLUSTER", "MEET", follower.address(), "6379"]);
    let id = leader.ask(User::Operator, &["CLUSTER", "MYID"]);
    follower.until("it takes REPLICATE", &["CLUSTER", "REPLICATE", &id], "OK");
    sleep(Duration::from_secs(2));
    let link = ["INFO", "replication"];
    let reply = follower.ask(User::Operator, &link);
    assert!(
        reply.contains("master_link_status:down"),
        "a closed leader feeds it: {reply}"
    );
    leader.tell(&["ACL", "SETUSER", "replication", "on"]);
    follower.until("its link is up", &link, "master_link_status:up");
    leader.until("it sees a follower", &link, "state=online");
}
