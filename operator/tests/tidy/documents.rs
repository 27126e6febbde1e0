//! The documents tell what is: each reason has its entry, each field its row, each link its end,
//! each command its program.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::tree::{File, Tree};

const RUNBOOK: &str = "docs/operations.md";
const REFERENCE: &str = "docs/api.md";
const WAITING: &str = "operator/src/plan/waiting.rs";
const REASONS: &str = "operator/src/status/reasons.rs";
const REJECTIONS: &str = "operator/src/plan/validate.rs";
const SPEC: &str = "operator/src/api/spec.rs";

/// Every word that can stand as a reason in status, with the place that defines it.
fn reasons(tree: &Tree) -> BTreeMap<String, (&'static str, usize)> {
    let mut found = BTreeMap::new();
    let waiting = tree.file(WAITING).unwrap();
    let variants = waiting
        .code_lines()
        .skip_while(|(_, line)| !line.contains("enum WaitingReason"))
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('}'));
    for (line, text) in variants {
        let name = text.trim().trim_end_matches(',');
        if is_reason(name) {
            found.insert(name.to_owned(), (WAITING, line));
        }
    }
    for (path, mark) in [(REASONS, ": &str = \""), (REJECTIONS, "reason: \"")] {
        for (line, text) in tree.file(path).unwrap().lines() {
            let word = text
                .split_once(mark)
                .and_then(|(_, rest)| rest.split('"').next());
            if let Some(word) = word.filter(|word| is_reason(word)) {
                found.insert(word.to_owned(), (path, line));
            }
        }
    }
    assert!(found.len() > 20, "the reasons were not found: {found:?}");
    found
}

/// One word in PascalCase.
fn is_reason(text: &str) -> bool {
    text.starts_with(|c: char| c.is_uppercase()) && text.chars().all(char::is_alphanumeric)
}

/// Headings of the third level, with their lines.
fn entries(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.lines()
        .filter_map(|(line, text)| Some((line, text.strip_prefix("### ")?.trim())))
}

/// Whoever reads a reason in status finds what to do about it.
pub(super) fn every_reason_has_a_runbook_entry(tree: &Tree) -> Vec<Finding> {
    let known: BTreeSet<&str> = tree
        .file(RUNBOOK)
        .into_iter()
        .flat_map(|runbook| entries(runbook).map(|(_, heading)| heading))
        .collect();
    reasons(tree)
        .into_iter()
        .filter(|(reason, _)| !known.contains(reason.as_str()))
        .map(|(reason, (file, line))| Finding {
            rule: "runbook",
            file: file.to_owned(),
            line,
            what: format!("reason {reason} has no entry in {RUNBOOK}"),
            cure: format!(
                "add `### {reason}` there: what it means, what the operator does, what you can do"
            ),
        })
        .collect()
}

/// And finds nothing there that is no more.
pub(super) fn every_runbook_entry_has_a_reason(tree: &Tree) -> Vec<Finding> {
    let known = reasons(tree);
    tree.file(RUNBOOK)
        .into_iter()
        .flat_map(entries)
        .filter(|(_, heading)| is_reason(heading) && !known.contains_key(*heading))
        .map(|(line, heading)| Finding {
            rule: "runbook",
            file: RUNBOOK.to_owned(),
            line,
            what: format!("nothing gives the reason {heading} any more"),
            cure: "take the entry out".to_owned(),
        })
        .collect()
}

/// Every field of the spec has its row in the reference: `camelCase` in back-ticks.
pub(super) fn every_field_is_described(tree: &Tree) -> Vec<Finding> {
    let text = tree.file(REFERENCE).map_or("", |file| file.text.as_str());
    let mut findings = Vec::new();
    for (line, code) in tree.file(SPEC).unwrap().code_lines() {
        let Some((name, _)) = code
            .trim()
            .strip_prefix("pub ")
            .and_then(|rest| rest.split_once(':'))
        else {
            continue;
        };
        let field = camel_case(name);
        let is_named = [".", "`"]
            .iter()
            .any(|before| text.contains(&format!("{before}{field}`")));
        if !is_named {
            findings.push(Finding {
                rule: "reference",
                file: SPEC.to_owned(),
                line,
                what: format!("field {field} is not in {REFERENCE}"),
                cure: "add its row: what it means, its default, an example".to_owned(),
            });
        }
    }
    findings
}

fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |camel, part| {
        let (head, tail) = part.split_at(1);
        camel + &head.to_uppercase() + tail
    })
}

/// Relative links lead to a file that is there, and to a heading in it.
pub(super) fn links_lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_markdown()) {
        for (line, link) in links(file) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                file.path.clone()
            } else {
                resolve(&file.path, path)
            };
            let there = tree.root.join(&target).exists();
            let has_heading = anchor.is_empty()
                || tree
                    .file(&target)
                    .is_none_or(|f| headings(f).any(|heading| slug(heading) == anchor));
            if !there || !has_heading {
                findings.push(Finding {
                    rule: "links",
                    file: file.path.clone(),
                    line,
                    what: format!("({link})"),
                    cure: if there {
                        format!("{target} has no heading #{anchor}: correct the link")
                    } else {
                        format!("{target} does not exist: correct the link")
                    },
                });
            }
        }
    }
    findings
}

/// Relative targets of `[…](…)`, `<img src="…">` and `<source srcset="…">` outside of code.
fn links(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (line, text) in prose_lines(file) {
        for (mark, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            for (at, _) in text.match_indices(mark) {
                let rest = &text[at + mark.len()..];
                let link = rest.split(end).next().unwrap_or_default();
                let is_relative = !link.contains("://") && !link.starts_with("mailto:");
                if is_relative && !link.is_empty() {
                    found.push((line, link.to_owned()));
                }
            }
        }
    }
    found
}

fn headings(file: &File) -> impl Iterator<Item = &str> {
    prose_lines(file)
        .filter(|(_, text)| text.starts_with('#'))
        .map(|(_, text)| text.trim_start_matches('#').trim())
}

/// Lines outside of fenced code.
fn prose_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    file.lines().filter(move |(_, text)| {
        let is_fence = text.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// A heading's anchor, as code hosts make it.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
            _ => None,
        })
        .collect()
}

fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Commands that readers copy: `make TARGET`, `cargo test --test NAME`, and our own scripts by
/// their path.
pub(super) fn commands_exist(tree: &Tree) -> Vec<Finding> {
    let makefile = tree.file("Makefile").unwrap();
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter_map(|(_, line)| line.split_once(':').map(|(name, _)| name))
        .filter(|name| !name.contains([' ', '\t', '.']))
        .collect();
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.is_markdown()) {
        for (line, command) in commands(file) {
            let mut words = command.split_whitespace().skip_while(|w| w.contains('='));
            let program = words.next().unwrap_or_default();
            let problem = if program == "make" {
                words
                    .filter(|word| !word.contains('=') && !word.starts_with('-'))
                    .find(|target| !targets.contains(*target))
                    .map(|target| format!("the Makefile has no target {target}"))
            } else if program.starts_with("e2e/") || program.starts_with("charts/") {
                (!tree.root.join(program).exists()).then(|| format!("{program} does not exist"))
            } else if program == "cargo" {
                test_named_in(&command)
                    .filter(|test| {
                        ["operator", "placement", "e2e", "e2e/local"]
                            .iter()
                            .all(|part| tree.file(&format!("{part}/tests/{test}.rs")).is_none())
                    })
                    .map(|test| format!("no crate has a test {test}"))
            } else {
                None
            };
            findings.extend(problem.map(|problem| Finding {
                rule: "commands",
                file: file.path.clone(),
                line,
                what: format!("`{command}`"),
                cure: format!("{problem}: correct the command, or make it true"),
            }));
        }
    }
    findings
}

/// What stands behind `--test`.
fn test_named_in(command: &str) -> Option<&str> {
    let mut words = command.split_whitespace();
    words.find(|word| *word == "--test")?;
    words.next()
}

/// Lines of fenced shell code, and what stands in back-ticks.
fn commands(file: &File) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (line, text) in file.lines() {
        if text.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            let command = text.split(" #").next().unwrap_or_default();
            found.push((line, command.trim().to_owned()));
        } else {
            let quoted = text.split('`').skip(1).step_by(2);
            found.extend(quoted.map(|command| (line, command.to_owned())));
        }
    }
    found
}

/// The custom resource in the chart is the generated one, byte for byte.
pub(super) fn the_chart_has_the_generated_resource(tree: &Tree) -> Vec<Finding> {
    const CHART: &str = "charts/zoneward-crds/files/";
    const GENERATED: &str = "crds/";
    let copies = tree.files.iter().filter_map(|file| {
        let name = file
            .path
            .strip_prefix(CHART)
            .or_else(|| file.path.strip_prefix(GENERATED))?;
        Some(name.to_owned())
    });
    let names: BTreeSet<String> = copies.collect();
    names
        .into_iter()
        .filter(|name| {
            let text = |folder| tree.file(&format!("{folder}{name}")).map(|f| &f.text);
            text(GENERATED) != text(CHART)
        })
        .map(|name| Finding {
            rule: "crd copy",
            file: format!("{CHART}{name}"),
            line: 0,
            what: format!("is not the same as {GENERATED}{name}"),
            cure: "make crds".to_owned(),
        })
        .collect()
}

#[test]
fn anchors_are_made_as_code_hosts_make_them() {
    assert_eq!(slug("What it does not do (yet)"), "what-it-does-not-do-yet");
    assert_eq!(resolve("docs/adr/0001-x.md", "../api.md"), "docs/api.md");
    assert_eq!(camel_case("followers_per_leader"), "followersPerLeader");
}
