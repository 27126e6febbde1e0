//! `ObjectApi` over the real thing: what it does twice, to the wrong object, and too late.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use zoneward_operator::act::KubeObjects;
use zoneward_operator::api::RedisCluster;
use zoneward_operator::clock::SystemClock;
use zoneward_operator::controller::start_watches;
use zoneward_operator::model::{ClusterKey, MemberName, PodUid, Role};
use zoneward_operator::observe::Stores;
use zoneward_operator::plan::{Manifest, ManifestKind};
use zoneward_operator::ports::{ClusterObjects, ErrorClass, ObjectApi};
use zoneward_operator::wire::wakes;

use crate::control_plane::control_plane;
use crate::eventually;

struct World {
    client: Client,
    key: ClusterKey,
    objects: KubeObjects,
    resource: RedisCluster,
    _watches: JoinSet<()>,
    _plane: Arc<crate::control_plane::ControlPlane>,
}

impl World {
    async fn new(namespace: &str) -> Self {
        let plane = control_plane();
        let client = plane.client();
        let namespace = plane.namespace(&client, namespace).await;
        let clusters: Api<RedisCluster> = Api::namespaced(client.clone(), &namespace);
        let spec = serde_json::from_value(json!({ "image": "redis:7" })).unwrap();
        let wanted = RedisCluster::new("cache", spec);
        let resource = clusters
            .create(&PostParams::default(), &wanted)
            .await
            .unwrap();
        let (stores, writers) = Stores::new(std::slice::from_ref(&namespace));
        let stores = Arc::new(stores);
        let (waker, _) = wakes();
        let watches = start_watches(&client, Arc::clone(&stores), writers, &waker);
        let clock = Arc::new(SystemClock::start());
        let objects = KubeObjects::new(client.clone(), clock, stores);
        Self {
            client,
            key: ClusterKey {
                namespace,
                name: "cache".to_owned(),
            },
            objects,
            resource,
            _watches: watches,
            _plane: plane,
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.key.namespace)
    }

    async fn seen(&self, what: &str, check: impl Fn(&ClusterObjects) -> bool) -> ClusterObjects {
        eventually(what, || async {
            let view = self.objects.view(&self.key).await.ok().flatten()?;
            check(&view).then_some(view)
        })
        .await
    }

    fn body(&self, api_version: &str, kind: ManifestKind, name: &str, rest: &Value) -> Manifest {
        let mut body = json!({
            "apiVersion": api_version, "kind": kind.as_str(),
            "metadata": {
                "name": name, "namespace": self.key.namespace,
                "labels": {
                    "app.kubernetes.io/managed-by": "zoneward", "zoneward.io/cluster": "cache",
                    "zoneward.io/shard": "0", "zoneward.io/zone": "a",
                },
                "ownerReferences": [self.resource.controller_owner_ref(&()).unwrap()],
            },
        });
        for (key, part) in rest.as_object().unwrap() {
            body[key] = part.clone();
        }
        Manifest {
            kind,
            name: name.to_owned(),
            body,
        }
    }

    fn pod(&self, name: &str) -> Manifest {
        let spec = json!({ "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": false,
            "readinessGates": [{ "conditionType": "zoneward.io/in-cluster" }],
            "containers": [{ "name": "redis", "image": "redis:7" }] } });
        self.body("v1", ManifestKind::Pod, name, &spec)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_store_is_not_empty() {
    let plane = control_plane();
    let client = plane.client();
    let (stores, _writers) = Stores::new(&[]);
    let clock = Arc::new(SystemClock::start());
    let objects = KubeObjects::new(client, clock, Arc::new(stores));
    let key = ClusterKey {
        namespace: "default".to_owned(),
        name: "cache".to_owned(),
    };
    let error = objects.view(&key).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient);
    assert!(error.to_string().contains("not read yet"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_changes_and_create_leaves_alone() {
    let world = World::new("objects-apply").await;
    let (objects, key) = (&world.objects, &world.key);
    let map = |text: &str| {
        let data = json!({ "data": { "redis.conf": text } });
        world.body("v1", ManifestKind::ConfigMap, "cache-config", &data)
    };
    objects.apply(key, &map("one")).await.unwrap();
    objects.apply(key, &map("two")).await.unwrap();
    objects.create(key, &map("three")).await.unwrap();
    let stored = world.api::<ConfigMap>().get("cache-config").await.unwrap();
    assert_eq!(stored.data.unwrap()["redis.conf"], "two");

    let view = world
        .seen("the ConfigMap", |view| !view.objects.is_empty())
        .await;
    assert_eq!(view.objects[0].kind, "ConfigMap");
    assert_eq!(view.objects[0].body["data"]["redis.conf"], "two");
    assert!(
        view.objects[0].body["metadata"]
            .get("managedFields")
            .is_none()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_random_owned_and_never_overwritten() {
    let world = World::new("objects-secret").await;
    let (objects, key) = (&world.objects, &world.key);
    let view = world.seen("the RedisCluster", |_| true).await;
    assert!(!view.secrets.internal_is_present);
    let keys = ["operator".to_owned(), "replication".to_owned()];
    let owner = &world.resource;
    objects
        .create_secret(key, owner, "cache-internal", &keys)
        .await
        .unwrap();
    let secrets = world.api::<Secret>();
    let first = secrets.get("cache-internal").await.unwrap();
    let data = first.data.clone().unwrap();
    assert_eq!(data["operator"].0.len(), 32);
    assert_ne!(data["operator"], data["replication"]);
    assert_eq!(
        first.owner_references()[0].uid,
        world.resource.uid().unwrap()
    );
    // What was absent a moment ago is seen at once: writing it drops what was remembered.
    let view = world.objects.view(key).await.unwrap().unwrap();
    assert!(view.secrets.internal_is_present);
    assert!(view.credentials.operator.is_some());
    assert!(!view.secrets.client_is_present);

    objects
        .create_secret(key, owner, "cache-internal", &keys)
        .await
        .unwrap();
    let second = secrets.get("cache-internal").await.unwrap();
    assert_eq!(second.data.unwrap(), data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_marked_without_touching_the_kubelets_conditions() {
    let world = World::new("objects-mark").await;
    let (objects, key) = (&world.objects, &world.key);
    objects.create(key, &world.pod("cache-0-1")).await.unwrap();
    objects.create(key, &world.pod("cache-0-1")).await.unwrap();
    let pods = world.api::<Pod>();
    let kubelet = Patch::Strategic(json!({ "status": { "conditions": [
        { "type": "ContainersReady", "status": "True" }] } }));
    pods.patch_status("cache-0-1", &PatchParams::default(), &kubelet)
        .await
        .unwrap();

    let view = world.seen("the pod", |view| !view.pods.is_empty()).await;
    let (name, uid) = (view.pods[0].name.clone(), view.pods[0].uid.clone());
    for (role, is_ready) in [(Some(Role::Leader), true), (Some(Role::Follower), false)] {
        objects
            .mark_pod(key, &name, &uid, role, is_ready)
            .await
            .unwrap();
        objects
            .mark_pod(key, &name, &uid, role, is_ready)
            .await
            .unwrap();
        let marked = world
            .seen("the marks", |view| {
                view.pods[0].role_label == role && view.pods[0].gate_is_open == is_ready
            })
            .await;
        assert_eq!(marked.pods[0].uid, uid);
        let status = pods.get("cache-0-1").await.unwrap().status.unwrap();
        let conditions: BTreeMap<_, _> = status
            .conditions
            .unwrap()
            .into_iter()
            .map(|condition| (condition.type_, condition.status))
            .collect();
        assert_eq!(conditions["ContainersReady"], "True");
        assert_eq!(conditions.len(), 2, "{conditions:?}");
    }
    objects
        .mark_pod(key, &name, &uid, None, false)
        .await
        .unwrap();
    world
        .seen("no role", |view| view.pods[0].role_label.is_none())
        .await;

    let other = PodUid::new("00000000-0000-0000-0000-000000000000");
    let error = objects
        .mark_pod(key, &name, &other, None, true)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error:?}");
    let absent = MemberName::new("cache-0-99");
    let error = objects
        .mark_pod(key, &absent, &uid, None, true)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_pod_that_was_meant_is_deleted() {
    let world = World::new("objects-delete").await;
    let (objects, key) = (&world.objects, &world.key);
    objects.create(key, &world.pod("cache-0-1")).await.unwrap();
    let view = world.seen("the pod", |view| !view.pods.is_empty()).await;
    let (name, uid) = (view.pods[0].name.clone(), view.pods[0].uid.clone());

    let other = PodUid::new("00000000-0000-0000-0000-000000000000");
    objects.delete_pod(key, &name, &other, true).await.unwrap();
    let pods = world.api::<Pod>();
    assert!(pods.get_opt(name.as_str()).await.unwrap().is_some());
    objects.delete_pod(key, &name, &uid, true).await.unwrap();
    assert!(pods.get_opt(name.as_str()).await.unwrap().is_none());
    objects.delete_pod(key, &name, &uid, true).await.unwrap();
    world.seen("no pod", |view| view.pods.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_another_owner_do_not_count() {
    let world = World::new("objects-owner").await;
    let mut foreign = world.pod("cache-0-1");
    foreign.body["metadata"]["ownerReferences"][0]["uid"] = json!("somebody-else");
    world.objects.create(&world.key, &foreign).await.unwrap();
    world
        .objects
        .create(&world.key, &world.pod("cache-0-2"))
        .await
        .unwrap();
    let view = world.seen("our pod", |view| !view.pods.is_empty()).await;
    let names: Vec<_> = view.pods.iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names, ["cache-0-2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_written_to_the_version_that_was_seen() {
    let world = World::new("objects-status").await;
    let view = world.seen("the RedisCluster", |_| true).await;
    let mut status = view.resource.status.clone().unwrap_or_default();
    for slots in 1..20 {
        let seen = world.objects.view(&world.key).await.unwrap().unwrap();
        // Our own last write is seen at once, whatever the store still shows.
        assert_eq!(
            seen.resource
                .status
                .clone()
                .unwrap_or_default()
                .slots_served,
            slots - 1
        );
        status.slots_served = slots;
        world
            .objects
            .write_status(&seen.resource, &status)
            .await
            .unwrap();
    }
    let error = world
        .objects
        .write_status(&view.resource, &status)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);

    // Somebody else's later version is believed.
    let clusters = world.api::<RedisCluster>();
    let pause = Patch::Merge(json!({ "spec": { "paused": true } }));
    clusters
        .patch("cache", &PatchParams::default(), &pause)
        .await
        .unwrap();
    world
        .seen("the change", |view| view.resource.spec.paused)
        .await;

    clusters
        .delete("cache", &DeleteParams::default())
        .await
        .unwrap();
    eventually("nothing", || async {
        let view = world.objects.view(&world.key).await.unwrap();
        view.is_none().then_some(())
    })
    .await;
    let error = world
        .objects
        .write_status(&view.resource, &status)
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
}
