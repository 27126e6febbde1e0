//! How long members take to become one cluster: by the operator, and by the server's own command line. Both get
//! processes that were just started and know nobody, and begin when the last of them answers; it is over when all
//! views are equal and all followers are in sync.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use zoneward_operator::model::{ClusterView, MemberAnswer, SlotSet};

use super::plain::Plain;
use crate::servers::Server;
use crate::testbed::{Settings, Testbed};

const LIMIT: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Of both: the servers' own default. The operator forms with a short one, and sets this at the end.
const NODE_TIMEOUT_MILLIS: u64 = 15_000;
/// The operator makes all pods, and is gone again before the first of them runs.
const POD_START: Duration = Duration::from_secs(3);

/// One cluster, formed twice. Times in milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Formed {
    /// Leaders, with a follower each.
    pub leaders: u32,
    /// By the operator.
    pub operator: u128,
    /// By `--cluster create`.
    pub command_line: u128,
}

/// Forms a cluster of so many leaders with a follower each, by both.
///
/// # Errors
/// When one of them does not come to be.
pub async fn form(server: &Server, leaders: u32) -> Result<Formed> {
    let operator = by_operator(server, leaders).await?;
    let command_line = by_hand(server, leaders).await?;
    Ok(Formed {
        leaders,
        operator: operator.as_millis(),
        command_line: command_line.as_millis(),
    })
}

/// One that starts when all its pods run and answer.
async fn by_operator(server: &Server, leaders: u32) -> Result<Duration> {
    let members = usize::try_from(leaders * 2)?;
    let mut settings = Settings::new(server.clone(), leaders, 1);
    settings.pace.start_after = POD_START;
    settings.node_timeout_millis = NODE_TIMEOUT_MILLIS;
    let mut testbed = Testbed::start(settings)?;
    let begun = Instant::now();
    while testbed.kubernetes.pods().len() < members {
        ensure!(
            begun.elapsed() < POD_START,
            "not all pods are made after {POD_START:?}"
        );
        sleep(LOOK_EVERY).await;
    }
    testbed.stop_operator();
    ensure!(
        answers(&testbed).await.is_empty(),
        "members answer before the operator was gone"
    );
    while answers(&testbed).await.len() < members {
        ensure!(
            begun.elapsed() < LIMIT,
            "not all members answer after {LIMIT:?}"
        );
        sleep(LOOK_EVERY).await;
    }
    let start = Instant::now();
    testbed.start_operator()?;
    while !agree(&answers(&testbed).await, members) {
        ensure!(start.elapsed() < LIMIT, "no cluster after {LIMIT:?}");
        sleep(LOOK_EVERY).await;
    }
    Ok(start.elapsed())
}

async fn by_hand(server: &Server, leaders: u32) -> Result<Duration> {
    let members = usize::try_from(leaders * 2)?;
    let mut plain = Plain::start(server, u8::try_from(members)?, NODE_TIMEOUT_MILLIS)?;
    let begun = Instant::now();
    while plain.ask().await?.len() < members {
        ensure!(
            begun.elapsed() < LIMIT,
            "not all members answer after {LIMIT:?}"
        );
        sleep(LOOK_EVERY).await;
    }
    let start = Instant::now();
    create(server, &plain).await?;
    while !agree(&plain.ask().await?, members) {
        ensure!(start.elapsed() < LIMIT, "no cluster after {LIMIT:?}");
        sleep(LOOK_EVERY).await;
    }
    Ok(start.elapsed())
}

async fn create(server: &Server, plain: &Plain) -> Result<()> {
    let mut command = Command::new(server.programs.join(server.cli));
    command
        .args(["--cluster", "create"])
        .args(plain.nodes())
        .args(["--cluster-replicas", "1", "--cluster-yes"])
        .stdin(Stdio::null());
    let output = command.output().await.context("run the command line")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default();
    ensure!(
        output.status.success(),
        "{} --cluster create: {last}",
        server.cli
    );
    Ok(())
}

async fn answers(testbed: &Testbed) -> Vec<MemberAnswer> {
    let members = testbed.survey().await.members.into_iter();
    members.filter_map(|seen| seen.answer).collect()
}

/// All know all, and the same of all; each follower has a copy.
fn agree(answers: &[MemberAnswer], members: usize) -> bool {
    let told: BTreeSet<String> = answers.iter().map(|it| beliefs(&it.view)).collect();
    let is_follower = |it: &&MemberAnswer| it.replication.upstream.is_some();
    let followers: Vec<&MemberAnswer> = answers.iter().filter(is_follower).collect();
    let own = answers.iter().filter_map(|it| it.view.own_entry());
    let owned = own.fold(SlotSet::empty(), |all, own| all.union(&own.slots));
    let is_whole = |it: &MemberAnswer| it.view.entries.len() == members && it.view.says_ok;
    answers.len() == members
        && told.len() == 1
        && answers.iter().all(is_whole)
        && followers.len() * 2 == members
        && followers.into_iter().all(MemberAnswer::is_in_sync)
        && owned.is_all()
}

/// Who leads, who follows whom, and who owns what.
fn beliefs(view: &ClusterView) -> String {
    let mut lines: Vec<String> = view
        .entries
        .iter()
        .map(|it| {
            let leader = it.leader.as_ref().map(ToString::to_string);
            format!("{} {:?} {} {:?}", it.id, leader, it.slots, it.flags.failed)
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
