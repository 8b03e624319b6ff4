#![allow(clippy::unwrap_used)]

use std::io;

use super::*;
use crate::{
    append::AppendContext,
    config::LogConfig,
    disk::memory::MemoryDisk,
    error::AppendError,
    log::Log,
    read::ReadRequest,
    test_support::{
        FullDisk, NOW_MS, Place, append, assert_filled, batch, fill_to, from_client, read_from,
        request, small_segments, try_append,
    },
    timestamps::TimestampQuery,
};

const CRASHES: [PreviousStop; 2] = [PreviousStop::ProcessDied, PreviousStop::PageCacheLost];

/// A log of 40 records whose process died, in a few segments.
fn crashed() -> Place {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 40, 1000);
    place
}

fn last_log(place: &Place) -> std::path::PathBuf {
    place.file(place.file_names(".log").last().unwrap())
}

fn append_bytes(path: &std::path::Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::File::options()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

#[test]
fn a_log_stopped_in_order_opens_without_a_scan() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 40, 1000);
    assert_eq!(log.close_clean(NOW_MS).unwrap(), 40);
    let (log, recovery) = place.try_open(PreviousStop::Clean, 40).unwrap();
    assert_eq!(recovery, Recovery::default());
    assert_filled(log.view(), 0, 40);
    assert_eq!(log.view().recovery_point(), 40);
}

#[test]
fn files_have_no_preallocated_space_after_a_clean_stop() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new(LogConfig::default());
    let mut log = place.open();
    for _ in 0..8 {
        append(&mut log, batch(0, 1, 1_000_000));
    }
    let blocks = || std::fs::metadata(last_log(&place)).unwrap().blocks() * 512;
    let before = blocks();
    log.close_clean(NOW_MS).unwrap();
    assert!(blocks() <= before);
    assert!(blocks() < 8_100_000, "{} bytes of blocks", blocks());
}

#[test]
fn after_a_crash_nothing_that_was_written_is_lost() {
    for stop in CRASHES {
        let place = crashed();
        let (log, recovery) = place.try_open(stop, 0).unwrap();
        assert_filled(log.view(), 0, 40);
        assert_eq!(recovery.bytes_truncated, 0);
        // And it goes on, through another crash.
        let mut log = log;
        fill_to(&mut log, 60, 1000);
        drop(log);
        let (log, _) = place.try_open(stop, 0).unwrap();
        assert_filled(log.view(), 0, 60);
    }
}

#[test]
fn when_only_the_process_died_only_the_end_is_scanned() {
    let place = Place::new(LogConfig::default());
    let mut log = place.open();
    for n in 0..60 {
        append(&mut log, batch(n, 1, 100_000));
    }
    drop(log);
    let (_, recovery) = place.try_open(PreviousStop::ProcessDied, 0).unwrap();
    assert!(recovery.bytes_scanned <= 500_000, "{recovery:?}");
    let (_, recovery) = place.try_open(PreviousStop::PageCacheLost, 0).unwrap();
    assert!(6_000_000 <= recovery.bytes_scanned, "{recovery:?}");
}

#[test]
fn after_a_lost_page_cache_the_scan_begins_at_the_recovery_point() {
    let place = Place::new(LogConfig::default());
    let mut log = place.open();
    for n in 0..50 {
        append(&mut log, batch(n, 1, 100_000));
    }
    let recovery_point = log.flusher().flush(NOW_MS).unwrap();
    for n in 50..60 {
        append(&mut log, batch(n, 1, 100_000));
    }
    drop(log);
    let (log, recovery) = place
        .try_open(PreviousStop::PageCacheLost, recovery_point)
        .unwrap();
    assert!(
        (1_000_000..1_500_000).contains(&recovery.bytes_scanned),
        "{recovery:?}"
    );
    assert!(
        (1_000_000..1_100_000).contains(&recovery.bytes_replayed),
        "{recovery:?}"
    );
    assert_filled(log.view(), 0, 60);
}

#[test]
fn a_torn_tail_is_cut_off() {
    for stop in CRASHES {
        for torn in [1, 60, 61, 500] {
            let place = crashed();
            let next = batch(40, 1, 1000).base_offset(40).build().to_bytes();
            append_bytes(&last_log(&place), &next[..torn]);
            let (mut log, recovery) = place.try_open(stop, 20).unwrap();
            assert_eq!(recovery.bytes_truncated, torn as u64);
            assert_filled(log.view(), 0, 40);
            fill_to(&mut log, 50, 1000);
            assert_filled(log.view(), 0, 50);
        }
    }
}

#[test]
fn zeros_behind_the_end_are_cut_off() {
    for stop in CRASHES {
        let place = crashed();
        append_bytes(&last_log(&place), &[0; 5000]);
        let (log, _) = place.try_open(stop, 0).unwrap();
        assert_filled(log.view(), 0, 40);
    }
}

#[test]
fn a_bad_batch_above_the_recovery_point_ends_the_log() {
    let place = crashed();
    let names = place.file_names(".log");
    let path = place.file(&names[1]);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1500] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    // The second batch of the second segment.
    let (mut log, recovery) = place.try_open(PreviousStop::PageCacheLost, 5).unwrap();
    assert_filled(log.view(), 0, 10);
    assert_eq!(place.file_names(".log"), names[..2]);
    assert!(20_000 < recovery.bytes_truncated);
    fill_to(&mut log, 40, 1000);
    assert_filled(log.view(), 0, 40);
}

#[test]
fn a_bad_batch_below_the_recovery_point_is_an_error_that_says_where() {
    let place = crashed();
    let path = last_log(&place);
    let mut bytes = std::fs::read(&path).unwrap();
    let last_batch = bytes.len() - bytes.len() / 4;
    bytes[last_batch + 100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for stop in CRASHES {
        match place.try_open(stop, 40) {
            Err(OpenError::Corrupt {
                path: found,
                position,
                source,
            }) => {
                assert_eq!((found, position), (path.clone(), last_batch as u64));
                assert!(matches!(source, BatchError::CrcMismatch { .. }));
            }
            other => panic!("{stop:?}: {other:?}"),
        }
        // Nothing was repaired by forgetting.
        assert!(matches!(
            place.try_open(stop, 40),
            Err(OpenError::Corrupt { .. })
        ));
    }
}

#[test]
fn a_log_shorter_than_its_recovery_point_is_an_error() {
    let place = crashed();
    for stop in [PreviousStop::Clean, CRASHES[0], CRASHES[1]] {
        let error = place.try_open(stop, 41).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt { .. }), "{error:?}");
    }
}

#[test]
fn a_segment_that_is_missing_above_the_recovery_point_ends_the_log() {
    let place = crashed();
    let names = place.file_names(".log");
    std::fs::remove_file(place.file(&names[2])).unwrap();
    let (log, _) = place.try_open(PreviousStop::PageCacheLost, 10).unwrap();
    assert_filled(log.view(), 0, 18);
    assert_eq!(place.file_names(".log").len(), 2);
    assert!(matches!(
        place.try_open(PreviousStop::PageCacheLost, 19),
        Err(OpenError::Corrupt { .. })
    ));
}

#[test]
fn missing_or_damaged_indexes_are_rebuilt() {
    let damages: [fn(&std::path::Path); 4] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, []).unwrap(),
        |path| {
            let len = std::fs::metadata(path).unwrap().len() as usize;
            std::fs::write(path, vec![0; len]).unwrap();
        },
        |path| append_bytes(path, &[0xff; 50]),
    ];
    for stop in CRASHES {
        for suffix in [".index", ".timeindex"] {
            for damage in damages {
                let place = crashed();
                let last = place.file_names(suffix).pop().unwrap();
                damage(&place.file(&last));
                let (mut log, _) = place.try_open(stop, 0).unwrap();
                assert_filled(log.view(), 0, 40);
                fill_to(&mut log, 60, 1000);
                log.close_clean(NOW_MS).unwrap();
                assert_filled(place.open().view(), 0, 60);
            }
        }
    }
}

#[test]
fn a_missing_index_of_an_old_segment_is_rebuilt_like_the_one_that_was_lost() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 40, 1000);
    log.close_clean(NOW_MS).unwrap();
    let indexes = |suffix| -> Vec<Vec<u8>> {
        let names = place.file_names(suffix);
        names
            .iter()
            .map(|name| std::fs::read(place.file(name)).unwrap())
            .collect()
    };
    let before = (indexes(".index"), indexes(".timeindex"));
    for name in place.file_names(".index") {
        std::fs::remove_file(place.file(&name)).unwrap();
    }
    let (_log, recovery) = place.try_open(PreviousStop::Clean, 40).unwrap();
    assert_eq!(recovery.indexes_rebuilt, 5);
    assert_eq!((indexes(".index"), indexes(".timeindex")), before);
}

#[test]
fn after_a_crash_a_retry_still_gets_the_offsets_of_the_original() {
    for stop in CRASHES {
        for flush_after in [0, 2, 5] {
            let place = Place::new(small_segments());
            let mut log = place.open();
            let sent = |n: i32| batch(n as usize, 1, 3000).producer(9, 2, n);
            for n in 0..5 {
                if n == flush_after {
                    log.flusher().flush(NOW_MS).unwrap();
                }
                append(&mut log, sent(n));
            }
            drop(log);
            let (mut log, _) = place.try_open(stop, 0).unwrap();
            for n in 0..5 {
                let retry = append(&mut log, sent(n));
                assert!(retry.duplicate);
                assert_eq!(retry.base_offset, i64::from(n));
            }
            assert_eq!(append(&mut log, sent(5)).base_offset, 5);
        }
    }
}

#[test]
fn a_damaged_snapshot_is_replaced_by_the_log_itself() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    let sent = |n: i32| batch(n as usize, 1, 100).producer(9, 2, n);
    append(&mut log, sent(0));
    log.close_clean(NOW_MS).unwrap();
    std::fs::write(place.file("00000000000000000001.snapshot"), [1, 2, 3]).unwrap();
    let (mut log, recovery) = place.try_open(PreviousStop::Clean, 1).unwrap();
    assert!(0 < recovery.bytes_replayed);
    assert!(append(&mut log, sent(0)).duplicate);
}

#[test]
fn epochs_follow_the_log_to_its_end() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 5, 100);
    log.start_leader_epoch(4).unwrap();
    let context = AppendContext {
        leader_epoch: 4,
        ..from_client()
    };
    log.append_group(&[request(batch(5, 1, 100))], context)
        .results
        .remove(0)
        .unwrap();
    drop(log);
    let (log, _) = place.try_open(PreviousStop::ProcessDied, 0).unwrap();
    assert_eq!(log.view().latest_epoch(), Some(4));
    assert_eq!(log.view().end_offset_for_epoch(3).unwrap().end_offset, 5);
}

#[test]
fn an_epoch_without_records_is_known_while_it_lasts_and_costs_no_write() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    log.start_leader_epoch(4).unwrap();
    let end = log.view().end_offset_for_epoch(4).unwrap();
    assert_eq!((end.epoch, end.end_offset), (4, 0));
    assert!(!place.file("leader-epoch-checkpoint").exists());
}

#[test]
fn a_log_whose_records_were_all_deleted_starts_anew_at_its_start() {
    let place = crashed();
    let options = OpenOptions {
        dir: place.dir(),
        config: small_segments(),
        recovery_point: 0,
        log_start_offset: 70,
        previous_stop: PreviousStop::PageCacheLost,
        now_ms: NOW_MS,
    };
    let (mut log, _) = Log::open(&place.context(), options).unwrap();
    assert_eq!(
        (log.view().log_start_offset(), log.view().log_end_offset()),
        (70, 70)
    );
    fill_to(&mut log, 75, 100);
    assert_filled(log.view(), 70, 75);
}

/// As [`Place::new`], on a disk in memory that is full for some operations.
fn full_place(full: std::ops::Range<usize>) -> (Place, Arc<FullDisk>) {
    let mut place = Place::new(small_segments());
    let disk = Arc::new(FullDisk::new(Arc::clone(&place.disk), full));
    place.disk = Arc::clone(&disk) as Arc<dyn Disk>;
    (place, disk)
}

#[test]
fn a_full_disk_fails_the_write_and_nothing_else() {
    // Three files are created and three records written before.
    let (place, _disk) = full_place(6..7);
    let mut log = place.open();
    log.start_leader_epoch(3).unwrap();
    fill_to(&mut log, 1, 10);
    let sent = |n: i32| request(batch(1 + n as usize, 1, 10).producer(1, 0, n));
    let outcome = log.append_group(&[sent(0), sent(1)], from_client());
    for result in &outcome.results {
        assert!(matches!(result, Err(AppendError::NoSpace)), "{result:?}");
    }
    assert!(!outcome.flush_required);
    assert_filled(log.view(), 0, 1);
    // When there is space again, the very same requests are welcome.
    let outcome = log.append_group(&[sent(0), sent(1)], from_client());
    assert_eq!(outcome.results[1].as_ref().unwrap().base_offset, 2);
    assert_filled(log.view(), 0, 3);
    log.close_clean(NOW_MS).unwrap();
    assert_filled(place.open().view(), 0, 3);
}

#[test]
fn a_failed_sync_takes_the_directory_offline() {
    let disk = MemoryDisk::new();
    let mut place = Place::new(LogConfig::default());
    for dir in place
        .root
        .path()
        .ancestors()
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .skip(1)
    {
        disk.create_dir(dir).unwrap();
    }
    place.disk = Arc::new(disk.clone());
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
    disk.fail(0, io::ErrorKind::Other);
    assert!(log.flush(NOW_MS).is_err());
    assert!(context.health.offline().is_some());
    assert!(matches!(
        try_append(&mut log, batch(3, 1, 10)),
        Err(AppendError::Offline)
    ));
    assert_eq!(log.view().recovery_point(), 0);
}

/// Whatever a full disk refuses: no record that was acknowledged is lost, and none that was
/// refused appears.
#[test]
fn a_disk_that_is_full_for_a_while_loses_nothing() {
    for first in 0.. {
        let (place, disk) = full_place(first..first + 5);
        let Ok((mut log, _)) = place.try_open(PreviousStop::Never, 0) else {
            assert!(first < 3, "only the first segment needs space to open");
            continue;
        };
        let mut acknowledged = Vec::new();
        for n in 0..30 {
            let sent = request(batch(n, 1, 1000).producer(1, 0, acknowledged.len() as i32));
            match &log.append_group(&[sent], from_client()).results[0] {
                Ok(appended) => acknowledged.push((appended.base_offset, n)),
                Err(AppendError::NoSpace) => {}
                Err(error) => panic!("from operation {first}: {error:?}"),
            }
        }
        let check = |log: &Log| {
            let records: Vec<(i64, usize)> = read_from(log.view(), 0)
                .iter()
                .map(|(offset, value)| {
                    (
                        *offset,
                        std::str::from_utf8(value).unwrap().parse().unwrap(),
                    )
                })
                .collect();
            assert_eq!(records, acknowledged, "full from operation {first}");
        };
        check(&log);
        drop(log);
        for stop in CRASHES {
            check(&place.try_open(stop, 0).unwrap().0);
        }
        if disk.operations() < first {
            assert!(30 < first);
            return;
        }
    }
}

#[test]
fn recovery_works_on_a_full_disk() {
    for stop in CRASHES {
        let mut place = crashed();
        append_bytes(&last_log(&place), &[1; 100]);
        place.disk = Arc::new(FullDisk::new(Arc::clone(&place.disk), 0..usize::MAX));
        let (log, recovery) = place.try_open(stop, 0).unwrap();
        assert_eq!(recovery.bytes_truncated, 100);
        assert_filled(log.view(), 0, 40);
    }
}

/// The checksum does not cover the base offset.
#[test]
fn a_batch_with_an_impossible_offset_is_damage() {
    for (byte, stop) in [0, 3, 7]
        .into_iter()
        .flat_map(|at| CRASHES.map(|stop| (at, stop)))
    {
        let place = Place::new(LogConfig::default());
        let mut log = place.open();
        fill_to(&mut log, 10, 3000);
        drop(log);
        let path = last_log(&place);
        let mut bytes = std::fs::read(&path).unwrap();
        let last_batch = bytes.len() / 10 * 9;
        bytes[last_batch + byte] ^= 0x40;
        std::fs::write(&path, bytes).unwrap();
        let (log, _) = place.try_open(stop, 0).unwrap();
        // An offset that is merely too high may be what compaction left.
        let end = log.view().log_end_offset();
        assert_eq!(end, if byte == 7 { 9 + 0x40 + 1 } else { 9 });
    }
}

/// Flips, cuts and extends every kind of file. Whatever comes of it, opening neither panics nor
/// hangs, and what opens can be read, written to, and opened again.
#[test]
fn damaged_files_are_repaired_or_refused_but_never_cause_a_panic() {
    let mut random = 1_u64;
    let mut below = |end: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) as usize % end
    };
    let pristine = Place::new(small_segments());
    let mut log = pristine.open();
    for n in 0..25 {
        append(&mut log, batch(n, 1, 900).producer(1, 0, n as i32));
    }
    log.close_clean(NOW_MS).unwrap();
    let (mut opened, mut refused) = (0, 0);
    for round in 0..250 {
        let place = Place::new(small_segments());
        std::fs::create_dir(place.dir()).unwrap();
        for name in pristine.file_names("") {
            std::fs::copy(pristine.file(&name), place.file(&name)).unwrap();
        }
        let names = pristine.file_names("");
        let path = place.file(&names[below(names.len())]);
        let mut bytes = std::fs::read(&path).unwrap();
        match below(5) {
            // A bit of some header: not all of them are covered by a checksum.
            2 if path.extension().is_some_and(|suffix| suffix == "log") => {
                let at = below(9) * bytes.len() / 9 + below(61);
                bytes[at] ^= 1 << below(8);
            }
            0 => bytes.truncate(below(bytes.len() + 1)),
            1 => bytes.extend((0..below(200)).map(|n| n as u8)),
            _ => {
                for _ in 0..=below(3) {
                    let at = below(bytes.len().max(1));
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << below(8);
                    }
                }
            }
        }
        std::fs::write(&path, bytes).unwrap();
        let stops = [PreviousStop::Clean, CRASHES[0], CRASHES[1]];
        match place.try_open(stops[round % 3], below(26) as i64) {
            Ok((mut log, _)) => {
                opened += 1;
                let end = log.view().log_end_offset();
                for offset in 0..=end.min(100) {
                    let request = ReadRequest {
                        offset,
                        upper_offset: i64::MAX,
                        max_bytes: 5_000,
                        at_least_one: true,
                    };
                    // An error is as good as an answer here.
                    let _ = log.view().locate_on_disk(&request);
                }
                let _ = log
                    .view()
                    .offset_for_timestamp(TimestampQuery::MaxTimestamp);
                let query = TimestampQuery::AtOrAfter(NOW_MS + 12);
                let _ = log.view().offset_for_timestamp(query);
                assert_eq!(append(&mut log, batch(0, 1, 10)).base_offset, end);
                drop(log);
                let _ = place.try_open(PreviousStop::ProcessDied, 0);
            }
            Err(error) => {
                refused += 1;
                let said = matches!(
                    error,
                    OpenError::Corrupt { .. } | OpenError::LeaderEpochs(_)
                );
                assert!(said, "round {round}: {error:?}");
            }
        }
    }
    assert!(
        100 < opened && 15 < refused,
        "{opened} opened, {refused} refused"
    );
}
