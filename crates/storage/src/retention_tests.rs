#![allow(clippy::unwrap_used)]

use crate::{
    config::LogConfig,
    log::Log,
    test_support::{NOW_MS, Place, assert_filled, fill_to, small_segments},
};

const KEEP_ALL: LogConfigPatch = |_| {};

type LogConfigPatch = fn(&mut LogConfig);

/// A log of 100 records in segments of nine, with record `n` at `NOW_MS + n`.
fn filled(patch: LogConfigPatch) -> (Place, Log) {
    let mut config = LogConfig {
        retention_ms: None,
        ..small_segments()
    };
    patch(&mut config);
    let place = Place::new(config);
    let mut log = place.open();
    fill_to(&mut log, 100, 1000);
    assert_eq!(place.file_names(".log").len(), 12);
    (place, log)
}

#[test]
fn without_limits_everything_stays() {
    let (_place, mut log) = filled(KEEP_ALL);
    assert!(log.delete_old_segments(100, i64::MAX).unwrap().is_none());
    assert_filled(log.view(), 0, 100);
}

#[test]
fn segments_go_when_their_newest_record_is_too_old() {
    let (place, mut log) = filled(|config| config.retention_ms = Some(1000));
    assert!(
        log.delete_old_segments(100, NOW_MS + 1008)
            .unwrap()
            .is_none()
    );
    let pending = log
        .delete_old_segments(100, NOW_MS + 1018)
        .unwrap()
        .unwrap();
    assert_eq!(log.view().log_start_offset(), 18);
    assert_filled(log.view(), 18, 100);
    assert_eq!(place.file_names(".log").len(), 10);
    assert_eq!(place.file_names(".log.deleted").len(), 2);
    assert_eq!(pending.due_ms, NOW_MS + 1018 + 60_000);
    pending.remove(&place.disk).unwrap();
    assert_eq!(place.file_names(".deleted").len(), 0);
}

#[test]
fn the_age_of_a_segment_survives_a_restart() {
    let (place, log) = filled(|config| config.retention_ms = Some(1000));
    log.close_clean(NOW_MS).unwrap();
    let mut log = place.open();
    let _pending = log
        .delete_old_segments(100, NOW_MS + 1018)
        .unwrap()
        .unwrap();
    assert_eq!(log.view().log_start_offset(), 18);
}

#[test]
fn segments_go_while_the_rest_is_large_enough() {
    let (_place, mut log) = filled(|config| config.retention_bytes = Some(30_000));
    let before = log.view().size_bytes();
    let pending = log.delete_old_segments(100, NOW_MS).unwrap().unwrap();
    let after = log.view().size_bytes();
    assert!((30_000..40_000).contains(&after), "{after} bytes are left");
    assert_eq!(before - after, pending.bytes);
}

#[test]
fn segments_wholly_below_the_log_start_go_even_without_cleanup() {
    let (_place, mut log) = filled(|config| config.cleanup_delete = false);
    log.advance_log_start(20).unwrap();
    let _pending = log.delete_old_segments(100, NOW_MS).unwrap().unwrap();
    assert_eq!(log.state.segments().first().base_offset(), 18);
    assert_filled(log.view(), 20, 100);
}

#[test]
fn nothing_at_or_above_the_high_watermark_goes() {
    let (_place, mut log) = filled(|config| config.retention_ms = Some(1000));
    let _pending = log
        .delete_old_segments(30, NOW_MS + 1_000_000)
        .unwrap()
        .unwrap();
    assert_eq!(log.view().log_start_offset(), 27);
}

#[test]
fn when_all_have_expired_an_empty_segment_is_left() {
    let (place, mut log) = filled(|config| config.retention_ms = Some(1000));
    let _pending = log
        .delete_old_segments(100, NOW_MS + 1_000_000)
        .unwrap()
        .unwrap();
    assert_filled(log.view(), 100, 100);
    assert_eq!(place.file_names(".log"), ["00000000000000000100.log"]);
    assert!(
        log.delete_old_segments(100, NOW_MS + 2_000_000)
            .unwrap()
            .is_none()
    );
    fill_to(&mut log, 110, 1000);
    assert_filled(log.view(), 100, 110);
}

#[test]
fn deleted_files_that_nobody_removed_go_at_the_next_start() {
    let (place, mut log) = filled(|config| config.retention_ms = Some(1000));
    let pending = log
        .delete_old_segments(100, NOW_MS + 1050)
        .unwrap()
        .unwrap();
    drop(pending);
    log.close_clean(NOW_MS).unwrap();
    let log = place.open();
    assert_eq!(place.file_names(".deleted").len(), 0);
    assert_filled(log.view(), 45, 100);
}

#[test]
fn a_snapshot_goes_with_its_segment() {
    let (place, mut log) = filled(|config| config.retention_ms = Some(1000));
    for _ in 0..3 {
        log.flusher().flush(NOW_MS).unwrap();
    }
    let pending = log
        .delete_old_segments(100, NOW_MS + 1090)
        .unwrap()
        .unwrap();
    pending.remove(&place.disk).unwrap();
    let segments = place.file_names(".log");
    for snapshot in place.file_names(".snapshot") {
        assert!(
            segments[0].trim_end_matches(".log") <= snapshot.as_str(),
            "{snapshot}"
        );
    }
}
