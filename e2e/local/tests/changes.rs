//! What owners change while clients write: the loop as it is, on real servers, with a writer that checks
//! every acknowledged write.

#![cfg(test)]

use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use zoneward_local::{Settings, Survey, Testbed, Writers, server};
use zoneward_operator::model::Keys;

/// What a busy machine may take for anything.
const LONG: Duration = Duration::from_secs(60);

async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

async fn busy(label: &str) -> (Testbed, Writers) {
    let settings = Settings::new(server(label).unwrap(), 3, 1);
    Testbed::busy(settings, LONG).await.unwrap()
}

async fn ends_well(testbed: &Testbed, writers: Writers) {
    testbed.until_whole(LONG).await.unwrap();
    writers.until_each_wrote(40, LONG).await.unwrap();
    println!("outages {:?}", writers.outages());
    let tally = writers.finish().await.unwrap();
    println!("{tally:?}");
    assert!(tally.acknowledged > 100 && tally.lost == 0, "{tally:?}");
}

/// Waits until the record and the members say what is wanted.
async fn until(testbed: &Testbed, what: &str, holds: impl Fn(&Testbed, &Survey) -> bool) {
    let lack = |survey: &Survey| (!holds(testbed, survey)).then(|| what.to_owned());
    let took = testbed.until(what, LONG, lack).await.unwrap();
    println!("{what}: {took:?}");
}

fn all(survey: &Survey, holds: impl Fn(&zoneward_operator::model::MemberAnswer) -> bool) -> bool {
    let mut answers = survey.members.iter().map(|seen| seen.answer.as_ref());
    answers.all(|answer| answer.is_some_and(&holds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_changed_under_writes() {
    let _turn = turn().await;
    for label in ["redis-7.0", "redis-8.0", "valkey-8.1", "valkey-9"] {
        println!("--- {label}");
        let (testbed, writers) = busy(label).await;
        testbed.set_client_password("another password");
        until(&testbed, "the new one is taken", |_, survey| {
            all(survey, |it| it.access.clients == Keys::TakeFormer)
        })
        .await;
        testbed.edit(|spec| spec.auth.rotate_internal = Some("now".to_owned()));
        until(&testbed, "our own ones are changed", |testbed, survey| {
            let passwords = testbed.kubernetes.status().record.passwords;
            let is_over = passwords.generation == 1 && !passwords.is_rotating;
            is_over && all(survey, |it| it.access.operator == Keys::AsWanted)
        })
        .await;
        // a member made now starts with the new ones, and feeds and is fed
        let leaders = testbed.leaders([0]).await;
        testbed.kill(&leaders);
        testbed.until_whole(LONG).await.unwrap();
        testbed.edit(|spec| spec.auth.rotation_grace_seconds = 0);
        until(
            &testbed,
            "the former one is not taken any more",
            |_, survey| all(survey, |it| it.access.clients == Keys::AsWanted),
        )
        .await;
        testbed.until_whole(LONG).await.unwrap();
        let tally = writers.finish().await.unwrap();
        println!("{tally:?}");
        assert!(tally.acknowledged > 100 && tally.lost <= 1, "{tally:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn directives_are_changed_under_writes() {
    let _turn = turn().await;
    for label in ["redis-7.0", "valkey-9"] {
        println!("--- {label}");
        let (testbed, writers) = busy(label).await;
        let set = |name: &'static str, value: &'static str| {
            testbed.edit(move |spec| {
                spec.config.insert(name.to_owned(), value.to_owned());
            });
        };
        let settled = |testbed: &Testbed, name: &str| {
            let settings = testbed.kubernetes.status().record.settings;
            settings.setting(name).map(|it| it.value.clone())
        };
        set("notify-keyspace-events", "KEA");
        set("hz", "20");
        set("maxmemory-policy", "nonsense");
        until(&testbed, "hz is settled", |testbed, _| {
            settled(testbed, "hz").as_deref() == Some("20")
        })
        .await;
        until(&testbed, "the refusal is told", |testbed, _| {
            let waiting = testbed.kubernetes.status().waiting_on;
            waiting.iter().any(|it| it.reason == "DirectiveRefused")
        })
        .await;
        assert_eq!(settled(&testbed, "maxmemory-policy"), None);
        let since = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(testbed.count("configure", since), 0, "it is told once");
        ends_well(&testbed, writers).await;
    }
}
