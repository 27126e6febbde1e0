//! The part of the page that explains: columns, aims, places, the signs of the timelines. Pure, and every value
//! is escaped.

use maud::{Markup, html};

use super::Judged;
use super::aims::{Aim, HEALINGS, Healing, PAUSES, Pause};
use super::words;

/// What each column means.
pub(super) fn columns() -> Markup {
    let told = [
        (
            "outage",
            "The longest time between two acknowledged writes of a shard, seen by the writer from beside the \
            members. It writes every 10 ms and waits up to 300 ms for a reply, so an outage may be told up to 0.4 s \
            too long, never too short. Of the shards' outages the median and the worst.",
        ),
        (
            "attempted",
            "How often a write was sent: also those that were sent on to another member, refused, or \
            not answered. The writer tries again until each is acknowledged.",
        ),
        ("acknowledged", "Writes that a leader said it has."),
        (
            "lost",
            "Acknowledged writes that no leader holds at the end. What nobody answered for within a minute is \
            unknown, and never counted as fine. In a few drills Redis itself cannot keep all: there it is allowed, \
            and the drill says why.",
        ),
        (
            "normal client",
            "Beside the writers works a cluster client of an ordinary library, four callers with 200 reads and writes a \
            second, which looks for leaders and tries again (after 20 to 200 ms, 16 times, for 30 s at most) by itself. How long its \
            slowest operation took, and how many came back to the caller as an error.",
        ),
        (
            "served",
            "Until all slots, the parts of the key space, have a leader that can be reached.",
        ),
        (
            "redundant",
            "Until each leader has a follower in another zone as well, with a whole copy.",
        ),
        (
            "zone-safe",
            "Until the loss of any one zone would be survived as well.",
        ),
        (
            "balanced",
            "Until also leaders are even over the zones, nothing is missing, and nothing left over.",
        ),
    ];
    html! {
        section {
            h2 { "What the columns mean" }
            dl .columns {
                @for (name, text) in told { dt { (name) } dd { (text) } }
            }
            p {
                "The times are what the operator's status said, looked at five times a second, and never what it "
                "said of members that a drill had taken away. Each counts from the beginning of what was done last "
                "before it: from the loss of a zone until redundant, from its return until balanced. The longest is "
                "shown; each drill has all of them. " em { "held" } ": it never ceased to be so. " em { "not reached" }
                ": not when the drill ended. –: not measured."
            }
        }
    }
}

/// What is aimed at, and in which drills.
pub(super) fn aims() -> Markup {
    html! {
        section {
            h2 { "What is aimed at" }
            div .wide {
                table {
                    thead {
                        tr {
                            th scope="col" { "when" } th scope="col" { "worst outage of a shard" }
                            th scope="col" { "drills" }
                        }
                    }
                    tbody { @for aim in PAUSES { (aim_row(aim)) } }
                }
            }
            div .wide {
                table {
                    thead {
                        tr {
                            th scope="col" { "what" } th scope="col" { "how soon" } th scope="col" { "drills" }
                        }
                    }
                    tbody { @for aim in HEALINGS { (healing_row(aim)) } }
                }
            }
            p {
                "In all drills: no acknowledged write is lost, and where Redis allows that, none that a follower had "
                "by the word of WAIT (every other one is asked for); each is read back at the end, and all that the drill "
                "waits for is reached in time. The aims are those of the project's design and README. What they say of "
                "speed beside other ways (a bus alone, redis-cli), of clients' latency while slots move, and of the "
                "operator's own use of the machine is not measured here: " code { "e2e/local" } " has its commands."
            }
        }
    }
}

fn aim_row(aim: &Aim) -> Markup {
    let is_promised = !matches!(aim.pause, Pause::Any(_));
    html! {
        tr {
            td { (aim.when) }
            td .strong[is_promised] { (aim.pause.text()) }
            td { (aim.drills.join(", ")) }
        }
    }
}

fn healing_row(aim: &Healing) -> Markup {
    html! {
        tr {
            td { (words::level(aim.level)) " after " (aim.when) }
            td .strong { "at most " (aim.seconds) " s" }
            td { (aim.drills.join(", ")) }
        }
    }
}

/// Where the drills were played: each place once, with its drills where there are several.
pub(super) fn settings(drills: &[Judged]) -> Markup {
    let mut places = Vec::new();
    for drill in drills {
        let Some(setting) = &drill.outcome.setting else {
            continue;
        };
        if !places.contains(&setting) {
            places.push(setting);
        }
    }
    let at = |place| {
        let here = drills
            .iter()
            .filter(|it| it.outcome.setting.as_ref() == Some(place));
        let names: Vec<&str> = here.map(|it| it.outcome.drill.as_str()).collect();
        names.join(", ")
    };
    html! {
        section {
            h2 { "Where they were played" }
            @if places.is_empty() { p { "It was not kept where." } }
            @for place in &places {
                @if places.len() > 1 { h3 { (at(*place)) } }
                dl .facts { @for (name, value) in place.facts() { dt { (name) } dd { (value) } } }
            }
            p .note {
                "The machine bears the whole Kubernetes, the writers, and whatever else it does: each drill says how "
                "busy it was. Which Redis or Valkey ran stands with each drill."
            }
        }
    }
}

/// What stands for what in a timeline.
pub(super) fn legend() -> Markup {
    let signs = [
        ("fault", "a fault, from its beginning to its end"),
        ("takes", "a shard takes writes"),
        (
            "gap",
            "it does not, for 100 ms or more; at the right its longest outage",
        ),
        ("holds", "it held, by the status"),
        ("said", "the status said something new"),
        (
            "worse",
            "the operator tells of a change for the worse; of pods: one is ended",
        ),
        (
            "better",
            "the operator tells of a change for the better; of pods: one is made",
        ),
    ];
    html! {
        section {
            h2 { "How to read a timeline" }
            p {
                "Time goes from left to right. Solid lines are what was done, dashed lines what was reached. Each "
                "sign tells what it is when the pointer rests on it; all of it stands in words below the picture."
            }
            ul .legend {
                @for (class, text) in signs { li { (sign(class)) " " (text) } }
            }
            p .note {
                "What the operator and the pods did is taken from Kubernetes' events. Those of pods' ends have whole seconds: "
                "such a sign may stand up to 1 s too early. Of an event that was told several times Kubernetes keeps the "
                "first and the last. On the local testbed it is what the loop itself noted, to the millisecond."
            }
        }
    }
}

fn sign(class: &str) -> Markup {
    html! {
        svg .sign width="22" height="14" viewBox="0 0 22 14" aria-hidden="true" {
            @match class {
                "said" => circle .said cx="11" cy="7" r="4.5" {},
                "worse" => polygon .worse points="6,2 16,2 11,12" {},
                "better" => polygon .better points="6,12 16,12 11,2" {},
                other => rect .(other) width="22" height="13" {},
            }
        }
    }
}
