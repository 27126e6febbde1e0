//! Writes that are held back: `CLIENT PAUSE … WRITE`.

use std::time::Duration;

use tokio::time::timeout;
use zoneward_operator::model::SlotSet;
use zoneward_operator::plan::MemberCommand;

use crate::redis_client::{CLIENT, OPERATOR, code, say};
use crate::redis_cluster::{Cluster, ask, tell, until, wired};
use crate::redis_server::{Member, for_each_server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_writes_answers_everything_else() {
    for_each_server(|server| async move {
        let (wire, _wakes) = wired();
        let member = Member::start(&server);
        let at = member.address;
        tell(&wire, at, MemberCommand::AddSlots(SlotSet::all()))
            .await
            .unwrap();
        tell(&wire, at, MemberCommand::Open).await.unwrap();
        until("it serves", || async { ask(&wire, at).await.view.says_ok }).await;

        let hold = MemberCommand::HoldWrites { millis: 600_000 };
        tell(&wire, at, hold.clone()).await.unwrap();
        tell(&wire, at, hold).await.unwrap();
        let write = tokio::spawn(say(at, CLIENT, "SET k v"));
        assert_eq!(code(&say(at, CLIENT, "GET k").await), "OK");
        assert!(ask(&wire, at).await.is_open, "the operator is answered");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!write.is_finished());
        assert_eq!(ask(&wire, at).await.keys, 0);

        assert_eq!(code(&say(at, OPERATOR, "CLIENT UNPAUSE").await), "OK");
        let written = timeout(Duration::from_secs(10), write).await.unwrap();
        assert_eq!(code(&written.unwrap()), "OK");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_is_not_told_to_hold_writes() {
    for_each_server(|server| async move {
        let cluster = Cluster::start(&server);
        cluster.form().await;
        cluster.open().await;
        let (wire, _wakes) = wired();
        let hold = MemberCommand::HoldWrites { millis: 60_000 };
        let told = tell(&wire, cluster.address(3), hold).await;
        assert!(told.is_err(), "its leader's writes would wait, too");
        assert_eq!(code(&say(cluster.address(0), CLIENT, "PING").await), "OK");
    })
    .await;
}
