//! A group and its clients for some simulated minutes, with everything that can go wrong, from one
//! seed.
//!
//! Clients behave as real ones do: they join, sync, send heartbeats, and do what the answer's error
//! says. They also die, come back, leave, change their minds, forget to sync, and lose answers. The
//! log is slow or refuses, and the broker dies and comes back with what the log has.
//!
//! What is checked on the way:
//! - no request is answered twice (in [`World`]); counts agree with the members (there as well)
//! - a generation has one leader, and one assignment, which is what its members get
//! - nobody is told of a generation that it is not in
//!
//! and at the end, when nothing goes wrong any more:
//! - every request was answered, and no member is stuck
//! - whoever lives is in one stable generation, and nobody else is

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    GroupError, GroupState, JoinRequest, RequestId, Settings,
    test_support::{World, protocols, request, settings},
};
use crate::coordinator::state_log::StateLogError;

const SEEDS: u64 = 2000;

/// A small generator (SplitMix64): one seed, one run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in so many times.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a client is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// About to join.
    Nothing,
    Joining(RequestId),
    /// Joined, about to sync.
    Joined,
    Syncing(RequestId),
    /// Consuming.
    Consuming,
    /// Does not exist for now.
    Dead,
    /// Another one has its place.
    Fenced,
}

#[derive(Debug)]
struct Client {
    name: String,
    instance_id: Option<Arc<str>>,
    protocols: &'static [&'static str],
    doing: Doing,
    member_id: String,
    generation: i32,
    /// Whom it assigns to, if it leads.
    leads: Option<Vec<Arc<str>>>,
    sends_heartbeats: bool,
}

struct Simulation {
    world: World,
    random: Random,
    clients: Vec<Client>,
    /// The leader of each generation, since the broker began.
    leaders: BTreeMap<i32, Arc<str>>,
    /// What the leader of each generation assigned it as.
    labels: BTreeMap<i32, String>,
    /// Things go wrong.
    trouble: bool,
}

const WISHES: [&[&str]; 3] = [&["range", "sticky"], &["sticky", "range"], &["range"]];

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let count = 1 + random.below(7);
        let clients = (0..count).map(|number| Client {
            name: format!("client-{number}"),
            // Two may believe to be the same one.
            instance_id: random
                .once_in(3)
                .then(|| format!("static-{}", random.below(4)).into()),
            protocols: WISHES[random.below(3) as usize],
            doing: Doing::Dead,
            member_id: String::new(),
            generation: -1,
            leads: None,
            sends_heartbeats: true,
        });
        let clients = clients.collect();
        let world = World::with(Settings {
            members_max: if random.once_in(4) { 3 } else { usize::MAX },
            initial_rebalance_delay: Duration::from_millis(random.below(2) * 3000),
            ..settings()
        });
        Self {
            world,
            random,
            clients,
            leaders: BTreeMap::new(),
            labels: BTreeMap::new(),
            trouble: true,
        }
    }

    fn run(&mut self) {
        for _ in 0..self.random.below(400) {
            self.step();
        }
        self.trouble = false;
        self.world.log_is_fast = true;
        while self.world.store_next(Ok(())) {}
        for client in &mut self.clients {
            client.sends_heartbeats = true;
        }
        // Longer than all time limits after each other.
        for _ in 0..300 {
            self.step();
        }
        self.check_end();
    }

    fn step(&mut self) {
        let time = self.random.below(2000);
        self.world.pass(Duration::from_millis(time));
        if self.trouble {
            self.make_trouble();
        }
        for index in 0..self.clients.len() {
            // Whoever is slow dies of it, so at the end nobody is.
            if !self.trouble || self.random.once_in(2) {
                self.act(index);
            }
        }
    }

    fn make_trouble(&mut self) {
        match self.random.below(60) {
            0 => self.world.log_is_fast = false,
            1..=5 => {
                let _ = self.world.store_next(Ok(()));
            }
            6 => {
                let refused = GroupError::NotStored(StateLogError::TimedOut);
                let _ = self.world.store_next(Err(refused));
            }
            7..=9 => {
                self.world.log_is_fast = true;
                while self.world.store_next(Ok(())) {}
            }
            10 if self.random.once_in(4) => self.restart_broker(),
            11..=16 => self.disturb_a_client(),
            _ => {}
        }
    }

    /// Whoever waits loses its connection, and asks again.
    fn restart_broker(&mut self) {
        self.world.restart();
        (self.leaders, self.labels) = (BTreeMap::new(), BTreeMap::new());
        for client in &mut self.clients {
            if !matches!(client.doing, Doing::Dead | Doing::Fenced) {
                client.doing = Doing::Nothing;
            }
        }
    }

    fn disturb_a_client(&mut self) {
        let index = self.random.below(self.clients.len() as u64) as usize;
        let action = self.random.below(8);
        let client = &mut self.clients[index];
        match (action, client.doing) {
            (0, _) => client.doing = Doing::Dead,
            (1, Doing::Dead | Doing::Fenced) | (2..=3, Doing::Dead) => {
                client.doing = Doing::Nothing;
                client.member_id.clear();
            }
            (4, Doing::Consuming) => {
                let (id, instance_id) = (client.member_id.clone(), client.instance_id.clone());
                client.doing = Doing::Dead;
                self.world.leave(&id, instance_id.as_deref());
            }
            (5, _) => client.protocols = WISHES[self.random.below(3) as usize],
            (6, _) => client.sends_heartbeats = !client.sends_heartbeats,
            // The answer is lost, or it forgets to wait for it.
            (7, Doing::Joining(_) | Doing::Syncing(_)) => client.doing = Doing::Nothing,
            _ => {}
        }
    }

    /// A client goes on.
    fn act(&mut self, index: usize) {
        let client = &mut self.clients[index];
        match client.doing {
            Doing::Nothing => {
                let wish = JoinRequest {
                    member_id: client.member_id.clone(),
                    instance_id: client.instance_id.clone(),
                    client_id: client.name.clone(),
                    protocols: protocols(client.protocols),
                    ..request()
                };
                client.doing = Doing::Joining(self.world.join(wish));
            }
            Doing::Joining(id) => {
                if let Some(answer) = self.world.joins.remove(&id) {
                    self.take_join(index, answer);
                }
            }
            Doing::Joined => self.sync(index),
            Doing::Syncing(id) => {
                if let Some(answer) = self.world.syncs.remove(&id) {
                    self.take_sync(index, answer);
                }
            }
            Doing::Consuming if client.sends_heartbeats => self.heartbeat(index),
            Doing::Consuming | Doing::Dead | Doing::Fenced => {}
        }
    }

    fn take_join(&mut self, index: usize, answer: super::JoinAnswer) {
        let client = &mut self.clients[index];
        match answer {
            Ok(joined) => {
                if !client.member_id.is_empty() {
                    assert_eq!(*joined.member_id, *client.member_id);
                }
                client.member_id = joined.member_id.to_string();
                client.generation = joined.generation;
                client.doing = Doing::Joined;
                let leads = joined.leader == joined.member_id;
                client.leads = (leads && !joined.skip_assignment).then(|| {
                    let ids = joined.members.iter();
                    ids.map(|member| Arc::clone(&member.member_id)).collect()
                });
                if client.leads.is_some() {
                    let ids = client.leads.iter().flatten().collect::<BTreeSet<_>>();
                    assert!(ids.contains(&joined.member_id), "a leader is a member");
                    assert_eq!(ids.len(), joined.members.len(), "no member twice");
                    let leader = Arc::clone(&joined.leader);
                    let former = self.leaders.insert(joined.generation, leader);
                    assert!(
                        former.is_none_or(|former| former == joined.leader),
                        "generation {} has two leaders",
                        joined.generation
                    );
                }
            }
            Err(refusal) => {
                if matches!(refusal.error, GroupError::MemberIdRequired) {
                    client.member_id = refusal.member_id.to_string();
                    client.doing = Doing::Nothing;
                } else {
                    self.take_error(index, &refusal.error);
                }
            }
        }
    }

    fn sync(&mut self, index: usize) {
        let client = &mut self.clients[index];
        // A label that nobody else uses: who gets it got it from this leader.
        let label = format!("{} by {}", client.generation, client.member_id);
        let mut assignments = Vec::new();
        if let Some(ids) = &client.leads {
            assignments.extend(ids.iter().map(|id| (&**id, &*label)));
            self.labels.insert(client.generation, label.clone());
        }
        let id = self
            .world
            .sync_with(&client.member_id, client.generation, &assignments);
        client.doing = Doing::Syncing(id);
    }

    fn take_sync(&mut self, index: usize, answer: super::SyncAnswer) {
        let client = &mut self.clients[index];
        match answer {
            Ok(synced) => {
                client.doing = Doing::Consuming;
                let label = String::from_utf8(synced.assignment.to_vec()).unwrap();
                let expected = self.labels.get(&client.generation);
                // After a restart of the broker it is not known here what was assigned before.
                assert!(
                    expected.is_none_or(|expected| *expected == label),
                    "{} got {label:?} and not {expected:?}",
                    client.name
                );
                assert!(label.starts_with(&format!("{} by ", client.generation)));
            }
            Err(error) => self.take_error(index, &error),
        }
    }

    fn heartbeat(&mut self, index: usize) {
        let client = &self.clients[index];
        let instance_id = client.instance_id.clone();
        let alive =
            self.world
                .heartbeat_with(&client.member_id, instance_id.as_deref(), client.generation);
        if let Err(error) = alive {
            self.take_error(index, &error);
        }
    }

    fn take_error(&mut self, index: usize, error: &GroupError) {
        let client = &mut self.clients[index];
        client.doing = Doing::Nothing;
        match error {
            GroupError::UnknownMember | GroupError::IllegalGeneration => client.member_id.clear(),
            GroupError::FencedInstance => client.doing = Doing::Fenced,
            // An error of the application; it may try again one day.
            GroupError::Full => {
                client.doing = Doing::Dead;
                client.member_id.clear();
            }
            GroupError::RebalanceInProgress
            | GroupError::NotStored(_)
            | GroupError::InconsistentProtocol => {}
            other => panic!("{} got {other:?}", client.name),
        }
    }

    fn check_end(&self) {
        let group = &self.world.group;
        let living: BTreeSet<&str> = self
            .clients
            .iter()
            .filter(|client| !matches!(client.doing, Doing::Dead | Doing::Fenced))
            .map(|client| {
                assert_eq!(client.doing, Doing::Consuming, "{client:?}: {group:#?}");
                assert_eq!(client.generation, group.generation, "{client:?}");
                &*client.member_id
            })
            .collect();
        let members: BTreeSet<&str> = group.roster.iter().map(|member| &*member.id).collect();
        assert_eq!(members, living);
        assert!(group.invited.is_empty());
        let expected = if living.is_empty() {
            GroupState::Empty
        } else {
            GroupState::Stable
        };
        assert_eq!(group.state, expected);
        // If the log refused the news that nobody is left, it still has the last members: they die
        // again after a restart.
        if let Some(stored) = self.world.stored.last()
            && !living.is_empty()
        {
            let stored: BTreeSet<&str> = stored
                .members
                .iter()
                .map(|member| &*member.member_id)
                .collect();
            assert_eq!(stored, living, "what the log has");
        }
    }
}

fn run(seed: u64) -> Simulation {
    let mut simulation = Simulation::new(seed);
    simulation.run();
    simulation
}

#[test]
fn a_seed_repeats() {
    for seed in 0..10 {
        let [first, second] = [run(seed), run(seed)];
        assert_eq!(first.world.rebalances.len(), second.world.rebalances.len());
        assert_eq!(first.world.group.view(), second.world.group.view());
    }
}

#[test]
fn whatever_goes_wrong_everybody_is_answered_and_the_living_agree() {
    let mut rebalances = 0;
    for seed in 0..SEEDS {
        let simulated = std::panic::catch_unwind(|| run(seed));
        let Ok(simulation) = simulated else {
            panic!("seed {seed} shows it");
        };
        rebalances += simulation.world.rebalances.len();
    }
    // Trouble was made.
    assert!(SEEDS as usize * 5 < rebalances, "{rebalances}");
}
