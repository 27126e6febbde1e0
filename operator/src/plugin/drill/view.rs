//! A drill for people and for programs: what it would do, why it is not done, what came of it. Pure.

use serde::Serialize;
use terminal::Color;

use super::super::page::{Page, count};
use super::super::switchover::lasting;
use super::super::zones::Loss;
use super::super::{Answer, To};
use super::proposal::{Cut, Proposal};
use super::watch::{End, Report};

/// A drill and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    #[serde(flatten)]
    pub(super) proposal: Proposal,
    /// The owner wants it whatever can be overruled.
    pub(super) is_overruled: bool,
    #[serde(flatten)]
    pub(super) outcome: Outcome,
}

/// What came of it.
#[derive(Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "outcome"
)]
pub(super) enum Outcome {
    /// Nothing was done, as nothing was asked.
    Proposed,
    /// Nothing was done, as something speaks against it.
    Refused,
    /// Nothing was done, as nobody said that it is meant.
    NotConfirmed { why: String },
    /// It was done.
    Ran(Report),
}

impl View {
    /// The answer; good where it would be done, or was done and all went well.
    pub(super) fn answer(&self, to: To) -> anyhow::Result<Answer> {
        let is_good = match &self.outcome {
            Outcome::Proposed => self.proposal.is_allowed(self.is_overruled),
            Outcome::Refused | Outcome::NotConfirmed { .. } => false,
            Outcome::Ran(report) => report.is_good(),
        };
        to.answer(self, is_good, Self::draw)
    }

    pub(super) fn draw(&self, page: &mut Page) {
        match &self.outcome {
            Outcome::Proposed => self.draw_proposal(page),
            Outcome::Refused => self.draw_objections(page, "Nothing was done:"),
            Outcome::NotConfirmed { why } => {
                page.paragraph_in(0, &format!("Nothing was done: {why}"), Color::Yellow);
            }
            Outcome::Ran(report) => self.draw_report(report, page),
        }
    }

    fn draw_proposal(&self, page: &mut Page) {
        let it = &self.proposal;
        let Proposal {
            namespace,
            name,
            zone,
            ..
        } = it;
        let lasts = lasting(it.lasts_seconds);
        page.painted(
            &format!(
                "A drill would cut the members of {namespace}/{name} in {zone} off for {lasts}"
            ),
            Color::Bold,
        );
        for member in &it.members {
            page.line(&format!("  {}", words(member)));
        }
        page.blank();
        page.paragraph(
            0,
            "A NetworkPolicy would forbid all connections of these pods, where your network plugin enforces \
             policies, also for connections that stand; whether it does is looked at, and told. Their processes \
             run on, and the drill deletes nothing of yours. The policy goes at the end, on Ctrl-C, and half a \
             minute late where this program is killed.",
        );
        page.blank();
        page.paragraph(0, &self.consequences());
        self.draw_verdict(page);
        let again = format!("kubectl zoneward drill {name} {zone} -n {namespace}");
        page.blank();
        if it.is_allowed(self.is_overruled) {
            if !it.objections.is_empty() {
                self.draw_objections(page, "Against it speaks:");
                page.blank();
            }
            page.line("Nothing was done. To do it:");
            let overrule = if it.objections.is_empty() {
                ""
            } else {
                " --even-if-it-hurts"
            };
            let lasts = it.lasts_seconds;
            page.verbatim(2, &format!("{again} --duration {lasts}s --run{overrule}"));
        } else {
            self.draw_objections(page, "It would not be done:");
        }
    }

    /// What clients and members would come to feel.
    fn consequences(&self) -> String {
        let it = &self.proposal;
        let leaders = it.members.iter().filter(|it| it.leads()).count();
        let leaders = u32::try_from(leaders).unwrap_or(u32::MAX);
        let mut text = if leaders == 0 {
            "No shard is led from there.".to_owned()
        } else {
            let led = count(leaders, "shard");
            format!(
                "{led} would be led by others after a failover: clients of these wait until then, and what their \
                 leaders took in the last moment and had not copied yet is lost, as when a zone is really lost."
            )
        };
        if let Some(after) = it.rehome_after_seconds {
            let what = "others are built elsewhere, which copy the data";
            let when = if after < it.lasts_seconds {
                format!(" After {after}s of silence {what}.")
            } else {
                format!(" It ends before {what}, which is after {after}s of silence.")
            };
            text.push_str(&when);
        }
        text
    }

    fn draw_verdict(&self, page: &mut Page) {
        let zone = &self.proposal.zone;
        let (text, color) = match &self.proposal.loss {
            Some(Loss::Survived) => ("would be survived now", Color::Green),
            Some(Loss::Hurts { .. }) => ("would not be survived now", Color::Red),
            Some(Loss::Happened) => ("has happened", Color::Red),
            Some(Loss::Unknown) | None => ("is not judged by anybody", Color::Yellow),
        };
        page.blank();
        page.painted(&format!("The loss of {zone} {text}."), color);
    }

    fn draw_objections(&self, page: &mut Page, head: &str) {
        page.painted(head, Color::Yellow);
        for it in &self.proposal.objections {
            page.paragraph(2, &it.why);
        }
        if !self.is_overruled && self.proposal.is_allowed(true) {
            page.paragraph(
                0,
                "Who wants to see what comes of that, and can do without what may be lost: --even-if-it-hurts",
            );
        }
    }

    fn draw_report(&self, report: &Report, page: &mut Page) {
        let Proposal {
            namespace,
            name,
            zone,
            ..
        } = &self.proposal;
        let of = format!("{namespace}/{name}");
        let (text, color) = match &report.end {
            End::Over if report.was_served_at_end => (
                format!("{of} was without {zone} and served all slots at the end."),
                Color::Green,
            ),
            End::Over => (
                format!("{of} was without {zone} and did not serve all slots at the end."),
                Color::Red,
            ),
            End::Stopped { signal } => (format!("The drill was ended by {signal}."), Color::Yellow),
            End::NotCut { heard } => (not_cut(zone, heard), Color::Red),
            End::Alarmed { why } => (format!("The drill was ended at once: {why}."), Color::Red),
            End::TakenAway => (
                "The drill was ended by somebody else, who took its NetworkPolicy away.".to_owned(),
                Color::Yellow,
            ),
            End::Blind { why } => (
                format!("The drill was ended, as it could not be watched: {why}"),
                Color::Red,
            ),
        };
        page.paragraph_in(0, &text, color);
        let restored = lasting(report.restored_seconds);
        page.paragraph(
            0,
            &format!("{zone} was let through again after {restored}."),
        );
        if let Some(seconds) = report.home_seconds {
            let after = lasting(seconds.saturating_sub(report.restored_seconds));
            page.paragraph(0, &format!("All was as before {after} later."));
        } else {
            let text = "It was not seen that all is as before. See:";
            page.paragraph_in(0, text, Color::Yellow);
            let command = format!("kubectl zoneward explain {name} -n {namespace}");
            page.verbatim(2, &command);
        }
    }
}

impl Cut {
    fn leads(&self) -> bool {
        self.role == Some(crate::model::Role::Leader)
    }
}

fn words(member: &Cut) -> String {
    let does = match member.role {
        Some(crate::model::Role::Leader) => "leads",
        Some(crate::model::Role::Follower) => "follows in",
        None => "is to join",
    };
    format!("{} {does} shard {}", member.pod, member.shard)
}

fn not_cut(zone: &str, heard: &[String]) -> String {
    let who = if heard.is_empty() {
        "nobody was seen silent".to_owned()
    } else {
        format!("{} went on to answer", heard.join(", "))
    };
    format!(
        "{zone} was not cut off: {who}. Your network plugin does not enforce NetworkPolicies, or not for \
         connections that stand. This says nothing about the loss of {zone}."
    )
}

#[cfg(test)]
mod tests;
