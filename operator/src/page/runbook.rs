//! The runbook, as it was when this operator was built: who looks at the page in an outage has it at
//! hand, and the entries are those of the reasons that this version gives.

use maud::{Markup, PreEscaped, html};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::render::{self, Part};

/// Ours, and compiled in: nothing in it comes from outside.
const TEXT: &str = include_str!("../../../docs/operations.md");

/// The whole page.
pub(super) fn page() -> Markup {
    let mut text = String::new();
    pulldown_cmark::html::push_html(&mut text, events(TEXT));
    let markup = html! { article #runbook { (PreEscaped(text)) } };
    let content = [Part {
        id: "runbook",
        markup,
    }];
    render::page("Runbook", "prose", None, &content)
}

/// The document, its headings with anchors, and links to other documents as plain words: those are
/// not served here.
fn events(text: &str) -> impl Iterator<Item = Event<'_>> {
    let mut events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut heading = None;
    for at in 0..events.len() {
        match events.get(at) {
            Some(Event::Start(Tag::Heading { .. })) => heading = Some((at, String::new())),
            Some(Event::Text(words) | Event::Code(words)) => {
                if let Some((_, title)) = &mut heading {
                    title.push_str(words);
                }
            }
            Some(Event::End(TagEnd::Heading(_))) => {
                if let Some((start, title)) = heading.take()
                    && let Some(Event::Start(Tag::Heading { id, .. })) = events.get_mut(start)
                {
                    *id = Some(CowStr::from(anchor(&title)));
                }
            }
            _ => {}
        }
    }
    let mut is_elsewhere = false;
    events.into_iter().filter(move |event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => {
            is_elsewhere = leads_elsewhere(dest_url);
            !is_elsewhere
        }
        Event::End(TagEnd::Link) => !std::mem::take(&mut is_elsewhere),
        _ => true,
    })
}

fn leads_elsewhere(target: &str) -> bool {
    !target.starts_with('#') && !target.contains("://")
}

/// As code hosts make them, and as the runbook links to itself.
fn anchor(title: &str) -> String {
    let letters = title.to_lowercase();
    let kept = letters.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        _ => (letter.is_alphanumeric() || "-_".contains(letter)).then_some(letter),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::WaitingReason;

    #[test]
    fn every_reason_leads_to_its_entry() {
        let page = page().into_string();
        for reason in [WaitingReason::NoRoom.to_string(), "ZoneSilent".to_owned()] {
            let anchor = format!("<h3 id=\"{}\">{reason}</h3>", reason.to_lowercase());
            assert!(page.contains(&anchor), "{anchor}");
        }
    }

    #[test]
    fn no_link_leads_to_what_is_not_served() {
        let page = page().into_string();
        assert!(page.contains("href=\"#membersmissing\""));
        assert!(
            !page.contains("href=\"concepts.md"),
            "a link to another document"
        );
        assert!(!page.contains(".md\"") && !page.contains(".md#"));
    }
}
