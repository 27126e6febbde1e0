//! The local testbed as a place for drills: what each step is here, and proof that it has happened.

use anyhow::{Context, Result, bail, ensure};
use e2e::bed::Fault;
use e2e::drill::{Hands, Passwords, Place, Step};
use e2e::objects::{Lost, RedisCluster};
use serde_json::{Value, json};
use zoneward_operator::model::{HostName, MemberName};
use zoneward_operator::ports::ObjectApi;

use super::playable::{label, unplayable};
use super::proof;
use crate::testbed::Testbed;

/// One `RedisCluster` on the local testbed.
pub(super) struct Local {
    pub(super) testbed: Testbed,
    /// The image that the drill began with.
    image: &'static str,
    name: String,
    hands: Hands,
}

impl Place for Local {
    fn hands(&self) -> &Hands {
        &self.hands
    }

    async fn look(&self) -> Result<Vec<(&str, RedisCluster)>> {
        Ok(vec![(self.name.as_str(), seen(&self.testbed)?)])
    }

    async fn act(&mut self, step: Step) -> Result<String> {
        match step {
            Step::DeleteLeader => self.delete_leader().await,
            Step::CrashLeader => self.crash_leader().await,
            Step::CrashFollowers => self.crash_followers().await,
            Step::KillLeaders(count) => self.kill_leaders(count).await,
            Step::CrashOperator => self.crash_operator(),
            Step::ForgetPassword => {
                let name = self.testbed.forget_client_password()?;
                Ok(format!("Secret {name} is deleted"))
            }
            Step::ComparePasswords => self.hands.passwords.are_renewed(&passwords(&self.testbed)),
            Step::KillHost => self.kill_host().await,
            Step::StartHost => self.start_host(),
            Step::LoseZone(number, fault) => self.lose_zone(number, fault).await,
            Step::ReturnZone(number, fault) => self.return_zone(number, fault).await,
            Step::TaintZone(number) => self.taint(number, true),
            Step::UntaintZone(number) => self.taint(number, false),
            Step::Change(spec) => self.change(spec),
            Step::DrainZone(_) | Step::UncordonZone(_) | Step::CutPower | Step::RestorePower => {
                bail!("on kind only: {}", unplayable(step).unwrap_or_default())
            }
            Step::Stay(_) | Step::Until(_) => Ok(String::new()),
        }
    }
}

impl Local {
    /// Nothing is taken away yet.
    pub(super) fn new(testbed: Testbed, image: &'static str) -> Result<Self> {
        let zones = testbed.zones();
        // the operator is in no zone here
        let hands = Hands {
            passwords: passwords(&testbed),
            ..Hands::over(zones, &seen(&testbed)?, |_| 0)
        };
        Ok(Self {
            name: testbed.kubernetes.key().name.clone(),
            testbed,
            image,
            hands,
        })
    }

    /// It is asked to go, and hands over first.
    async fn delete_leader(&mut self) -> Result<String> {
        let pod = self.leader()?;
        self.delete(std::slice::from_ref(&pod), false).await?;
        self.hands.lost.pods.insert(pod.to_string());
        Ok(format!("pod {pod} is deleted"))
    }

    async fn crash_leader(&mut self) -> Result<String> {
        let pod = self.leader()?;
        self.delete(std::slice::from_ref(&pod), true).await?;
        self.hands.lost.pods.insert(pod.to_string());
        Ok(format!("pod {pod} is deleted"))
    }

    /// Of the first so many shards; the kubelets tell of it.
    async fn kill_leaders(&mut self, count: usize) -> Result<String> {
        let cluster = seen(&self.testbed)?;
        let leaders = cluster.status.shards.iter().filter_map(|it| it.leader());
        let pods: Vec<MemberName> = leaders
            .take(count)
            .map(|it| MemberName::new(it.pod.as_str()))
            .collect();
        ensure!(
            pods.len() == count,
            "{} shards of {count} are led",
            pods.len()
        );
        let processes = self.testbed.processes_of(&pods);
        self.testbed.kill(&pods);
        proof::have_ended(&processes).await?;
        let names: Vec<String> = pods.iter().map(ToString::to_string).collect();
        self.hands.lost.pods.extend(names.iter().cloned());
        Ok(format!("the processes of {} are killed", names.join(", ")))
    }

    async fn crash_followers(&mut self) -> Result<String> {
        let cluster = seen(&self.testbed)?;
        let followers = cluster.members().filter(|it| !it.leads());
        let pods: Vec<MemberName> = followers
            .map(|it| MemberName::new(it.pod.as_str()))
            .collect();
        ensure!(!pods.is_empty(), "there are no followers");
        self.delete(&pods, true).await?;
        let names = pods.iter().map(ToString::to_string);
        self.hands.lost.pods.extend(names);
        Ok(format!(
            "the pods of all {} followers are deleted",
            pods.len()
        ))
    }

    /// By force the objects go at once, and so do their processes.
    async fn delete(&self, pods: &[MemberName], by_force: bool) -> Result<()> {
        let kubernetes = &self.testbed.kubernetes;
        let processes = self.testbed.processes_of(pods);
        let there = kubernetes.pods();
        for name in pods {
            let pod = there.iter().find(|pod| &pod.name == name);
            let pod = pod.with_context(|| format!("delete pod {name}: it is not there"))?;
            kubernetes
                .delete_pod(kubernetes.key(), name, &pod.uid, by_force)
                .await?;
        }
        if by_force {
            proof::have_ended(&processes).await?;
        }
        Ok(())
    }

    fn crash_operator(&mut self) -> Result<String> {
        self.testbed.start_operator()?;
        Ok("the operator is ended in the middle of its work, and another one starts".to_owned())
    }

    async fn kill_host(&mut self) -> Result<String> {
        let leader = self.leader()?;
        let pods = self.testbed.kubernetes.pods();
        let of_leader = pods.iter().find(|pod| pod.name == leader);
        let host = of_leader.and_then(|pod| pod.host.clone());
        let host = host.with_context(|| format!("pod {leader} is on no host"))?;
        let there = pods.iter().filter(|pod| pod.host.as_ref() == Some(&host));
        let names = there.map(|pod| pod.name.to_string());
        self.hands.lost.pods.extend(names);
        self.hands.host = Some(host.to_string());
        self.kill(std::slice::from_ref(&host)).await?;
        Ok(format!("host {host} dies"))
    }

    fn start_host(&mut self) -> Result<String> {
        let host = self.hands.host.take().context("no host was killed")?;
        self.testbed.hear(&[HostName::new(host.as_str())])?;
        self.hands.lost.pods.clear();
        Ok(format!("host {host} is started"))
    }

    async fn lose_zone(&mut self, number: usize, fault: Fault) -> Result<String> {
        let zone = self.hands.zone(number)?;
        // before it is done: where that fails half way, it is lost all the same
        self.hands.lost.zones.insert(zone.clone());
        let hosts = self.testbed.hosts_of(&zone);
        match fault {
            Fault::Kill => self.kill(&hosts).await?,
            Fault::Pause => {
                let processes = self.members_on(&hosts)?;
                self.testbed.silence_hosts(&hosts)?;
                proof::stand_still(&processes).await?;
            }
            Fault::Cut => self.refuse(Step::LoseZone(number, fault))?,
        }
        Ok(format!("zone {zone}: {}", fault.texts().0))
    }

    async fn return_zone(&mut self, number: usize, fault: Fault) -> Result<String> {
        let zone = self.hands.zone(number)?;
        if fault == Fault::Cut {
            self.refuse(Step::ReturnZone(number, fault))?;
        }
        let hosts = self.testbed.hosts_of(&zone);
        let processes = self.testbed.processes_on(&hosts);
        self.testbed.hear(&hosts)?;
        proof::go_on(&processes).await?;
        self.hands.lost.zones.remove(&zone);
        Ok(format!("zone {zone}: {}", fault.texts().1))
    }

    fn refuse(&self, step: Step) -> Result<()> {
        bail!(
            "{}: on kind only: {}",
            self.name,
            unplayable(step).unwrap_or_default()
        )
    }

    fn taint(&self, number: usize, is_off: bool) -> Result<String> {
        let zone = self.hands.zone(number)?;
        self.testbed.set_out_of_service(&zone, is_off);
        Ok(if is_off {
            format!("zone {zone}: its hosts are said to be off for good")
        } else {
            format!("zone {zone}: its hosts are in service again")
        })
    }

    /// As `kubectl patch --type merge` does, with servers for images.
    fn change(&mut self, patch: &str) -> Result<String> {
        let patch = patch.replace("IMAGE", self.image);
        let patch: Value = serde_json::from_str(&patch).context("read the change of the spec")?;
        let mut object = self.testbed.kubernetes.object()?;
        let spec = object.get_mut("spec").context("find the spec")?;
        merge(spec, &in_labels(patch.clone()));
        let leaders = spec.get("leaders").and_then(Value::as_u64);
        if let Some(leaders) = leaders {
            self.testbed.settings.leaders = u32::try_from(leaders).context("count leaders")?;
        }
        self.testbed.kubernetes.edit(spec)?;
        Ok(format!("spec is changed: {patch}"))
    }

    async fn kill(&self, hosts: &[HostName]) -> Result<()> {
        let processes = self.members_on(hosts)?;
        self.testbed.kill_hosts(hosts)?;
        proof::have_ended(&processes).await
    }

    fn members_on(&self, hosts: &[HostName]) -> Result<Vec<String>> {
        let processes = self.testbed.processes_on(hosts);
        if processes.is_empty() {
            bail!("no member is on the hosts that are to be lost: it would prove nothing");
        }
        Ok(processes)
    }

    /// Whoever leads the first shard.
    fn leader(&self) -> Result<MemberName> {
        let cluster = seen(&self.testbed)?;
        let first = cluster.status.shards.first();
        let leader = first.and_then(|shard| shard.leader());
        let leader = leader.with_context(|| format!("nobody leads shard 0 of {}", self.name))?;
        Ok(MemberName::new(leader.pod.as_str()))
    }

    /// Gives everything back, whatever was taken.
    pub(super) async fn give_back(&mut self) -> Result<()> {
        self.testbed.end_silence()?;
        let zones = self.testbed.zones();
        let mut processes = Vec::new();
        for zone in &zones {
            self.testbed.set_out_of_service(zone, false);
            processes.extend(self.testbed.processes_on(&self.testbed.hosts_of(zone)));
        }
        self.hands.lost = Lost::default();
        self.hands.host = None;
        proof::go_on(&processes).await
    }
}

/// The `RedisCluster` as `e2e` reads it from an API server.
pub(super) fn seen(testbed: &Testbed) -> Result<RedisCluster> {
    read(testbed.kubernetes.object()?)
}

/// As the Secrets have them.
fn passwords(testbed: &Testbed) -> Passwords {
    let all = testbed.kubernetes.credentials();
    let named = [
        ("clients", all.client),
        ("operator", all.operator),
        ("replication", all.replication),
    ];
    let known = named.into_iter();
    Passwords::new(known.filter_map(|(user, it)| Some((user.to_owned(), it?.reveal().to_owned()))))
}

fn read(object: Value) -> Result<RedisCluster> {
    serde_json::from_value(object).context("read the RedisCluster")
}

/// The patch with the labels of servers where it names images.
fn in_labels(mut patch: Value) -> Value {
    if let Some(Value::String(image)) = patch.get_mut("image") {
        *image = label(image);
    }
    patch
}

/// A merge patch, as RFC 7386 has it.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        into.clone_from(patch);
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Value::Object(into) = into else { return };
    for (field, value) in patch {
        if value.is_null() {
            into.remove(field);
        } else {
            merge(into.entry(field).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use zoneward_operator::api;

    use super::*;

    /// The goals of drills are judged by what `e2e` reads.
    #[test]
    fn the_object_in_memory_is_read_as_that_of_an_api_server() {
        let member = |pod: &str, zone: &str, role: &str| json!({ "pod": pod, "zone": zone, "role": role, "state": "Alive", "inSync": true });
        let members = [
            member("cart-0-1", "a", "leader"),
            member("cart-0-2", "b", "follower"),
        ];
        let given: api::RedisCluster = serde_json::from_value(json!({
            "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
            "metadata": { "name": "cart", "namespace": "local", "generation": 2 },
            "spec": { "image": "redis-8", "leaders": 1, "followersPerLeader": 1 },
            "status": {
                "observedGeneration": 2, "slotsServed": 16384,
                "shards": [{ "shard": 0, "slots": "0-16383", "members": members }],
            },
        }))
        .unwrap();
        let seen = read(serde_json::to_value(given).unwrap()).unwrap();
        assert_eq!(
            (seen.metadata.generation, seen.status.observed_generation),
            (2, 2)
        );
        let none = Lost::default();
        assert!(seen.is_served(&none) && seen.is_redundant(&none));
        assert!(!seen.is_served(&Lost::zone("a")), "led from what is lost");
        assert_eq!(
            seen.leaders_by_zone().into_iter().collect::<Vec<_>>(),
            [("a", 1)]
        );
    }

    #[test]
    fn a_change_is_merged_field_by_field() {
        for (spec, patch, wanted) in [
            (
                json!({ "leaders": 3, "auth": { "enabled": true } }),
                json!({ "auth": { "rotateInternal": "drill" } }),
                json!({ "leaders": 3, "auth": { "enabled": true, "rotateInternal": "drill" } }),
            ),
            (
                json!({ "leaders": 3 }),
                json!({ "leaders": 5 }),
                json!({ "leaders": 5 }),
            ),
            (
                json!({ "pod": null }),
                json!({ "pod": { "a": 1 } }),
                json!({ "pod": { "a": 1 } }),
            ),
            (
                json!({ "a": { "b": 1, "c": 2 } }),
                json!({ "a": { "b": null } }),
                json!({ "a": { "c": 2 } }),
            ),
        ] {
            let mut merged = spec;
            merge(&mut merged, &patch);
            assert_eq!(merged, wanted);
        }
        let patch = in_labels(json!({ "image": "zoneward.local/redis:none" }));
        assert_eq!(patch, json!({ "image": "redis-none" }));
    }
}
