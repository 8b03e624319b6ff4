#![allow(clippy::unwrap_used)]

use super::*;

fn cache(entries: &[(i32, i64)]) -> LeaderEpochCache {
    let mut cache = LeaderEpochCache::default();
    for &(epoch, start_offset) in entries {
        cache.assign(epoch, start_offset);
    }
    cache
}

fn entries(cache: &LeaderEpochCache) -> Vec<(i32, i64)> {
    cache
        .entries()
        .iter()
        .map(|entry| (entry.epoch, entry.start_offset))
        .collect()
}

fn end(epoch: i32, end_offset: i64) -> EpochEnd {
    EpochEnd { epoch, end_offset }
}

#[test]
fn the_same_epoch_again_changes_nothing() {
    let mut cache = cache(&[(2, 10)]);
    assert!(!cache.assign(2, 10));
    assert!(!cache.assign(2, 99));
    assert_eq!(entries(&cache), [(2, 10)]);
}

#[test]
fn a_batch_without_an_epoch_changes_nothing() {
    assert!(!cache(&[]).assign(-1, 0));
}

#[test]
fn entries_that_contradict_a_new_one_go() {
    let check = |assigned: (i32, i64), expected: &[(i32, i64)]| {
        let mut cache = cache(&[(1, 0), (2, 10), (4, 20)]);
        assert!(cache.assign(assigned.0, assigned.1));
        assert_eq!(entries(&cache), expected, "{assigned:?}");
    };
    check((5, 30), &[(1, 0), (2, 10), (4, 20), (5, 30)]);
    check((5, 20), &[(1, 0), (2, 10), (5, 20)]);
    check((5, 15), &[(1, 0), (2, 10), (5, 15)]);
    check((3, 30), &[(1, 0), (2, 10), (3, 30)]);
    check((4, 15), &[(1, 0), (2, 10), (4, 15)]);
    check((2, 5), &[(1, 0), (2, 5)]);
    check((0, 0), &[(0, 0)]);
}

#[test]
fn the_end_of_an_epoch_is_the_start_of_the_next() {
    let cache = cache(&[(1, 5), (2, 10), (4, 20)]);
    assert_eq!(cache.end_offset_for(4, 33), Some(end(4, 33)));
    assert_eq!(cache.end_offset_for(2, 33), Some(end(2, 20)));
    assert_eq!(cache.end_offset_for(1, 33), Some(end(1, 10)));
}

#[test]
fn an_epoch_that_is_not_here_ends_where_the_one_below_it_ends() {
    let cache = cache(&[(1, 5), (2, 10), (4, 20)]);
    assert_eq!(cache.end_offset_for(3, 33), Some(end(2, 20)));
}

#[test]
fn an_epoch_below_all_known_ones_ends_where_they_begin() {
    assert_eq!(
        cache(&[(1, 5), (2, 10)]).end_offset_for(0, 33),
        Some(end(0, 5))
    );
}

#[test]
fn an_epoch_above_all_known_ones_has_no_end() {
    assert_eq!(cache(&[(1, 5)]).end_offset_for(2, 33), None);
    assert_eq!(cache(&[]).end_offset_for(0, 33), None);
}

#[test]
fn each_offset_has_the_epoch_it_was_written_in() {
    let cache = cache(&[(1, 5), (2, 10)]);
    assert_eq!(cache.epoch_for_offset(4), None);
    assert_eq!(cache.epoch_for_offset(5), Some(1));
    assert_eq!(cache.epoch_for_offset(9), Some(1));
    assert_eq!(cache.epoch_for_offset(10), Some(2));
    assert_eq!(cache.epoch_for_offset(1000), Some(2));
}

#[test]
fn cutting_the_end_forgets_epochs_that_start_there() {
    let mut cache = cache(&[(1, 0), (2, 10), (4, 20)]);
    assert!(!cache.truncate_from_end(21));
    assert!(cache.truncate_from_end(20));
    assert_eq!(entries(&cache), [(1, 0), (2, 10)]);
    assert!(cache.truncate_from_end(0));
    assert_eq!(entries(&cache), []);
}

#[test]
fn cutting_the_start_moves_the_oldest_epoch_left() {
    let mut cache = cache(&[(1, 0), (2, 10), (4, 20)]);
    assert!(!cache.truncate_from_start(0));
    assert!(cache.truncate_from_start(5));
    assert_eq!(entries(&cache), [(1, 5), (2, 10), (4, 20)]);
    assert!(cache.truncate_from_start(10));
    assert_eq!(entries(&cache), [(2, 10), (4, 20)]);
    assert!(cache.truncate_from_start(99));
    assert_eq!(entries(&cache), [(4, 99)]);
}

#[test]
fn cutting_the_start_below_the_oldest_epoch_changes_nothing() {
    let mut cache = cache(&[(1, 5)]);
    assert!(!cache.truncate_from_start(3));
    assert_eq!(entries(&cache), [(1, 5)]);
}
