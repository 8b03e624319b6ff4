#![allow(clippy::unwrap_used)]

use odradek_protocol::records::{BatchHeader, HEADER_LEN};

use super::*;
use crate::{
    config::LogConfig,
    log_dir::PreviousStop,
    test_support::{Place, append, assert_filled, batch, bytes_of, fill_to, read, small_segments},
};

const ALL: ReadRequest = ReadRequest {
    offset: 0,
    upper_offset: i64::MAX,
    max_bytes: u32::MAX,
    at_least_one: true,
};

fn expect_slice(located: Located) -> LogSlice {
    match located {
        Located::Slice(slice) => slice,
        other => panic!("{other:?}"),
    }
}

/// First offset and the offset after the last of a slice, by its content.
fn content(slice: &LogSlice) -> (i64, i64) {
    let bytes = bytes_of(slice);
    let first = BatchHeader::parse(&bytes).unwrap();
    let mut last = first;
    let mut at = first.total_len();
    while at < bytes.len() {
        last = BatchHeader::parse(&bytes[at..]).unwrap();
        at += last.total_len();
    }
    assert_eq!(at, bytes.len(), "whole batches only");
    assert_eq!(slice.first_offset, first.base_offset);
    assert_eq!(slice.end_offset, Some(last.next_offset()));
    (first.base_offset, last.next_offset())
}

#[test]
fn what_was_just_written_is_found_in_memory_and_hot() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 5, 1000);
    let slice = expect_slice(log.view().locate(&ReadRequest { offset: 2, ..ALL }));
    assert!(slice.hot);
    assert_eq!(content(&slice), (2, 5));
}

#[test]
fn the_end_and_the_upper_offset_have_nothing_yet_and_beyond_is_out_of_range() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    fill_to(&mut log, 25, 1000);
    log.advance_log_start(3).unwrap();
    let view = log.view();
    for locate in [LogView::locate, |view: &LogView, it: &_| {
        view.locate_on_disk(it).unwrap()
    }] {
        let at = |offset, upper_offset| {
            locate(
                view,
                &ReadRequest {
                    offset,
                    upper_offset,
                    ..ALL
                },
            )
        };
        assert!(matches!(at(25, i64::MAX), Located::Empty));
        assert!(matches!(at(26, i64::MAX), Located::OutOfRange));
        assert!(matches!(at(2, i64::MAX), Located::OutOfRange));
        assert!(matches!(at(10, 10), Located::Empty));
        assert!(matches!(at(12, 10), Located::Empty));
        assert!(matches!(at(3, 4), Located::Slice(_) | Located::NeedsDisk));
    }
}

#[test]
fn the_disk_gives_the_same_answers_as_memory() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    let sizes = [30, 2000, 400, 10, 900, 3000, 50];
    let mut end = 0;
    for n in 0..150 {
        let count = 1 + n % 3;
        append(&mut log, batch(end, count, sizes[n % sizes.len()]));
        end += count;
    }
    let fresh = log.view().clone();
    log.close_clean(0).unwrap();
    let log = place.open();
    for offset in 0..end as i64 {
        for max_bytes in [1, 700, 5_000, 1 << 20] {
            for upper_offset in [offset + 1, offset + 7, i64::MAX] {
                for at_least_one in [true, false] {
                    let request = ReadRequest {
                        offset,
                        upper_offset,
                        max_bytes,
                        at_least_one,
                    };
                    let known = fresh.locate(&request);
                    // The second time, the ends of earlier slices are known as well.
                    for found in [
                        log.view().locate_on_disk(&request).unwrap(),
                        fresh.locate_on_disk(&request).unwrap(),
                    ] {
                        check_same(&request, &known, &found);
                    }
                }
            }
        }
    }
}

fn check_same(request: &ReadRequest, known: &Located, found: &Located) {
    match (known, found) {
        (Located::NeedsDisk, Located::Slice(found)) => {
            let (first, end) = content(found);
            assert!(
                first <= request.offset && request.offset < end,
                "{request:?}"
            );
            assert!(end <= request.upper_offset, "{request:?}");
        }
        (Located::Slice(known), Located::Slice(found)) => {
            // Memory may end earlier, at a position that it knows.
            let ((first, known_end), (found_first, found_end)) = (content(known), content(found));
            assert_eq!(first, found_first, "{request:?}");
            assert!(known_end <= found_end, "{request:?}");
            assert!(found_end <= request.upper_offset, "{request:?}");
        }
        (Located::Empty | Located::NeedsDisk, Located::Empty) => {}
        other => panic!("{request:?}: {other:?}"),
    }
}

#[test]
fn the_batch_that_holds_the_offset_is_returned_whole() {
    let place = Place::new(small_segments());
    let mut log = place.open();
    append(&mut log, batch(0, 5, 100));
    append(&mut log, batch(5, 5, 100));
    let request = ReadRequest {
        offset: 7,
        max_bytes: 1,
        ..ALL
    };
    assert!(matches!(log.view().locate(&request), Located::NeedsDisk));
    let slice = expect_slice(log.view().locate_on_disk(&request).unwrap());
    assert_eq!(content(&slice), (5, 10));
    assert!(slice.len as usize > HEADER_LEN);
}

#[test]
fn a_cold_reader_goes_on_where_the_last_slice_ended() {
    let place = Place::new(LogConfig {
        segment_bytes: 1 << 20,
        ..small_segments()
    });
    let mut log = place.open();
    fill_to(&mut log, 500, 300);
    log.close_clean(0).unwrap();
    let log = place.open();
    assert_filled(log.view(), 0, 500);
    // Nothing was appended since the start: nothing is hot.
    let slice = expect_slice(read(log.view(), &ReadRequest { offset: 100, ..ALL }));
    assert!(!slice.hot);
}

#[test]
fn an_offset_in_a_gap_is_answered_with_the_next_batch() {
    use crate::append::{AppendContext, AppendOrigin, AppendRequest};
    let place = Place::new(small_segments());
    let mut log = place.open();
    let context = AppendContext {
        origin: AppendOrigin::Leader,
        leader_epoch: 1,
        now_ms: 0,
    };
    for offset in [0, 10, 20, 5000] {
        let records = batch(0, 2, 3000)
            .base_offset(offset)
            .leader_epoch(1)
            .build()
            .to_bytes();
        log.append_group(&[AppendRequest { records }], context)
            .results
            .remove(0)
            .unwrap();
    }
    log.roll(0).unwrap();
    for (wanted, found) in [
        (2, 10),
        (9, 10),
        (11, 10),
        (12, 20),
        (22, 5000),
        (4999, 5000),
    ] {
        let request = ReadRequest {
            offset: wanted,
            max_bytes: 1,
            ..ALL
        };
        let slice = expect_slice(read(log.view(), &request));
        assert_eq!(slice.first_offset, found, "{wanted}");
    }
}

#[test]
fn a_corrupt_header_is_an_error_only_for_who_asks_for_it() {
    let place = Place::new(LogConfig {
        segment_bytes: 1 << 20,
        ..small_segments()
    });
    let mut log = place.open();
    fill_to(&mut log, 100, 300);
    log.close_clean(0).unwrap();
    let path = place.file("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let len = bytes.len() / 100;
    // The magic of batch 50.
    bytes[50 * len + 16] = 9;
    std::fs::write(&path, bytes).unwrap();
    let (log, _) = place.try_open(PreviousStop::Clean, 0).unwrap();
    let at = ReadRequest { offset: 50, ..ALL };
    match log.view().locate_on_disk(&at) {
        Err(ReadError::Corrupt {
            path: found,
            position,
            ..
        }) => {
            assert_eq!((found, position), (path, 50 * len as u64));
        }
        other => panic!("{other:?}"),
    }
    let max_bytes = len as u32;
    let before = ReadRequest {
        offset: 49,
        max_bytes,
        ..ALL
    };
    assert_eq!(
        content(&expect_slice(log.view().locate_on_disk(&before).unwrap())),
        (49, 50)
    );
}

#[test]
fn a_damaged_index_never_hides_a_record() {
    let config = LogConfig {
        segment_bytes: 1 << 20,
        ..small_segments()
    };
    let place = Place::new(config);
    let mut log = place.open();
    fill_to(&mut log, 60, 300);
    log.close_clean(0).unwrap();
    let path = place.file("00000000000000000000.index");
    let whole = std::fs::read(&path).unwrap();
    assert!(100 < whole.len());
    // Every bit of one entry, and the low bits of all.
    let damages = (40..48).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    for (at, mask) in damages.chain((3..whole.len()).step_by(4).map(|at| (at, 1))) {
        let mut damaged = whole.clone();
        damaged[at] ^= mask;
        std::fs::write(&path, damaged).unwrap();
        let log = place.open();
        for offset in [0, 7, 18, 19, 20, 21, 22, 33, 58] {
            let request = ReadRequest {
                offset,
                max_bytes: 2_000,
                ..ALL
            };
            let slice = expect_slice(log.view().locate_on_disk(&request).unwrap());
            assert_eq!(content(&slice).0, offset, "byte {at}, mask {mask}");
        }
        assert_eq!(log.view().log_end_offset(), 60);
    }
}
