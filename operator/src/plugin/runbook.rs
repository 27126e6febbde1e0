//! The entries of docs/operations.md, as they were when this was built: what a reason means and what to do.
//! One text for both, so that neither grows old alone.

use super::page::Page;
use crate::model::ClusterKey;

/// Where the text is, for who wants to read on.
const FILE: &str = "docs/operations.md";
const TEXT: &str = include_str!("../../../docs/operations.md");
/// The RedisCluster in the text's commands.
const EXAMPLE: &str = "example";

/// The entry about no operator, which is no reason in a status.
pub(super) const NO_OPERATOR: &str = "No active operator";

/// The entry of a reason: its place, and its lines.
pub(super) fn entry(reason: &str) -> Option<Entry> {
    let heading = format!("### {reason}");
    let mut lines = TEXT.lines().skip_while(|line| *line != heading.as_str());
    lines.next()?;
    let body = lines.take_while(|line| !line.starts_with("##"));
    let anchor = reason.to_lowercase().replace(' ', "-");
    Some(Entry {
        place: format!("{FILE}#{anchor}"),
        body: body.collect(),
    })
}

/// What the runbook says.
pub(super) struct Entry {
    /// Where.
    pub(super) place: String,
    body: Vec<&'static str>,
}

impl Entry {
    /// Puts it on the page, the commands with this RedisCluster's name and namespace in them.
    pub(super) fn draw(&self, indent: usize, key: &ClusterKey, page: &mut Page) {
        let mut is_code = false;
        let mut prose = String::new();
        for line in &self.body {
            let is_fence = line.starts_with("```");
            if is_fence || line.is_empty() || is_item(line) {
                page.paragraph(indent, &without_links(&prose));
                prose.clear();
            }
            if is_fence {
                is_code = !is_code;
            } else if is_code {
                page.verbatim(indent + 2, &meant_for(line, key));
            } else {
                prose.push_str(line);
                prose.push(' ');
            }
        }
        page.paragraph(indent, &without_links(&prose));
    }

    /// The same as one text, for programs.
    pub(super) fn text(&self) -> String {
        self.body.join("\n").trim().to_owned()
    }
}

fn is_item(line: &str) -> bool {
    line.starts_with("- ")
}

/// `[text](target)` as text.
fn without_links(prose: &str) -> String {
    let mut out = String::new();
    let mut rest = prose;
    while let Some((before, linked)) = rest.split_once('[') {
        let link = linked
            .split_once("](")
            .and_then(|(text, after)| Some((text, after.split_once(')')?.1)))
            .filter(|(text, _)| !text.contains(['[', ']']));
        out.push_str(before);
        if let Some((text, after)) = link {
            out.push_str(text);
            rest = after;
        } else {
            out.push('[');
            rest = linked;
        }
    }
    out + rest
}

/// The command as it is to be given for this RedisCluster. One of the same name may be where the context is.
fn meant_for(command: &str, key: &ClusterKey) -> String {
    let ClusterKey { namespace, name } = key;
    let command = named(command, name).replace(" -n default", &format!(" -n {namespace}"));
    if command.contains(" -n ") {
        return command;
    }
    command.replace("kubectl ", &format!("kubectl -n {namespace} "))
}

/// The command with our name in it. A name only ever follows a blank, a slash or an equals sign, or begins
/// another one that goes on with a hyphen.
fn named(command: &str, name: &str) -> String {
    let mut out = String::new();
    let mut rest = command;
    while let Some((before, after)) = rest.split_once(EXAMPLE) {
        out.push_str(before);
        let begins = out.ends_with([' ', '/', '=']) || out.is_empty();
        let ends = after.is_empty() || after.starts_with([' ', '-', ',']);
        out.push_str(if begins && ends { name } else { EXAMPLE });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::WaitingReason;
    use crate::plugin::testing::drawn;

    #[test]
    fn what_is_told_has_its_entry() {
        for reason in [
            WaitingReason::NoRoom.to_string(),
            WaitingReason::QuorumLost.to_string(),
            crate::status::reasons::LOSS_NOT_SURVIVED.to_owned(),
            NO_OPERATOR.to_owned(),
        ] {
            let entry = entry(&reason).unwrap();
            assert!(entry.text().len() > 40, "{reason}: {}", entry.text());
            assert!(!entry.text().contains("\n##"), "{reason}");
        }
        assert!(entry("NoSuchReason").is_none());
        assert_eq!(
            entry(NO_OPERATOR).unwrap().place,
            "docs/operations.md#no-active-operator"
        );
    }

    #[test]
    fn commands_have_the_name_of_the_cluster() {
        let table = [
            (
                "kubectl get rdc example -o yaml",
                "kubectl get rdc cache -o yaml",
            ),
            (
                "kubectl get secret example-auth",
                "kubectl get secret cache-auth",
            ),
            ("zoneward.io/cluster=example", "zoneward.io/cluster=cache"),
            ("rdc/example", "rdc/cache"),
            ("push registry.example.com/x", "push registry.example.com/x"),
            ("helm install examples", "helm install examples"),
        ];
        for (command, expected) in table {
            assert_eq!(named(command, "cache"), expected);
        }
    }

    fn key() -> ClusterKey {
        ClusterKey {
            namespace: "prod".to_owned(),
            name: "cache".to_owned(),
        }
    }

    #[test]
    fn commands_are_for_the_namespace_of_the_cluster() {
        let table = [
            ("kubectl logs POD", "kubectl -n prod logs POD"),
            (
                "kubectl annotate rdc example -n default x=y",
                "kubectl annotate rdc cache -n prod x=y",
            ),
            (
                "kubectl get secret example-auth | kubectl exec -i POD",
                "kubectl -n prod get secret cache-auth | kubectl -n prod exec -i POD",
            ),
            (
                "kubectl -n zoneward-system get pods",
                "kubectl -n zoneward-system get pods",
            ),
            ("helm upgrade x", "helm upgrade x"),
        ];
        for (command, expected) in table {
            assert_eq!(meant_for(command, &key()), expected);
        }
    }

    #[test]
    fn links_are_told_by_their_text() {
        let table = [
            ("see [volumes](storage.md).", "see volumes."),
            ("jsonpath [0] and [x](y)", "jsonpath [0] and x"),
            ("[open", "[open"),
        ];
        for (prose, expected) in table {
            assert_eq!(without_links(prose), expected);
        }
    }

    #[test]
    fn an_entry_is_drawn() {
        let entry = entry("MembersMissing").unwrap();
        insta::assert_snapshot!(drawn(|page| entry.draw(2, &key(), page)));
    }
}
