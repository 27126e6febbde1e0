//! The four Services. Their names are an interface.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::labels::{
    LABEL_ROLE, PORT_BUS, PORT_BUS_NAME, PORT_REDIS, PORT_REDIS_NAME, cluster_selector,
    follower_service_name, leader_service_name, members_service_name, object_labels, service_name,
};
use super::owner::{manifest, owned_metadata};
use crate::model::{Desired, Role};
use crate::plan::{Manifest, ManifestKind};

/// For clients; of the leaders; of the followers; headless.
pub(super) fn services(desired: &Desired) -> Vec<Manifest> {
    let cluster = desired.key.name.as_str();
    let all = cluster_selector(cluster);
    vec![
        service(
            desired,
            &service_name(cluster),
            virtual_address(all.clone()),
        ),
        service(
            desired,
            &leader_service_name(cluster),
            virtual_address(with_role(all.clone(), Role::Leader)),
        ),
        service(
            desired,
            &follower_service_name(cluster),
            virtual_address(with_role(all.clone(), Role::Follower)),
        ),
        service(desired, &members_service_name(cluster), headless(all)),
    ]
}

fn service(desired: &Desired, name: &str, spec: ServiceSpec) -> Manifest {
    let object = Service {
        metadata: owned_metadata(desired, name, object_labels(desired)),
        spec: Some(spec),
        ..Service::default()
    };
    manifest(ManifestKind::Service, name, &object)
}

fn virtual_address(selector: BTreeMap<String, String>) -> ServiceSpec {
    ServiceSpec {
        type_: Some("ClusterIP".to_owned()),
        selector: Some(selector),
        ports: Some(vec![port(PORT_REDIS_NAME, PORT_REDIS)]),
        ..ServiceSpec::default()
    }
}

/// Gives each member a name in DNS. Members that are not ready are in it too: those are the ones
/// that people look for when something is wrong.
fn headless(selector: BTreeMap<String, String>) -> ServiceSpec {
    ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        ports: Some(vec![
            port(PORT_REDIS_NAME, PORT_REDIS),
            port(PORT_BUS_NAME, PORT_BUS),
        ]),
        ..virtual_address(selector)
    }
}

fn with_role(mut selector: BTreeMap<String, String>, role: Role) -> BTreeMap<String, String> {
    selector.insert(LABEL_ROLE.to_owned(), role.as_str().to_owned());
    selector
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
