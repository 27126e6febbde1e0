//! Passwords of running members are changed: nobody who is in is put out, and every link comes back.

use std::sync::Arc;

use redis::{RedisResult, Value};
use zoneward_operator::model::{Access, Keys};
use zoneward_operator::plan::{MemberCommand, PasswordStep};
use zoneward_operator::ports::{AskTarget, Credentials, Password, RedisAdmin};
use zoneward_operator::wire::RedisWire;

use crate::redis_client::{CLIENT, OPERATOR, code, login, say};
use crate::redis_cluster::{Cluster, LIMIT, credentials, member_ref, target, until, wired};
use crate::redis_server::for_each_server;

#[allow(clippy::unnecessary_wraps, reason = "as credentials have it")]
fn password(text: &str) -> Option<Password> {
    Some(Password::new(text))
}

/// A cluster as an operator with these credentials sees it.
struct View<'a> {
    cluster: &'a Cluster,
    wire: &'a RedisWire,
    credentials: Credentials,
}

impl View<'_> {
    fn to(&self, index: usize) -> AskTarget {
        AskTarget {
            credentials: Arc::new(self.credentials.clone()),
            ..target(self.cluster.address(index))
        }
    }

    async fn access(&self, index: usize) -> Access {
        let answer = self.wire.ask(&self.to(index), LIMIT).await;
        answer.unwrap_or_else(|it| panic!("{index}: {it:?}")).access
    }

    async fn all(&self, expected: Access) {
        for index in 0..6 {
            assert_eq!(self.access(index).await, expected, "member {index}");
        }
    }

    async fn tell(&self, index: usize, command: MemberCommand) {
        let to = self.to(index);
        let answer = self.wire.ask(&to, LIMIT).await.unwrap();
        let member = member_ref(to.address, &answer);
        self.wire.command(&to, &member, &command).await.unwrap();
    }

    async fn step(&self, step: PasswordStep) {
        for index in 0..6 {
            self.tell(index, MemberCommand::Passwords(step)).await;
        }
    }

    /// Every follower's link is cut, and comes back.
    async fn relink(&self) {
        for index in 0..3 {
            let operator = self.credentials.operator.as_ref().unwrap().reveal();
            let former = self.credentials.former_operator.as_ref();
            let at = self.cluster.address(index);
            let mut killed =
                say(at, Some(("zoneward", operator)), "CLIENT KILL TYPE replica").await;
            if let (Err(_), Some(former)) = (&killed, former) {
                let login = Some(("zoneward", former.reveal()));
                killed = say(at, login, "CLIENT KILL TYPE replica").await;
            }
            assert_eq!(killed.unwrap(), Value::Int(1));
        }
        until("every link is up again", || async {
            let mut all = true;
            for index in 3..6 {
                let answer = self.wire.ask(&self.to(index), LIMIT).await.unwrap();
                all &= answer.is_in_sync();
            }
            all
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_move_to_a_new_password_at_their_leisure() {
    for_each_server(|server| async move {
        let cluster = Cluster::formed(&server).await;
        let (wire, _wakes) = wired();
        let mut view = View {
            cluster: &cluster,
            wire: &wire,
            credentials: credentials(),
        };
        view.all(Access::default()).await;
        let at = cluster.address(0);
        let mut kept = login(at, CLIENT).await.unwrap();
        view.credentials.client = password("the next");
        let lacks = Access {
            clients: Keys::LackNew,
            ..Access::default()
        };
        view.all(lacks).await;
        view.step(PasswordStep::AdmitClients).await;
        let former = Access {
            clients: Keys::TakeFormer,
            ..Access::default()
        };
        view.all(former).await;
        let next = Some(("default", "the next"));
        for who in [CLIENT, next] {
            assert_eq!(code(&say(at, who, "PING").await), "OK", "{who:?}");
        }
        // a member that is opened now lets in who has not moved, too
        view.tell(5, MemberCommand::Open).await;
        assert_eq!(code(&say(cluster.address(5), CLIENT, "PING").await), "OK");
        // so may the Secret say
        view.credentials.former_client = credentials().client;
        view.all(Access::default()).await;
        view.credentials.former_client = None;
        view.step(PasswordStep::RetireFormerOfClients).await;
        view.all(Access::default()).await;
        assert_eq!(code(&say(at, next, "PING").await), "OK");
        assert!(say(at, CLIENT, "PING").await.is_err());
        let pong: RedisResult<Value> = redis::cmd("PING").query_async(&mut kept).await;
        assert!(pong.is_ok(), "who is in stays in: {pong:?}");

        // without any password, and back
        view.credentials.client = None;
        view.credentials.client_needs_password = false;
        view.all(lacks).await;
        view.step(PasswordStep::AdmitClients).await;
        view.all(Access::default()).await;
        assert_eq!(code(&say(at, None, "PING").await), "OK");
        view.credentials.client = password("the next");
        view.credentials.client_needs_password = true;
        view.all(former).await;
        assert_eq!(code(&say(at, next, "PING").await), "OK");
        view.step(PasswordStep::RetireFormerOfClients).await;
        view.all(Access::default()).await;
        assert_eq!(code(&say(at, None, "PING").await), "NOAUTH");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_passwords_change_while_links_are_cut_at_every_step() {
    for_each_server(|server| async move {
        let cluster = Cluster::formed(&server).await;
        let (wire, _wakes) = wired();
        let before = credentials();
        let mut view = View {
            cluster: &cluster,
            wire: &wire,
            credentials: Credentials {
                operator: password("operator 2"),
                replication: password("replication 2"),
                former_operator: before.operator.clone(),
                former_replication: before.replication.clone(),
                is_rotating: true,
                ..before
            },
        };
        // logged in with the former one
        let begun = Access {
            operator: Keys::LackNew,
            followers: Keys::LackNew,
            follows_with_former: true,
            ..Access::default()
        };
        view.all(begun).await;
        view.step(PasswordStep::AdmitOwn).await;
        view.relink().await;
        let admitted = Access {
            follows_with_former: true,
            ..Access::default()
        };
        view.all(admitted).await;
        view.step(PasswordStep::FollowWithNew).await;
        view.relink().await;
        view.all(Access::default()).await;
        view.credentials.is_rotating = false;
        let over = Access {
            operator: Keys::TakeFormer,
            followers: Keys::TakeFormer,
            ..Access::default()
        };
        view.all(over).await;
        view.step(PasswordStep::RetireFormerOwn).await;
        view.all(Access::default()).await;
        view.relink().await;
        assert!(say(cluster.address(0), OPERATOR, "PING").await.is_err());
        // another operator, which has no connection yet
        let (fresh, _wakes) = wired();
        let view = View {
            wire: &fresh,
            credentials: view.credentials.clone(),
            ..view
        };
        view.all(Access::default()).await;
    })
    .await;
}
