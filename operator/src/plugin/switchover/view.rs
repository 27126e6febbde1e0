//! What came of a wish, for people and for programs. Pure.

use serde::Serialize;
use terminal::Color;

use super::super::page::Page;
use super::super::{Answer, To};
use super::lasting;

/// The wish and what came of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) pod: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<u32>,
    /// Others of the shard that were to lead it, and need not any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) taken_back: Vec<String>,
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
    /// It leads, after so long.
    Leads { seconds: u64 },
    /// It led before it was asked to now.
    LedAlready {
        /// Whether a wish stands from before.
        is_asked: bool,
    },
    /// It was asked, and not waited for.
    Asked,
    /// It was waited for long enough.
    LeadsNotYet {
        seconds: u64,
        waits_for: Vec<String>,
    },
    /// Its pod was taken away meanwhile.
    Gone,
    /// It was not asked.
    Refused { why: String },
    /// It need not lead any more.
    Released,
    /// Nothing was to be taken back.
    WasNotAsked,
}

impl View {
    /// The answer; good where it is as was asked.
    pub(super) fn answer(&self, to: To) -> anyhow::Result<Answer> {
        let is_bad = matches!(
            self.outcome,
            Outcome::LeadsNotYet { .. } | Outcome::Gone | Outcome::Refused { .. }
        );
        to.answer(self, !is_bad, Self::draw)
    }

    pub(super) fn draw(&self, page: &mut Page) {
        let pod = &self.pod;
        let of = format!("{}/{}", self.namespace, self.name);
        let of = match self.shard {
            Some(shard) => format!("shard {shard} of {of}"),
            None => of,
        };
        let (text, color) = match &self.outcome {
            Outcome::Leads { seconds } => (
                format!("{pod} leads {of}, after {}.", lasting(*seconds)),
                Color::Green,
            ),
            Outcome::LedAlready { .. } => (format!("{pod} leads {of} already."), Color::Green),
            Outcome::Asked => (format!("{pod} is to lead {of}."), Color::Green),
            Outcome::LeadsNotYet { seconds, .. } => (
                format!("{pod} does not lead {of} after {}.", lasting(*seconds)),
                Color::Yellow,
            ),
            Outcome::Gone => (
                format!("{pod} is no member of {of} any more, and the wish went with it."),
                Color::Yellow,
            ),
            Outcome::Refused { why } => (
                format!("{pod} is not asked to lead {of}: {why}"),
                Color::Yellow,
            ),
            Outcome::Released => (format!("{pod} need not lead {of} any more."), Color::Green),
            Outcome::WasNotAsked => (format!("Nobody asked that {pod} leads {of}."), Color::Green),
        };
        page.paragraph_in(0, &text, color);
        for other in &self.taken_back {
            page.paragraph(0, &format!("The wish that {other} leads was taken back."));
        }
        self.draw_rest(page);
    }

    fn draw_rest(&self, page: &mut Page) {
        match &self.outcome {
            Outcome::Leads { .. } | Outcome::LedAlready { is_asked: true } => page.paragraph(
                0,
                "It keeps the lead whenever it can, for as long as this pod is there. To take that back:",
            ),
            Outcome::Asked => {
                page.paragraph(
                    0,
                    "The operator has it take over as soon as nothing can be lost by that. What it waits for:",
                );
                let (name, namespace) = (&self.name, &self.namespace);
                page.verbatim(2, &format!("kubectl zoneward explain {name} -n {namespace}"));
                page.paragraph(0, "To take it back:");
            }
            Outcome::LeadsNotYet { waits_for, .. } => {
                for wait in waits_for {
                    page.paragraph(2, wait);
                }
                page.paragraph(0, "The wish stands, and it leads once it can. To take it back:");
            }
            Outcome::LedAlready { is_asked: false } => {
                return page.paragraph(0, "Nothing was asked of it.");
            }
            Outcome::Released => {
                return page.paragraph(0, "Leadership goes where leaders are even over the zones.");
            }
            Outcome::Gone | Outcome::Refused { .. } | Outcome::WasNotAsked => return,
        }
        let (pod, namespace) = (&self.pod, &self.namespace);
        let command = format!("kubectl zoneward switchover {pod} -n {namespace} --release");
        page.verbatim(2, &command);
    }
}
