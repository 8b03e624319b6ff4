//! What is done to the log engine, recorded step by step together with what was promised.

use std::backtrace::Backtrace;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, BatchHeader, RecordBatch};
use odradek_storage::append::{AppendContext, AppendOrigin, AppendRequest};
use odradek_storage::config::LogConfig;
use odradek_storage::disk::Disk;
use odradek_storage::disk::memory::MemoryDisk;
use odradek_storage::disk::memory::crash::{CrashPoint, History, Kept};
use odradek_storage::log::Log;
use uuid::Uuid;

use crate::host::{Host, Topics, config, log_dir_path, open_dir};

/// The directory's id.
const DIRECTORY_ID: Uuid = Uuid::from_u128(1);

/// When a fact is done whose beginning alone happened.
const NEVER: usize = usize::MAX;

/// A batch as the log stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) base_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) producer_id: i64,
    pub(crate) timestamp: i64,
    /// As it was sent, and as it must be found.
    pub(crate) sent: Bytes,
    pub(crate) stored: Bytes,
}

impl StoredBatch {
    pub(crate) fn next_sequence(&self) -> i32 {
        let header = BatchHeader::parse(&self.sent).unwrap();
        header.last_sequence() + 1
    }
}

/// Something that became true of a log.
#[derive(Debug, Clone)]
pub(crate) enum LogFact {
    /// The metadata has the topic from here on.
    Created,
    /// The metadata does not have the topic any more.
    Deleted,
    Appended(StoredBatch),
    /// Everything below is durable.
    Durable {
        end_offset: i64,
    },
    /// Records below may be gone.
    MayStartAt {
        offset: i64,
    },
    /// Records below must be gone.
    StartsAt {
        offset: i64,
    },
    /// Records from here on are gone.
    Truncated {
        end_offset: i64,
    },
}

/// Something that became true.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// The directory is taken: it has its id, and a clean stop before is not believed again.
    Started { directory_id: Uuid },
    /// Everything was synced and closed.
    Stopped,
    OfLog {
        topic: String,
        id: Uuid,
        fact: LogFact,
    },
}

/// A fact, and the part of the history during which it became true.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    /// Events before it was begun.
    pub(crate) began: usize,
    /// Events when it was reported done.
    pub(crate) done: usize,
    pub(crate) fact: Fact,
}

/// A finished run.
#[derive(Debug)]
pub(crate) struct Workload {
    disk: MemoryDisk,
    pub(crate) facts: Vec<Timed>,
}

/// A run under way.
struct Run {
    disk: MemoryDisk,
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
        let place = places.find(|(_, place)| !place.starts_with("disk"));
        place.map_or("the test", |(_, place)| place).to_owned()
    });
    disk
}

/// Producers take turns; id 0 stands for batches without one.
const PRODUCERS: i64 = 3;

impl Run {
    fn new() -> Self {
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

    fn host(&mut self) -> &mut Host {
        self.host.as_mut().unwrap()
    }

    fn log(&mut self, topic: &str) -> &mut Log {
        self.host().logs.get_mut(topic).unwrap()
    }

    fn finish(self) -> Workload {
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

    fn create(&mut self, topic: &str) {
        let id = self.unique();
        let began = self.disk.event_count();
        self.topics.insert(topic.to_owned(), id);
        self.host().create(topic, id).unwrap();
        self.log_fact(topic, began, LogFact::Created);
    }

    fn delete(&mut self, topic: &str) {
        let unique = self.unique();
        let began = self.disk.event_count();
        self.host().delete(topic, unique).unwrap();
        self.log_fact(topic, began, LogFact::Deleted);
        self.topics.remove(topic);
    }

    /// Appends batches of `records` records of `size` bytes each as one group.
    fn append(&mut self, topic: &str, batches: &[(i64, usize, usize)]) {
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
                builder = builder.record(self.now_ms, Some(b"key"), Some(&value));
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
    fn append_some(&mut self, topic: &str, groups: usize) {
        for group in 0..groups {
            self.append(topic, &[(1, 2, 100 + 97 * group), (0, 1, 40)]);
            self.append(topic, &[(2, 1, 700)]);
        }
    }

    fn flush(&mut self, topic: &str) {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let end_offset = self.log(topic).flush(now_ms).unwrap();
        self.log_fact(topic, began, LogFact::Durable { end_offset });
    }

    fn flush_in_background(&mut self, topic: &str) {
        let began = self.disk.event_count();
        let now_ms = self.now_ms;
        let end_offset = self.log(topic).flusher().flush(now_ms).unwrap();
        self.log_fact(topic, began, LogFact::Durable { end_offset });
    }

    fn checkpoint(&mut self) {
        self.host().checkpoint().unwrap();
    }

    fn roll(&mut self, topic: &str) {
        let now_ms = self.now_ms;
        self.log(topic).roll(now_ms).unwrap();
    }

    fn new_leader_epoch(&mut self, topic: &str) {
        self.leader_epoch += 2;
        let epoch = self.leader_epoch;
        self.log(topic).start_leader_epoch(epoch).unwrap();
    }

    /// Keeps about `bytes` of the log.
    fn retain(&mut self, topic: &str, bytes: u64) {
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

    /// Deletes the records below `offset`, durably.
    fn delete_records(&mut self, topic: &str, offset: i64) {
        let began = self.disk.event_count();
        let moved = self.log(topic).advance_log_start(offset).unwrap();
        assert!(moved);
        self.log_fact(topic, began, LogFact::MayStartAt { offset });
        self.host().write_log_starts().unwrap();
        self.log_fact(topic, began, LogFact::StartsAt { offset });
    }

    fn truncate(&mut self, topic: &str, end_offset: i64) {
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

    fn stop(&mut self) {
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
    fn kill(&mut self) {
        self.host = None;
    }

    /// As if the process had died when `events` events had happened.
    fn was_killed_at(&mut self, events: usize) {
        self.go_back_to(events, |point| point.after_process_death(None));
    }

    /// The power goes, and of the changes that were not synced those stay that `kept` says.
    fn lose_power(&mut self, kept: impl Fn(&CrashPoint, usize) -> Kept) {
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
    fn lose_file(&self, name: &str) {
        self.disk
            .remove_file(&log_dir_path().join("clicks-0").join(name))
            .unwrap();
    }

    fn start(&mut self) {
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

impl Workload {
    /// Everything that happened to the file system.
    pub(crate) fn history(&self) -> History {
        self.disk.history()
    }

    pub(crate) fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("append and flush", Self::append()),
            ("roll", Self::roll()),
            ("retention", Self::retention()),
            ("checkpoint", Self::checkpoint()),
            ("topic deletion", Self::topic_deletion()),
            ("truncation", Self::truncation()),
            ("clean stop", Self::clean_stop()),
            ("process death", Self::process_death()),
            ("power loss", Self::power_loss()),
            ("lost indexes", Self::lost_indexes()),
            ("creation cut short", Self::creation_cut_short()),
            ("power loss with a hole", Self::power_loss_with_a_hole()),
            (
                "process death in retention",
                Self::process_death_in_retention(),
            ),
        ]
    }

    pub(crate) fn append() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.finish()
    }

    pub(crate) fn roll() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.roll("clicks");
        run.append("clicks", &[(1, 1, 50)]);
        run.flush("clicks");
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.roll("clicks");
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 2000), (2, 1, 1500), (1, 1, 300)]);
        run.append("clicks", &[(2, 1, 50)]);
        run.finish()
    }

    pub(crate) fn retention() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 2);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.checkpoint();
        run.delete_records("clicks", 2);
        run.append("clicks", &[(1, 1, 400)]);
        run.retain("clicks", 3000);
        run.append("clicks", &[(1, 1, 400), (1, 1, 400)]);
        run.roll("clicks");
        // Now no segment has a batch of producer 2.
        run.append("clicks", &[(1, 1, 400)]);
        run.retain("clicks", 300);
        run.append("clicks", &[(1, 1, 400)]);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn checkpoint() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.create("views");
        run.append_some("clicks", 2);
        run.append_some("views", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.flush_in_background("views");
        run.checkpoint();
        run.append_some("views", 1);
        run.finish()
    }

    pub(crate) fn topic_deletion() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.flush("clicks");
        run.checkpoint();
        run.create("views");
        run.append("views", &[(1, 1, 100)]);
        run.delete("clicks");
        run.append("views", &[(1, 1, 100)]);
        run.create("clicks");
        run.append("clicks", &[(2, 1, 300)]);
        run.flush("clicks");
        run.append("clicks", &[(2, 1, 300)]);
        run.checkpoint();
        run.finish()
    }

    pub(crate) fn truncation() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        for _ in 0..5 {
            run.append("clicks", &[(1, 1, 300)]);
        }
        run.roll("clicks");
        run.append(
            "clicks",
            &[(1, 1, 300), (2, 1, 300), (1, 1, 300), (0, 1, 300)],
        );
        run.flush_in_background("clicks");
        run.checkpoint();
        run.truncate("clicks", 4);
        // Up to the very offsets at which a segment, and then a snapshot, were cut off.
        run.append("clicks", &[(1, 1, 300)]);
        run.append(
            "clicks",
            &[(4, 1, 300), (1, 1, 300), (5, 1, 300), (4, 1, 300)],
        );
        run.append("clicks", &[(4, 1, 900)]);
        run.flush_in_background("clicks");
        run.truncate("clicks", 8);
        run.new_leader_epoch("clicks");
        run.append("clicks", &[(4, 1, 900)]);
        run.flush("clicks");
        run.checkpoint();
        run.append("clicks", &[(4, 1, 900)]);
        run.finish()
    }

    pub(crate) fn clean_stop() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.stop();
        run.start();
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 10)]);
        run.stop();
        run.finish()
    }

    pub(crate) fn process_death() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 2);
        run.flush("clicks");
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.kill();
        run.start();
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn power_loss() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.append_some("clicks", 2);
        let rolled_at = run.log("clicks").view().log_end_offset();
        run.roll("clicks");
        run.append_some("clicks", 1);
        // The first write that was not synced is torn; what came after it, is not.
        run.lose_power(|point, index| {
            let torn = (0..point.unsynced()).find(|index| point.tears(*index) > 0);
            if Some(index) == torn {
                Kept::SectorsBefore(0)
            } else {
                Kept::Whole
            }
        });
        run.start();
        // Up to the very offset at which recovery removed a segment.
        while run.log("clicks").view().log_end_offset() < rolled_at {
            run.append("clicks", &[(1, 1, 30)]);
        }
        run.append("clicks", &[(1, 1, 400)]);
        run.flush_in_background("clicks");
        run.append("clicks", &[(1, 1, 400)]);
        run.finish()
    }

    pub(crate) fn power_loss_with_a_hole() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append("clicks", &[(1, 1, 300)]);
        run.flush("clicks");
        run.append("clicks", &[(0, 1, 900)]);
        run.append("clicks", &[(0, 1, 900)]);
        // The first of the two writes is lost, the second one is not.
        let last = run.disk.event_count() - 1;
        run.lose_power(|point, index| {
            if point.unsynced_id(index) == last - 1 {
                Kept::Nothing
            } else {
                Kept::Whole
            }
        });
        run.start();
        // As long as the one that was lost: what comes behind it must not come back.
        run.append("clicks", &[(0, 1, 900)]);
        run.append("clicks", &[(1, 1, 300)]);
        run.flush("clicks");
        run.finish()
    }

    pub(crate) fn process_death_in_retention() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 1);
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.retain("clicks", 1000);
        let history = run.disk.history();
        run.was_killed_at(history.events_before_sync("timeindex.deleted").unwrap());
        run.start();
        run.new_leader_epoch("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.finish()
    }

    pub(crate) fn lost_indexes() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.append_some("clicks", 3);
        run.roll("clicks");
        run.append_some("clicks", 1);
        run.flush_in_background("clicks");
        run.checkpoint();
        run.stop();
        run.lose_file("00000000000000000000.timeindex");
        run.lose_power(|_, _| Kept::Whole);
        run.start();
        run.append("clicks", &[(1, 1, 400)]);
        run.flush("clicks");
        run.finish()
    }

    pub(crate) fn creation_cut_short() -> Self {
        let mut run = Run::new();
        run.create("clicks");
        run.lose_file("partition.metadata");
        run.lose_power(|_, _| Kept::Whole);
        run.start();
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.append_some("clicks", 1);
        run.flush("clicks");
        run.finish()
    }
}
