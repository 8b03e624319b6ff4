#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use bytes::Bytes;
use odradek_protocol::records::{BatchBuilder, BatchRecords, Batches, Compression};

use super::*;
use crate::{
    log::Log,
    read::{Located, LogView, ReadRequest},
    test_support::{NOW_MS, Place, append, bytes_of, read, small_segments},
};

const LIMITS: CleanLimits = CleanLimits {
    map_bytes: 1 << 20,
    map_load_factor: 0.9,
};
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Goes on until told otherwise, and removes files at once.
struct Unhurried<'a> {
    place: &'a Place,
    bytes_left: u64,
}

impl Supervisor for Unhurried<'_> {
    fn may_go_on(&mut self, bytes: u64) -> bool {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.bytes_left != 0
    }

    fn remove_later(&mut self, files: PendingDeletion) {
        files.remove(&self.place.disk).unwrap();
    }
}

fn compacted() -> LogConfig {
    LogConfig {
        cleanup_delete: false,
        cleanup_compact: true,
        min_cleanable_dirty_ratio: 0.0,
        ..small_segments()
    }
}

fn standing(log: &Log, cleaned_to: i64, now_ms: i64) -> Standing {
    Standing {
        cleaned_to,
        last_stable_offset: log.view().log_end_offset(),
        now_ms,
    }
}

fn try_clean(
    place: &Place,
    log: &Log,
    standing: Standing,
    limits: CleanLimits,
) -> Result<Cleaned, CleanError> {
    let cleaner = log.cleaner();
    let cleanable = cleaner.cleanable(log.config(), standing).unwrap();
    let mut supervisor = Unhurried {
        place,
        bytes_left: u64::MAX,
    };
    let now_ms = standing.now_ms;
    cleaner.clean(&cleanable, log.config(), limits, now_ms, &mut supervisor)
}

/// Cleans everything below the active segment, as if nothing had been cleaned before.
fn clean(place: &Place, log: &Log, now_ms: i64) -> Cleaned {
    try_clean(place, log, standing(log, 0, now_ms), LIMITS).unwrap()
}

fn put(log: &mut Log, key: &str, value: Option<&str>) -> i64 {
    let value = value.map(str::as_bytes);
    let batch = BatchBuilder::new().record(NOW_MS, Some(key.as_bytes()), value);
    append(log, batch).base_offset
}

/// Every record by offset: key and value.
fn records(view: &LogView) -> BTreeMap<i64, (String, Option<String>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut records = BTreeMap::new();
    for batch in batches(view) {
        for record in &BatchRecords::read(&batch).unwrap() {
            let record = record.unwrap();
            let entry = (text(record.key.unwrap()), record.value.map(text));
            assert_eq!(records.insert(record.offset, entry), None);
        }
    }
    records
}

/// Every batch, as a consumer comes across them.
fn batches(view: &LogView) -> Vec<odradek_protocol::records::RecordBatch> {
    let mut found: Vec<odradek_protocol::records::RecordBatch> = Vec::new();
    let mut offset = view.log_start_offset();
    while offset < view.log_end_offset() {
        let request = ReadRequest {
            offset,
            upper_offset: i64::MAX,
            max_bytes: 3000,
            at_least_one: true,
        };
        let Located::Slice(slice) = read(view, &request) else {
            panic!("nothing at {offset}");
        };
        for batch in Batches::new(bytes_of(&slice)) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            assert!(offset <= batch.header().last_offset());
            offset = batch.header().next_offset();
            found.push(batch);
        }
    }
    found
}

/// A value that takes space.
fn large(number: i64) -> String {
    format!("{number:0>300}")
}

#[test]
fn of_every_key_the_last_record_stays_where_it_was() {
    let place = Place::new(compacted());
    let mut log = place.open();
    let mut last = BTreeMap::new();
    for number in 0..200 {
        let key = format!("key {}", number * 7 % 20);
        let offset = put(&mut log, &key, Some(&large(number)));
        last.insert(key.clone(), (offset, large(number)));
    }
    log.roll(NOW_MS).unwrap();
    assert!(place.file_names(".log").len() > 5);
    let cleaned = clean(&place, &log, NOW_MS);
    assert_eq!(cleaned.cleaned_to, 200);
    assert!(cleaned.bytes_after < cleaned.bytes_before / 5);

    let expected: BTreeMap<i64, (String, Option<String>)> = last
        .into_iter()
        .map(|(key, (offset, value))| (offset, (key, Some(value))))
        .collect();
    assert_eq!(records(log.view()), expected);
    // What is small now becomes one the next time: that and the active one.
    clean(&place, &log, NOW_MS);
    assert_eq!(records(log.view()), expected);
    assert_eq!(place.file_names(".log").len(), 2);
    for suffix in [".cleaned", ".swap", ".deleted"] {
        assert_eq!(place.file_names(suffix), [""; 0]);
    }
    log.close_clean(NOW_MS).unwrap();
    let log = place.open();
    assert_eq!(records(log.view()), expected);
    assert_eq!(log.view().log_end_offset(), 200);
}

#[test]
fn a_log_that_is_clean_is_left_as_it_is() {
    let place = Place::new(compacted());
    let mut log = place.open();
    for number in 0..100 {
        put(&mut log, &format!("{}", number % 30), Some(&large(number)));
    }
    log.roll(NOW_MS).unwrap();
    // Once for the records, once for the segments that have become small.
    clean(&place, &log, NOW_MS);
    clean(&place, &log, NOW_MS);
    let content = |log: &Log| -> Vec<Bytes> {
        batches(log.view())
            .iter()
            .map(odradek_protocol::records::RecordBatch::to_bytes)
            .collect()
    };
    let before = content(&log);
    let again = clean(&place, &log, NOW_MS);
    assert_eq!(again.bytes_before, again.bytes_after);
    assert_eq!(content(&log), before);
}

#[test]
fn a_tombstone_stays_until_its_horizon() {
    let mut config = compacted();
    config.delete_retention_ms = DAY_MS as u64;
    let place = Place::new(config);
    let mut log = place.open();
    put(&mut log, "a", Some("1"));
    put(&mut log, "b", Some("2"));
    let tombstone = put(&mut log, "a", None);
    log.roll(NOW_MS).unwrap();
    clean(&place, &log, NOW_MS);
    let all = records(log.view());
    assert_eq!(all.len(), 2);
    assert_eq!(all[&tombstone], ("a".to_owned(), None));
    let stamped = batches(log.view()).pop().unwrap();
    assert!(stamped.header().attributes.has_delete_horizon());
    assert_eq!(stamped.header().base_timestamp, NOW_MS + DAY_MS);

    // The horizon is that of the first time.
    clean(&place, &log, NOW_MS + DAY_MS - 1);
    assert_eq!(records(log.view()), all);
    clean(&place, &log, NOW_MS + DAY_MS);
    assert_eq!(records(log.view()).len(), 1);
    assert_eq!(log.view().log_end_offset(), 3);
}

#[test]
fn what_is_young_unstable_or_active_is_not_touched() {
    let mut config = compacted();
    config.min_compaction_lag_ms = 1000;
    let place = Place::new(config);
    let mut log = place.open();
    for _ in 0..3 {
        put(&mut log, "a", Some("1"));
        put(&mut log, "a", Some("2"));
        log.roll(NOW_MS).unwrap();
    }
    put(&mut log, "a", Some("3"));
    let cleaner = log.cleaner();
    let dirty = |last_stable_offset, now_ms| {
        let standing = Standing {
            cleaned_to: 2,
            last_stable_offset,
            now_ms,
        };
        let cleanable = cleaner.cleanable(log.config(), standing).unwrap();
        (cleanable.dirty_from, cleanable.dirty_to)
    };
    assert_eq!(dirty(7, NOW_MS + 999), (2, 2));
    assert_eq!(dirty(7, NOW_MS + 1000), (2, 6));
    assert_eq!(dirty(5, NOW_MS + 1000), (2, 4));
    assert_eq!(dirty(3, NOW_MS + 1000), (2, 2));
}

#[test]
fn a_record_that_waits_too_long_makes_cleaning_due() {
    let mut config = compacted();
    config.min_cleanable_dirty_ratio = 1.0;
    config.max_compaction_lag_ms = 5000;
    let place = Place::new(config);
    let mut log = place.open();
    put(&mut log, "a", Some("1"));
    log.roll(NOW_MS).unwrap();
    let is_due = |now_ms| {
        let standing = standing(&log, 0, now_ms);
        let cleanable = log.cleaner().cleanable(log.config(), standing).unwrap();
        cleanable.is_due(log.config())
    };
    assert!(!is_due(NOW_MS + 4999));
    assert!(is_due(NOW_MS + 5000));
}

#[test]
fn a_producer_goes_on_where_it_was_although_its_records_are_gone() {
    let place = Place::new(compacted());
    let mut log = place.open();
    let sent = |producer, sequence, value: &str| {
        BatchBuilder::new().producer(producer, 0, sequence).record(
            NOW_MS,
            Some(b"key"),
            Some(value.as_bytes()),
        )
    };
    for sequence in 0..4 {
        append(&mut log, sent(1, sequence, "one"));
        append(&mut log, sent(2, sequence, "two"));
    }
    log.roll(NOW_MS).unwrap();
    clean(&place, &log, NOW_MS);
    let left = batches(log.view());
    let left: Vec<_> = left
        .iter()
        .map(|batch| (batch.header().producer_id, batch.header().record_count))
        .collect();
    assert_eq!(left, [(1, 0), (2, 1)]);
    // Even if the snapshots are lost.
    drop(log);
    for name in place.file_names(".snapshot") {
        std::fs::remove_file(place.file(&name)).unwrap();
    }
    let mut log = place.open();
    assert!(append(&mut log, sent(1, 3, "one")).duplicate);
    assert!(append(&mut log, sent(2, 3, "two")).duplicate);
    assert_eq!(append(&mut log, sent(1, 4, "one")).base_offset, 8);
}

/// librdkafka gives up after a dozen answers without a record.
#[test]
fn readers_are_led_past_batches_without_records_while_there_is_more() {
    let place = Place::new(compacted());
    let mut log = place.open();
    for number in 0..300 {
        put(&mut log, "key", Some(&large(number)));
    }
    log.roll(NOW_MS).unwrap();
    let segments = place.file_names(".log").len();
    clean(&place, &log, NOW_MS);
    let request = |upper_offset| ReadRequest {
        offset: 0,
        upper_offset,
        max_bytes: 3000,
        at_least_one: true,
    };
    let kept = |upper_offset| {
        let Located::Slice(slice) = read(log.view(), &request(upper_offset)) else {
            panic!("nothing below {upper_offset}");
        };
        let batches = Batches::new(bytes_of(&slice)).map(|batch| *batch.unwrap().header());
        batches
            .map(|header| (header.record_count, header.last_offset()))
            .collect::<Vec<_>>()
    };
    assert!(12 < segments, "{segments}");
    assert_eq!(kept(i64::MAX), [(1, 299)]);
    // Where there is no more, they lead on.
    let [(0, last)] = kept(299)[..] else {
        panic!("{:?}", kept(299));
    };
    assert!(last < 298, "{last}");
    assert!(matches!(read(log.view(), &request(0)), Located::Empty));
}

#[test]
fn with_little_memory_several_passes_clean_the_log() {
    for compression in Compression::ALL {
        let place = Place::new(compacted());
        let mut log = place.open();
        let mut expected = BTreeMap::new();
        for round in 0..300_i64 {
            let keys = [round % 60, round % 7 + 100].map(|key| key.to_string());
            let mut batch = BatchBuilder::new().compression(compression);
            for key in &keys {
                let value = large(round);
                batch = batch.record(NOW_MS + round, Some(key.as_bytes()), Some(value.as_bytes()));
            }
            let first = append(&mut log, batch).base_offset;
            for (offset, key) in (first..).zip(keys) {
                expected.insert(key.clone(), (offset, (key, Some(large(round)))));
            }
        }
        log.roll(NOW_MS).unwrap();
        let limits = CleanLimits {
            map_bytes: 40 * offset_map::SLOT_BYTES,
            map_load_factor: 0.9,
        };
        let mut cleaned_to = 0;
        let mut passes = 0;
        while cleaned_to < log.view().log_end_offset() {
            let standing = standing(&log, cleaned_to, NOW_MS);
            let cleaned = try_clean(&place, &log, standing, limits).unwrap();
            assert!(cleaned_to < cleaned.cleaned_to);
            cleaned_to = cleaned.cleaned_to;
            passes += 1;
        }
        assert!(passes > 5, "{passes}");
        let expected: BTreeMap<_, _> = expected.into_values().collect();
        assert_eq!(records(log.view()), expected, "{compression}");
    }
}

#[test]
fn memory_for_less_than_a_batch_is_an_error_that_says_so() {
    let place = Place::new(compacted());
    let mut log = place.open();
    let batch = (0..50).fold(BatchBuilder::new(), |batch, number: i32| {
        batch.record(NOW_MS, Some(&number.to_be_bytes()), Some(b"value"))
    });
    append(&mut log, batch);
    log.roll(NOW_MS).unwrap();
    let limits = CleanLimits {
        map_bytes: 40 * offset_map::SLOT_BYTES,
        map_load_factor: 0.9,
    };
    let error = try_clean(&place, &log, standing(&log, 0, NOW_MS), limits).unwrap_err();
    let CleanError::BatchTooLarge { offset, records } = error else {
        panic!("{error:?}");
    };
    assert_eq!((offset, records), (0, 50));
}

#[test]
fn told_to_stop_it_leaves_the_log_as_it_was() {
    let place = Place::new(compacted());
    let mut log = place.open();
    for number in 0..100 {
        put(&mut log, "key", Some(&large(number)));
    }
    log.roll(NOW_MS).unwrap();
    let before = records(log.view());
    let cleaner = log.cleaner();
    let cleanable = cleaner
        .cleanable(log.config(), standing(&log, 0, NOW_MS))
        .unwrap();
    let size = log.view().size_bytes();
    for bytes_left in [1, size / 2, size, size + size / 2] {
        let place = &place;
        let mut supervisor = Unhurried { place, bytes_left };
        let stopped = cleaner.clean(&cleanable, log.config(), LIMITS, NOW_MS, &mut supervisor);
        assert!(matches!(stopped, Err(CleanError::Stopped)));
        let now = records(log.view());
        assert_eq!(now.last_key_value(), before.last_key_value());
        assert_eq!(place.file_names(".cleaned"), [""; 0]);
    }
    log.close_clean(NOW_MS).unwrap();
    let mut supervisor = Unhurried {
        place: &place,
        bytes_left: u64::MAX,
    };
    let config = compacted();
    let closed = cleaner.clean(&cleanable, &config, LIMITS, NOW_MS, &mut supervisor);
    assert!(matches!(closed, Err(CleanError::Stopped)));
}

#[test]
fn a_damaged_segment_is_named_and_nothing_changes() {
    let place = Place::new(compacted());
    let mut log = place.open();
    for number in 0..100 {
        put(&mut log, "key", Some(&large(number)));
    }
    log.roll(NOW_MS).unwrap();
    let names = place.file_names(".log");
    let damaged = place.file(&names[1]);
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[400] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let error = try_clean(&place, &log, standing(&log, 0, NOW_MS), LIMITS).unwrap_err();
    let CleanError::Read(ReadError::Corrupt { path, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(path, damaged);
    assert_eq!(place.file_names(".log"), names);
}

#[test]
fn a_record_without_a_key_goes_when_a_topic_becomes_compacted() {
    let mut config = compacted();
    config.cleanup_compact = false;
    let place = Place::new(config);
    let mut log = place.open();
    append(
        &mut log,
        BatchBuilder::new().record(NOW_MS, None, Some(b"keyless")),
    );
    put(&mut log, "a", Some("1"));
    log.roll(NOW_MS).unwrap();
    log.update_config(compacted());
    clean(&place, &log, NOW_MS);
    assert_eq!(records(log.view()).into_keys().collect::<Vec<_>>(), [1]);
}
