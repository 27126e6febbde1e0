//! The sheet as a page: one file, without scripts. Pure, and every value is escaped.

use maud::{DOCTYPE, PreEscaped, html};

use super::sheet::Sheet;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid #8886;\
    vertical-align:top}.met{color:#18794e}.missed{color:#c62a2f;font-weight:600}\
    @media(prefers-color-scheme:dark){body{background:#111;color:#eee}.met{color:#4cc38a}.missed{color:#ff8589}}";
const HEAD: [&str; 7] = [
    "what",
    "ours",
    "beside it",
    "ratio",
    "aim",
    "writes lost",
    "runs",
];

/// The page.
pub(super) fn page(sheet: &Sheet) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Zoneward: measurements" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { "Zoneward: measurements" }
                    p {
                        "Real servers on loopback, on " (sheet.processors) " processors, " (sheet.date) ". Both sides of a "
                        "line were measured one after the other in one run. Medians, with the least and the most of several "
                        "runs. ✓ met its aim, ✗ missed it: limits are judged by the worst run, ratios by the medians."
                    }
                    table {
                        thead { tr { @for name in HEAD { th scope="col" { (name) } } } }
                        tbody {
                            @for line in &sheet.lines {
                                tr {
                                    @for (place, cell) in line.cells().into_iter().enumerate() {
                                        td class=[line.is_met.filter(|_| place == 1).map(mark)] { (cell) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    markup.into_string() + "\n"
}

fn mark(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::super::sheet::Line;
    use super::*;

    #[test]
    fn values_are_escaped_and_what_missed_its_aim_is_marked() {
        let sheet = Sheet {
            lines: vec![Line {
                what: "a < b".to_owned(),
                ours: "2 s".to_owned(),
                other: String::new(),
                lost: String::new(),
                ratio: None,
                aim: "1 s".to_owned(),
                is_met: Some(false),
                runs: 1,
            }],
            ..Sheet::default()
        };
        let text = page(&sheet);
        assert!(
            text.contains("a &lt; b") && text.contains(r#"class="missed">✗ 2 s"#),
            "{text}"
        );
    }
}
