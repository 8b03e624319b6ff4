#![allow(clippy::unwrap_used)]

use bytes::{Bytes, BytesMut};
use odradek_protocol::records::{BatchBuilder, Compression, TimestampType};

use super::*;
use crate::{
    append::{AppendOrigin, Appended},
    error::AppendError,
    producer_state::SequenceError,
    test_support::{
        NOW_MS, Place, append, assert_filled, batch, fill_to, from_client, read_from, request,
        small_segments, try_append,
    },
};

fn place() -> Place {
    Place::new(LogConfig::default())
}

#[test]
fn offsets_count_records_from_zero() {
    let place = place();
    let mut log = place.open();
    let first = append(&mut log, batch(0, 3, 10));
    assert_eq!((first.base_offset, first.last_offset), (0, 2));
    let second = append(&mut log, batch(3, 1, 10));
    assert_eq!((second.base_offset, second.last_offset), (3, 3));
    assert_eq!(log.view().log_end_offset(), 4);
    assert_filled(log.view(), 0, 4);
}

#[test]
fn a_group_is_appended_in_order_and_each_request_has_its_own_result() {
    let place = place();
    let mut log = place.open();
    let mut broken = BytesMut::from(&request(batch(0, 1, 10)).records[..]);
    broken[70] ^= 1;
    let outcome = log.append_group(
        &[
            request(batch(0, 2, 10)),
            AppendRequest {
                records: broken.freeze(),
            },
            request(batch(2, 1, 10)),
            AppendRequest {
                records: Bytes::new(),
            },
        ],
        from_client(),
    );
    let offsets: Vec<_> = outcome
        .results
        .iter()
        .map(|result| result.as_ref().map(|it| it.base_offset))
        .collect();
    assert!(matches!(
        offsets[..],
        [
            Ok(0),
            Err(AppendError::MalformedBatch(_)),
            Ok(2),
            Err(AppendError::NotOneBatch { found: 0 })
        ]
    ));
    assert_filled(log.view(), 0, 3);
}

#[test]
fn a_batch_is_stored_as_sent_but_for_offset_and_epoch() {
    let place = place();
    let mut log = place.open();
    fill_to(&mut log, 5, 10);
    let sent = batch(5, 3, 100).compression(Compression::Lz4).build();
    let end = std::fs::metadata(place.file("00000000000000000000.log"))
        .unwrap()
        .len() as usize;
    log.append_group(
        &[AppendRequest {
            records: sent.to_bytes(),
        }],
        from_client(),
    );
    let stored = std::fs::read(place.file("00000000000000000000.log")).unwrap();
    let (sent, stored) = (sent.to_bytes(), &stored[end..]);
    assert_eq!(stored[..8], 5_i64.to_be_bytes());
    assert_eq!(stored[8..12], sent[8..12]);
    assert_eq!(stored[12..16], 3_i32.to_be_bytes());
    assert_eq!(stored[16..], sent[16..]);
}

#[test]
fn a_batch_must_obey_the_limits_of_the_topic() {
    let mut place = place();
    place.config.max_message_bytes = 1000;
    place.config.segment_bytes = 900;
    place.config.timestamp_before_max_ms = 1000;
    place.config.timestamp_after_max_ms = 1000;
    let mut log = place.open();
    let mut check = |builder: BatchBuilder| try_append(&mut log, builder).unwrap_err();
    assert!(matches!(
        check(batch(0, 1, 2000)),
        AppendError::RecordTooLarge { limit: 1000, .. }
    ));
    assert!(matches!(
        check(batch(0, 1, 850)),
        AppendError::RecordListTooLarge { limit: 900, .. }
    ));
    let at = |timestamp| BatchBuilder::new().record(timestamp, None, Some(b"v"));
    assert!(matches!(
        check(at(NOW_MS - 1001)),
        AppendError::InvalidTimestamp { timestamp, .. } if timestamp == NOW_MS - 1001
    ));
    assert!(matches!(
        check(at(NOW_MS + 1001)),
        AppendError::InvalidTimestamp { .. }
    ));
    assert!(matches!(
        check(at(0).log_append_time(NOW_MS)),
        AppendError::ClaimsLogAppendTime
    ));
    assert!(matches!(
        check(at(NOW_MS).producer(1, 0, 0).transactional()),
        AppendError::Transactional
    ));
    assert!(matches!(
        check(at(NOW_MS).base_offset(7)),
        AppendError::InvalidRecord(_)
    ));
    for fine in [NOW_MS - 1000, NOW_MS + 1000, -1] {
        append(&mut log, at(fine));
    }
}

#[test]
fn a_request_has_exactly_one_whole_batch() {
    let place = place();
    let mut log = place.open();
    let one = request(batch(0, 1, 10)).records;
    let mut check = |records: Bytes| {
        let mut outcome = log.append_group(&[AppendRequest { records }], from_client());
        outcome.results.pop().unwrap().unwrap_err()
    };
    let two = Bytes::from([&one[..], &one[..]].concat());
    assert!(matches!(check(two), AppendError::NotOneBatch { found: 2 }));
    assert!(matches!(
        check(one.slice(..one.len() - 1)),
        AppendError::MalformedBatch(_)
    ));
    let trailing = Bytes::from([&one[..], &[0; 5]].concat());
    assert!(matches!(check(trailing), AppendError::NotOneBatch { .. }));
}

#[test]
fn a_compacted_topic_takes_no_record_without_a_key() {
    let mut place = place();
    place.config.cleanup_compact = true;
    let mut log = place.open();
    let error = try_append(&mut log, batch(0, 1, 10)).unwrap_err();
    assert!(matches!(error, AppendError::InvalidRecord(_)));
    append(
        &mut log,
        BatchBuilder::new().record(NOW_MS, Some(b"k"), None),
    );
}

#[test]
fn with_log_append_time_the_broker_sets_the_timestamp() {
    let mut place = place();
    place.config.timestamp_type = TimestampType::LogAppendTime;
    let mut log = place.open();
    let appended = append(&mut log, batch(0, 2, 10));
    assert_eq!(appended.log_append_time_ms, Some(NOW_MS));
    let stored = std::fs::read(place.file("00000000000000000000.log")).unwrap();
    let stored = odradek_protocol::records::RecordBatch::parse(&stored.into()).unwrap();
    stored.verify_crc().unwrap();
    assert_eq!(stored.header().max_timestamp, NOW_MS);
    assert_eq!(
        stored.header().attributes.timestamp_type(),
        TimestampType::LogAppendTime
    );
}

#[test]
fn a_retry_gets_the_offsets_of_the_original() {
    let place = place();
    let mut log = place.open();
    let sent = |sequence: i32| batch(sequence as usize, 2, 10).producer(9, 0, sequence);
    let originals: Vec<Appended> = (0..5).map(|n| append(&mut log, sent(2 * n))).collect();
    for (n, original) in originals.iter().enumerate() {
        let retry = append(&mut log, sent(2 * n as i32));
        assert_eq!(
            retry,
            Appended {
                duplicate: true,
                ..*original
            }
        );
    }
    assert_eq!(log.view().log_end_offset(), 10);
    let error = try_append(&mut log, sent(20)).unwrap_err();
    assert!(matches!(
        error,
        AppendError::Sequence(SequenceError::OutOfOrderSequence { expected: 10, .. })
    ));
}

#[test]
fn a_retry_in_the_same_group_as_the_original_is_noticed() {
    let place = place();
    let mut log = place.open();
    let sent = |sequence| request(batch(0, 1, 10).producer(9, 0, sequence));
    let outcome = log.append_group(&[sent(0), sent(1), sent(0), sent(2)], from_client());
    let offsets: Vec<_> = outcome
        .results
        .iter()
        .map(|it| it.as_ref().unwrap().base_offset)
        .collect();
    assert_eq!(offsets, [0, 1, 0, 2]);
    assert!(outcome.results[2].as_ref().unwrap().duplicate);
}

#[test]
fn a_follower_keeps_the_leaders_offsets_and_epochs() {
    let place = place();
    let mut log = place.open();
    let from_leader = |leader_epoch| AppendContext {
        origin: AppendOrigin::Leader,
        leader_epoch,
        now_ms: NOW_MS,
    };
    let at = |offset: i64, epoch| {
        batch(offset as usize, 2, 10)
            .base_offset(offset)
            .leader_epoch(epoch)
            .build()
            .to_bytes()
    };
    // A gap, as compaction leaves it, a new epoch, and a batch that the fetch cut off.
    let cut_off = at(14, 6).slice(..50);
    let records = Bytes::from([at(4, 2), at(10, 5), cut_off].concat());
    let outcome = log.append_group(&[AppendRequest { records }], from_leader(6));
    let appended = outcome.results[0].as_ref().unwrap();
    assert_eq!((appended.base_offset, appended.last_offset), (4, 11));
    assert_eq!(log.view().end_offset_for_epoch(2).unwrap().end_offset, 10);
    assert_eq!(log.view().latest_epoch(), Some(5));

    let again = log.append_group(&[AppendRequest { records: at(10, 5) }], from_leader(6));
    assert!(matches!(
        again.results[0],
        Err(AppendError::OutOfOrderOffsets { .. })
    ));
    let ahead = log.append_group(&[AppendRequest { records: at(12, 9) }], from_leader(6));
    assert!(matches!(
        ahead.results[0],
        Err(AppendError::NotOneBatch { found: 0 })
    ));
    let offsets: Vec<i64> = read_from(log.view(), 0)
        .iter()
        .map(|(offset, _)| *offset)
        .collect();
    assert_eq!(offsets, [4, 5, 10, 11]);
}

#[test]
fn a_segment_is_rolled_before_it_would_become_too_large() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 100, 1000);
    let names = place.file_names(".log");
    assert!(names.len() >= 10, "{names:?}");
    for name in &names {
        assert!(std::fs::metadata(place.file(name)).unwrap().len() <= 10_000);
    }
    assert_filled(log.view(), 0, 100);
    assert_filled(log.view(), 57, 100);
}

#[test]
fn one_group_may_fill_several_segments() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    let requests: Vec<_> = (0..40).map(|n| request(batch(n, 1, 1000))).collect();
    let outcome = log.append_group(&requests, from_client());
    for (offset, result) in outcome.results.iter().enumerate() {
        assert_eq!(result.as_ref().unwrap().base_offset, offset as i64);
    }
    assert!(place.file_names(".log").len() >= 4);
    assert_filled(log.view(), 0, 40);
}

#[test]
fn a_segment_is_rolled_when_a_batch_is_much_newer_than_its_first() {
    let mut place = place();
    place.config.segment_ms = 60_000;
    place.config.timestamp_after_max_ms = i64::MAX;
    let mut log = place.open();
    let at = |age_ms| BatchBuilder::new().record(NOW_MS + age_ms, None, Some(b"v"));
    append(&mut log, at(0));
    append(&mut log, at(60_000));
    assert_eq!(place.file_names(".log").len(), 1);
    append(&mut log, at(60_001));
    assert_eq!(place.file_names(".log").len(), 2);
    // The rule is the same for a log that was opened again.
    log.close_clean(NOW_MS).unwrap();
    let mut log = place.open();
    append(&mut log, at(120_001));
    assert_eq!(place.file_names(".log").len(), 2);
    append(&mut log, at(120_002));
    assert_eq!(place.file_names(".log").len(), 3);
}

#[test]
fn a_segment_is_rolled_when_its_index_is_full() {
    let mut place = Place::new(small_segments());
    place.config.segment_index_bytes = 80;
    place.config.segment_bytes = 1 << 30;
    let mut log = place.open();
    fill_to(&mut log, 100, 600);
    assert!(place.file_names(".log").len() > 10);
    assert_filled(log.view(), 0, 100);
}

#[test]
fn jitter_shortens_the_age_of_segments_differently() {
    let mut place = Place::new(small_segments());
    place.config.segment_jitter_ms = 1000;
    let mut log = place.open();
    let mut seen = std::collections::BTreeSet::new();
    for end in [20, 40, 60, 80] {
        fill_to(&mut log, end, 1000);
        assert!(log.roll_jitter_ms() < 1000);
        seen.insert(log.roll_jitter_ms());
    }
    assert!(1 < seen.len());
}

#[test]
fn a_flush_is_required_after_so_many_records_or_so_much_time() {
    let mut place = place();
    place.config.flush_messages = 3;
    place.config.flush_ms = 1000;
    let mut log = place.open();
    let mut required = |count, now_ms| {
        let context = AppendContext {
            now_ms,
            ..from_client()
        };
        log.append_group(&[request(batch(0, count, 10))], context)
            .flush_required
    };
    assert!(!required(2, NOW_MS));
    assert!(required(1, NOW_MS));
    log.flush(NOW_MS).unwrap();
    let mut required = |count, now_ms| {
        let context = AppendContext {
            now_ms,
            ..from_client()
        };
        log.append_group(&[request(batch(0, count, 10))], context)
            .flush_required
    };
    assert!(!required(1, NOW_MS + 999));
    assert!(required(1, NOW_MS + 1000));
}

#[test]
fn what_was_refused_requires_no_flush() {
    let mut place = place();
    place.config.flush_messages = 1;
    let mut log = place.open();
    let outcome = log.append_group(
        &[AppendRequest {
            records: Bytes::new(),
        }],
        from_client(),
    );
    assert!(!outcome.flush_required);
}

#[test]
fn a_retry_after_a_crash_requires_the_flush_that_the_original_missed() {
    let mut place = place();
    place.config.flush_messages = 1;
    let sent = || request(batch(0, 1, 10).producer(1, 0, 0));
    assert!(
        place
            .open()
            .append_group(&[sent()], from_client())
            .flush_required
    );
    let (mut log, _) = place.try_open(PreviousStop::ProcessDied, 0).unwrap();
    let outcome = log.append_group(&[sent()], from_client());
    assert!(outcome.results[0].as_ref().unwrap().duplicate);
    assert!(outcome.flush_required);
}

#[test]
fn a_flush_moves_the_recovery_point_to_the_end() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 30, 1000);
    assert_eq!(log.view().recovery_point(), 0);
    assert!(0 < log.view().unflushed_bytes());
    assert_eq!(log.flush(NOW_MS).unwrap(), 30);
    assert_eq!(log.view().unflushed_bytes(), 0);
    fill_to(&mut log, 40, 1000);
    assert_eq!(log.flusher().flush(NOW_MS).unwrap(), 40);
}

#[test]
fn a_background_flush_keeps_one_producer_snapshot_besides_those_of_segments() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    for end in [5, 6, 7] {
        fill_to(&mut log, end, 100);
        log.flusher().flush(NOW_MS).unwrap();
    }
    assert_eq!(
        place.file_names(".snapshot"),
        ["00000000000000000007.snapshot"]
    );
    fill_to(&mut log, 40, 1000);
    log.flusher().flush(NOW_MS).unwrap();
    let snapshots = place.file_names(".snapshot");
    let segments = place.file_names(".log");
    assert_eq!(snapshots.last().unwrap(), "00000000000000000040.snapshot");
    for segment in &segments[1..] {
        let base_offset = segment.trim_end_matches(".log");
        assert!(
            snapshots.contains(&format!("{base_offset}.snapshot")),
            "{snapshots:?}"
        );
    }
    assert_eq!(snapshots.len(), segments.len());
}

#[test]
fn the_log_start_moves_forward_only_and_not_beyond_the_end() {
    let place = place();
    let mut log = place.open();
    fill_to(&mut log, 10, 10);
    assert!(log.advance_log_start(4).unwrap());
    assert!(!log.advance_log_start(3).unwrap());
    assert!(matches!(
        log.advance_log_start(11),
        Err(LogError::OffsetOutOfRange { .. })
    ));
    assert_eq!(log.view().log_start_offset(), 4);
    let appended = append(&mut log, batch(10, 1, 10));
    assert_eq!(appended.log_start_offset, 4);
}

#[test]
fn truncation_takes_back_records_and_what_was_known_of_them() {
    for keep in [0, 1, 9, 10, 25, 39] {
        let place = Place::new(small_segments());
        let mut log = place.open();
        for n in 0..40 {
            append(&mut log, batch(n, 1, 1000).producer(7, 0, n as i32));
        }
        log.flusher().flush(NOW_MS).unwrap();
        log.truncate_to(keep, NOW_MS).unwrap();
        assert_filled(log.view(), 0, keep);
        assert_eq!(log.view().recovery_point(), keep);
        // The producer goes on where it is now.
        for n in keep..40 {
            append(
                &mut log,
                batch(n as usize, 1, 1000).producer(7, 0, n as i32),
            );
        }
        assert_filled(log.view(), 0, 40);
        log.close_clean(NOW_MS).unwrap();
        let log = place.open();
        assert_filled(log.view(), 0, 40);
    }
}

#[test]
fn truncation_inside_a_batch_drops_the_batch() {
    let place = place();
    let mut log = place.open();
    append(&mut log, batch(0, 5, 10));
    append(&mut log, batch(5, 5, 10));
    log.truncate_to(7, NOW_MS).unwrap();
    assert_filled(log.view(), 0, 5);
}

#[test]
fn a_log_can_start_anew_at_any_offset() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 30, 1000);
    log.truncate_fully_and_start_at(500, NOW_MS).unwrap();
    assert_eq!(
        (log.view().log_start_offset(), log.view().log_end_offset()),
        (500, 500)
    );
    fill_to(&mut log, 520, 1000);
    assert_filled(log.view(), 500, 520);
    assert!(place.file_names(".log")[0].contains("0500"));
}

#[test]
fn a_deleted_log_frees_its_name_at_once_and_its_space_later() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 30, 1000);
    let view = log.view().clone();
    let flusher = log.flusher();
    let uuid = uuid::Uuid::from_u128(0xabc);
    let pending = log.delete(uuid, NOW_MS).unwrap();
    assert!(!place.dir().exists());
    assert_eq!(pending.due_ms, NOW_MS + 60_000);
    let renamed = place
        .root
        .path()
        .join(format!("topic-0.{}-delete", uuid.simple()));
    assert_eq!(pending.paths, std::slice::from_ref(&renamed));
    // Reads under way go on, flushes do not.
    assert_filled(&view, 0, 30);
    flusher.flush(NOW_MS).unwrap();
    let fresh = place.open();
    assert_eq!(fresh.view().log_end_offset(), 0);
    pending.remove(&place.disk).unwrap();
    assert!(!renamed.exists());
}

#[test]
fn nothing_is_written_to_an_offline_directory() {
    let place = place();
    let context = place.context();
    let options = OpenOptions {
        dir: place.dir(),
        config: LogConfig::default(),
        recovery_point: 0,
        log_start_offset: 0,
        previous_stop: PreviousStop::Never,
        now_ms: NOW_MS,
    };
    let (mut log, _) = Log::open(&context, options).unwrap();
    fill_to(&mut log, 3, 10);
    context.health.poison("test");
    let error = try_append(&mut log, batch(3, 1, 10)).unwrap_err();
    assert!(matches!(error, AppendError::Offline));
    assert!(matches!(log.flush(NOW_MS), Err(LogError::Offline)));
    assert!(matches!(log.roll(NOW_MS), Err(LogError::Offline)));
    // What is in memory can still be read.
    assert_filled(log.view(), 0, 3);
}
