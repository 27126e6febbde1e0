//! `kubectl zoneward drill NAME ZONE`: a zone is lost for a minute, on the owner's own cluster.
//!
//! The fault is a NetworkPolicy that forbids everything to and from the members of one RedisCluster in one zone.
//! It is honest: packets vanish as they do when a zone is lost, nobody hands anything over beforehand, and the
//! operator is not told. It is safe: no process ends, no data goes, one object holds the fault, and its deletion
//! undoes it; no right on hosts is needed. What else was thought of: `CLIENT PAUSE` leaves the bus and so the
//! members' health as it is, `DEBUG SLEEP` is switched off and cannot be undone, and deleting pods on cordoned
//! hosts is a planned departure, which hands over, loses data in memory and hits the neighbours.
//!
//! Its price: not every network plugin enforces policies, some only for new connections, and what another
//! policy allows cannot be forbidden. So the drill sees for itself that the members fall silent, or says that they
//! did not; and beside other policies it does not begin.
//!
//! The fault ends on every path. This program takes it away at the end, on signals, on errors, and where more is
//! lost than was to be; if it is killed, a Job without pods that owns the policy comes to its deadline half a
//! minute later, and Kubernetes' own controllers delete both. `--restore` does the same at any time.
//!
//! Nothing is decided here about the RedisCluster: whether its zone may be lost is the operator's verdict.

mod course;
mod fault;
mod object;
mod proposal;
mod view;
mod watch;

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::activity::activity;
use super::page::Page;
use super::reach::Reach;
use super::{Answer, To, switchover};
use course::Course;
use object::Drill;
use proposal::{Facts, Proposal};
use view::{Outcome, View};

/// The longest drill.
const LASTS_MAX: Duration = Duration::from_secs(600);

/// What was asked of this command.
#[derive(Args, Clone, Debug)]
pub struct DrillArgs {
    /// The RedisCluster.
    name: String,
    /// The zone that is cut off.
    #[arg(required_unless_present = "restore")]
    zone: Option<String>,
    /// Do it. Left out: only tell what would be done, and what speaks against it.
    #[arg(long)]
    run: bool,
    /// The RedisCluster's name once more, where there is no terminal to ask for it.
    #[arg(long, value_name = "NAME", requires = "run")]
    confirm: Option<String>,
    /// Also where the loss of the zone would not be survived: slots may be without a leader, and data may be lost.
    #[arg(long)]
    even_if_it_hurts: bool,
    /// How long the zone is cut off, up to 10m.
    #[arg(long, default_value = "60s", value_parser = lasts)]
    duration: Duration,
    /// How long to wait afterwards until all is as before.
    #[arg(long, default_value = "5m", value_parser = switchover::duration)]
    timeout: Duration,
    /// End a drill of this RedisCluster: take away what one has left.
    #[arg(long, conflicts_with_all = ["zone", "run", "even_if_it_hurts"])]
    restore: bool,
}

/// Tells what a drill would do; runs it; ends one.
pub(super) async fn drill(reach: &Reach, args: &DrillArgs, to: To) -> anyhow::Result<Answer> {
    let Some(zone) = &args.zone else {
        return restore(reach, &args.name, to).await;
    };
    let mut view = View {
        proposal: Proposal::new(&facts(reach, &args.name).await?, zone, args.duration),
        is_overruled: args.even_if_it_hurts,
        outcome: Outcome::Proposed,
    };
    if !args.run {
        return view.answer(to);
    }
    if !view.proposal.is_allowed(view.is_overruled) {
        view.outcome = Outcome::Refused;
        return view.answer(to);
    }
    if let Some(why) = confirm(args, zone)? {
        view.outcome = Outcome::NotConfirmed { why };
        return view.answer(to);
    }
    // who was asked may have thought for long
    let facts = facts(reach, &args.name).await?;
    view.proposal = Proposal::new(&facts, zone, args.duration);
    if !view.proposal.is_allowed(view.is_overruled) {
        view.outcome = Outcome::Refused;
        return view.answer(to);
    }
    let drill = Drill {
        cluster: args.name.clone(),
        image: facts.cluster.spec.image.clone(),
        zone: zone.clone(),
        lasts: args.duration,
        ends: Timestamp::now() + args.duration,
    };
    let course = Course::new(&facts.cluster, zone, args.even_if_it_hurts);
    let report = watch::run(reach, &drill, course, args.timeout).await?;
    view.outcome = Outcome::Ran(report);
    view.answer(to)
}

async fn facts(reach: &Reach, name: &str) -> anyhow::Result<Facts> {
    let cluster = reach.cluster(name).await?;
    let operator = activity(reach).await;
    Ok(Facts {
        cluster,
        trouble: operator.trouble(reach),
        operator,
        pods: reach.pods_of(name).await?,
        policies: fault::others(reach, name).await?,
        in_the_way: fault::in_the_way(reach, name).await?,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Restored {
    namespace: String,
    name: String,
    /// What was taken away.
    taken_away: Vec<String>,
}

async fn restore(reach: &Reach, name: &str, to: To) -> anyhow::Result<Answer> {
    let view = Restored {
        namespace: reach.namespace().to_owned(),
        name: name.to_owned(),
        taken_away: fault::take_away(reach, name).await?,
    };
    to.answer(&view, true, |view, page: &mut Page| {
        let of = format!("{}/{}", view.namespace, view.name);
        page.line(&if view.taken_away.is_empty() {
            format!("No drill of {of} has left anything.")
        } else {
            format!("Taken away: {}", view.taken_away.join(", "))
        });
    })
}

/// Why it is not meant; none where it is. Asks where a terminal is.
fn confirm(args: &DrillArgs, zone: &str) -> anyhow::Result<Option<String>> {
    let name = &args.name;
    let typed = if let Some(typed) = &args.confirm {
        typed.clone()
    } else {
        let input = std::io::stdin();
        if !input.is_terminal() {
            let told =
                "there is no terminal to ask on; name the RedisCluster once more with --confirm";
            return Ok(Some(told.to_owned()));
        }
        let seconds = args.duration.as_secs();
        let question = format!(
            "{zone} will be cut off from RedisCluster {name} for {seconds}s. Type its name to go on: "
        );
        let mut to = std::io::stderr().lock();
        write!(to, "{}", terminal::clean(&question)).context("failed to ask")?;
        to.flush().context("failed to ask")?;
        let mut line = String::new();
        input
            .lock()
            .read_line(&mut line)
            .context("failed to read the answer")?;
        line
    };
    Ok((typed.trim() != name).then(|| format!("{name} was not typed")))
}

/// From a second to ten minutes.
fn lasts(text: &str) -> anyhow::Result<Duration> {
    let lasts = switchover::duration(text)?;
    ensure!(
        (Duration::from_secs(1)..=LASTS_MAX).contains(&lasts),
        "{text} is not between 1s and {}s",
        LASTS_MAX.as_secs()
    );
    Ok(lasts)
}

#[cfg(test)]
mod tests;
