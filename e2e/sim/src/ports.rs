//! The operator's three seams, over the modelled world: calls take time, fail, or are done and their
//! reply is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use tokio::time::sleep;
use zoneward_operator::api::{RedisCluster, RedisClusterStatus};
use zoneward_operator::model::{
    ClusterKey, HostName, MemberAnswer, MemberName, PodUid, Role, Silence, SilenceReason,
    VolumeName,
};
use zoneward_operator::plan::{Manifest, MemberCommand, MemberRef};
use zoneward_operator::ports::{
    AskTarget, Clock, ClusterObjects, CommandError, Credentials, ErrorClass, ObjectApi,
    ObjectError, RedisAdmin,
};

use crate::promises::check_command;
use crate::redis::answer::{addr_of, answer, run_text};
use crate::redis::command::{Declined, command as do_command};
use crate::redis::passwords::Known;
use crate::redis::{Millis, ProcKey};
use crate::world::{Heard, Stance, World, timestamp};

/// The world, shared by its own steps and all operators.
pub type Shared = Arc<Mutex<World>>;

/// Who is late is waited for so long.
const BRIEF: Millis = 100;
/// And now and then with patience.
const PATIENT_EVERY: Millis = 2000;
/// Silence that the kernel's probes tell of.
const PROBED: Millis = 2000;

/// One operator's hands and eyes.
#[derive(Clone)]
pub struct Ports {
    /// The world.
    pub world: Shared,
    /// Which operator.
    pub operator: usize,
    /// How far its clock is ahead.
    pub skew: i64,
    /// When the history began.
    pub begun: tokio::time::Instant,
}

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    NotDone,
    ReplyLost,
}

impl Ports {
    /// The world, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> (Fate, Duration) {
        let mut world = self.lock();
        let flaky = world.setup.flaky_percent;
        let slow = world.api_delay;
        let takes = 2 + slow + world.rng.random_range(0..=10 + slow);
        let fate = if world.rng.random_range(0..100) >= flaky {
            Fate::Done
        } else if world.rng.random_bool(0.5) {
            Fate::NotDone
        } else {
            Fate::ReplyLost
        };
        (fate, Duration::from_millis(takes))
    }

    /// A call to Kubernetes: it takes a while, then it is done or not, then the reply comes or not.
    async fn call<T>(
        &self,
        operation: String,
        deed: impl FnOnce(&mut World) -> Result<T, ErrorClass> + Send,
    ) -> Result<T, ObjectError> {
        let error = |class| ObjectError {
            operation,
            class,
            source: None,
        };
        let (fate, takes) = self.fate();
        sleep(takes / 2).await;
        if fate == Fate::NotDone {
            return Err(error(ErrorClass::Transient));
        }
        let result = deed(&mut self.lock());
        sleep(takes / 2).await;
        if fate == Fate::ReplyLost {
            return Err(error(ErrorClass::Transient));
        }
        result.map_err(error)
    }

    /// The process at the pod's address, if packets get there.
    fn reach(&self, world: &World, target: &AskTarget) -> Reached {
        let Some(addr) = addr_of(target.address.ip) else {
            return Reached::Nothing;
        };
        let is_cut = world.operators[self.operator].is_cut_off;
        if is_cut || !world.net.is_connected(&world.hosts, addr.host) {
            return Reached::Nothing;
        }
        match world.listening.get(&addr) {
            None => Reached::Refusal,
            Some(key) if !world.is_running(*key) => Reached::Nothing,
            // somebody else's pod: our user's password is not its
            Some(key) => {
                let known = Known::of(&target.credentials);
                if world.proc(*key).passwords.let_in(&known) {
                    Reached::Process(*key)
                } else {
                    Reached::Stranger
                }
            }
        }
    }
}

enum Reached {
    Nothing,
    Refusal,
    /// It does not know the operator's password.
    Stranger,
    Process(ProcKey),
}

#[async_trait]
impl ObjectApi for Ports {
    async fn view(&self, _: &ClusterKey) -> Result<Option<ClusterObjects>, ObjectError> {
        let world = self.lock();
        let Some(snapshot) = world.seen_by(self.operator) else {
            return Err(ObjectError {
                operation: "view".to_owned(),
                class: ErrorClass::Transient,
                source: None,
            });
        };
        let mut resource = snapshot.resource();
        let version = |it: &RedisCluster| {
            it.metadata
                .resource_version
                .as_ref()
                .and_then(|text| text.parse::<u64>().ok())
        };
        if let Some(written) = &world.operators[self.operator].written
            && version(written) > version(&resource)
        {
            resource = Arc::clone(written);
        }
        let (secrets, credentials) = world.secrets_for(&resource);
        Ok(Some(snapshot.view(resource, secrets, credentials)))
    }

    fn neighbours(&self, _: &ClusterKey) -> Vec<(HostName, PodUid)> {
        Vec::new()
    }

    async fn apply(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let operation = format!("apply {}", manifest.name);
        self.call(operation, |world| {
            world.apply(manifest);
            Ok(())
        })
        .await
    }

    async fn create(&self, _: &ClusterKey, manifest: &Manifest) -> Result<(), ObjectError> {
        let operation = format!("create {}", manifest.name);
        self.call(operation, |world| {
            world.create(manifest);
            Ok(())
        })
        .await
    }

    async fn create_secret(
        &self,
        _: &ClusterKey,
        _: &RedisCluster,
        name: &str,
        _: &[String],
    ) -> Result<(), ObjectError> {
        self.call(format!("create {name}"), |world| {
            world.secrets.insert(name.to_owned());
            world.has_changed = true;
            Ok(())
        })
        .await
    }

    async fn delete_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        is_dead: bool,
    ) -> Result<(), ObjectError> {
        self.call(format!("delete {pod}"), |world| {
            world.delete_pod(pod.as_str(), uid, is_dead);
            Ok(())
        })
        .await
    }

    async fn delete_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
    ) -> Result<(), ObjectError> {
        self.call(format!("delete {volume}"), |world| {
            world.delete_volume(volume.as_str(), uid);
            Ok(())
        })
        .await
    }

    async fn grow_volume(
        &self,
        _: &ClusterKey,
        volume: &VolumeName,
        uid: &str,
        size: &str,
    ) -> Result<(), ObjectError> {
        self.call(format!("grow {volume}"), |world| {
            world.grow_volume(volume.as_str(), uid, size);
            Ok(())
        })
        .await
    }

    async fn mark_pod(
        &self,
        _: &ClusterKey,
        pod: &MemberName,
        uid: &PodUid,
        role: Option<Role>,
        is_ready: bool,
    ) -> Result<(), ObjectError> {
        self.call(format!("mark {pod}"), |world| {
            world.mark_pod(pod.as_str(), uid, role, is_ready);
            Ok(())
        })
        .await
    }

    async fn write_status(
        &self,
        resource: &RedisCluster,
        status: &RedisClusterStatus,
    ) -> Result<Arc<RedisCluster>, ObjectError> {
        let operation = "write status".to_owned();
        let written = self
            .call(operation, |world| world.write_status(resource, status))
            .await?;
        self.lock().operators[self.operator].written = Some(Arc::clone(&written));
        Ok(written)
    }
}

#[async_trait]
impl RedisAdmin for Ports {
    async fn ask(&self, target: &AskTarget, limit: Duration) -> Result<MemberAnswer, Silence> {
        sleep(Duration::from_millis(1)).await;
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let (key, wait) = {
            let mut world = self.lock();
            let key = addr_of(target.address.ip).and_then(|addr| {
                let all = world.procs.iter().rev();
                all.filter(|it| it.addr == addr).map(|it| it.key).next()
            });
            match self.reach(&world, target) {
                Reached::Process(key) => {
                    let now = world.now;
                    let heard = world.operators[self.operator].heard.entry(key).or_default();
                    (heard.has_answered, heard.is_late, heard.last) = (true, false, now);
                    return Ok(told(&world, key, target));
                }
                Reached::Refusal => {
                    return Err(Silence {
                        reason: SilenceReason::Refused,
                        millis: 0,
                        said_goodbye: true,
                    });
                }
                Reached::Stranger => {
                    return Err(Silence {
                        reason: SilenceReason::Unusable,
                        millis: 0,
                        said_goodbye: false,
                    });
                }
                Reached::Nothing => {}
            }
            let now = world.now;
            let heard = key.map(|key| {
                let fresh = Heard {
                    last: now,
                    ..Heard::default()
                };
                world.operators[self.operator]
                    .heard
                    .entry(key)
                    .or_insert(fresh)
            });
            (
                key,
                heard.map_or(limit, |heard| patience(heard, limit, now)),
            )
        };
        sleep(Duration::from_millis(wait)).await;
        let mut world = self.lock();
        let now = world.now;
        let heard = key.and_then(|key| world.operators[self.operator].heard.get_mut(&key));
        let millis = heard.map_or(0, |heard| {
            heard.is_late = heard.has_answered;
            let silent = now.saturating_sub(heard.last);
            // a kept connection's end tells of the probes' silence and no more
            if silent < PROBED {
                silent
            } else {
                silent.max(PROBED)
            }
        });
        // where a host is killed some of its goodbyes are heard before its network is gone
        let is_heard = |key: ProcKey| key.0.is_multiple_of(2) && !world.proc(key).is_alive;
        Err(Silence {
            reason: SilenceReason::Timeout,
            millis,
            said_goodbye: key.is_some_and(is_heard),
        })
    }

    async fn command(
        &self,
        target: &AskTarget,
        member: &MemberRef,
        command: &MemberCommand,
    ) -> Result<(), CommandError> {
        let error = |class| CommandError {
            member: member.name.clone(),
            command: command.to_string(),
            class,
            source: None,
        };
        let (fate, takes) = self.fate();
        sleep(takes / 4).await;
        if fate == Fate::NotDone {
            return Err(error(ErrorClass::Transient));
        }
        let reached = {
            let mut world = self.lock();
            match self.reach(&world, target) {
                Reached::Process(key) => {
                    if run_text(key) != member.run_id {
                        return Err(error(ErrorClass::Conflict));
                    }
                    tell(&mut world, self.operator, key, command);
                    Some(carry_out(&mut world, key, command, &target.credentials))
                }
                Reached::Refusal | Reached::Stranger | Reached::Nothing => None,
            }
        };
        match reached {
            None => {
                sleep(Duration::from_secs(2)).await;
                Err(error(ErrorClass::Transient))
            }
            Some(_) if fate == Fate::ReplyLost => Err(error(ErrorClass::Transient)),
            Some(Ok(())) => Ok(()),
            Some(Err(Declined::Precondition(_))) => Err(error(ErrorClass::Conflict)),
            Some(Err(Declined::Server(_))) => Err(error(ErrorClass::Transient)),
        }
    }

    fn silences(&self) -> BTreeMap<PodUid, Duration> {
        BTreeMap::new()
    }

    fn retain(&self, _: &ClusterKey, _: &[PodUid]) {}
}

/// What a process says.
fn told(world: &World, key: ProcKey, target: &AskTarget) -> MemberAnswer {
    let process = world.proc(key);
    let at = |other: ProcKey| Some(world.proc(other).addr);
    let known = Known::of(&target.credentials);
    MemberAnswer {
        access: process
            .passwords
            .access(&known, process.is_open, process.is_open_to_followers),
        deviations: process.directives.deviations(&target.settings),
        ..answer(process, world.setup.leaders, world.now, at)
    }
}

fn patience(heard: &mut Heard, limit: Millis, now: Millis) -> Millis {
    if !heard.is_late || now >= heard.patient + PATIENT_EVERY {
        heard.patient = now;
        return limit;
    }
    limit.min(BRIEF)
}

fn tell(world: &mut World, operator: usize, key: ProcKey, command: &MemberCommand) {
    let pod = world.proc(key).pod.clone();
    world.tell(&format!("operator {operator} tells {pod}: {command}"));
}

fn carry_out(
    world: &mut World,
    key: ProcKey,
    command: &MemberCommand,
    credentials: &Credentials,
) -> Result<(), Declined> {
    let (now, leaders) = (world.now, world.setup.leaders);
    let known = Known::of(credentials);
    // what the command's preconditions refuse harms nobody: they are tried on a copy first
    let mut copy = world.proc(key).clone();
    let mut out = Vec::new();
    do_command(&mut copy, command, leaders, now, &mut out)?;
    match command {
        MemberCommand::OpenToFollowers => copy.passwords.open_to_followers(&known),
        MemberCommand::Open => {
            // what clients still use where the operator looked
            let others = world.alive().filter(|it| it.is_open);
            let used = others.flat_map(|it| it.passwords.clients.clone());
            copy.passwords.open(&known, used.collect());
        }
        MemberCommand::Passwords(step) => copy.passwords.step(&known, *step),
        _ => {}
    }
    check_command(world, key, command);
    let before = Stance::of(world.proc(key), now);
    world.procs[key.0] = copy;
    world.packets.extend(out);
    world.note_role(key, before);
    Ok(())
}

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(0);
        timestamp(elapsed) + SignedDuration::from_millis(self.skew)
    }

    fn monotonic(&self) -> Duration {
        self.begun.elapsed()
    }
}
