//! Writes that are held back: `CLIENT PAUSE … WRITE`.

use std::time::Duration;

use tokio::time::timeout;
use zoneward_operator::model::SlotSet;
use zoneward_operator::plan::MemberCommand;

use crate::redis_client::{CLIENT, OPERATOR, code, say};
use crate::redis_cluster::{ask, tell, until, wired};
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
