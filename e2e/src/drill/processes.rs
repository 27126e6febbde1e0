//! Ends the server processes of pods from their hosts: no preStop hook, no goodbye but the kernel's.

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use super::deeds::docker;
use crate::objects::Pod;

/// Prints the server's process of the pod whose uid is its argument. Its control group is called after the pod; with
/// systemd's driver, dashes are underscores there.
const FIND: &str = r#"for process in /proc/[0-9]*; do
  grep -qs -e "pod$1" -e "pod$(echo "$1" | tr - _)" "$process/cgroup" || continue
  case $(cat "$process/comm") in redis-server | valkey-server) echo "${process#/proc/}" ;; esac
done"#;

/// SIGKILL for all of them, as nearly at once as can be: each is looked for before the first one ends.
pub(super) async fn kill(pods: impl IntoIterator<Item = &Pod>) -> Result<()> {
    let mut found = Vec::new();
    for pod in pods {
        let (name, uid) = (&pod.metadata.name, pod.metadata.uid.as_str());
        let host = pod.spec.node_name.clone();
        let host = host.with_context(|| format!("pod {name} is on no host"))?;
        let told = docker(&["exec", &host, "sh", "-c", FIND, "sh", uid]).await;
        let told = told.with_context(|| format!("find the process of pod {name}"))?;
        let process = told.trim().to_owned();
        ensure!(
            process.parse::<u32>().is_ok(),
            "pod {name} has one server process, and not: {process:?}"
        );
        found.push((host, process));
    }
    let mut killing = JoinSet::new();
    for (host, process) in found {
        killing.spawn(async move { docker(&["exec", &host, "kill", "-KILL", &process]).await });
    }
    while let Some(killed) = killing.join_next().await {
        killed.context("kill a process")??;
    }
    Ok(())
}
