//! Random keyed records, compacted again and again, compared with a list of all that was written:
//! the compacted log is the last value of every key, where and as it was.

#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, BatchRecords, Batches, Compression};
use odradek_storage::{
    append::{AppendContext, AppendOrigin, AppendRequest},
    cleaner::{CleanLimits, Supervisor, plan::Standing},
    config::LogConfig,
    disk::RealDisk,
    file_cache::FileCache,
    log::{Log, LogContext, OpenOptions},
    log_dir::{DirHealth, PreviousStop},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    read::{Located, LogView, ReadRequest},
    retention::PendingDeletion,
    timestamps::TimestampQuery,
};
use proptest::prelude::*;

const START_MS: i64 = 1_700_000_000_000;
const DELETE_RETENTION_MS: i64 = 10_000;

#[derive(Debug, Clone)]
enum Step {
    /// A batch of records: key, length of the value (none: a tombstone), and time since the last.
    Append {
        codec: Compression,
        producer: Option<i64>,
        records: Vec<(u8, Option<usize>, i64)>,
    },
    Roll,
    Flush,
    /// Cleans with room for so many keys, so many milliseconds later.
    Clean {
        keys: usize,
        later_ms: i64,
    },
    Reopen {
        stop: PreviousStop,
    },
}

fn append() -> impl Strategy<Value = Step> {
    let value = prop_oneof![1 => Just(None), 4 => (0..300_usize).prop_map(Some)];
    let record = (0..40_u8, value, -20..40_i64);
    (
        proptest::sample::select(Compression::ALL.to_vec()),
        proptest::option::of(1..4_i64),
        proptest::collection::vec(record, 1..8),
    )
        .prop_map(|(codec, producer, records)| Step::Append {
            codec,
            producer,
            records,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let stop = proptest::sample::select(vec![
        PreviousStop::Clean,
        PreviousStop::ProcessDied,
        PreviousStop::PageCacheLost,
    ]);
    let clean = (prop_oneof![8..20_usize, Just(1000)], 0..6000_i64);
    prop_oneof![
        20 => append(),
        2 => Just(Step::Roll),
        1 => Just(Step::Flush),
        3 => clean.prop_map(|(keys, later_ms)| Step::Clean { keys, later_ms }),
        1 => stop.prop_map(|stop| Step::Reopen { stop }),
    ]
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    key: Bytes,
    value: Option<Bytes>,
    timestamp: i64,
    headers: Vec<(Bytes, Option<Bytes>)>,
}

/// Removes files at once.
struct AtOnce;

impl Supervisor for AtOnce {
    fn may_go_on(&mut self, _bytes: u64) -> bool {
        true
    }

    fn remove_later(&mut self, files: PendingDeletion) {
        files.remove(&(Arc::new(RealDisk) as _)).unwrap();
    }
}

struct World {
    _root: tempfile::TempDir,
    options: OpenOptions,
    log: Option<Log>,
    /// Everything that was ever written.
    written: BTreeMap<i64, Record>,
    cleaned_to: i64,
    now_ms: i64,
    last_timestamp: i64,
    /// When a pass first went over everything that was written by then.
    first_cleaned_ms: BTreeMap<i64, i64>,
    sequences: BTreeMap<i64, i32>,
    /// The last batch of each producer, with its offset.
    last_sent: BTreeMap<i64, (Bytes, i64)>,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let options = OpenOptions {
            dir: root.path().join("model-0"),
            config: LogConfig {
                segment_bytes: 4000,
                index_interval_bytes: 300,
                timestamp_after_max_ms: i64::MAX,
                cleanup_compact: true,
                cleanup_delete: false,
                delete_retention_ms: DELETE_RETENTION_MS as u64,
                ..LogConfig::default()
            },
            recovery_point: 0,
            log_start_offset: 0,
            previous_stop: PreviousStop::Never,
            now_ms: START_MS,
        };
        let mut world = Self {
            _root: root,
            options,
            log: None,
            written: BTreeMap::new(),
            cleaned_to: 0,
            now_ms: START_MS,
            last_timestamp: START_MS,
            first_cleaned_ms: BTreeMap::new(),
            sequences: BTreeMap::new(),
            last_sent: BTreeMap::new(),
        };
        world.open();
        world
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
        self.log = Some(Log::open(&context, self.options.clone()).unwrap().0);
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn view(&self) -> &LogView {
        self.log.as_ref().unwrap().view()
    }

    fn step(&mut self, step: &Step) {
        let now_ms = self.now_ms;
        match step {
            Step::Append {
                codec,
                producer,
                records,
            } => self.append(*codec, *producer, records),
            Step::Roll => self.log().roll(now_ms).unwrap(),
            Step::Flush => drop(self.log().flush(now_ms).unwrap()),
            Step::Clean { keys, later_ms } => {
                self.now_ms += later_ms;
                self.clean(*keys);
                self.check();
            }
            Step::Reopen { stop } => {
                self.reopen(*stop);
                self.check();
            }
        }
    }

    fn append(
        &mut self,
        codec: Compression,
        producer: Option<i64>,
        records: &[(u8, Option<usize>, i64)],
    ) {
        let mut batch = BatchBuilder::new().compression(codec);
        if let Some(producer) = producer {
            let sequence = self.sequences.entry(producer).or_insert(0);
            batch = batch.producer(producer, 0, *sequence);
            *sequence += records.len() as i32;
        }
        let first_offset = self.view().log_end_offset();
        for (offset, (key, value_len, passed_ms)) in (first_offset..).zip(records) {
            self.last_timestamp += passed_ms;
            let key = Bytes::from(format!("key {key}"));
            let value = value_len.map(|len| Bytes::from(format!("{offset}{}", "v".repeat(len))));
            let header = Bytes::from(offset.to_string());
            let headers: [(&[u8], Option<&[u8]>); 2] = [(b"offset", Some(&header)), (b"", None)];
            let headers = headers.get(..(offset % 3) as usize).unwrap();
            batch = batch.record_with_headers(
                self.last_timestamp,
                Some(&key),
                value.as_deref(),
                headers,
            );
            let owned = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
            let record = Record {
                key,
                value,
                timestamp: self.last_timestamp,
                headers: headers
                    .iter()
                    .map(|(key, value)| (owned(key), value.map(owned)))
                    .collect(),
            };
            self.written.insert(offset, record);
        }
        let bytes = batch.build().to_bytes();
        assert_eq!(self.send(&bytes), (first_offset, false));
        if let Some(producer) = producer {
            self.last_sent.insert(producer, (bytes, first_offset));
        }
    }

    /// Offset, and whether it was a repetition.
    fn send(&mut self, records: &Bytes) -> (i64, bool) {
        let context = AppendContext {
            origin: AppendOrigin::Client,
            leader_epoch: 1,
            now_ms: self.now_ms,
        };
        let request = AppendRequest {
            records: records.clone(),
        };
        let mut outcome = self.log().append_group(&[request], context);
        let appended = outcome.results.pop().unwrap().unwrap();
        (appended.base_offset, appended.duplicate)
    }

    /// One pass with room for so many keys.
    fn clean(&mut self, keys: usize) {
        let limits = CleanLimits {
            map_bytes: keys * 24 * 10 / 9 + 24,
            map_load_factor: 0.9,
        };
        let standing = Standing {
            cleaned_to: self.cleaned_to,
            last_stable_offset: self.view().log_end_offset(),
            now_ms: self.now_ms,
        };
        let log = self.log.as_ref().unwrap();
        let cleaner = log.cleaner();
        let cleanable = cleaner.cleanable(log.config(), standing).unwrap();
        assert!(cleanable.dirty_from == self.cleaned_to);
        let cleaned = cleaner
            .clean(&cleanable, log.config(), limits, self.now_ms, &mut AtOnce)
            .unwrap();
        assert!(self.cleaned_to <= cleaned.cleaned_to);
        assert!(cleaned.cleaned_to <= cleanable.dirty_to);
        if cleanable.dirty_bytes != 0 {
            assert!(self.cleaned_to < cleaned.cleaned_to, "no progress");
        }
        self.cleaned_to = cleaned.cleaned_to;
        let now_ms = self.now_ms;
        self.first_cleaned_ms
            .entry(cleaned.cleaned_to)
            .or_insert(now_ms);
    }

    fn reopen(&mut self, stop: PreviousStop) {
        let log = self.log.take().unwrap();
        match stop {
            PreviousStop::Clean => {
                self.options.recovery_point = log.close_clean(self.now_ms).unwrap();
            }
            // Whatever was checkpointed: recovery goes through all of the log.
            PreviousStop::PageCacheLost => self.options.recovery_point = 0,
            _ => {}
        }
        let end = self
            .written
            .last_key_value()
            .map_or(0, |(last, _)| last + 1);
        self.options.previous_stop = stop;
        self.open();
        assert_eq!(self.view().log_end_offset(), end);
    }

    /// Every record that can be read, and the last offsets of their batches, from `offset` on.
    fn read_from(&self, offset: i64) -> (BTreeMap<i64, Record>, Vec<i64>) {
        let (mut records, mut ends) = (BTreeMap::new(), Vec::new());
        let mut next = offset;
        while next < self.view().log_end_offset() {
            let request = ReadRequest {
                offset: next,
                upper_offset: i64::MAX,
                max_bytes: 2000,
                at_least_one: true,
            };
            let located = match self.view().locate(&request) {
                Located::NeedsDisk => self.view().locate_on_disk(&request).unwrap(),
                located => located,
            };
            let Located::Slice(slice) = located else {
                panic!("nothing at {next}: {located:?}");
            };
            let mut bytes = vec![0; slice.len as usize];
            slice
                .file
                .read_exact_at(&mut bytes, slice.position)
                .unwrap();
            for batch in Batches::new(Bytes::from(bytes)) {
                let batch = batch.unwrap();
                batch.verify_crc().unwrap();
                let header = batch.header();
                assert!(next <= header.last_offset());
                assert!(ends.last().is_none_or(|end| *end < header.base_offset));
                // Those without records may be passed over, or not.
                if header.record_count != 0 {
                    ends.push(header.last_offset());
                }
                next = header.next_offset();
                let mut newest = -1;
                for record in &BatchRecords::read(&batch).unwrap() {
                    let record = record.unwrap();
                    let owned = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
                    let found = Record {
                        key: owned(record.key.unwrap()),
                        value: record.value.map(owned),
                        timestamp: record.timestamp,
                        headers: record
                            .headers
                            .map(|(key, value)| (owned(key), value.map(owned)))
                            .collect(),
                    };
                    newest = newest.max(record.timestamp);
                    assert_eq!(records.insert(record.offset, found), None);
                }
                assert!(newest == header.max_timestamp || header.record_count == 0);
            }
        }
        (records, ends)
    }

    fn check(&self) {
        let (found, ends) = self.read_from(0);
        let mut last_by_key = BTreeMap::new();
        let mut last_clean_by_key = BTreeMap::new();
        for (offset, record) in &self.written {
            last_by_key.insert(&record.key, *offset);
            if *offset < self.cleaned_to {
                last_clean_by_key.insert(&record.key, *offset);
            }
        }
        for (offset, record) in &self.written {
            let is_clean = *offset < self.cleaned_to;
            let is_hidden = is_clean && *offset < last_clean_by_key[&record.key];
            // A tombstone may go once a pass came after its horizon, and not before.
            let first_cleaned_ms = self
                .first_cleaned_ms
                .range(offset + 1..)
                .map(|(_, at_ms)| *at_ms)
                .min();
            let may_be_gone = record.value.is_none()
                && first_cleaned_ms.is_some_and(|at| at + DELETE_RETENTION_MS <= self.now_ms);
            match found.get(offset) {
                Some(found) => {
                    assert_eq!(found, record, "offset {offset}");
                    assert!(!is_hidden, "offset {offset} should have gone");
                }
                None => assert!(is_hidden || may_be_gone, "offset {offset} is lost"),
            }
        }
        assert!(found.keys().all(|offset| self.written.contains_key(offset)));
        self.check_values(&found, &last_by_key);
        self.check_lookups(&found, &ends);
    }

    /// Whoever reads the compacted log to its end knows what whoever read everything knows.
    fn check_values(&self, found: &BTreeMap<i64, Record>, last_by_key: &BTreeMap<&Bytes, i64>) {
        let mut state = BTreeMap::new();
        for record in found.values() {
            match &record.value {
                Some(value) => drop(state.insert(&record.key, value)),
                None => drop(state.remove(&record.key)),
            }
        }
        let expected: BTreeMap<&Bytes, &Bytes> = last_by_key
            .values()
            .filter_map(|offset| {
                let record = &self.written[offset];
                Some((&record.key, record.value.as_ref()?))
            })
            .collect();
        assert_eq!(state, expected);
    }

    fn check_lookups(&self, found: &BTreeMap<i64, Record>, ends: &[i64]) {
        for offset in (0..self.view().log_end_offset()).step_by(7) {
            let expected = ends.partition_point(|end| *end < offset);
            assert_eq!(self.read_from(offset).1, &ends[expected..]);
        }
        let times: BTreeSet<i64> = found.values().map(|record| record.timestamp).collect();
        for time in times.iter().step_by(5) {
            let query = TimestampQuery::AtOrAfter(*time);
            let answer = self.view().offset_for_timestamp(query).unwrap().unwrap();
            let expected = found.iter().find(|(_, record)| *time <= record.timestamp);
            assert_eq!(Some(&answer.offset), expected.map(|(offset, _)| offset));
        }
        let query = TimestampQuery::MaxTimestamp;
        let answer = self.view().offset_for_timestamp(query).unwrap();
        let expected = times.last().map(|newest| {
            let first = found.iter().find(|(_, it)| it.timestamp == *newest);
            *first.unwrap().0
        });
        assert_eq!(answer.map(|it| it.offset), expected);
    }

    /// Cleans everything, twice, and lets the producers go on.
    fn finish(&mut self) {
        let now_ms = self.now_ms;
        self.log().roll(now_ms).unwrap();
        while self.cleaned_to < self.view().log_end_offset() {
            self.clean(50);
        }
        self.check();
        let before = self.read_from(0).0;
        self.cleaned_to = 0;
        self.clean(1000);
        assert_eq!(self.read_from(0).0, before, "the second time differs");
        self.reopen(PreviousStop::PageCacheLost);
        assert_eq!(self.read_from(0).0, before);
        for (bytes, offset) in self.last_sent.clone().into_values() {
            assert_eq!(self.send(&bytes), (offset, true));
        }
        let end = self.view().log_end_offset();
        for (producer, sequence) in self.sequences.clone() {
            let next = BatchBuilder::new()
                .producer(producer, 0, sequence)
                .record(now_ms, Some(b"next"), None)
                .build();
            let (offset, duplicate) = self.send(&next.to_bytes());
            assert!(end <= offset && !duplicate);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_compacted_log_is_the_last_value_of_every_key(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finish();
    }
}
