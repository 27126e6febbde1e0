//! The sections are what real servers printed (redis 7.0.15 and 8.0.2, valkey 8.1.1 and 9.1.2, on
//! loopback), cut to the fields around those that are read.

use proptest::prelude::*;

use super::*;

const REDIS_70_LEADER: &str = "\
# Server\r
redis_version:7.0.15\r
redis_git_sha1:00000000\r
redis_mode:cluster\r
run_id:ad5933f925ac8e79013f88b2f867d0f4bb57eef7\r
uptime_in_seconds:7\r
config_file:\r
\r
# Clients\r
connected_clients:1\r
cluster_connections:10\r
# Memory\r
used_memory:1966768\r
used_memory_human:1.88M\r
# Persistence\r
loading:0\r
async_loading:0\r
# Replication\r
role:master\r
connected_slaves:1\r
slave0:ip=127.91.0.4,port=6379,state=online,offset=0,lag=1\r
master_failover_state:no-failover\r
master_replid:2dd4b0c751476ec6492f6cd8fb782a624c7e7615\r
master_replid2:0000000000000000000000000000000000000000\r
master_repl_offset:0\r
second_repl_offset:-1\r
\r
# Keyspace\r
db0:keys=2000,expires=0,avg_ttl=0\r
";

const VALKEY_91_LEADER: &str = "\
# Server\r
redis_version:7.2.4\r
server_name:valkey\r
valkey_version:9.1.2\r
valkey_release_stage:ga\r
server_mode:cluster\r
run_id:8104c5e3c421b704ed789ead63b69344098e1e6a\r
listener0:name=tcp,bind=127.94.0.4,port=6379\r
# Replication\r
role:master\r
connected_slaves:1\r
slave0:ip=127.94.0.4,port=6379,state=online,offset=14,lag=0,type=replica\r
replicas_waiting_psync:0\r
master_replid:8486851eba1e58c042559afc299f1e35a9d7c2fd\r
master_repl_offset:14\r
";

const REDIS_80_FOLLOWER: &str = "\
# Replication\r
role:slave\r
master_host:127.92.0.1\r
master_port:6379\r
master_link_status:up\r
master_last_io_seconds_ago:3\r
master_sync_in_progress:0\r
slave_read_repl_offset:0\r
slave_repl_offset:42\r
replica_full_sync_buffer_size:0\r
slave_priority:100\r
slave_read_only:1\r
replica_announced:1\r
connected_slaves:0\r
master_replid:b99d977b682eb9ef66558d8f4e02a8c7f4b7fdcb\r
master_repl_offset:0\r
";

const VALKEY_81_ORPHAN: &str = "\
# Replication\r
role:slave\r
master_host:127.93.0.3\r
master_port:6379\r
master_link_status:down\r
master_last_io_seconds_ago:-1\r
master_sync_in_progress:0\r
slave_repl_offset:0\r
master_link_down_since_seconds:1\r
master_replid:7baba581fce7a5740aedfc82f04910848f3edebe\r
master_repl_offset:0\r
";

#[test]
fn a_leader_of_redis() {
    let info = Info::parse(REDIS_70_LEADER);
    assert_eq!(info.server(), Ok((Engine::Redis, Version(7, 0, 15))));
    assert_eq!(
        info.run_id(),
        Ok("ad5933f925ac8e79013f88b2f867d0f4bb57eef7".into())
    );
    assert_eq!(info.number("uptime_in_seconds"), Ok(7u64));
    assert_eq!(info.keys(), 2000);
    assert!(!info.is_set("loading"));
    let replication = info.replication().unwrap();
    assert_eq!(replication.upstream, None);
    assert_eq!(replication.offset, 0);
    assert_eq!(
        replication.followers,
        [FollowerLink {
            ip: Some([127, 91, 0, 4].into()),
            is_online: true,
            offset: 0,
            lag_seconds: 1,
        }]
    );
}

#[test]
fn a_leader_of_valkey() {
    let info = Info::parse(VALKEY_91_LEADER);
    assert_eq!(info.server(), Ok((Engine::Valkey, Version(9, 1, 2))));
    let replication = info.replication().unwrap();
    assert_eq!(replication.offset, 14);
    assert_eq!(replication.followers.len(), 1);
    assert_eq!(replication.followers[0].offset, 14);
}

#[test]
fn followers_with_their_link_up_and_down() {
    let link = |text| {
        let replication = Info::parse(text).replication().unwrap();
        (replication.offset, replication.upstream.unwrap())
    };
    let expected = UpstreamLink {
        host: "127.92.0.1".to_owned(),
        port: 6379,
        is_up: true,
        is_syncing: false,
        last_io_seconds: Some(3),
        down_seconds: None,
    };
    assert_eq!(link(REDIS_80_FOLLOWER), (42, expected));
    let (_, orphan) = link(VALKEY_81_ORPHAN);
    assert!(!orphan.is_up);
    assert_eq!(
        (orphan.last_io_seconds, orphan.down_seconds),
        (None, Some(1))
    );
}

#[test]
fn followers_that_are_not_online_or_not_followers() {
    let lines = [
        (
            "ip=127.0.0.1,port=1,state=online,offset=5,lag=0",
            Some((true, 5)),
        ),
        (
            "ip=a.name,port=1,state=online,offset=5,lag=0",
            Some((true, 5)),
        ),
        (
            "ip=127.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0",
            Some((false, 0)),
        ),
        (
            "ip=127.0.0.1,port=1,state=send_bulk,offset=-1,lag=-1,type=main-channel",
            Some((false, 0)),
        ),
        (
            "ip=127.0.0.1,port=1,state=send_bulk,offset=0,lag=0,type=rdb-channel",
            None,
        ),
        ("ip=127.0.0.1", None),
    ];
    for (line, expected) in lines {
        let found = follower(line).map(|link| (link.is_online, link.offset));
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn versions() {
    let cases = [
        ("redis_version:8.0.2", Some(Version(8, 0, 2))),
        ("redis_version:8.6-rc1", Some(Version(8, 6, 0))),
        ("redis_version:255.255.255", Some(Version(255, 255, 255))),
        ("redis_version:unstable", None),
        ("redis_mode:cluster", None),
    ];
    for (text, expected) in cases {
        let found = Info::parse(text).server().ok().map(|(_, version)| version);
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_missing_field_is_named() {
    let error = Info::parse("role:slave\r\n").replication().unwrap_err();
    assert!(
        error.to_string().contains("master_last_io_seconds_ago"),
        "{error}"
    );
}

fn read_all(text: &str) {
    let info = Info::parse(text);
    let _ = (
        info.server(),
        info.keys(),
        info.run_id(),
        info.replication(),
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        read_all(&text);
    }

    #[test]
    fn no_value_panics(value in any::<String>(), number in any::<i128>()) {
        for text in [REDIS_70_LEADER, VALKEY_91_LEADER, REDIS_80_FOLLOWER, VALKEY_81_ORPHAN] {
            for field in text.lines().filter_map(|line| line.split_once(':')) {
                read_all(&text.replace(field.1, &value));
                read_all(&text.replace(field.1, &number.to_string()));
            }
        }
    }
}
