//! Chooses crashes: every point of a history, and at each point which unsynced changes are left.

use std::collections::HashSet;

use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::{CrashPoint, Kept};
use odradek_storage::log_dir::PreviousStop;
use uuid::Uuid;

use crate::check::recovers;
use crate::host::{Host, LATER_MS, Problem, open_dir};
use crate::workload::Workload;
use crate::world::{Crash, World};

/// How many states to try at each point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All and none of the unsynced changes, each one alone dropped, each one alone kept.
    Singles,
    /// Also torn writes, pairs, random subsets, a clean stop and a second crash after recovery.
    Everything,
}

/// What a sweep found.
#[derive(Debug)]
pub(crate) enum Outcome {
    Survived { states: usize },
    Failed { state: String, problem: Problem },
}

impl Outcome {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// The most pairs of changes, and the most random subsets, tried at one point.
const PAIRS_MAX: usize = 12;
const SUBSETS: usize = 6;
/// Every so many states are stopped cleanly and opened again, and crashed a second time.
const AFTERLIFE_EVERY: usize = 16;

/// Crashes everywhere; stops at the first state that does not recover.
pub(crate) fn sweep(workload: &Workload, ignored_site: Option<&str>, depth: Depth) -> Outcome {
    let mut sweep = Sweep {
        workload,
        depth,
        seen: HashSet::new(),
        second_crashes: 0,
        random: Random(0x0dd0),
        failed: None,
    };
    workload.history().for_each_point(ignored_site, |point| {
        if sweep.failed.is_none() {
            sweep.failed = sweep.crash_at(point).err();
        }
    });
    match sweep.failed {
        Some((state, problem)) => Outcome::Failed { state, problem },
        None => Outcome::Survived {
            states: sweep.seen.len() + sweep.second_crashes,
        },
    }
}

struct Sweep<'a> {
    workload: &'a Workload,
    depth: Depth,
    seen: HashSet<State>,
    second_crashes: usize,
    random: Random,
    failed: Option<(String, Problem)>,
}

/// Tells states apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct State {
    crash: Crash,
    durable_version: usize,
    world: (usize, usize),
    kept: Vec<(usize, Kept)>,
    written: Option<usize>,
}

impl Sweep<'_> {
    fn crash_at(&mut self, point: &CrashPoint) -> Result<(), (String, Problem)> {
        for written in cuts(point, self.depth) {
            self.process_death(point, written)?;
        }
        for fates in self.fates(point) {
            self.power_loss(point, &fates)?;
        }
        Ok(())
    }

    /// What becomes of the unsynced changes, in every way that is tried.
    fn fates(&mut self, point: &CrashPoint) -> Vec<Vec<Kept>> {
        use Kept::{LengthOnly, Nothing, SectorsBefore, SectorsFrom, Whole};
        let count = point.unsynced();
        let but = |most: Kept, others: &[(usize, Kept)]| {
            let mut fates = vec![most; count];
            for &(index, kept) in others {
                fates[index] = kept;
            }
            fates
        };
        let mut fates = vec![but(Nothing, &[]), but(Whole, &[])];
        for index in 0..count {
            fates.push(but(Whole, &[(index, Nothing)]));
            fates.push(but(Nothing, &[(index, Whole)]));
        }
        if self.depth == Depth::Singles {
            return fates;
        }
        for index in (0..count).filter(|index| point.is_write(*index)) {
            fates.push(but(Whole, &[(index, LengthOnly)]));
        }
        if let Some(last) = (0..count).rev().find(|index| point.is_write(*index)) {
            for boundary in 0..point.tears(last) {
                fates.push(but(Whole, &[(last, SectorsBefore(boundary))]));
                fates.push(but(Whole, &[(last, SectorsFrom(boundary))]));
                fates.push(but(Nothing, &[(last, SectorsBefore(boundary))]));
            }
        }
        let mut pairs: Vec<(usize, usize)> = (0..count)
            .flat_map(|one| (one + 1..count).map(move |two| (one, two)))
            .collect();
        while pairs.len() > PAIRS_MAX {
            pairs.swap_remove(self.random.below(pairs.len()));
        }
        for (one, two) in pairs {
            fates.push(but(Whole, &[(one, Nothing), (two, Nothing)]));
            fates.push(but(Nothing, &[(one, Whole), (two, Whole)]));
        }
        for _ in 0..if count > 2 { SUBSETS } else { 0 } {
            let fate = |index| match self.random.below(8) {
                0..4 => Whole,
                4..7 => Nothing,
                _ if point.tears(index) > 0 => {
                    SectorsBefore(self.random.below(point.tears(index) as usize) as u64)
                }
                _ => LengthOnly,
            };
            fates.push((0..count).map(fate).collect());
        }
        fates
    }

    fn power_loss(&mut self, point: &CrashPoint, fates: &[Kept]) -> Result<(), (String, Problem)> {
        let kept = fates.iter().enumerate();
        let kept = kept
            .filter(|(_, kept)| **kept != Kept::Nothing)
            .map(|(index, kept)| (point.unsynced_id(index), *kept))
            .collect();
        let state = self.state(point, Crash::PowerLoss, kept, None);
        self.crash(point, state, || {
            point.after_power_loss(|index| fates[index])
        })
    }

    fn process_death(
        &mut self,
        point: &CrashPoint,
        written: Option<usize>,
    ) -> Result<(), (String, Problem)> {
        let all = (0..point.unsynced()).map(|index| (point.unsynced_id(index), Kept::Whole));
        let state = self.state(point, Crash::ProcessDeath, all.collect(), written);
        self.crash(point, state, || point.after_process_death(written))
    }

    fn state(
        &self,
        point: &CrashPoint,
        crash: Crash,
        kept: Vec<(usize, Kept)>,
        written: Option<usize>,
    ) -> State {
        let world = World::version(&self.workload.facts, point.events());
        State {
            crash,
            durable_version: point.durable_version(),
            world,
            kept,
            written,
        }
    }

    fn crash(
        &mut self,
        point: &CrashPoint,
        state: State,
        left: impl Fn() -> MemoryDisk,
    ) -> Result<(), (String, Problem)> {
        if self.seen.contains(&state) {
            return Ok(());
        }
        // A write that was cut short did not return, and nothing was promised after it.
        let events = point.events() - usize::from(state.written.is_some());
        let world = World::at(&self.workload.facts, events, state.crash);
        let disk = left();
        let result = recovers(&disk, &world).and_then(|host| {
            let afterlife =
                self.depth == Depth::Everything && self.seen.len().is_multiple_of(AFTERLIFE_EVERY);
            if !afterlife {
                return Ok(());
            }
            stops_cleanly(&disk, host, &world)?;
            let world = World {
                is_clean: None,
                ..World::at(&self.workload.facts, events, Crash::PowerLoss)
            };
            self.second_crash(&left, &world)
        });
        result.map_err(|problem| (format!("{} events, {state:?}", point.events()), problem))?;
        self.seen.insert(state);
        Ok(())
    }

    /// Crashes the recovery itself, everywhere.
    fn second_crash(
        &mut self,
        left: impl Fn() -> MemoryDisk,
        world: &World,
    ) -> Result<(), Problem> {
        let disk = left();
        drop(Host::open(
            open_dir(&disk, Uuid::from_u128(2))?,
            &world.topics,
            LATER_MS,
        )?);
        let mut result = Ok(());
        disk.history().for_each_point(None, |point| {
            let random = &mut self.random;
            let any = |_| {
                if random.below(2) == 0 {
                    Kept::Whole
                } else {
                    Kept::Nothing
                }
            };
            let disks = [
                point.after_process_death(None),
                point.after_power_loss(|_| Kept::Nothing),
                point.after_power_loss(any),
            ];
            for disk in disks {
                if result.is_ok() {
                    self.second_crashes += 1;
                    result = recovers(&disk, world).map(drop);
                }
            }
            if let Err(problem) = &mut result
                && !problem.starts_with("second")
            {
                *problem = format!("second crash after {} events: {problem}", point.events());
            }
        });
        result
    }
}

/// A clean stop after recovery, and a start after that.
fn stops_cleanly(disk: &MemoryDisk, host: Host, world: &World) -> Result<(), Problem> {
    let ends = |host: &Host| {
        let logs = host.logs.iter();
        let ends = logs.map(|(topic, log)| (topic.clone(), log.view().log_end_offset()));
        ends.collect::<Vec<_>>()
    };
    let before = ends(&host);
    host.stop()?;
    let dir = open_dir(disk, Uuid::from_u128(2))?;
    let stop = dir.previous_stop();
    let again = Host::open(dir, &world.topics, LATER_MS)?;
    if stop != PreviousStop::Clean || ends(&again) != before {
        return Err(format!(
            "after a clean stop: {stop:?}, {:?}, not {before:?}",
            ends(&again)
        ));
    }
    Ok(())
}

/// Where the write under way may be cut when the process dies.
fn cuts(point: &CrashPoint, depth: Depth) -> Vec<Option<usize>> {
    let mut cuts = vec![None];
    if depth == Depth::Everything
        && let Some(len) = point.last_write_len()
    {
        cuts.extend([0, 1, len / 2, len - 1].map(Some));
        cuts.extend((512..len).step_by(512).map(Some));
    }
    cuts
}

/// A small generator of numbers that look random and are the same each time (`SplitMix64`).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
