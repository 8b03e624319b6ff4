//! Random operations on a log, compared after each with a plain list of what it should hold.
//!
//! The seeds are fixed, so a failure repeats. With `ODRADEK_MODEL_DIR` set, each seed's log is left
//! in a directory below that path, for example to look at it with Apache Kafka's own
//! `kafka-dump-log`.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, BatchRecords, Batches, Compression};
use odradek_storage::{
    append::{AppendContext, AppendOrigin, AppendRequest},
    config::LogConfig,
    disk::RealDisk,
    file_cache::FileCache,
    log::{Log, LogContext, OpenOptions},
    log_dir::{DirHealth, PreviousStop},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::{Located, LogView, ReadRequest},
    timestamps::TimestampQuery,
};

const SEEDS: std::ops::Range<u64> = 0..8;
const OPERATIONS: usize = 250;
const START_MS: i64 = 1_700_000_000_000;

#[test]
fn a_log_holds_what_a_plain_list_would() {
    for seed in SEEDS {
        println_seed(seed);
        let temporary = tempfile::tempdir().unwrap();
        let root = std::env::var_os("ODRADEK_MODEL_DIR").map_or_else(
            || temporary.path().to_owned(),
            |dir| PathBuf::from(dir).join(format!("seed-{seed}")),
        );
        std::fs::create_dir_all(&root).unwrap();
        let mut world = World::new(seed, &root);
        for _ in 0..OPERATIONS {
            world.step();
        }
        world.reopen(PreviousStop::Clean);
        world.check_all();
    }
}

/// Shown only when the test fails.
#[expect(
    clippy::print_stdout,
    reason = "the seed is what a failure needs to be repeated"
)]
fn println_seed(seed: u64) {
    println!("seed {seed}");
}

/// One record as it should be in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    timestamp: i64,
    value: Bytes,
    leader_epoch: i32,
}

struct World {
    random: Random,
    options: OpenOptions,
    log: Option<Log>,
    /// Every record from the log start on, by offset.
    records: BTreeMap<i64, Expected>,
    log_start: i64,
    log_end: i64,
    now_ms: i64,
    leader_epoch: i32,
    /// Sequence and offset of the last batches of the one idempotent producer, oldest first.
    sent: Vec<(i32, i64, BatchBuilder)>,
    next_sequence: i32,
    /// A new id whenever records of the old one may be gone.
    producer_id: i64,
}

impl World {
    fn new(seed: u64, root: &Path) -> Self {
        let options = OpenOptions {
            dir: root.join("model-0"),
            config: LogConfig {
                segment_bytes: 20_000,
                index_interval_bytes: 700,
                timestamp_after_max_ms: i64::MAX,
                retention_ms: None,
                ..LogConfig::default()
            },
            recovery_point: 0,
            log_start_offset: 0,
            previous_stop: PreviousStop::Never,
            now_ms: START_MS,
        };
        let mut world = Self {
            random: Random(seed + 1),
            options,
            log: None,
            records: BTreeMap::new(),
            log_start: 0,
            log_end: 0,
            now_ms: START_MS,
            leader_epoch: 0,
            sent: Vec::new(),
            next_sequence: 0,
            producer_id: 1,
        };
        world.open();
        world
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn view(&self) -> &LogView {
        self.log.as_ref().unwrap().view()
    }

    fn open(&mut self) {
        let context = LogContext {
            files: FileCache::new(Arc::new(RealDisk), 64),
            positions: Arc::new(PositionBudget::new(1 << 20)),
            producers: ProducerLimits {
                expiration_ms: i64::MAX,
                ..ProducerLimits::default()
            },
            health: Arc::new(DirHealth::default()),
        };
        self.options.now_ms = self.now_ms;
        let (log, _) = Log::open(&context, self.options.clone()).unwrap();
        self.log = Some(log);
    }

    fn step(&mut self) {
        self.now_ms += self.random.below(50) as i64;
        match self.random.below(100) {
            0..60 => self.append(),
            60..64 => self.retry(),
            64..68 => {
                let now_ms = self.now_ms;
                self.log().roll(now_ms).unwrap();
            }
            68..74 => self.flush(),
            74..78 => self.retain(),
            78..81 => self.delete_records(),
            81..84 => self.truncate(),
            84..85 => self.start_anew(),
            85..88 => {
                self.leader_epoch += 1;
                let epoch = self.leader_epoch;
                self.log().start_leader_epoch(epoch).unwrap();
            }
            88..91 => self.reopen(PreviousStop::Clean),
            91..94 => self.reopen(PreviousStop::ProcessDied),
            94..97 => self.reopen(PreviousStop::PageCacheLost),
            _ => self.check_all(),
        }
        assert_eq!(self.view().log_start_offset(), self.log_start);
        assert_eq!(self.view().log_end_offset(), self.log_end);
        self.check_somewhere();
        self.check_time();
    }

    fn append(&mut self) {
        let mut requests = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=self.random.below(4) {
            let (batch, records) = self.batch();
            requests.push(AppendRequest {
                records: batch.build().to_bytes(),
            });
            expected.push(records);
        }
        let outcome = self.append_group(&requests);
        for (records, base_offset) in expected.into_iter().zip(outcome) {
            assert_eq!(base_offset, self.log_end);
            for record in records {
                self.records.insert(self.log_end, record);
                self.log_end += 1;
            }
        }
    }

    /// A batch with random records; every third one is the idempotent producer's.
    fn batch(&mut self) -> (BatchBuilder, Vec<Expected>) {
        let codec = *self.random.choose(&Compression::ALL);
        let mut batch = BatchBuilder::new().compression(codec);
        let mut records = Vec::new();
        for _ in 0..=self.random.below(5) {
            let timestamp = self.now_ms - self.random.below(200) as i64;
            let size = *self.random.choose(&[0, 1, 10, 100, 900, 2500]);
            let value = Bytes::from(self.random.text(size));
            batch = batch.record(timestamp, Some(b"key"), Some(&value));
            records.push(Expected {
                timestamp,
                value,
                leader_epoch: self.leader_epoch,
            });
        }
        if self.random.below(3) == 0 {
            batch = batch.producer(self.producer_id, 0, self.next_sequence);
            self.sent.push((self.next_sequence, -1, batch.clone()));
            self.next_sequence += records.len() as i32;
            if 5 < self.sent.len() {
                self.sent.remove(0);
            }
        }
        (batch, records)
    }

    fn append_group(&mut self, requests: &[AppendRequest]) -> Vec<i64> {
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: self.leader_epoch,
            now_ms: self.now_ms,
        };
        let outcome = self.log().append_group(requests, context);
        let offsets: Vec<i64> = outcome
            .results
            .iter()
            .map(|result| result.as_ref().unwrap().base_offset)
            .collect();
        for (request, offset) in requests.iter().zip(&offsets) {
            let sent = self
                .sent
                .iter_mut()
                .find(|(.., batch)| batch.clone().build().to_bytes() == request.records);
            if let Some((_, at, _)) = sent {
                *at = *offset;
            }
        }
        offsets
    }

    fn retry(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let (_, offset, batch) = self.random.choose(&self.sent).clone();
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: self.leader_epoch,
            now_ms: self.now_ms,
        };
        let request = AppendRequest {
            records: batch.build().to_bytes(),
        };
        let outcome = self.log().append_group(&[request], context);
        let appended = outcome.results[0].as_ref().unwrap();
        assert!(appended.duplicate);
        assert_eq!(appended.base_offset, offset);
    }

    fn flush(&mut self) {
        let now_ms = self.now_ms;
        if self.random.below(2) == 0 {
            self.log().flush(now_ms).unwrap();
        } else {
            self.log().flusher().flush(now_ms).unwrap();
        }
        self.options.recovery_point = self.view().recovery_point();
        assert_eq!(self.options.recovery_point, self.log_end);
    }

    fn retain(&mut self) {
        let (now_ms, high_watermark) = (self.now_ms, self.log_end);
        let mut config = self.log().config().clone();
        config.retention_bytes = Some(self.random.below(200_000));
        self.log().update_config(config);
        let pending = self
            .log()
            .delete_old_segments(high_watermark, now_ms)
            .unwrap();
        if let Some(pending) = pending {
            pending.remove(&(Arc::new(RealDisk) as _)).unwrap();
        }
        self.log_starts_at(self.view().log_start_offset());
    }

    fn delete_records(&mut self) {
        let offset = self.some_offset();
        let moved = self.log().advance_log_start(offset).unwrap();
        assert_eq!(moved, self.log_start < offset);
        self.log_starts_at(self.log_start.max(offset));
    }

    fn log_starts_at(&mut self, offset: i64) {
        assert!(self.log_start <= offset);
        self.log_start = offset;
        self.records = self.records.split_off(&offset);
        // The caller checkpoints this; a log that starts in the middle of a segment needs it.
        self.options.log_start_offset = offset;
    }

    fn truncate(&mut self) {
        let offset = self.some_offset();
        let now_ms = self.now_ms;
        // As the caller has to: the checkpoint first. A batch has at most five records.
        self.options.recovery_point = self.options.recovery_point.min(offset - 5).max(0);
        self.log().truncate_to(offset, now_ms).unwrap();
        self.log_ends_at(self.view().log_end_offset());
        assert!(self.log_end <= offset);
        assert!(
            offset - self.log_end < 6,
            "a batch has at most five records"
        );
    }

    fn start_anew(&mut self) {
        let offset = self.log_end + self.random.below(100) as i64;
        let now_ms = self.now_ms;
        self.options.recovery_point = 0;
        self.log()
            .truncate_fully_and_start_at(offset, now_ms)
            .unwrap();
        self.records.clear();
        self.log_start = offset;
        self.log_ends_at(offset);
        self.options.log_start_offset = offset;
    }

    fn log_ends_at(&mut self, offset: i64) {
        self.log_end = offset;
        self.log_start = self.log_start.min(offset);
        self.options.log_start_offset = self.log_start;
        self.records.split_off(&offset);
        self.sent.clear();
        self.next_sequence = 0;
        self.producer_id += 1;
    }

    fn reopen(&mut self, stop: PreviousStop) {
        let log = self.log.take().unwrap();
        if stop == PreviousStop::Clean {
            self.options.recovery_point = log.close_clean(self.now_ms).unwrap();
        } else {
            drop(log);
        }
        self.options.previous_stop = stop;
        self.open();
    }

    fn some_offset(&mut self) -> i64 {
        let span = (self.log_end - self.log_start) as u64 + 1;
        self.log_start + self.random.below(span) as i64
    }

    /// Reads with random bounds at a random place.
    fn check_somewhere(&mut self) {
        let request = ReadRequest {
            offset: self.some_offset(),
            upper_offset: self.some_offset(),
            max_bytes: *self.random.choose(&[1, 500, 3_000, 1 << 20]),
            at_least_one: true,
        };
        self.check_read(&request);
    }

    /// Reads everything, as a consumer does.
    fn check_all(&mut self) {
        let mut offset = self.log_start;
        while offset < self.log_end {
            let upper_offset = i64::MAX;
            let request = ReadRequest {
                offset,
                upper_offset,
                max_bytes: 5_000,
                at_least_one: true,
            };
            let next = self.check_read(&request);
            assert!(offset < next, "no progress at {offset}");
            offset = next;
        }
    }

    /// Returns the offset at which reading goes on.
    fn check_read(&self, request: &ReadRequest) -> i64 {
        let located = match self.view().locate(request) {
            Located::NeedsDisk => self.view().locate_on_disk(request).unwrap(),
            located => located,
        };
        let upper = request.upper_offset.min(self.log_end);
        let slice = match located {
            Located::Slice(slice) => slice,
            Located::Empty => {
                // The upper bound may lie in the middle of the wanted batch.
                assert!(upper <= request.offset + 5, "{request:?}");
                return request.offset;
            }
            other => panic!("{request:?}: {other:?}"),
        };
        let mut bytes = vec![0; slice.len as usize];
        slice
            .file
            .read_exact_at(&mut bytes, slice.position)
            .unwrap();
        let mut next = request.offset;
        for (index, batch) in Batches::new(Bytes::from(bytes)).enumerate() {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let header = *batch.header();
            let fits = slice.len <= request.max_bytes || index == 0;
            assert!(fits && header.last_offset() < upper, "{request:?}");
            if index == 0 {
                assert!(header.base_offset <= request.offset);
                assert!(request.offset <= header.last_offset());
            }
            for record in &BatchRecords::read(&batch).unwrap() {
                let record = record.unwrap();
                if record.offset < self.log_start {
                    continue;
                }
                let found = Expected {
                    timestamp: record.timestamp,
                    value: Bytes::copy_from_slice(record.value.unwrap()),
                    leader_epoch: header.partition_leader_epoch,
                };
                assert_eq!(self.records.get(&record.offset), Some(&found));
                next = next.max(record.offset + 1);
            }
        }
        next
    }

    fn check_time(&mut self) {
        let timestamp = self.now_ms - self.random.below(3000) as i64;
        let query = TimestampQuery::AtOrAfter(timestamp);
        let found = self.view().offset_for_timestamp(query).unwrap();
        let expected = self
            .records
            .iter()
            .find(|(_, record)| timestamp <= record.timestamp);
        assert_eq!(
            found.map(|it| (it.offset, it.timestamp, it.leader_epoch)),
            expected.map(|(offset, it)| (*offset, it.timestamp, Some(it.leader_epoch)))
        );
        let found = self
            .view()
            .offset_for_timestamp(TimestampQuery::MaxTimestamp)
            .unwrap();
        // Records below the log start count until their segment goes.
        if let Some(found) = found.filter(|found| self.log_start <= found.offset) {
            let max = self.records.values().map(|record| record.timestamp).max();
            assert_eq!(Some(found.timestamp), max);
            let first = self
                .records
                .iter()
                .find(|(_, it)| Some(it.timestamp) == max);
            assert_eq!(Some(&found.offset), first.map(|(offset, _)| offset));
        }
    }
}

/// A small generator of repeatable randomness (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| b'a' + self.below(26) as u8).collect()
    }
}
