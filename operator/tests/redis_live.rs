//! The wire edge against real servers on loopback, without Kubernetes. Every test runs on every
//! server that is found (`support/redis_server.rs`); where none is found, it fails.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may fail by panicking, and says what it measured"
)]

#[path = "support/redis_server.rs"]
mod redis_server;

use std::future::Future;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult, Value};
use tokio::time::{Instant, sleep, timeout};
use zoneward_operator::model::{
    Address, ClusterKey, ConfigEpoch, MemberAnswer, MemberId, MemberName, PodUid, Role, RunId,
    SilenceReason, SlotSet,
};
use zoneward_operator::plan::{FailoverMode, MemberCommand, MemberRef};
use zoneward_operator::ports::{AskTarget, Credentials, ErrorClass, Password, RedisAdmin};
use zoneward_operator::resources::labels;
use zoneward_operator::wire::{self, RedisWire, Wakes};

use redis_server::{
    HOOK_PASSWORD, Member, OPERATOR_PASSWORD, PORT, REPLICATION_PASSWORD, ServerBinary, free_ip,
    servers,
};

const LIMIT: Duration = Duration::from_secs(2);
const CLIENT_PASSWORD: &str = "the clients'";

fn credentials() -> Credentials {
    Credentials {
        operator: Some(Password::new(OPERATOR_PASSWORD)),
        replication: Some(Password::new(REPLICATION_PASSWORD)),
        client: Some(Password::new(CLIENT_PASSWORD)),
        client_needs_password: true,
    }
}

fn key() -> ClusterKey {
    ClusterKey {
        namespace: "shop".to_owned(),
        name: "cart".to_owned(),
    }
}

fn target(address: Address) -> AskTarget {
    AskTarget {
        cluster: key(),
        name: MemberName::new(format!("cart-{}", address.ip)),
        pod_uid: PodUid::new(address.to_string()),
        address,
        credentials: Arc::new(credentials()),
    }
}

fn wired() -> (RedisWire, Wakes) {
    // What the wire says to itself: RUST_LOG=zoneward_operator=debug.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
    let (waker, wakes) = wire::wakes();
    (RedisWire::new(waker), wakes)
}

async fn ask(wire: &RedisWire, address: Address) -> MemberAnswer {
    let asked = wire.ask(&target(address), LIMIT).await;
    asked.unwrap_or_else(|reason| panic!("{address}: {reason:?}"))
}

fn member_ref(address: Address, answer: &MemberAnswer) -> MemberRef {
    MemberRef {
        name: target(address).name,
        id: answer.id.clone(),
        run_id: answer.run_id.clone(),
        address,
    }
}

/// Tells the process that is there now.
async fn tell(
    wire: &RedisWire,
    address: Address,
    command: MemberCommand,
) -> Result<(), ErrorClass> {
    let member = member_ref(address, &ask(wire, address).await);
    let told = wire.command(&target(address), &member, &command).await;
    told.map_err(|error| error.class)
}

async fn for_each_server<F: Future<Output = ()>>(test: impl Fn(ServerBinary) -> F) {
    for server in servers() {
        println!("--- {}", server.version);
        test(server).await;
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) -> Duration {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

async fn login(
    address: Address,
    user: Option<(&str, &str)>,
) -> RedisResult<redis::aio::MultiplexedConnection> {
    let mut login = RedisConnectionInfo::default();
    if let Some((user, password)) = user {
        login = login.set_username(user).set_password(password);
    }
    let info = ConnectionAddr::Tcp(address.ip.to_string(), address.port)
        .into_connection_info()?
        .set_redis_settings(login);
    let client = redis::Client::open(info)?;
    client.get_multiplexed_async_connection().await
}

/// One command in words, as this user.
async fn say(address: Address, user: Option<(&str, &str)>, words: &str) -> RedisResult<Value> {
    let mut connection = login(address, user).await?;
    let mut words = words.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    cmd.arg(words.collect::<Vec<_>>());
    cmd.query_async(&mut connection).await
}

const CLIENT: Option<(&str, &str)> = Some(("default", CLIENT_PASSWORD));
const HOOK: Option<(&str, &str)> = Some(("hook", HOOK_PASSWORD));
const FOLLOWER: Option<(&str, &str)> = Some(("replication", REPLICATION_PASSWORD));
const OPERATOR: Option<(&str, &str)> = Some(("zoneward", OPERATOR_PASSWORD));

fn code(outcome: &RedisResult<Value>) -> &str {
    match outcome {
        Ok(_) => "OK",
        Err(error) => error.code().unwrap_or("other"),
    }
}

/// Three leaders and three followers; member `i + 3` follows member `i`.
struct Cluster {
    wire: RedisWire,
    wakes: Wakes,
    members: Vec<Member>,
}

impl Cluster {
    fn address(&self, index: usize) -> Address {
        self.members[index].address
    }

    async fn ask(&self, index: usize) -> MemberAnswer {
        ask(&self.wire, self.address(index)).await
    }

    async fn tell(&self, index: usize, command: MemberCommand) -> Result<(), ErrorClass> {
        tell(&self.wire, self.address(index), command).await
    }

    async fn id(&self, index: usize) -> MemberId {
        self.ask(index).await.id
    }

    async fn start(server: &ServerBinary) -> Self {
        let (wire, wakes) = wired();
        Self {
            wire,
            wakes,
            members: (0..6).map(|_| Member::start(server)).collect(),
        }
    }

    async fn formed(server: &ServerBinary) -> Self {
        let cluster = Self::start(server).await;
        cluster.form().await;
        cluster.open().await;
        cluster
    }

    /// As `plan` does, up to where everybody is still closed.
    async fn form(&self) {
        for index in 0..6u32 {
            let at = usize::try_from(index).unwrap();
            let epoch = MemberCommand::SetConfigEpoch(ConfigEpoch(u64::from(index) + 1));
            self.tell(at, epoch).await.unwrap();
            if index < 3 {
                let share = MemberCommand::AddSlots(SlotSet::even_share(index, 3));
                self.tell(at, share).await.unwrap();
            }
        }
        let others: Vec<Address> = (1..6).map(|index| self.address(index)).collect();
        self.tell(0, MemberCommand::Meet(others)).await.unwrap();
        until("all know all", || async {
            let mut all = true;
            for index in 0..6 {
                let view = self.ask(index).await.view;
                all &= view.entries.len() == 6;
                all &= view.entries.iter().all(|entry| !entry.flags.handshake);
            }
            all
        })
        .await;
        for index in 3..6 {
            let leader = self.id(index - 3).await;
            let replicate = MemberCommand::Replicate { leader };
            until("the follower follows", || async {
                match self.tell(index, replicate.clone()).await {
                    Ok(()) => true,
                    Err(class) => {
                        assert_eq!(class, ErrorClass::Transient);
                        false
                    }
                }
            })
            .await;
        }
    }

    async fn open(&self) {
        for index in 0..6 {
            self.tell(index, MemberCommand::Open).await.unwrap();
        }
        until("followers are in sync", || async {
            let mut all = true;
            for index in 3..6 {
                all &= self.ask(index).await.is_in_sync();
            }
            all
        })
        .await;
        until("all views are equal", || async {
            let mut views = Vec::new();
            for index in 0..6 {
                views.push(self.opinion(index).await);
            }
            views.iter().all(|view| view == &views[0])
        })
        .await;
    }

    /// What a member believes, less what each member says of itself only.
    async fn opinion(&self, index: usize) -> Vec<String> {
        let view = self.ask(index).await.view;
        let line = |entry: &zoneward_operator::model::ViewEntry| {
            let slots = &entry.slots;
            format!("{} {:?} {:?} {slots}", entry.id, entry.role, entry.leader)
        };
        let mut opinion = vec![format!("ok {}", view.says_ok)];
        opinion.extend(view.entries.iter().map(line));
        opinion
    }
}

#[test]
fn wire_and_resources_mean_the_same_users() {
    assert_eq!(wire::OPERATOR_USER, labels::USER_OPERATOR);
    assert_eq!(wire::CLIENT_USER, labels::USER_CLIENT);
    assert_eq!(wire::REPLICATION_USER, labels::USER_REPLICATION);
    assert_eq!(
        wire::DEPARTURE_ACKNOWLEDGED,
        labels::USER_DEPARTURE_ACKNOWLEDGED
    );
    assert_eq!(wire::DEPARTURE_RELEASED, labels::USER_DEPARTURE_RELEASED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_forms_and_its_closed_members_feed_nobody() {
    for_each_server(|server| async move {
        let cluster = Cluster::start(&server).await;
        let alone = cluster.ask(0).await;
        assert!(!alone.is_open && !alone.loading);
        assert_eq!(alone.view.entries.len(), 1);
        assert_eq!(alone.node_timeout_millis, 2000);
        let shown = format!("{:?} {}", alone.engine, alone.version).to_lowercase();
        assert_eq!(shown, server.version);

        cluster.form().await;
        sleep(Duration::from_millis(1500)).await;
        for index in 3..6 {
            let answer = cluster.ask(index).await;
            assert_eq!(answer.role(), Role::Follower);
            assert!(!answer.is_in_sync(), "a closed leader feeds nobody");
        }
        cluster.open().await;

        let leader = cluster.ask(1).await;
        assert!(leader.is_open && leader.view.says_ok);
        assert!(leader.view.current_epoch.0 >= 6);
        assert_eq!(leader.replication.followers.len(), 1);
        assert_eq!(
            leader.replication.followers[0].ip,
            Some(cluster.address(4).ip)
        );
        let own = leader.view.own_entry().unwrap();
        assert_eq!(own.slots, SlotSet::even_share(1, 3));
        assert_eq!(own.config_epoch, ConfigEpoch(2));
        assert_eq!(own.address, Some(cluster.address(1)));

        // What was done once is refused as a conflict, or is content.
        let epoch = MemberCommand::SetConfigEpoch(ConfigEpoch(9));
        assert_eq!(cluster.tell(1, epoch).await, Err(ErrorClass::Conflict));
        let slots = MemberCommand::AddSlots(SlotSet::even_share(1, 3));
        assert_eq!(cluster.tell(1, slots).await, Err(ErrorClass::Conflict));
        let again = MemberCommand::Replicate { leader: leader.id };
        assert_eq!(cluster.tell(4, again).await, Ok(()));
        let unknown = MemberCommand::Replicate {
            leader: MemberId::new("0".repeat(40)),
        };
        assert_eq!(cluster.tell(4, unknown).await, Err(ErrorClass::Transient));
        let millis = MemberCommand::SetNodeTimeout { millis: 5000 };
        cluster.tell(1, millis).await.unwrap();
        assert_eq!(cluster.ask(1).await.node_timeout_millis, 5000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switchover_is_checked_before_it_is_sent() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let graceful = |of: &MemberId| MemberCommand::Failover {
            mode: FailoverMode::Graceful,
            of: of.clone(),
        };
        let (old, other) = (cluster.id(0).await, cluster.id(1).await);
        let refused = [(3, &other), (0, &old), (1, &old)];
        for (index, of) in refused {
            let outcome = cluster.tell(index, graceful(of)).await;
            assert_eq!(outcome, Err(ErrorClass::Conflict), "{index} of {of}");
        }
        cluster.tell(3, graceful(&old)).await.unwrap();
        let took = until("roles are swapped", || async {
            let (was, is) = (cluster.ask(0).await, cluster.ask(3).await);
            was.role() == Role::Follower && is.role() == Role::Leader
        })
        .await;
        println!("{}: switchover seen after {took:?}", server.version);
        assert_eq!(
            cluster.tell(3, graceful(&old)).await,
            Err(ErrorClass::Conflict)
        );

        // With the link down the server would say OK and nothing would happen.
        let leader = cluster.id(1).await;
        cluster.members[1].kill();
        until("the link is down", || async {
            !cluster.ask(4).await.is_in_sync()
        })
        .await;
        assert_eq!(
            cluster.tell(4, graceful(&leader)).await,
            Err(ErrorClass::Conflict)
        );
        let force = MemberCommand::Failover {
            mode: FailoverMode::Force,
            of: leader,
        };
        cluster.tell(4, force).await.unwrap();
        let took = until("the follower leads", || async {
            cluster.ask(4).await.role() == Role::Leader
        })
        .await;
        println!("{}: FORCE seen after {took:?}", server.version);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_wakes_at_once_and_the_dead_is_forgotten() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let dead = cluster.ask(5).await;
        let start = Instant::now();
        cluster.members[5].kill();
        let woken = timeout(Duration::from_secs(5), cluster.wakes.next()).await;
        let took = start.elapsed();
        println!("{}: woken {took:?} after kill -9", server.version);
        assert_eq!(woken, Ok(key()));
        assert!(took < Duration::from_millis(100), "woken after {took:?}");
        let asked = cluster.wire.ask(&target(cluster.address(5)), LIMIT).await;
        assert_eq!(asked, Err(SilenceReason::Refused));

        // Twice each: one that does not know it any more is content (and redis 8.0 and valkey
        // pass the ban on, so most do not by then).
        for index in (0..5).chain(0..5) {
            let forget = MemberCommand::Forget(dead.id.clone());
            cluster.tell(index, forget).await.unwrap();
        }
        for index in 0..5 {
            assert_eq!(cluster.ask(index).await.view.entry(&dead.id), None);
        }

        // The same body in a new process: commands meant for the old one are refused.
        cluster.members[5].restart();
        let old = member_ref(cluster.address(5), &dead);
        let to = target(cluster.address(5));
        let outcome = cluster.wire.command(&to, &old, &MemberCommand::Open).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.class, ErrorClass::Conflict);
        let now = cluster.ask(5).await;
        assert_eq!(now.id, dead.id);
        assert_ne!(now.run_id, dead.run_id);
        assert!(!now.is_open, "a new process is closed again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_hangs_delays_nobody() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let (one, two) = (Member::start(&server), Member::start(&server));
        let (first, second) = (ask(&wire, one.address).await, ask(&wire, two.address).await);
        one.freeze();
        let limit = Duration::from_millis(600);
        let start = Instant::now();
        let frozen = target(one.address);
        let member = member_ref(one.address, &first);
        let (silent, quick, untold) = tokio::join!(
            wire.ask(&frozen, limit),
            async {
                let answer = ask(&wire, two.address).await;
                (answer, start.elapsed())
            },
            wire.command(&frozen, &member, &MemberCommand::Open),
        );
        assert_eq!(silent, Err(SilenceReason::Timeout));
        assert_eq!(quick.0.run_id, second.run_id);
        assert!(quick.1 < Duration::from_millis(300), "{:?}", quick.1);
        assert_eq!(untold.unwrap_err().class, ErrorClass::Transient);
        // A new connection is accepted by the kernel, and silent as well.
        assert_eq!(wire.ask(&frozen, limit).await, Err(SilenceReason::Timeout));
        one.thaw();
        assert_eq!(ask(&wire, one.address).await.run_id, first.run_id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_member_lets_nobody_in_and_an_open_one_the_right_ones() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let member = Member::start(&server);
        let at = member.address;
        assert_eq!(code(&say(at, None, "GET k").await), "NOAUTH");
        for user in [CLIENT, FOLLOWER] {
            assert!(say(at, user, "PING").await.is_err(), "{user:?}");
        }
        assert!(!ask(&wire, at).await.is_open);

        tell(&wire, at, MemberCommand::AddSlots(SlotSet::all()))
            .await
            .unwrap();
        tell(&wire, at, MemberCommand::Open).await.unwrap();
        tell(&wire, at, MemberCommand::Open).await.unwrap();
        assert!(ask(&wire, at).await.is_open);
        until("it serves", || async { ask(&wire, at).await.view.says_ok }).await;

        assert_eq!(code(&say(at, None, "GET k").await), "NOAUTH");
        assert!(
            say(at, Some(("default", "a guess")), "GET k")
                .await
                .is_err()
        );
        for allowed in [
            "SET k 1",
            "GET k",
            "CLUSTER NODES",
            "CLUSTER SLOTS",
            "CLUSTER SHARDS",
            "CLUSTER INFO",
            "CLUSTER KEYSLOT k",
            "CLUSTER COUNTKEYSINSLOT 0",
            "CLUSTER MYID",
            "CLUSTER LINKS",
            "COMMAND COUNT",
            "INFO",
            "ROLE",
            "READONLY",
            "READWRITE",
            "KEYS *",
            "SCAN 0",
            "SORT k2",
            "CLIENT SETNAME me",
            "CLIENT LIST",
            "CLIENT ID",
            "MODULE LIST",
            "SLOWLOG GET",
            "LATENCY LATEST",
            "MEMORY USAGE k",
            "PUBLISH c m",
            "SPUBLISH c m",
            "WAIT 0 1",
            "EVAL return(1) 0",
            "FLUSHALL",
            "ACL WHOAMI",
            "TIME",
            "DBSIZE",
        ] {
            let outcome = say(at, CLIENT, allowed).await;
            assert_eq!(code(&outcome), "OK", "{allowed}: {outcome:?}");
        }
        for denied in [
            "CONFIG GET masterauth",
            "CONFIG SET maxmemory 1",
            "CLUSTER RESET",
            "CLUSTER FAILOVER",
            "CLUSTER FORGET x",
            "REPLICAOF NO ONE",
            "SHUTDOWN NOSAVE",
            "DEBUG SLEEP 0",
            "ACL LIST",
            "ACL SETUSER me",
            "MONITOR",
            "PSYNC ? -1",
            "SAVE",
            "CLIENT KILL TYPE normal",
            "CLIENT PAUSE 1",
            "MIGRATE h 1 k 0 1",
            "EVAL redis.call('config','get','save') 0",
        ] {
            let outcome = say(at, CLIENT, denied).await;
            let said = format!("{outcome:?}").to_lowercase();
            assert!(
                outcome.is_err() && said.contains("perm"),
                "{denied}: {said}"
            );
        }
        assert_eq!(
            code(&say(at, FOLLOWER, "REPLCONF listening-port 1").await),
            "OK"
        );
        for denied in ["GET k", "INFO", "CLUSTER NODES", "ACL LIST"] {
            assert_eq!(code(&say(at, FOLLOWER, denied).await), "NOPERM", "{denied}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opening_again_changes_the_password_and_keeps_connections() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let member = Member::start(&server);
        let at = member.address;
        tell(&wire, at, MemberCommand::Open).await.unwrap();
        let mut kept = login(at, CLIENT).await.unwrap();

        let mut changed = target(at);
        let member_now = member_ref(at, &ask(&wire, at).await);
        changed.credentials = Arc::new(Credentials {
            client: Some(Password::new("another")),
            ..credentials()
        });
        wire.command(&changed, &member_now, &MemberCommand::Open)
            .await
            .unwrap();
        assert!(say(at, CLIENT, "PING").await.is_err());
        assert_eq!(
            code(&say(at, Some(("default", "another")), "PING").await),
            "OK"
        );
        let pong: RedisResult<Value> = redis::cmd("PING").query_async(&mut kept).await;
        assert!(pong.is_ok(), "who is in stays in: {pong:?}");

        changed.credentials = Arc::new(Credentials {
            client: None,
            client_needs_password: false,
            ..credentials()
        });
        wire.command(&changed, &member_now, &MemberCommand::Open)
            .await
            .unwrap();
        assert_eq!(code(&say(at, None, "PING").await), "OK");
        assert_eq!(
            code(&say(at, None, "CONFIG GET masterauth").await),
            "NOPERM"
        );

        changed.credentials = Arc::new(Credentials {
            client: None,
            ..credentials()
        });
        let outcome = wire
            .command(&changed, &member_now, &MemberCommand::Open)
            .await;
        assert_eq!(outcome.unwrap_err().class, ErrorClass::Transient);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hook_sees_the_marks_of_its_departure() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let member = Member::start(&server);
        let at = member.address;
        let sees = |mark: &'static str| async move {
            let reply = say(at, HOOK, &format!("ACL GETUSER {mark}")).await.unwrap();
            reply != Value::Nil
        };
        let (acknowledged, released) = (wire::DEPARTURE_ACKNOWLEDGED, wire::DEPARTURE_RELEASED);
        assert!(!sees(acknowledged).await && !sees(released).await);
        tell(&wire, at, MemberCommand::AcknowledgeDeparture)
            .await
            .unwrap();
        assert!(sees(acknowledged).await && !sees(released).await);
        tell(&wire, at, MemberCommand::ReleaseDeparture)
            .await
            .unwrap();
        assert!(sees(released).await);
        assert!(
            say(at, Some((released, "")), "PING").await.is_err(),
            "a mark is nobody"
        );
        assert_eq!(code(&say(at, HOOK, "ROLE").await), "OK");
        assert_eq!(code(&say(at, HOOK, "ACL SETUSER x").await), "NOPERM");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_is_kept_until_it_is_let_go() {
    for_each_server(|server| async move {
        let (wire, mut wakes) = wired();
        let member = Member::start(&server);
        let to = target(member.address);
        let asks = (0..20).map(|_| wire.ask(&to, LIMIT));
        for answer in futures::future::join_all(asks).await {
            assert_eq!(answer.unwrap().connected_clients, 1);
        }
        wire.retain(&key(), std::slice::from_ref(&to.pod_uid));
        wire.retain(
            &ClusterKey {
                name: "other".to_owned(),
                ..key()
            },
            &[],
        );
        assert_eq!(clients(member.address).await, 1);
        wire.retain(&key(), &[]);
        until("the connection is let go", || async {
            clients(member.address).await == 0
        })
        .await;
        let woken = timeout(Duration::from_millis(200), wakes.next()).await;
        assert!(woken.is_err(), "what we end ourselves is no news");
    })
    .await;
}

/// How many connections there are beside this question's.
async fn clients(address: Address) -> usize {
    let list = say(address, OPERATOR, "CLIENT LIST").await.unwrap();
    let list: String = redis::from_redis_value(list).unwrap();
    list.lines()
        .filter(|line| line.contains("lib-name=zoneward") || line.contains("cmd=config|get"))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loading_is_told_where_the_server_answers_at_all() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let mut member = Member::start(&server);
        let at = member.address;
        tell(&wire, at, MemberCommand::AddSlots(SlotSet::all()))
            .await
            .unwrap();
        until("it serves", || async { ask(&wire, at).await.view.says_ok }).await;
        let script = "for i=1,3000 do redis.call('set','{a}'..i,i) end";
        let mut connection = login(at, OPERATOR).await.unwrap();
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg("{a}");
        let () = eval.query_async(&mut connection).await.unwrap();
        assert_eq!(ask(&wire, at).await.keys, 3000);
        say(at, OPERATOR, "SAVE").await.unwrap();
        member.kill();
        let config = member.directory().join("redis.conf");
        let slow = "key-load-delay 1000\nloading-process-events-interval-bytes 1024\n";
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text + slow).unwrap();
        member.restart();
        match wire.ask(&target(at), LIMIT).await {
            Ok(answer) => {
                assert!(server.version.starts_with("valkey"), "{}", server.version);
                assert!(answer.loading && !answer.view.says_ok);
            }
            Err(reason) => {
                assert!(server.version.starts_with("redis"), "{}", server.version);
                assert_eq!(reason, SilenceReason::Unusable);
            }
        }
        until("it has loaded", || async {
            matches!(wire.ask(&target(at), LIMIT).await, Ok(answer) if !answer.loading)
        })
        .await;
        assert_eq!(ask(&wire, at).await.keys, 3000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_with_a_blanked_table_still_says_that_it_follows() {
    for_each_server(|server| async move {
        let mut cluster = Cluster::formed(&server).await;
        let leader = cluster.id(2).await;
        for member in &mut cluster.members {
            member.kill();
        }
        // As the start script does.
        let path = cluster.members[5].directory().join("nodes.conf");
        let table = std::fs::read_to_string(&path).unwrap();
        let blank = |line: &str| match line.split_once(' ') {
            Some((id, rest)) if id != "vars" && !rest.contains("myself") => {
                let end = rest.find([',', ' ']).unwrap();
                format!("{id} :0@0{}\n", &rest[end..])
            }
            _ => format!("{line}\n"),
        };
        std::fs::write(&path, table.lines().map(blank).collect::<String>()).unwrap();
        cluster.members[5].restart();
        let answer = cluster.ask(5).await;
        assert_eq!(answer.role(), Role::Follower);
        assert!(!answer.is_in_sync());
        assert_eq!(
            answer.view.own_entry().unwrap().leader,
            Some(leader.clone())
        );
        assert_eq!(answer.view.entry(&leader).unwrap().address, None);
        let info = say(cluster.address(5), OPERATOR, "INFO replication")
            .await
            .unwrap();
        let info: String = redis::from_redis_value(info).unwrap();
        println!("{}: INFO says {:?}", server.version, info.lines().nth(1));
    })
    .await;
}

/// Something that listens and is no server. `reply` None holds the line in silence.
fn impostor(reply: Option<&'static [u8]>) -> Address {
    let ip = free_ip();
    let listener = TcpListener::bind((ip, PORT)).unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if let Some(reply) = reply {
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(reply);
            } else {
                held.push(stream);
            }
        }
    });
    Address { ip, port: PORT }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_silence_has_its_reason() {
    let (wire, _wakes) = wired();
    let limit = Duration::from_millis(400);
    let nobody = Address {
        ip: free_ip(),
        port: PORT,
    };
    let nowhere = Address {
        ip: IpAddr::from([0, 0, 0, 1]),
        port: PORT,
    };
    let cases = [
        ("nobody listens", nobody, SilenceReason::Refused),
        ("no such network", nowhere, SilenceReason::Unreachable),
        ("mute", impostor(None), SilenceReason::Timeout),
        ("hangs up", impostor(Some(b"")), SilenceReason::Unreachable),
        (
            "babbles",
            impostor(Some(b"HTTP/1.1 400\r\n\r\n")),
            SilenceReason::Unusable,
        ),
        (
            "declines",
            impostor(Some(b"-ERR no\r\n-ERR no\r\n-ERR no\r\n")),
            SilenceReason::Unusable,
        ),
    ];
    for (name, address, expected) in cases {
        let start = Instant::now();
        let asked = wire.ask(&target(address), limit).await;
        assert_eq!(asked, Err(expected), "{name}");
        assert!(
            start.elapsed() < limit + Duration::from_millis(300),
            "{name}"
        );
        let member = MemberRef {
            name: MemberName::from("x"),
            id: MemberId::from("x"),
            run_id: RunId::from("x"),
            address,
        };
        let told = wire
            .command(&target(address), &member, &MemberCommand::Open)
            .await;
        assert_ne!(told.unwrap_err().class, ErrorClass::Conflict, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_unusable_and_forbidden() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let member = Member::start(&server);
        let answer = ask(&wire, member.address).await;
        for password in [Some(Password::new("a guess")), None] {
            let class = match password {
                Some(_) => ErrorClass::Forbidden,
                None => ErrorClass::Transient,
            };
            let (stranger, _wakes) = wired();
            let mut to = target(member.address);
            to.credentials = Arc::new(Credentials {
                operator: password,
                ..credentials()
            });
            assert_eq!(stranger.ask(&to, LIMIT).await, Err(SilenceReason::Unusable));
            let reference = member_ref(member.address, &answer);
            let told = stranger
                .command(&to, &reference, &MemberCommand::Open)
                .await;
            assert_eq!(told.unwrap_err().class, class);
        }
    })
    .await;
}
