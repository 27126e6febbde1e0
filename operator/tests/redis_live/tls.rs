//! TLS everywhere, and nothing else on the ports; certificates and authorities are changed while members
//! run, and links that are cut come back at every step.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tokio::time::sleep;
use zoneward_operator::model::{Access, Role, SilenceReason};
use zoneward_operator::plan::MemberCommand;
use zoneward_operator::ports::{Credentials, ErrorClass, RedisAdmin, Trust};

use crate::certificates::{Authority, write};
use crate::redis_client::{OPERATOR, say};
use crate::redis_cluster::{Cluster, LIMIT, credentials, until, wired};
use crate::redis_server::for_each_server;

const NAME: &str = "cart-members.shop.svc";

/// As `resources` has it, with the files below this directory.
fn directives(directory: &Path) -> String {
    let at = directory.display();
    format!(
        "port 0\ntls-port 6379\ntls-cert-file {at}/tls.crt\ntls-key-file {at}/tls.key\n\
         tls-ca-cert-file {at}/ca.crt\ntls-auth-clients optional\ntls-replication yes\n\
         tls-cluster yes\n"
    )
}

fn trust(leaf: &str, authorities: &str) -> Credentials {
    let der = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    Credentials {
        is_sealed: true,
        trust: Some(Trust {
            authorities: authorities.to_owned(),
            server_name: NAME.to_owned(),
            fingerprint: Some(format!("{:x}", Sha256::digest(&der))),
        }),
        ..credentials()
    }
}

impl Cluster {
    async fn reload(&self) {
        for index in 0..6 {
            let reload = MemberCommand::ReloadCertificate;
            self.tell(index, reload).await.unwrap();
        }
    }

    async fn presents_former(&self) -> usize {
        let mut count = 0;
        for index in 0..6 {
            count += usize::from(self.ask(index).await.access.presents_former);
        }
        count
    }

    /// Leaders hand over, or take back: every replication link is made anew.
    async fn relink(&self) {
        // four node timeouts between two role changes of a shard
        sleep(Duration::from_millis(2500)).await;
        for index in [3, 4, 5] {
            let leader = if self.ask(index).await.role() == Role::Follower {
                index - 3
            } else {
                index
            };
            let follower = if leader == index { index - 3 } else { index };
            let of = self.id(leader).await;
            let mode = zoneward_operator::plan::FailoverMode::Graceful;
            self.tell(follower, MemberCommand::Failover { mode, of })
                .await
                .unwrap();
            until("the new follower is in sync", || async {
                self.ask(leader).await.is_in_sync()
            })
            .await;
        }
    }
}

struct Files(PathBuf);

impl Files {
    fn new(of: &str) -> Self {
        let name = format!(
            "zoneward-tls-{}-{}",
            std::process::id(),
            of.replace(' ', "-")
        );
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_speaks_tls_alone_and_takes_up_certificates_and_authorities_while_it_runs() {
    for_each_server(|server| async move {
        let (first, second) = (Authority::new("first"), Authority::new("second"));
        let files = Files::new(&server.version);
        let leaf = first.issue(NAME);
        write(&files.0, &leaf, &first.certificate());
        let mut cluster = Cluster::start_with(
            &server,
            &directives(&files.0),
            trust(&leaf.0, &first.certificate()),
        );
        cluster.form().await;
        cluster.open().await;
        for index in 0..6 {
            let millis = MemberCommand::SetNodeTimeout { millis: 500 };
            cluster.tell(index, millis).await.unwrap();
        }
        assert!(
            say(cluster.address(0), OPERATOR, "PING").await.is_err(),
            "plain"
        );
        assert_eq!(cluster.ask(0).await.access, Access::default());

        // somebody who is connected all along
        let (kept, _wakes) = wired();
        let mut watched = cluster.to(0);
        let mut patient = cluster.credentials.clone();
        patient.trust.as_mut().unwrap().fingerprint = None;
        watched.credentials = patient.into();
        let run = kept.ask(&watched, LIMIT).await.unwrap().run_id;

        // who trusts somebody else, or expects somebody else, is not served
        for (authorities, name) in [
            (second.certificate(), NAME),
            (first.certificate(), "other.svc"),
        ] {
            let (stranger, _wakes) = wired();
            let mut to = cluster.to(0);
            let mut credentials = trust(&leaf.0, &authorities);
            credentials.trust.as_mut().unwrap().server_name = name.to_owned();
            to.credentials = credentials.into();
            let asked = stranger.ask(&to, LIMIT).await;
            assert_eq!(
                asked.map_err(|it| it.reason).unwrap_err(),
                SilenceReason::Unusable
            );
        }

        // both authorities, then the other's certificate, then the other authority alone
        let both = format!("{}{}", first.certificate(), second.certificate());
        write(&files.0, &leaf, &both);
        cluster.reload().await;
        cluster.relink().await;
        let next = second.issue(NAME);
        write(&files.0, &next, &both);
        cluster.credentials = trust(&next.0, &both);
        assert_eq!(cluster.presents_former().await, 6);
        cluster.reload().await;
        assert_eq!(cluster.presents_former().await, 0);
        cluster.relink().await;
        write(&files.0, &next, &second.certificate());
        cluster.credentials = trust(&next.0, &second.certificate());
        cluster.reload().await;
        cluster.relink().await;
        let (fresh, _wakes) = wired();
        for index in 0..6 {
            let answer = fresh.ask(&cluster.to(index), LIMIT).await.unwrap();
            assert!(answer.view.says_ok && answer.access == Access::default());
        }

        // a pair that does not fit is refused, and the old one stays
        let (certificate, _) = second.issue(NAME);
        write(
            &files.0,
            &(certificate, next.1.clone()),
            &second.certificate(),
        );
        let told = cluster.tell(1, MemberCommand::ReloadCertificate).await;
        assert_eq!(told, Err(ErrorClass::Invalid));
        assert_eq!(cluster.presents_former().await, 0);
        assert_eq!(kept.ask(&watched, LIMIT).await.unwrap().run_id, run);
    })
    .await;
}
