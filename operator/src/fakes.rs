//! A tiny world behind the ports, for unit tests of `act` and `controller`. It keeps a log and
//! fails where it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;

use crate::act::Fence;
use crate::api::{RedisCluster, RedisClusterStatus};
use crate::controller::{Context, ContextParts};
use crate::events::Events;
use crate::metrics::Metrics;
use crate::model::{
    ClusterKey, HostName, HostView, MemberAnswer, MemberName, PodPhase, PodUid, PodView, Role,
    SecretsView, ShardId, Silence, SilenceReason, VolumeName, ZoneName,
};
use crate::overdue::Overdue;
use crate::plan::{Manifest, MemberCommand, MemberRef};
use crate::ports::{
    AskTarget, Clock, ClusterObjects, CommandError, Credentials, ErrorClass, ObjectApi,
    ObjectError, Password, RedisAdmin,
};
use crate::rounds::Rounds;

/// Kubernetes, Redis and time in one.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) objects: Mutex<Option<ClusterObjects>>,
    /// Calls whose log line begins like this fail so.
    pub(crate) failing: Mutex<BTreeMap<&'static str, ErrorClass>>,
    /// Calls whose log line begins like this never end.
    pub(crate) hanging: Mutex<Option<&'static str>>,
    pub(crate) now: Mutex<Duration>,
}

pub(crate) fn key() -> ClusterKey {
    ClusterKey {
        namespace: "ns".to_owned(),
        name: "cache".to_owned(),
    }
}

pub(crate) fn resource(spec: &serde_json::Value) -> RedisCluster {
    serde_json::from_value(json!({
        "apiVersion": "zoneward.io/v1alpha1", "kind": "RedisCluster",
        "metadata": { "name": "cache", "namespace": "ns", "uid": "u-1", "resourceVersion": "1",
            "generation": 1 },
        "spec": spec,
    }))
    .unwrap()
}

pub(crate) fn pod(name: &str) -> PodView {
    PodView {
        name: MemberName::new(name),
        uid: PodUid::new(format!("uid-{name}")),
        shard: ShardId(0),
        zone: ZoneName::from("a"),
        host: None,
        address: Some("127.0.0.1".parse().unwrap()),
        phase: PodPhase::Running,
        end: None,
        is_leaving: false,
        gate_is_open: false,
        is_to_lead: false,
        role_label: None,
        volume: None,
        fingerprint: None,
        created: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn objects(spec: &serde_json::Value) -> ClusterObjects {
    let hosts = ["a", "b", "c"].map(|zone| HostView {
        name: crate::model::HostName::new(format!("host-{zone}")),
        zone: Some(ZoneName::from(zone)),
        is_ready: true,
        ready_since: Some(Timestamp::UNIX_EPOCH),
        is_schedulable: true,
        is_out_of_service: false,
    });
    ClusterObjects {
        resource: Arc::new(resource(spec)),
        hosts: hosts.to_vec(),
        pods: Vec::new(),
        volumes: Vec::new(),
        objects: Vec::new(),
        secrets: SecretsView::default(),
        credentials: Arc::new(Credentials {
            operator: Some(Password::new("x")),
            ..Credentials::default()
        }),
    }
}

impl World {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn fail(&self, line: &'static str, class: ErrorClass) {
        self.failing.lock().unwrap().insert(line, class);
    }

    /// A context whose three ports are all this world.
    pub(crate) fn context(self: &Arc<Self>) -> Context {
        Context::new(self.parts())
    }

    pub(crate) fn parts(self: &Arc<Self>) -> ContextParts {
        ContextParts {
            objects: self.clone(),
            admin: self.clone(),
            clock: self.clone(),
            fence: Fence::open(self.clone()),
            metrics: Metrics::new().unwrap(),
            events: Events::discard(),
            rounds: Rounds::default(),
            overdue: Overdue::default(),
        }
    }

    async fn call(&self, line: String) -> Result<(), ErrorClass> {
        self.log.lock().unwrap().push(line.clone());
        let hangs = self
            .hanging
            .lock()
            .unwrap()
            .is_some_and(|l| line.starts_with(l));
        if hangs {
            std::future::pending::<()>().await;
        }
        let failing = self.failing.lock().unwrap();
        let class = failing.iter().find(|(start, _)| line.starts_with(**start));
        class.map_or(Ok(()), |(_, class)| Err(*class))
    }

    async fn object(&self, line: String) -> Result<(), ObjectError> {
        self.call(line.clone()).await.map_err(|class| ObjectError {
            operation: line,
            class,
            source: None,
        })
    }
}

#[async_trait]
impl ObjectApi for World {
    async fn view(&self, _: &ClusterKey) -> Result<Option<ClusterObjects>, ObjectError> {
        self.object("view".to_owned()).await?;
        Ok(self.objects.lock().unwrap().clone())
    }

    fn neighbours(&self, _: &ClusterKey) -> Vec<(HostName, PodUid)> {
        Vec::new()
    }

    async fn apply(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        self.object(format!("apply {}", manifest.name)).await
    }

    async fn create(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        self.object(format!("create {}", manifest.name)).await
    }

    async fn create_secret(
        &self,
        _: &ClusterKey,
        _: &RedisCluster,
        name: &str,
        _: &[String],
    ) -> Result<(), ObjectError> {
        self.object(format!("create {name}")).await
    }

    async fn delete_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        _: &PodUid,
        _: bool,
    ) -> Result<(), ObjectError> {
        self.object(format!("delete {pod}")).await
    }

    async fn delete_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        _: &str,
    ) -> Result<(), ObjectError> {
        self.object(format!("delete {volume}")).await
    }

    async fn grow_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        _: &str,
        size: &str,
    ) -> Result<(), ObjectError> {
        self.object(format!("grow {volume} {size}")).await
    }

    async fn mark_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        _: &PodUid,
        _: Option<Role>,
        _: bool,
    ) -> Result<(), ObjectError> {
        self.object(format!("mark {pod}")).await
    }

    async fn write_status(
        &self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ObjectError> {
        self.object("write status".to_owned()).await?;
        let mut next = resource.clone();
        next.status = Some(status.clone());
        let next = Arc::new(next);
        if let Some(objects) = self.objects.lock().unwrap().as_mut() {
            objects.resource = Arc::clone(&next);
        }
        Ok(next)
    }
}

#[async_trait]
impl RedisAdmin for World {
    async fn ask(&self, target: &AskTarget, _: Duration) -> Result<MemberAnswer, Silence> {
        let _ = self.call(format!("ask {}", target.name)).await;
        Err(Silence {
            reason: SilenceReason::Timeout,
            millis: 0,
            said_goodbye: false,
        })
    }

    async fn command(
        &self,
        _: &AskTarget,
        member: &MemberRef,
        command: &MemberCommand,
    ) -> Result<(), CommandError> {
        let line = format!("tell {} {}", member.name, command.kind());
        self.call(line).await.map_err(|class| CommandError {
            member: member.name.clone(),
            command: command.to_string(),
            class,
            source: None,
        })
    }

    fn silences(&self) -> BTreeMap<PodUid, Duration> {
        BTreeMap::new()
    }

    fn retain(&self, _: &ClusterKey, pods: &[PodUid]) {
        let line = format!("retain {}", pods.len());
        self.log.lock().unwrap().push(line);
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        *self.now.lock().unwrap()
    }
}
