//! How long members take to become one cluster: the operator's, and the same processes once more by the server's
//! own command line. Both count from when the last process answers until all views are equal and all followers
//! are in sync.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use zoneward_operator::model::{ClusterView, MemberAnswer, SlotSet};
use zoneward_operator::ports::Password;

use crate::servers::Server;
use crate::survey::Survey;
use crate::testbed::{Settings, Testbed};

const LIMIT: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(10);

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
    let mut testbed = Testbed::start(Settings::new(server.clone(), leaders, 1))?;
    let members = usize::try_from(leaders * 2)?;
    until(&testbed, |survey| answering(survey) == members).await?;
    let operator = until(&testbed, |survey| agree(survey, members)).await?;
    testbed.until_whole(LIMIT).await?;
    testbed.stop_operator();
    let ips = addresses(&testbed).await;
    for ip in &ips {
        by_hand(&testbed, ip, &["CLUSTER", "RESET", "HARD"]).await?;
    }
    let start = Instant::now();
    let nodes = ips.iter().map(|ip| format!("{ip}:6379"));
    let mut words = vec!["--cluster".to_owned(), "create".to_owned()];
    words.extend(nodes);
    words.extend(["--cluster-replicas", "1", "--cluster-yes"].map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let first = ips.first().context("nobody answers")?;
    by_hand(&testbed, first, &words).await?;
    until(&testbed, |survey| agree(survey, members)).await?;
    Ok(Formed {
        leaders,
        operator: operator.as_millis(),
        command_line: start.elapsed().as_millis(),
    })
}

async fn until(testbed: &Testbed, holds: impl Fn(&Survey) -> bool) -> Result<Duration> {
    let start = Instant::now();
    while !holds(&testbed.survey().await) {
        ensure!(start.elapsed() < LIMIT, "no cluster after {LIMIT:?}");
        sleep(LOOK_EVERY).await;
    }
    Ok(start.elapsed())
}

fn answering(survey: &Survey) -> usize {
    let members = survey.members.iter();
    members.filter(|seen| seen.answer.is_some()).count()
}

/// All know all, and the same of all; each follower has a copy.
fn agree(survey: &Survey, members: usize) -> bool {
    let answers = || {
        survey
            .members
            .iter()
            .filter_map(|seen| seen.answer.as_ref())
    };
    let told: BTreeSet<String> = answers().map(|it| beliefs(&it.view)).collect();
    let followers = answers().filter(|it| it.replication.upstream.is_some());
    let owned = answers()
        .filter_map(|it| it.view.own_entry())
        .fold(SlotSet::empty(), |all, own| all.union(&own.slots));
    answering(survey) == members
        && told.len() == 1
        && answers().all(|it| it.view.entries.len() == members && it.view.says_ok)
        && followers.clone().count() * 2 == members
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

async fn addresses(testbed: &Testbed) -> Vec<String> {
    let survey = testbed.survey().await;
    let pods = survey.members.iter().map(|seen| &seen.pod);
    pods.filter_map(|pod| pod.address)
        .map(|ip| ip.to_string())
        .collect()
}

async fn by_hand(testbed: &Testbed, ip: &str, words: &[&str]) -> Result<()> {
    let server = &testbed.settings.server;
    let password = testbed.kubernetes.credentials().operator;
    let password = password.context("find the operator's password")?;
    let mut command = Command::new(server.programs.join(server.cli));
    command
        .args(["--no-auth-warning", "--user", "zoneward", "--pass"])
        .arg(Password::reveal(&password))
        .args(["-h", ip])
        .args(words)
        .stdin(Stdio::null());
    let output = command.output().await.context("run the command line")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_default().trim().to_owned();
    let is_done = output.status.success() && !last.starts_with("ERR");
    ensure!(is_done, "{} {}: {last}", server.cli, words.join(" "));
    Ok(())
}
