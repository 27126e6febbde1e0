//! Directives of a running member: what each server takes, how it writes it, and what it refuses.

use std::sync::Arc;

use zoneward_operator::model::{Deviation, MemberAnswer, Settings, Standing};
use zoneward_operator::plan::MemberCommand;
use zoneward_operator::ports::{AskTarget, RedisAdmin};
use zoneward_operator::resources;

use crate::redis_client::{OPERATOR, say};
use crate::redis_cluster::{LIMIT, member_ref, target, wired};
use crate::redis_server::{Member, for_each_server};

fn settings(pairs: &[(&str, &str)]) -> Settings {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

struct Subject {
    wire: zoneward_operator::wire::RedisWire,
    to: AskTarget,
}

impl Subject {
    async fn ask(&self, wanted: &Settings) -> MemberAnswer {
        let to = AskTarget {
            settings: Arc::new(wanted.clone()),
            ..self.to.clone()
        };
        self.wire.ask(&to, LIMIT).await.unwrap()
    }

    async fn standings(&self, wanted: &Settings) -> Vec<(String, Standing)> {
        let deviations = self.ask(wanted).await.deviations.into_iter();
        deviations
            .map(|it: Deviation| (it.name, it.standing))
            .collect()
    }

    async fn configure(&self, wanted: &Settings) {
        let answer = self.ask(wanted).await;
        let member = member_ref(self.to.address, &answer);
        let command = MemberCommand::Configure(wanted.clone());
        self.wire
            .command(&self.to, &member, &command)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_directive_is_taken_in_its_own_form_or_waits_or_is_refused() {
    for_each_server(|server| async move {
        let member = Member::start(&server);
        let (wire, _wakes) = wired();
        let to = target(member.address);
        let subject = Subject { wire, to };
        let wanted = settings(&[
            ("maxmemory", "1gb"),
            ("maxmemory-policy", "AllKeys-LRU"),
            ("client-output-buffer-limit", "replica 256mb 64mb 60"),
            ("notify-keyspace-events", "KEA"),
            ("hz", "20"),
            ("tcp-backlog", "600"),
            ("maxmemory-samples", "many"),
            ("nonesuch", "1"),
        ]);
        let before = subject.standings(&wanted).await;
        // the buffer's limit is the default's, but not its text
        assert_eq!(before.len(), wanted.len(), "{before:?}");
        assert!(
            before
                .iter()
                .all(|(_, standing)| *standing == Standing::Untried)
        );
        subject.configure(&wanted).await;
        let after = subject.standings(&wanted).await;
        let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["maxmemory-samples", "nonesuch", "tcp-backlog"]);
        let refused = |standing: &Standing, words: &str| match standing {
            Standing::Refused(says) => assert!(says.contains(words), "{says}"),
            other => panic!("{other:?}"),
        };
        refused(&after[0].1, "couldn't be parsed");
        refused(&after[1].1, "Unknown option");
        assert_eq!(after[2].1, Standing::NeedsRestart);
        // the rest was set all the same
        assert_eq!(subject.standings(&settings(&[("hz", "20")])).await, []);

        // somebody sets it by hand
        say(
            member.address,
            OPERATOR,
            "CONFIG SET notify-keyspace-events K",
        )
        .await
        .unwrap();
        let drifted = subject.standings(&wanted).await;
        let name = "notify-keyspace-events".to_owned();
        assert!(drifted.contains(&(name, Standing::Untried)));
        subject.configure(&wanted).await;
        assert_eq!(subject.standings(&wanted).await.len(), 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_we_keep_can_be_set_on_every_server_and_is_read_back_as_it_was_written() {
    for_each_server(|server| async move {
        let member = Member::start(&server);
        let (wire, _wakes) = wired();
        let to = target(member.address);
        let subject = Subject { wire, to };
        for spec in ["{image: x}", "{image: x, storage: {size: 1Gi}}"] {
            let text = format!(
                "{{apiVersion: zoneward.io/v1alpha1, kind: RedisCluster, \
                 metadata: {{name: c}}, spec: {spec}}}"
            );
            let resource = serde_saphyr::from_str(&text).unwrap();
            let desired = zoneward_operator::plan::validate(&resource).unwrap();
            let kept = resources::kept_settings(&desired);
            assert!(kept.len() >= 12);
            subject.configure(&kept).await;
            // by another operator, which remembers nothing
            let (wire, _wakes) = wired();
            let to = target(member.address);
            let fresh = Subject { wire, to };
            assert_eq!(fresh.standings(&kept).await, [], "{spec}");
        }
    })
    .await;
}
