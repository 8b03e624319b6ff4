//! The log engine at work, recorded step by step together with what was promised.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::sync::Arc;

use odradek_protocol::records::{BatchBuilder, RecordBatch};
use odradek_storage::append::{AppendContext, AppendOrigin, AppendRequest};
use odradek_storage::cleaner::plan::Standing;
use odradek_storage::cleaner::{CleanError, CleanLimits, Cleaned, Supervisor};
use odradek_storage::config::LogConfig;
use odradek_storage::disk::Disk;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::{CrashPoint, Kept};
use odradek_storage::log::Log;
use odradek_storage::retention::PendingDeletion;
use uuid::Uuid;

use crate::fact::{Fact, LogFact, StoredBatch, Timed};
use crate::host::{Host, Topics, config, log_dir_path, open_dir};
use crate::workload::Workload;
use crate::world::{Crash, World};

/// The directory's id.
const DIRECTORY_ID: Uuid = Uuid::from_u128(1);

/// When a fact is done whose beginning alone happened.
const NEVER: usize = usize::MAX;

/// A run under way.
pub(crate) struct Run {
    pub(crate) disk: MemoryDisk,
    /// `None` between a stop and the next start.
    host: Option<Host>,
    topics: Topics,
    facts: Vec<Timed>,
    now_ms: i64,
    next_id: u128,
    leader_epoch: i32,
    /// The next sequence number of producer 0, 1, 2 in the present log of each topic.
    sequences: BTreeMap<(Uuid, i64), i32>,
}

/// The same disk, which from now on knows which line of the log engine syncs.
fn recorded(disk: MemoryDisk) -> MemoryDisk {
    disk.record_sync_callers(|| {
        let trace = Backtrace::force_capture().to_string();
        let mut places = trace
            .lines()
            .filter_map(|line| line.split_once("at ./src/"));
        // The file system itself, and the guard in front of it, sync for somebody else.
        let own = |place: &str| !place.starts_with("disk") && !place.starts_with("log_dir/guard");
        let place = places.find(|(_, place)| own(place));
        place.map_or("the test", |(_, place)| place).to_owned()
    });
    disk
}

/// Producers take turns; id 0 stands for batches without one.
const PRODUCERS: i64 = 3;

/// Goes on, and keeps what compaction does not need any more.
#[derive(Default)]
pub(crate) struct Replaced {
    pub(crate) files: Vec<PendingDeletion>,
}

impl Supervisor for Replaced {
    fn may_go_on(&mut self, _bytes: u64) -> bool {
        true
    }

    fn remove_later(&mut self, files: PendingDeletion) {
        self.files.push(files);
    }
}

impl Run {
    pub(crate) fn new() -> Self {
        let mut run = Self {
            disk: recorded(MemoryDisk::new()),
            host: None,
            topics: Topics::new(),
            facts: Vec::new(),
            now_ms: 1000,
            next_id: 100,
            leader_epoch: 0,
            sequences: BTreeMap::new(),
        };
        run.start();
        run
    }

    pub(crate) fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    pub(crate) fn log(&mut self, topic: &str) -> &mut Log {
        self.host().logs.get_mut(topic).unwrap()
    }

    /// What must be there after a crash now.
    pub(crate) fn world(&self, crash: Crash) -> World {
        World::at(&self.facts, self.disk.event_count(), crash)
    }

    pub(crate) fn finish(self) -> Workload {
        Workload {
            disk: self.disk,
            facts: self.facts,
        }
    }

    fn fact(&mut self, began: usize, fact: Fact) {
        let done = self.disk.event_count();
        self.facts.push(Timed { began, done, fact });
    }

    fn log_fact(&mut self, topic: &str, began: usize, fact: LogFact) {
        let (topic, id) = (topic.to_owned(), self.topics[topic]);
        self.fact(began, Fact::OfLog { topic, id, fact });
    }

    fn unique(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    pub(crate) fn create(&mut self, topic: &str) {
        let id = self.unique();
        let began = self.disk.event_count();
        self.topics.insert(topic.to_owned(), id);
        self.host().create(topic, id).unwrap();
        self.log_fact(topic, began, LogFact::Created);
    }

    pub(crate) fn delete(&mut self, topic: &str) {
        let unique = self.unique();
        let began = self.disk.event_count();
        self.host().delete(topic, unique).unwrap();
        self.log_fact(topic, began, LogFact::Deleted);
        self.topics.remove(topic);
    }

    /// Appends batches of `records` records of `size` bytes each as one group.
    pub(crate) fn append(&mut self, topic: &str, batches: &[(i64, usize, usize)]) {
        let began = self.disk.event_count();
        let first_offset = self.log(topic).view().log_end_offset();
        let mut sent: Vec<RecordBatch> = Vec::new();
        for &(producer, records, size) in batches {
            self.now_ms += 10;
            let mut builder = BatchBuilder::new();
            if producer % PRODUCERS != 0 {
                let sequence = self
                    .sequences
                    .entry((self.topics[topic], producer))
                    .or_insert(0);
                builder = builder.producer(producer, 0, *sequence);
                *sequence += records as i32;
            }
            for record in 0..records {
                let value = vec![(self.now_ms as u8).wrapping_add(record as u8); size];
                let key = [
                    b'k',
                    b'e',
                    b'a' + (self.now_ms / 10 + 2 * record as i64) as u8 % 5,
                ];
                builder = builder.record(self.now_ms, Some(&key), Some(&value));
            }
            sent.push(builder.build());
        }
        let requests: Vec<AppendRequest> = sent
            .iter()
            .map(|batch| AppendRequest {
                records: batch.to_bytes(),
            })
            .collect();
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: self.leader_epoch,
            now_ms: self.now_ms,
        };
        let outcome = self.log(topic).append_group(&requests, context);
        let mut base_offset = first_offset;
        for (mut batch, result) in sent.into_iter().zip(outcome.results) {
            let appended = result.unwrap();
            assert_eq!(appended.base_offset, base_offset);
            let sent = batch.to_bytes();
            batch.assign(base_offset, self.leader_epoch);
            let stored = StoredBatch {
                base_offset,
                end_offset: batch.header().next_offset(),
                leader_epoch: self.leader_epoch,
                producer_id: batch.header().producer_id,
                timestamp: batch.header().max_timestamp,
                sent,
                stored: batch.to_bytes(),
            };
            base_offset = stored.end_offset;
            self.log_fact(topic, began, LogFact::Appended(stored));
        }
    }

    /// One batch of each producer, of a few hundred bytes.
    pub(crate) fn append_some(&mut self, topic: &str, groups: usize) {
        for group in 0..groups {
            self.append(topic, &[(1, 2, 100 + 97 * group), (0, 1, 40)]);
            self.append(topic, &[(2, 1, 700)]);
        }
    }

    pub(crate) fn flush(&mut self, topic: &str) {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let end_offset = self.log(topic).flush(now_ms).unwrap();
        self.log_fact(topic, began, LogFact::Durable { end_offset });
    }

    pub(crate) fn flush_in_background(&mut self, topic: &str) {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let end_offset = self.log(topic).flusher().flush(now_ms).unwrap();
        self.log_fact(topic, began, LogFact::Durable { end_offset });
    }

    pub(crate) fn checkpoint(&mut self) {
        self.host().checkpoint().unwrap();
    }

    pub(crate) fn roll(&mut self, topic: &str) {
        let now_ms = self.now_ms;
        self.log(topic).roll(now_ms).unwrap();
    }

    pub(crate) fn new_leader_epoch(&mut self, topic: &str) {
        self.leader_epoch += 2;
        let epoch = self.leader_epoch;
        self.log(topic).start_leader_epoch(epoch).unwrap();
    }

    /// Keeps about `bytes` of the log.
    pub(crate) fn retain(&mut self, topic: &str, bytes: u64) {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let log = self.log(topic);
        log.update_config(LogConfig {
            retention_bytes: Some(bytes),
            ..config()
        });
        let high_watermark = log.view().log_end_offset();
        let deletion = log.delete_old_segments(high_watermark, now_ms).unwrap();
        let offset = log.view().log_start_offset();
        let deletion = deletion.expect("the workload keeps less than there is");
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        deletion.remove(&disk).unwrap();
        self.log_fact(topic, began, LogFact::MayStartAt { offset });
        let end_offset = self.log(topic).view().recovery_point();
        self.log_fact(topic, began, LogFact::Durable { end_offset });
    }

    /// Compacts what lies below the active segment, as if nothing had been compacted before.
    pub(crate) fn clean(&mut self, topic: &str) {
        self.try_clean(topic).unwrap();
    }

    /// As [`clean`](Self::clean), on a disk that may fail.
    pub(crate) fn try_clean(&mut self, topic: &str) -> Result<(), CleanError> {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let log = self.log(topic);
        let (cleaner, config) = (log.cleaner(), log.config().clone());
        let standing = Standing {
            cleaned_to: 0,
            last_stable_offset: log.view().log_end_offset(),
            now_ms,
        };
        let cleanable = cleaner.cleanable(&config, standing)?;
        let limits = CleanLimits {
            map_bytes: 1 << 16,
            map_load_factor: 0.9,
        };
        let mut replaced = Replaced::default();
        let cleaned = cleaner.clean(&cleanable, &config, limits, now_ms, &mut replaced);
        if let Ok(Cleaned { cleaned_to, .. }) = cleaned {
            self.log_fact(topic, began, LogFact::Cleaned { cleaned_to });
            let end_offset = self.log(topic).view().recovery_point();
            self.log_fact(topic, began, LogFact::Durable { end_offset });
        }
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        for files in replaced.files {
            // What stays is removed by the next start.
            let _ = files.remove(&disk);
        }
        cleaned.map(drop)
    }

    /// Deletes the records below `offset`, durably.
    pub(crate) fn delete_records(&mut self, topic: &str, offset: i64) {
        let began = self.disk.event_count();
        let moved = self.log(topic).advance_log_start(offset).unwrap();
        assert!(moved);
        self.log_fact(topic, began, LogFact::MayStartAt { offset });
        self.host().write_log_starts().unwrap();
        self.log_fact(topic, began, LogFact::StartsAt { offset });
    }

    pub(crate) fn truncate(&mut self, topic: &str, end_offset: i64) {
        let began = self.disk.event_count();
        self.host().truncate(topic, end_offset).unwrap();
        self.log_fact(topic, began, LogFact::Truncated { end_offset });
        let id = self.topics[topic];
        self.sequences.retain(|(log, _), _| *log != id);
        for timed in &self.facts {
            if let Fact::OfLog {
                id: log,
                fact: LogFact::Appended(batch),
                ..
            } = &timed.fact
                && *log == id
                && batch.base_offset < end_offset
                && batch.producer_id >= 0
            {
                self.sequences
                    .insert((id, batch.producer_id), batch.next_sequence());
            }
        }
    }

    pub(crate) fn stop(&mut self) {
        let began = self.disk.event_count();
        let logs = self.host().logs.iter();
        let ends: Vec<_> = logs
            .map(|(topic, log)| (topic.clone(), log.view().log_end_offset()))
            .collect();
        self.host.take().unwrap().stop().unwrap();
        for (topic, end_offset) in ends {
            self.log_fact(&topic, began, LogFact::Durable { end_offset });
        }
        self.fact(began, Fact::Stopped);
    }

    /// The process dies; what it wrote is still in the page cache.
    pub(crate) fn kill(&mut self) {
        self.host = None;
    }

    /// As if the process had died when `events` events had happened.
    pub(crate) fn was_killed_at(&mut self, events: usize) {
        self.go_back_to(events, |point| point.after_process_death(None));
    }

    /// The power goes, and of the changes that were not synced those stay that `kept` says.
    pub(crate) fn lose_power(&mut self, kept: impl Fn(&CrashPoint, usize) -> Kept) {
        let now = self.disk.event_count();
        self.go_back_to(now, |point| {
            point.after_power_loss(|index| kept(point, index))
        });
    }

    /// A new history begins with what a crash after `events` events leaves.
    fn go_back_to(&mut self, events: usize, left: impl Fn(&CrashPoint) -> MemoryDisk) {
        self.host = None;
        let mut disk = None;
        self.disk.history().for_each_point(None, |point| {
            if point.events() == events {
                disk = Some(left(point));
            }
        });
        self.disk = recorded(disk.unwrap());
        self.facts.retain(|timed| timed.began <= events);
        for timed in &mut self.facts {
            timed.began = 0;
            timed.done = if timed.done <= events { 0 } else { NEVER };
        }
    }

    /// A file of the topic "clicks" is gone.
    pub(crate) fn lose_file(&self, name: &str) {
        self.disk
            .remove_file(&log_dir_path().join("clicks-0").join(name))
            .unwrap();
    }

    pub(crate) fn start(&mut self) {
        let began = self.disk.event_count();
        let dir = open_dir(&self.disk, DIRECTORY_ID).unwrap();
        self.fact(
            began,
            Fact::Started {
                directory_id: DIRECTORY_ID,
            },
        );
        self.host = Some(Host::open(dir, &self.topics, self.now_ms).unwrap());
        self.forget_what_was_lost();
        if began == 0 {
            // This history began with what a power loss had left, so that is durable.
            for topic in self.topics.clone().into_keys() {
                let end_offset = self.log(&topic).view().log_end_offset();
                self.log_fact(&topic, 0, LogFact::Durable { end_offset });
                let durable = self.facts.last_mut().unwrap();
                durable.done = 0;
            }
        }
    }

    /// What is in the logs now is all there is, and the producers go on from there.
    fn forget_what_was_lost(&mut self) {
        let ends: BTreeMap<Uuid, i64> = self
            .topics
            .iter()
            .map(|(topic, id)| {
                (
                    *id,
                    self.host.as_ref().unwrap().logs[topic]
                        .view()
                        .log_end_offset(),
                )
            })
            .collect();
        self.sequences.retain(|(id, _), _| !ends.contains_key(id));
        let sequences = &mut self.sequences;
        self.facts.retain(|timed| {
            let Fact::OfLog {
                id,
                fact: LogFact::Appended(batch),
                ..
            } = &timed.fact
            else {
                return true;
            };
            let is_left = ends.get(id).is_none_or(|end| batch.base_offset < *end);
            if is_left && batch.producer_id >= 0 {
                sequences.insert((*id, batch.producer_id), batch.next_sequence());
            }
            is_left
        });
    }
}
