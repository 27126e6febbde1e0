//! Finds out where drills are played: the machine, and the versions of what runs on it. It only asks; what
//! does not answer stays empty, for no drill fails by that.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::measured::Setting;
use crate::bed::Bed;
use crate::objects::{Host, Key};
use crate::program;

/// What one question may take.
const LIMIT: Duration = Duration::from_secs(20);
/// The servers' own word for what they are.
const ASK_ENGINE: &str =
    r#"exec "$(command -v valkey-server || command -v redis-server)" --version"#;

/// Asks for all of it.
pub async fn setting(bed: &Bed) -> Setting {
    let hosts = bed.kubectl.hosts().await.unwrap_or_default();
    let node = ["inspect", "-f", "{{.Config.Image}}", &bed.near];
    let node = said(Command::new("docker").args(node)).await;
    let [kubernetes, system, runtime] = first_host(bed).await;
    let docker = ["version", "-f", "Docker {{.Server.Version}}"];
    let kind = said(bed.kubectl.environment("kind").arg("version")).await;
    Setting {
        machine: machine(),
        containers: said(Command::new("docker").args(docker)).await,
        kind: kind.trim_start_matches("kind ").to_owned(),
        node: joined(&[node, system, runtime]),
        hosts: layout(&hosts),
        kubernetes,
        commit: commit(&bed.root).await,
        operator: operator_images(bed).await,
        testbed: String::new(),
    }
}

/// Kubernetes, the distribution and what starts the containers of the first host; all have the same.
async fn first_host(bed: &Bed) -> [String; 3] {
    let of = |name| format!("jsonpath={{.items[0].status.nodeInfo.{name}}}");
    let ask = async |name| {
        let how = of(name);
        let said = bed.kubectl.text(&["get", "nodes", "-o", &how]).await;
        said.unwrap_or_default().trim().to_owned()
    };
    [
        ask("kubeletVersion").await,
        ask("osImage").await,
        ask("containerRuntimeVersion").await,
    ]
}

/// The images that the operator's pods run, each once.
async fn operator_images(bed: &Bed) -> String {
    let label = format!("{}={}", bed.operator_label.0, bed.operator_label.1);
    let words = ["-n", &bed.operator_namespace, "get", "pods", "-l", &label];
    let how = ["-o", "jsonpath={.items[*].spec.containers[*].image}"];
    let said = bed.kubectl.text(&[words.as_slice(), &how].concat()).await;
    let said = said.unwrap_or_default();
    let images: BTreeSet<&str> = said.split_whitespace().collect();
    images.into_iter().collect::<Vec<_>>().join(", ")
}

/// What a member of this `RedisCluster` runs.
pub(super) async fn engine(bed: &Bed, key: &Key) -> Option<String> {
    let pods = bed.kubectl.members(key).await.ok()?;
    let running = pods.iter().find(|pod| pod.status.phase == "Running")?;
    let pod = running.metadata.name.as_str();
    let words = ["-n", &key.namespace, "exec", pod, "-c", "redis", "--"];
    let how = ["sh", "-c", ASK_ENGINE];
    let said = bed.kubectl.text(&[words.as_slice(), &how].concat()).await;
    engine_of(&said.ok()?)
}

/// `Redis server v=8.0.2 sha=…` is Redis 8.0.2.
fn engine_of(said: &str) -> Option<String> {
    let version = said.split_whitespace().find_map(|it| it.strip_prefix("v="));
    let name = if said.contains("Valkey") {
        "Valkey"
    } else {
        "Redis"
    };
    version.map(|version| format!("{name} {version}"))
}

/// Programs that wanted to run, mean of the last minute.
pub fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Processors, memory and kernel.
pub fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    machine_of(
        cores,
        &read("/proc/cpuinfo"),
        &read("/proc/meminfo"),
        &read("/proc/sys/kernel/osrelease"),
    )
}

fn machine_of(cores: usize, processors: &str, memory: &str, kernel: &str) -> String {
    let value = |text: &str, name: &str| {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        line.map(|it| it.trim_start_matches([':', ' ', '\t']).trim().to_owned())
    };
    let memory = value(memory, "MemTotal").and_then(|it| {
        let kibibytes: u64 = it.split(' ').next()?.parse().ok()?;
        Some(format!("{} GiB of memory", (kibibytes + 524_288) >> 20))
    });
    let processor = value(processors, "model name").unwrap_or_else(|| "processor".to_owned());
    let kernel = match kernel.trim() {
        "" => String::new(),
        release => format!("Linux {release}"),
    };
    joined(&[
        format!("{cores} × {processor}"),
        memory.unwrap_or_default(),
        kernel,
    ])
}

fn layout(hosts: &[Host]) -> String {
    let zones: BTreeSet<&str> = hosts.iter().filter_map(Host::zone).collect();
    let workers = hosts.iter().filter(|host| host.zone().is_some()).count();
    if workers == 0 {
        return String::new();
    }
    format!("{workers} hosts in {} zones", zones.len())
}

/// The checkout's commit, and whether files differ from it.
pub async fn commit(root: &Path) -> String {
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(words);
        command
    };
    let commit = said(&mut git(&["rev-parse", "--short=12", "HEAD"])).await;
    let changes = said(&mut git(&["status", "--porcelain"])).await;
    if commit.is_empty() || changes.is_empty() {
        return commit;
    }
    format!("{commit}, and changes that are not committed")
}

async fn said(command: &mut Command) -> String {
    let text = program::text(command, "", LIMIT).await;
    text.map_or_else(|_| String::new(), |text| text.trim().to_owned())
}

fn joined(parts: &[String]) -> String {
    let told: Vec<&str> = parts.iter().map(String::as_str).collect();
    let told: Vec<&str> = told.into_iter().filter(|it| !it.is_empty()).collect();
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_what_they_are() {
        for (said, engine) in [
            (
                "Redis server v=8.0.2 sha=00000000:0 malloc=jemalloc bits=64",
                Some("Redis 8.0.2"),
            ),
            ("Valkey server v=9.0.0 sha=0", Some("Valkey 9.0.0")),
            ("sh: not found", None),
        ] {
            assert_eq!(engine_of(said).as_deref(), engine, "{said}");
        }
    }

    #[test]
    fn a_machine_is_told_by_what_is_known_of_it() {
        let processors = "processor\t: 0\nmodel name\t: Fast One\nprocessor\t: 1\n";
        let memory = "MemTotal:        8123456 kB\nMemFree: 1 kB\n";
        assert_eq!(
            machine_of(2, processors, memory, "6.1.0\n"),
            "2 × Fast One, 8 GiB of memory, Linux 6.1.0"
        );
        assert_eq!(machine_of(4, "", "", ""), "4 × processor");
    }
}
