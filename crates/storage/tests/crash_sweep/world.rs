//! What must be there, and what may be there, after a crash at one point of a workload.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::fact::{Fact, LogFact, StoredBatch, Timed};
use crate::host::Topics;

/// How the machine or the process stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Crash {
    PowerLoss,
    ProcessDeath,
}

/// What is known of one log.
#[derive(Debug, Default)]
pub(crate) struct LogWorld {
    /// Batches that may be in it.
    pub(crate) possible: Vec<StoredBatch>,
    /// The log ends here or later.
    pub(crate) end_min: i64,
    /// The log starts here or later.
    pub(crate) start_min: i64,
    /// The log starts here or earlier.
    pub(crate) start_max: i64,
    /// Every record that has a later one with its key below this is gone.
    pub(crate) cleaned_to: i64,
}

/// What is known of all logs, and of the directory.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) topics: Topics,
    pub(crate) logs: BTreeMap<Uuid, LogWorld>,
    /// Whether the stop must look clean; `None`: it may or may not.
    pub(crate) is_clean: Option<bool>,
    /// The directory's id, once it is certain.
    pub(crate) directory_id: Option<Uuid>,
}

impl World {
    /// After a crash when `events` events had happened.
    pub(crate) fn at(facts: &[Timed], events: usize, crash: Crash) -> Self {
        let mut world = Self {
            is_clean: Some(false),
            ..Self::default()
        };
        for timed in facts.iter().filter(|timed| timed.began <= events) {
            let done = timed.done <= events;
            match &timed.fact {
                Fact::Started { directory_id } => {
                    world.is_clean = if done { Some(false) } else { None };
                    if done {
                        world.directory_id = Some(*directory_id);
                    }
                }
                Fact::Stopped => world.is_clean = if done { Some(true) } else { None },
                Fact::OfLog { topic, id, fact } => world.learn(topic, *id, fact, done, crash),
            }
        }
        world
    }

    fn learn(&mut self, topic: &str, id: Uuid, fact: &LogFact, done: bool, crash: Crash) {
        let log = self.logs.entry(id).or_default();
        match fact {
            LogFact::Created => {
                self.topics.insert(topic.to_owned(), id);
            }
            LogFact::Deleted => {
                self.topics.remove(topic);
            }
            LogFact::Appended(batch) => {
                log.possible.push(batch.clone());
                if done && crash == Crash::ProcessDeath {
                    log.end_min = batch.end_offset;
                }
            }
            LogFact::Durable { end_offset } if done => log.end_min = log.end_min.max(*end_offset),
            LogFact::Cleaned { cleaned_to } if done => log.cleaned_to = *cleaned_to,
            LogFact::MayStartAt { offset } => log.start_max = *offset,
            LogFact::StartsAt { offset } if done => log.start_min = *offset,
            LogFact::Durable { .. } | LogFact::StartsAt { .. } | LogFact::Cleaned { .. } => {}
            LogFact::Truncated { end_offset } => {
                log.end_min = log.end_min.min(*end_offset);
                if done {
                    log.possible.retain(|batch| batch.base_offset < *end_offset);
                }
            }
        }
    }

    /// How many facts were begun and done: worlds with equal counts are equal.
    pub(crate) fn version(facts: &[Timed], events: usize) -> (usize, usize) {
        let began = facts.iter().filter(|timed| timed.began <= events).count();
        let done = facts.iter().filter(|timed| timed.done <= events).count();
        (began, done)
    }
}
