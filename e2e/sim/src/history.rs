//! One history: a world from a seed, operators in it, faults, and the promises in the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zoneward_operator::act::Fence;
use zoneward_operator::api::ShardLossPolicy;
use zoneward_operator::controller::{Context, ContextParts, Pace, delay, jittered, reconcile};
use zoneward_operator::events::Events;
use zoneward_operator::metrics::Metrics;
use zoneward_operator::model::ClusterKey;
use zoneward_operator::overdue::Overdue;
use zoneward_operator::rounds::Rounds;

use crate::describe;
use crate::faults::{self, Event, Fault};
use crate::ports::{Ports, Shared};
use crate::promises::{Violation, goals};
use crate::redis::Millis;
use crate::setup::Setup;
use crate::world::host::HostState;
use crate::world::{OperatorSide, STEP, World};

/// The new cluster has so long to become whole, where nothing goes wrong yet.
const FORMS_WITHIN: Millis = 120_000;
/// After the last fault everything has so long to become whole again: hosts are told Ready after 40 s,
/// forced ends proven after a minute, elections lost are tried again after 4 node timeouts.
const HEALS_WITHIN: Millis = 600_000;
/// And stays so.
const STAYS: Millis = 3_000;

/// What a history is made of: the same plan is the same history.
#[derive(Clone, Debug)]
pub struct Script {
    /// The dice's seed.
    pub seed: u64,
    /// The beginning.
    pub setup: Setup,
    /// What goes wrong.
    pub events: Vec<Event>,
    /// Whether it goes wrong while the cluster forms.
    pub is_early: bool,
}

impl Script {
    /// The script of this seed.
    pub fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let script = Self::draw(seed, &mut rng);
        if rng.random_bool(0.25) {
            script.updated()
        } else {
            script
        }
    }

    /// The same with updates of the image in place of some of its faults, whatever the dice say.
    pub fn with_updates(seed: u64) -> Self {
        Self::draw(seed, &mut StdRng::seed_from_u64(seed)).updated()
    }

    fn draw(seed: u64, rng: &mut StdRng) -> Self {
        Self {
            seed,
            setup: Setup::draw(rng),
            events: faults::draw(rng),
            is_early: rng.random_bool(0.1),
        }
    }

    fn updated(mut self) -> Self {
        let script = &mut self;
        let mut rng = StdRng::seed_from_u64(!script.seed);
        for event in &mut script.events {
            if rng.random_bool(0.4) {
                event.fault = faults::update(&mut rng);
            }
        }
        self
    }
}

/// What became of a history.
pub struct Outcome {
    /// The promise that was broken.
    pub broken: Option<Violation>,
    /// What happened.
    pub story: Vec<String>,
    /// Faults and rows that it contained.
    pub seen: BTreeMap<&'static str, u64>,
    /// Acknowledged writes, and those of them that were lost with an excuse.
    pub writes: (u64, u64),
    /// How long it lasted, in the world's time.
    pub lasted: Millis,
    /// How long it took to heal after the last fault.
    pub healed: Millis,
    /// How long after the last fault every chunk was served.
    pub served: Millis,
}

/// Runs a script.
///
/// # Panics
///
/// Where no runtime can be had.
pub fn run(script: &Script) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime with nothing but time");
    runtime.block_on(live(script))
}

struct Operators {
    world: Shared,
    begun: Instant,
    tasks: Vec<Option<JoinHandle<()>>>,
    back_at: Vec<Millis>,
}

impl Operators {
    fn start(&mut self, at: usize) {
        let (wake, skew) = {
            let mut world = lock(&self.world);
            world.operators[at].heard.clear();
            world.operators[at].written = None;
            world.tell(&format!("operator {at} starts"));
            let skew = world.rng.random_range(-200..200);
            (Arc::clone(&world.operators[at].wake), skew)
        };
        let ports = Ports {
            world: Arc::clone(&self.world),
            operator: at,
            skew,
            begun: self.begun,
        };
        self.tasks[at] = Some(tokio::spawn(operate(ports, wake)));
    }

    fn kill(&mut self, at: usize, until: Millis) {
        if let Some(task) = self.tasks[at].take() {
            task.abort();
            lock(&self.world).tell(&format!("operator {at} is killed"));
            self.back_at[at] = until;
        }
    }

    fn see_to(&mut self) {
        let now = lock(&self.world).now;
        for at in 0..self.tasks.len() {
            if self.tasks[at].is_none() && now >= self.back_at[at] {
                self.start(at);
            }
        }
    }
}

fn lock(world: &Shared) -> std::sync::MutexGuard<'_, World> {
    world
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

async fn live(script: &Script) -> Outcome {
    let rng = StdRng::seed_from_u64(script.seed ^ 0x5eed);
    let mut world = World::new(script.setup.clone(), rng);
    for _ in 0..script.setup.operators {
        world.operators.push(OperatorSide {
            wake: Arc::new(Notify::new()),
            is_cut_off: false,
            lag: script.setup.store_lag,
            written: None,
            heard: BTreeMap::new(),
        });
    }
    world.tell(&script.setup.to_string());
    let world = Arc::new(Mutex::new(world));
    let count = script.setup.operators;
    let mut operators = Operators {
        world: Arc::clone(&world),
        begun: Instant::now(),
        tasks: (0..count).map(|_| None).collect(),
        back_at: vec![0; count],
    };
    let (healed, served) = act_out(script, &world, &mut operators).await;
    for task in operators.tasks.into_iter().flatten() {
        task.abort();
    }
    let mut world = lock(&world);
    check_updates(script, &mut world);
    if let Some(violation) = world.promises.broken.clone() {
        world.tell(&format!("BROKEN {}: {}", violation.promise, violation.what));
        let lines = describe::describe(&world);
        world.story.extend(lines);
    }
    let writes = world
        .reigns
        .all
        .iter()
        .map(|it| it.acked.len() as u64)
        .sum();
    Outcome {
        broken: world.promises.broken.take(),
        story: std::mem::take(&mut world.story),
        seen: std::mem::take(&mut world.promises.seen),
        writes: (writes, world.promises.lost_writes),
        lasted: world.now,
        healed,
        served,
    }
}

/// An update by itself costs no write.
fn check_updates(script: &Script, world: &mut World) {
    let is_update = !script.is_early && script.events.iter().all(|it| it.fault.is_update());
    let (lost, now) = (world.promises.lost_writes, world.now);
    if is_update {
        world.promises.count("updates and nothing else");
        if lost > 0 {
            let what = format!("{lost} writes were lost in an update");
            world.promises.break_one("I6", now, what);
        }
    }
}

/// Forms, goes through the faults, heals; how long that took, and how long until all was served again.
async fn act_out(script: &Script, world: &Shared, operators: &mut Operators) -> (Millis, Millis) {
    if !script.is_early && settles(world, operators, FORMS_WITHIN).await.is_none() {
        return (0, 0);
    }
    let begun = lock(world).now;
    let mut waiting: Vec<Event> = script.events.clone();
    let mut running: Vec<(Millis, Fault)> = Vec::new();
    while !(waiting.is_empty() && running.is_empty()) {
        let now = lock(world).now;
        let due: Vec<Event> = waiting
            .iter()
            .copied()
            .filter(|it| begun + it.at <= now)
            .collect();
        waiting.retain(|it| begun + it.at > now);
        for event in due {
            event.fault.begin(&mut lock(world), event.lasts);
            if let Fault::OperatorKilled { pick } = event.fault {
                let at = pick % operators.tasks.len();
                operators.kill(at, now + event.lasts.min(15_000));
            }
            running.push((now + event.lasts, event.fault));
        }
        let over: Vec<Fault> = running
            .iter()
            .filter(|(end, _)| *end <= now)
            .map(|(_, fault)| *fault)
            .collect();
        running.retain(|(end, _)| *end > now);
        for fault in over {
            fault.end(&mut lock(world));
        }
        if now.is_multiple_of(1000) {
            for (_, fault) in &running {
                fault.go_on(&mut lock(world));
            }
            tell_who_is_off(&mut lock(world));
        }
        if !moves_on(world, operators).await {
            return (0, 0);
        }
    }
    faults::end_all(&mut lock(world));
    let over = lock(world).now;
    let served = settles(world, operators, HEALS_WITHIN).await;
    (lock(world).now - over, served.unwrap_or(over) - over)
}

/// What the operator says that it waits for.
fn note_waits(world: &World, what: &mut String) {
    for waiting in &world.status().waiting_on {
        let _ = write!(what, "\n  waits: {}: {}", waiting.reason, waiting.message);
    }
}

/// One step. False once a promise is broken.
async fn moves_on(world: &Shared, operators: &mut Operators) -> bool {
    operators.see_to();
    sleep(Duration::from_millis(STEP)).await;
    let mut world = lock(world);
    world.step();
    world.promises.broken.is_none()
}

/// When every chunk was served first, where the goals are reached in time, and stay so.
async fn settles(world: &Shared, operators: &mut Operators, limit: Millis) -> Option<Millis> {
    let begun = lock(world).now;
    let (mut served, mut since) = (None, None);
    loop {
        if !moves_on(world, operators).await {
            return None;
        }
        let mut world = lock(world);
        let now = world.now;
        if !now.is_multiple_of(500) {
            continue;
        }
        accept_losses(&mut world);
        tell_who_is_off(&mut world);
        if served.is_none() && goals::unserved(&world).is_empty() {
            served = Some(now);
        }
        let unmet = goals::unmet(&world);
        if unmet.is_empty() {
            let since = *since.get_or_insert(now);
            if now >= since + STAYS {
                return served;
            }
            continue;
        }
        since = None;
        if now > begun + limit {
            let mut what = format!("after {limit} ms: {}", unmet.join("; "));
            note_waits(&world, &mut what);
            world.promises.break_one("goals", now, what);
            return None;
        }
    }
}

/// The owner reads that a shard is lost, and that it is up to him.
fn accept_losses(world: &mut World) {
    let record = world.status().record;
    let is_open = record.losses.iter().any(|loss| loss.accepted.is_none());
    let waits = world.resource.spec.recovery.shard_loss != Some(ShardLossPolicy::AcceptEmpty);
    if is_open && waits {
        world.tell("the owner accepts the loss");
        world.edit(|spec| spec.recovery.shard_loss = Some(ShardLossPolicy::AcceptEmpty));
    }
}

/// A human reads that too few leaders answer, looks after the hosts that Kubernetes does not hear, says
/// which are off, and takes his word back once they are there again.
fn tell_who_is_off(world: &mut World) {
    let is_asked = world
        .status()
        .waiting_on
        .iter()
        .any(|it| it.reason == "QuorumLost");
    for at in 0..world.hosts.len() {
        let host = &world.hosts[at];
        let is_off = host.state == HostState::Dead;
        let is_dead = is_off && !host.is_ready && is_asked;
        let says = match host.is_tainted {
            false if is_dead => "off",
            true if !is_off && host.is_ready => "back",
            _ => continue,
        };
        let name = host.name.clone();
        world.tell(&format!("a human says that {name} is {says}"));
        world.hosts[at].is_tainted = is_off;
        world.has_changed = true;
        world.promises.count("a human says which hosts are off");
    }
}

/// The loop of one operator, as the controller's driver runs it.
async fn operate(ports: Ports, wake: Arc<Notify>) {
    let shared = Arc::new(ports.clone());
    let key = ClusterKey {
        namespace: "ns".to_owned(),
        name: "c".to_owned(),
    };
    let Ok(metrics) = Metrics::new() else { return };
    let context = Context::new(ContextParts {
        objects: shared.clone(),
        admin: shared.clone(),
        clock: shared.clone(),
        fence: Fence::open(shared),
        metrics,
        events: Events::discard(),
        rounds: Rounds::default(),
        overdue: Overdue::default(),
    });
    let mut failed_rounds = 0;
    loop {
        let pause = match reconcile(&context, &key).await {
            Ok(round) => {
                failed_rounds = 0;
                round.again_in
            }
            Err(error) => {
                failed_rounds += 1;
                let class = error.class();
                delay(Pace::Failing {
                    class,
                    failed_rounds,
                })
            }
        };
        let draw = ports.lock().rng.random::<f64>();
        // never at once: kube's scheduler is a turn of the runtime, too
        sleep(Duration::from_millis(1)).await;
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = sleep(jittered(pause, draw)) => {}
        }
    }
}
