//! The workload against real servers on loopback: a leader dies, and its shard's outage, and
//! nobody else's, is what the writer says. Needs `make servers`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of a test"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use e2e::workload::link::Login;
use e2e::workload::report::{Line, Report};
use e2e::workload::run::{Settings, run};
use e2e::workload::slots::Address;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use zoneward_local::program;

const SHARDS: u16 = 3;
const FIRST_PORT: u16 = 23_110;

/// Six servers; the first three lead, the others follow. They end with this.
struct Servers {
    processes: Vec<Child>,
    folder: std::path::PathBuf,
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn address(index: u16) -> Address {
    Address {
        host: "127.0.0.1".to_owned(),
        port: FIRST_PORT + index,
    }
}

fn start_servers() -> Servers {
    let program = program("redis-8", "redis-server").expect("run `make servers`");
    let folder = std::env::temp_dir().join(format!("zoneward-workload-{}", std::process::id()));
    let mut servers = Servers {
        processes: Vec::new(),
        folder,
    };
    for index in 0..2 * SHARDS {
        let dir = servers.folder.join(index.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        let port = (FIRST_PORT + index).to_string();
        let process = Command::new(&program)
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", ""])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
            .args(["--cluster-require-full-coverage", "no"])
            .args(["--repl-diskless-sync-delay", "0"])
            .args(["--requirepass", "secret", "--masterauth", "secret"])
            .arg("--dir")
            .arg(&dir)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        servers.processes.push(process);
    }
    servers
}

async fn ask<T: redis::FromRedisValue>(index: u16, words: &[&str]) -> redis::RedisResult<T> {
    let url = format!("redis://:secret@{}", address(index));
    let mut link = redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await?;
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(*word);
    }
    command.query_async(&mut link).await
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..300 {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("never {what}");
}

async fn form() {
    for index in 0..2 * SHARDS {
        until("up", || async {
            ask::<String>(index, &["PING"]).await.is_ok()
        })
        .await;
        if index < SHARDS {
            let first = (16384 * u32::from(index)).div_ceil(3);
            let last = (16384 * u32::from(index + 1)).div_ceil(3) - 1;
            let words = [
                "CLUSTER",
                "ADDSLOTSRANGE",
                &first.to_string(),
                &last.to_string(),
            ];
            ask::<()>(index, &words).await.unwrap();
        }
        let epoch = (index + 1).to_string();
        ask::<()>(index, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
            .await
            .unwrap();
    }
    for index in 1..2 * SHARDS {
        let port = address(index).port.to_string();
        ask::<()>(0, &["CLUSTER", "MEET", "127.0.0.1", &port])
            .await
            .unwrap();
    }
    for index in SHARDS..2 * SHARDS {
        let leader: String = ask(index - SHARDS, &["CLUSTER", "MYID"]).await.unwrap();
        until("following", || async {
            ask::<()>(index, &["CLUSTER", "REPLICATE", &leader])
                .await
                .is_ok()
        })
        .await;
        until("in sync", || async {
            let info: String = ask(index, &["INFO", "replication"])
                .await
                .unwrap_or_default();
            info.contains("link_status:up")
        })
        .await;
    }
    for index in 0..2 * SHARDS {
        until("agreed", || async {
            let info: String = ask(index, &["CLUSTER", "INFO"]).await.unwrap_or_default();
            info.contains("cluster_state:ok") && info.contains("cluster_slots_assigned:16384")
        })
        .await;
    }
}

#[tokio::test]
async fn a_dead_leader_is_an_outage_of_its_shard_alone_and_nothing_is_lost() {
    let mut servers = start_servers();
    form().await;
    let settings = Settings {
        // A follower and a port where nobody is: any member that answers is enough.
        seeds: vec![address(99), address(4)],
        login: Login {
            user: "default".to_owned(),
            password: Some("secret".to_owned()),
        },
        every: Duration::from_millis(10),
        limit: Duration::from_millis(300),
        patience: Duration::from_secs(20),
        keep: false,
        fill: 2000,
        followers: 0,
    };
    let (told, mut lines) = mpsc::channel(10_000);
    let (stop, stopped) = oneshot::channel::<()>();
    let first = settings.clone();
    let running = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        run(&first, stop, &told).await
    });
    sleep(Duration::from_secs(1)).await;
    servers.processes[1].kill().unwrap();
    sleep(Duration::from_secs(6)).await;
    stop.send(()).unwrap();
    let report = running.await.unwrap().unwrap();

    assert_eq!((report.lost(), report.unverified()), (0, 0), "{report:?}");
    // of the second shard there is one member left
    let copies = |shard: usize| report.shards[shard].read_from_followers;
    let acknowledged = |shard: usize| report.shards[shard].acknowledged;
    assert_eq!([0, 2].map(copies), [0, 2].map(acknowledged), "{report:?}");
    let gaps: Vec<u64> = report.shards.iter().map(|s| s.longest_gap.millis).collect();
    // a dead leader's is longer than any that a busy machine makes
    assert!(
        gaps[1] > 500 && gaps[1] > 2 * gaps[0].max(gaps[2]),
        "{gaps:?}"
    );
    assert!(!report.shards[1].longest_gap.open);
    assert!(report.shards[0].acknowledged > 100, "{report:?}");
    let with_wait = report.shards[0].acknowledged_with_wait;
    assert!(
        with_wait > acknowledged(0) / 4,
        "every other write: {report:?}"
    );
    let client = report.client.unwrap();
    assert_eq!((client.filled, client.filled_lost), (2000, 0));
    assert!(
        client.operations > 100 && client.errors() < 20,
        "{client:?}"
    );
    assert!(client.longest.millis > 300, "{client:?}");
    let mut opened = 0;
    let mut closed = 0;
    while let Ok(line) = lines.try_recv() {
        match line {
            Line::GapOpened { shard, .. } => {
                assert_eq!(shard, 1);
                opened += 1;
            }
            Line::GapClosed { shard: 1, gap } if gap.millis >= 500 => closed += 1,
            _ => {}
        }
    }
    assert_eq!((opened, closed), (1, 1), "one outage");
    let left: u64 = ask(0, &["DBSIZE"]).await.unwrap();
    assert_eq!(left, 0, "the keys are deleted once they were read back");

    let report = follower_that_lost_its_keys(settings).await;
    assert_eq!((report.lost(), report.unverified()), (0, 0), "{report:?}");
    assert!(report.shards[0].missing_in_followers > 10, "{report:?}");
    assert_eq!(report.shards[2].missing_in_followers, 0, "{report:?}");
}

/// What a workload tells when the first shard's follower drops all that it has in the middle of it.
async fn follower_that_lost_its_keys(settings: Settings) -> Report {
    let settings = Settings {
        patience: Duration::from_secs(2),
        fill: 0,
        followers: 0,
        ..settings
    };
    let (told, mut lines) = mpsc::channel(10_000);
    let drop_all = async {
        sleep(Duration::from_secs(1)).await;
        ask::<()>(SHARDS, &["CONFIG", "SET", "replica-read-only", "no"])
            .await
            .unwrap();
        ask::<()>(SHARDS, &["FLUSHALL"]).await.unwrap();
    };
    let report = run(&settings, drop_all, &told).await.unwrap();
    lines.close();
    report
}
