#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::*;
use crate::producer::{batch::OpenBatch, delivery::Promises, record::ProducerRecord};

const ME: Identity = Identity {
    producer_id: 7,
    epoch: 0,
};

/// A batch of so many records.
fn batch(records: usize) -> OpenBatch {
    let promises = Arc::<Promises>::default();
    let memory = Arc::new(Semaphore::new(1000));
    let mut batch = OpenBatch::begin(promises.make(), Instant::now());
    for _ in 0..records {
        let permit = Arc::clone(&memory).try_acquire_owned().unwrap();
        drop(batch.push(&ProducerRecord::new("t", "value"), 0, 0, permit));
    }
    batch
}

fn fresh(lane: &mut Lane, records: usize) -> Parcel {
    lane.take_fresh(batch(records), Compression::None)
}

fn split(lane: &mut Lane, parcel: Parcel) {
    let halves = parcel.batch.halves().unwrap();
    lane.split(parcel, halves);
}

fn sequence(parcel: &Parcel) -> i32 {
    let header = parcel.batch.records.header();
    assert_eq!(parcel.batch.records.verify_crc(), Ok(()));
    header.base_sequence
}

fn idempotent() -> Lane {
    let mut lane = Lane::new(true, 5);
    assert_eq!(lane.next(Instant::now()), Next::Identify);
    lane.identify(ME);
    lane
}

#[test]
fn batches_are_numbered_by_their_records() {
    let mut lane = idempotent();
    let parcels = [3, 2, 1].map(|records| fresh(&mut lane, records));
    assert_eq!(parcels.each_ref().map(sequence), [0, 3, 5]);
}

#[test]
fn after_a_failure_nothing_new_leaves_before_the_old_order_is_back() {
    let now = Instant::now();
    let mut lane = idempotent();
    let [first, second, third] = [1, 1, 1].map(|records| fresh(&mut lane, records));
    assert!(!lane.is_behind_others(&first) && lane.is_behind_others(&second));
    // Answers come in any order.
    lane.failed(second, Error::Unanswered, now);
    assert_eq!(lane.next(now), Next::Wait);
    lane.failed(first, Error::Unanswered, now);
    assert_eq!(lane.next(now), Next::Wait);
    assert!(lane.is_behind_others(&third));
    lane.failed(third, Error::Unanswered, now);
    for expected in 0..3 {
        assert_eq!(lane.next(now), Next::Retry);
        let parcel = lane.take_retry().unwrap();
        assert_eq!((sequence(&parcel), parcel.failures), (expected, 1));
        lane.delivered(&parcel);
    }
    assert_eq!(lane.next(now), Next::Fresh);
    assert_eq!(sequence(&fresh(&mut lane, 1)), 3);
}

#[test]
fn a_pause_is_kept() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    let mut lane = Lane::new(false, 5);
    let parcel = fresh(&mut lane, 1);
    lane.failed(parcel, Error::Unanswered, later);
    assert_eq!(lane.next(now), Next::WaitUntil(later));
    assert_eq!(lane.next(later), Next::Retry);
}

#[test]
fn giving_up_a_numbered_batch_begins_anew_once_all_is_back() {
    let now = Instant::now();
    let mut lane = idempotent();
    let [first, second] = [1, 1].map(|records| fresh(&mut lane, records));
    lane.given_up(&first);
    assert_eq!(lane.next(now), Next::Wait);
    lane.failed(second, Error::Unanswered, now);
    assert_eq!(lane.next(now), Next::Identify);
    assert!(lane.has_spent(ME));
    lane.identify(Identity {
        producer_id: 8,
        epoch: 0,
    });
    let again = lane.take_retry().unwrap();
    assert_eq!(sequence(&again), 0);
    assert_eq!(again.batch.records.header().producer_id, 8);
}

#[test]
fn what_waited_too_long_is_taken_out_and_its_number_with_it() {
    let now = Instant::now();
    let mut lane = idempotent();
    let parcel = fresh(&mut lane, 1);
    lane.failed(parcel, Error::Unanswered, now);
    assert!(lane.take_expired(now - Duration::from_mins(1)).is_empty());
    assert_eq!(lane.take_expired(Instant::now()).len(), 1);
    assert!(lane.is_idle());
    assert_eq!(lane.next(now), Next::Identify);
}

#[test]
fn without_idempotence_there_are_no_numbers() {
    let mut lane = Lane::new(false, 5);
    let parcel = fresh(&mut lane, 1);
    assert_eq!(sequence(&parcel), -1);
    lane.given_up(&parcel);
    assert_eq!(lane.next(Instant::now()), Next::Fresh);
}

#[test]
fn sequence_numbers_wrap_around_to_zero() {
    assert_eq!(after(i32::MAX, 1), 0);
    assert_eq!(after(i32::MAX - 1, 3), 1);
}

#[test]
fn no_more_than_allowed_are_under_way() {
    let now = Instant::now();
    let mut lane = Lane::new(false, 1);
    let parcel = fresh(&mut lane, 1);
    assert_eq!(lane.next(now), Next::Wait);
    lane.failed(parcel, Error::Unanswered, now);
    let again = lane.take_retry().unwrap();
    assert_eq!(lane.next(now), Next::Wait);
    lane.delivered(&again);
    assert_eq!(lane.next(now), Next::Fresh);
}

#[test]
fn what_is_too_large_is_cut_and_keeps_its_numbers_and_its_place() {
    let now = Instant::now();
    let mut lane = idempotent();
    let [large, behind] = [5, 2].map(|records| fresh(&mut lane, records));
    split(&mut lane, large);
    assert_eq!(lane.next(now), Next::Wait);
    assert!(lane.is_behind_others(&behind));
    lane.failed(behind, Error::Unanswered, now);
    let [first, second] = [(); 2].map(|()| lane.take_retry().unwrap());
    assert_eq!([&first, &second].map(sequence), [0, 3]);
    // The second comes back first, and both are still too large.
    split(&mut lane, second);
    split(&mut lane, first);
    for expected in [0, 2, 3, 4, 5] {
        let parcel = lane.take_retry().unwrap();
        assert_eq!(sequence(&parcel), expected);
        assert_eq!(parcel.batch.records.header().producer_id, ME.producer_id);
        lane.delivered(&parcel);
    }
    assert_eq!(lane.next(now), Next::Fresh);
    assert_eq!(sequence(&fresh(&mut lane, 1)), 7);
}
