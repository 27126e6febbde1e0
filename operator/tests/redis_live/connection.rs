//! The kept connection, silence and its reasons.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use zoneward_operator::model::{
    Address, ClusterKey, MemberId, MemberName, RunId, SilenceReason, SlotSet,
};
use zoneward_operator::plan::{MemberCommand, MemberRef};
use zoneward_operator::ports::{Credentials, ErrorClass, Password, RedisAdmin};

use crate::reason;
use crate::redis_client::{OPERATOR, login, say};
use crate::redis_cluster::{LIMIT, ask, credentials, key, member_ref, target, tell, until, wired};
use crate::redis_server::{Member, PORT, for_each_server, free_ip};

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
        assert!(
            silent.as_ref().is_err_and(|it| it.millis >= 600),
            "{silent:?}"
        );
        assert_eq!(reason(silent), Err(SilenceReason::Timeout));
        assert_eq!(quick.0.run_id, second.run_id);
        assert!(quick.1 < limit, "{:?}", quick.1);
        assert_eq!(untold.unwrap_err().class, ErrorClass::Transient);
        // A new connection is accepted by the kernel, and silent as well.
        assert_eq!(
            reason(wire.ask(&frozen, limit).await),
            Err(SilenceReason::Timeout)
        );
        one.thaw();
        assert_eq!(ask(&wire, one.address).await.run_id, first.run_id);
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
        let script = "for i=1,9000 do redis.call('set','{a}'..i,i) end";
        let mut connection = login(at, OPERATOR).await.unwrap();
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(1).arg("{a}");
        let () = eval.query_async(&mut connection).await.unwrap();
        assert_eq!(ask(&wire, at).await.keys, 9000);
        say(at, OPERATOR, "SAVE").await.unwrap();
        member.kill();
        let config = member.directory().join("redis.conf");
        // it listens now and then only, and takes some 5 s for all
        let slow = "key-load-delay 500\nloading-process-events-interval-bytes 1024\n";
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text + slow).unwrap();
        member.restart();
        let mut told = wire.ask(&target(at), LIMIT).await;
        while matches!(&told, Err(silence) if silence.reason == SilenceReason::Timeout) {
            told = wire.ask(&target(at), LIMIT).await;
        }
        match told {
            Ok(answer) => {
                assert!(server.version.starts_with("valkey"), "{}", server.version);
                assert!(answer.loading && !answer.view.says_ok);
            }
            Err(silence) => {
                assert!(server.version.starts_with("redis"), "{}", server.version);
                assert_eq!(silence.reason, SilenceReason::Unusable);
            }
        }
        until("it has loaded", || async {
            matches!(wire.ask(&target(at), LIMIT).await, Ok(answer) if !answer.loading)
        })
        .await;
        assert_eq!(ask(&wire, at).await.keys, 9000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_counts_begins_anew_with_its_process() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let mut member = Member::start(&server);
        let at = member.address;
        tell(&wire, at, MemberCommand::AddSlots(SlotSet::all()))
            .await
            .unwrap();
        until("it serves", || async { ask(&wire, at).await.view.says_ok }).await;
        for line in ["SET a 1", "GET a", "GET a", "GET b"] {
            say(at, OPERATOR, line).await.unwrap();
        }
        let before = ask(&wire, at).await.traffic;
        assert_eq!((before.hits, before.misses), (2, 1));
        assert!(before.commands > 4, "{before:?}");
        member.kill();
        member.restart();
        until("it answers", || async {
            wire.ask(&target(at), LIMIT).await.is_ok()
        })
        .await;
        let after = ask(&wire, at).await.traffic;
        assert_eq!((after.hits, after.misses), (0, 0));
        assert!(after.commands > 0, "{after:?}");
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
    let cases = [
        ("nobody listens", nobody, SilenceReason::Refused),
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
        assert_eq!(reason(asked), Err(expected), "{name}");
        assert!(start.elapsed() < limit * 4, "{name}");
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
            let asked = stranger.ask(&to, LIMIT).await;
            assert_eq!(reason(asked), Err(SilenceReason::Unusable));
            let reference = member_ref(member.address, &answer);
            let told = stranger
                .command(&to, &reference, &MemberCommand::Open)
                .await;
            assert_eq!(told.unwrap_err().class, class);
        }
    })
    .await;
}
