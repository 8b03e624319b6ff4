#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::disk::RealDisk;

const PRODUCER: i64 = 7;

fn limits() -> ProducerLimits {
    ProducerLimits {
        expiration_ms: 1000,
        producers_max: 100,
    }
}

fn batch(epoch: i16, base_sequence: i32, records: i32) -> SequencedBatch {
    SequencedBatch {
        producer_id: PRODUCER,
        producer_epoch: epoch,
        base_sequence,
        last_offset_delta: records - 1,
        max_timestamp: 5000,
        transactional: false,
    }
}

/// A log that appends what the state lets pass.
struct Partition {
    state: ProducerState,
    next_offset: i64,
}

impl Partition {
    fn new() -> Self {
        Self {
            state: ProducerState::new(limits()),
            next_offset: 100,
        }
    }

    fn send(&mut self, batch: SequencedBatch) -> Result<i64, SequenceError> {
        let mut pending = PendingProducers::default();
        let offset = match pending.check(&self.state, &batch)? {
            Verdict::Duplicate { base_offset, .. } => return Ok(base_offset),
            Verdict::Append => self.next_offset,
        };
        pending.append(&self.state, &batch, offset);
        self.next_offset += i64::from(batch.last_offset_delta) + 1;
        self.state.commit(pending);
        Ok(offset)
    }
}

fn out_of_order(sequence: i32, expected: i32) -> Result<i64, SequenceError> {
    Err(SequenceError::OutOfOrderSequence {
        producer_id: PRODUCER,
        sequence,
        expected,
    })
}

#[test]
fn sequences_continue_batch_by_batch() {
    let mut partition = Partition::new();
    assert_eq!(partition.send(batch(0, 0, 10)), Ok(100));
    assert_eq!(partition.send(batch(0, 10, 5)), Ok(110));
    assert_eq!(partition.send(batch(0, 15, 1)), Ok(115));
    assert_eq!(partition.send(batch(0, 17, 1)), out_of_order(17, 16));
    assert_eq!(partition.send(batch(0, 16, 1)), Ok(116));
}

#[test]
fn each_of_the_last_five_batches_is_answered_with_its_first_offset() {
    let mut partition = Partition::new();
    for sequence in (0..60).step_by(10) {
        partition.send(batch(0, sequence, 10)).unwrap();
    }
    for sequence in (10..60).step_by(10) {
        assert_eq!(
            partition.send(batch(0, sequence, 10)),
            Ok(100 + i64::from(sequence))
        );
    }
    assert_eq!(partition.next_offset, 160);
}

#[test]
fn a_retry_of_an_older_batch_is_called_a_duplicate() {
    let mut partition = Partition::new();
    for sequence in 0..6 {
        partition.send(batch(0, sequence, 1)).unwrap();
    }
    let expected = SequenceError::DuplicateSequence {
        producer_id: PRODUCER,
        sequence: 0,
    };
    assert_eq!(partition.send(batch(0, 0, 1)), Err(expected));
}

#[test]
fn what_may_never_have_been_appended_is_not_called_a_duplicate() {
    let mut partition = Partition::new();
    partition.send(batch(0, 50, 10)).unwrap();
    // The client would take "duplicate" for success, and this batch was never seen.
    assert_eq!(partition.send(batch(0, 40, 10)), out_of_order(40, 60));
}

#[test]
fn a_batch_that_overlaps_another_is_out_of_order() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 10)).unwrap();
    assert_eq!(partition.send(batch(0, 5, 10)), out_of_order(5, 10));
    assert_eq!(partition.send(batch(0, 0, 9)), out_of_order(0, 10));
}

#[test]
fn the_sequence_wraps_to_zero() {
    let mut partition = Partition::new();
    assert_eq!(partition.send(batch(0, i32::MAX - 1, 2)), Ok(100));
    assert_eq!(partition.send(batch(0, 0, 3)), Ok(102));
    assert_eq!(
        partition.send(batch(0, i32::MAX - 1, 2)),
        Ok(100),
        "a duplicate across the wrap"
    );
}

#[test]
fn one_batch_may_span_the_wrap() {
    let mut partition = Partition::new();
    assert_eq!(partition.send(batch(0, i32::MAX, 3)), Ok(100));
    assert_eq!(partition.send(batch(0, i32::MAX, 3)), Ok(100));
    assert_eq!(partition.send(batch(0, 3, 1)), out_of_order(3, 2));
    assert_eq!(partition.send(batch(0, 2, 1)), Ok(103));
}

#[test]
fn an_unknown_producer_may_start_anywhere() {
    let mut partition = Partition::new();
    assert_eq!(partition.send(batch(3, 1234, 1)), Ok(100));
    assert_eq!(partition.send(batch(3, 1235, 1)), Ok(101));
}

#[test]
fn a_new_epoch_starts_at_zero() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 10)).unwrap();
    assert_eq!(partition.send(batch(1, 10, 1)), out_of_order(10, 0));
    assert_eq!(partition.send(batch(1, 0, 1)), Ok(110));
    assert_eq!(partition.send(batch(1, 1, 1)), Ok(111));
}

#[test]
fn an_old_epoch_is_refused() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 1)).unwrap();
    partition.send(batch(2, 0, 1)).unwrap();
    let expected = SequenceError::InvalidProducerEpoch {
        producer_id: PRODUCER,
        epoch: 0,
        current: 2,
    };
    assert_eq!(
        partition.send(batch(0, 0, 1)),
        Err(expected),
        "even for a duplicate"
    );
}

#[test]
fn batches_of_one_group_follow_each_other() {
    let state = ProducerState::new(limits());
    let mut pending = PendingProducers::default();
    assert_eq!(pending.check(&state, &batch(0, 0, 2)), Ok(Verdict::Append));
    pending.append(&state, &batch(0, 0, 2), 100);
    assert_eq!(pending.check(&state, &batch(0, 2, 2)), Ok(Verdict::Append));
    pending.append(&state, &batch(0, 2, 2), 102);
    assert_eq!(
        pending.check(&state, &batch(0, 0, 2)),
        Ok(Verdict::Duplicate {
            base_offset: 100,
            last_offset: 101,
            timestamp: 5000
        })
    );
    assert!(pending.check(&state, &batch(0, 5, 1)).is_err());
}

#[test]
fn a_group_that_was_not_written_leaves_no_trace() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 1)).unwrap();
    let before = partition.state.clone();
    let mut pending = PendingProducers::default();
    pending.append(&partition.state, &batch(0, 1, 1), 101);
    drop(pending);
    assert_eq!(partition.state, before);
    assert_eq!(partition.send(batch(0, 1, 1)), Ok(101));
}

#[test]
fn a_silent_producer_is_forgotten() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 1)).unwrap();
    partition.state.expire(5999);
    assert_eq!(partition.state.len(), 1);
    partition.state.expire(6000);
    assert!(partition.state.is_empty());
    assert_eq!(partition.send(batch(0, 1, 1)), Ok(101));
}

#[test]
fn beyond_the_limit_the_producer_that_wrote_longest_ago_goes() {
    let mut state = ProducerState::new(ProducerLimits {
        producers_max: 3,
        ..limits()
    });
    for (offset, producer_id) in [(0, 1), (1, 2), (2, 3), (3, 1), (4, 4), (5, 5)] {
        state.replay(
            &SequencedBatch {
                producer_id,
                ..batch(0, 9, 1)
            },
            offset,
        );
    }
    assert_eq!(
        state.producers.keys().copied().collect::<Vec<_>>(),
        [1, 4, 5]
    );
    assert_eq!(state.forgettable.len(), 3);
}

#[test]
fn a_producer_in_a_transaction_is_neither_evicted_nor_expired() {
    let mut state = ProducerState::new(ProducerLimits {
        producers_max: 1,
        ..limits()
    });
    state.replay(
        &SequencedBatch {
            transactional: true,
            ..batch(0, 0, 1)
        },
        40,
    );
    state.replay(
        &SequencedBatch {
            producer_id: 8,
            ..batch(0, 0, 1)
        },
        41,
    );
    state.expire(1_000_000);
    assert_eq!(
        state.producers.keys().copied().collect::<Vec<_>>(),
        [PRODUCER]
    );
    assert_eq!(state.first_open_transaction(), Some(40));
    state.replay_marker(&marker(0), 42);
    assert_eq!(state.first_open_transaction(), None);
    state.expire(1_000_000);
    assert!(state.is_empty());
}

fn marker(producer_epoch: i16) -> TransactionMarker {
    TransactionMarker {
        producer_id: PRODUCER,
        producer_epoch,
        coordinator_epoch: 3,
        timestamp: 6000,
    }
}

#[test]
fn a_marker_of_a_newer_epoch_starts_a_new_sequence() {
    let mut partition = Partition::new();
    partition.send(batch(0, 0, 10)).unwrap();
    partition.state.replay_marker(&marker(1), 110);
    assert!(matches!(
        partition.send(batch(0, 10, 1)),
        Err(SequenceError::InvalidProducerEpoch { .. })
    ));
    assert_eq!(partition.send(batch(1, 0, 1)), Ok(110));
}

fn full_state() -> ProducerState {
    let mut state = ProducerState::new(limits());
    for index in 0..7 {
        state.replay(&batch(1, index * 4, 4), 100 + i64::from(index) * 4);
    }
    let other = SequencedBatch {
        producer_id: 9,
        transactional: true,
        ..batch(0, i32::MAX, 2)
    };
    state.replay(&other, 128);
    state.replay_marker(
        &TransactionMarker {
            producer_id: 11,
            ..marker(4)
        },
        130,
    );
    state
}

#[test]
fn a_snapshot_remembers_all_five_batches() {
    let dir = TempDir::new().unwrap();
    let mut state = full_state();
    state.save(&RealDisk, dir.path(), 131).unwrap();
    assert!(dir.path().join("00000000000000000131.snapshot").exists());
    let loaded = ProducerState::load(&RealDisk, dir.path(), 131, limits()).unwrap();
    // A snapshot has no room for these: the offset of a marker, and what is older than the batches.
    let forget = |state: &mut ProducerState| {
        for producer in state.producers.values_mut() {
            producer.seen_from_zero = false;
            producer.last_written = -1;
        }
        state.forgettable.clear();
    };
    let mut loaded_facts = loaded.clone();
    forget(&mut loaded_facts);
    forget(&mut state);
    assert_eq!(loaded_facts, state);
    let retry = PendingProducers::default().check(&loaded, &batch(1, 8, 4));
    assert_eq!(
        retry,
        Ok(Verdict::Duplicate {
            base_offset: 108,
            last_offset: 111,
            timestamp: 5000
        })
    );
}

#[test]
fn a_snapshot_has_kafkas_bytes() {
    let mut state = ProducerState::new(limits());
    state.replay(&batch(2, 40, 3), 1000);
    #[rustfmt::skip]
    let expected = [
        0, 1,
        0, 0, 0, 0,
        0, 0, 0, 1,
        0, 0, 0, 0, 0, 0, 0, 7,
        0, 2,
        0, 0, 0, 42,
        0, 0, 0, 0, 0, 0, 3, 0xea,
        0, 0, 0, 2,
        0, 0, 0, 0, 0, 0, 0x13, 0x88,
        0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    ];
    let mut bytes = state.encode();
    let crc = u32::from_be_bytes(bytes[2..6].try_into().unwrap());
    assert_eq!(crc, crc32c::crc32c(&bytes[6..]));
    bytes[2..6].fill(0);
    assert_eq!(bytes, expected);
}

#[test]
fn an_empty_snapshot_is_valid() {
    let state = ProducerState::new(limits());
    assert_eq!(ProducerState::decode(&state.encode(), limits()), Ok(state));
}

#[test]
fn any_flipped_bit_makes_a_snapshot_corrupt() {
    let bytes = full_state().encode();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(
            ProducerState::decode(&damaged, limits()).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn a_snapshot_cut_anywhere_is_corrupt() {
    let bytes = full_state().encode();
    for len in 0..bytes.len() {
        assert!(
            ProducerState::decode(&bytes[..len], limits()).is_err(),
            "{len} bytes"
        );
    }
}

#[test]
fn a_summary_tells_where_a_producer_is() {
    let mut partition = Partition::new();
    partition.send(batch(3, 0, 4)).unwrap();
    partition.send(batch(3, 4, 2)).unwrap();
    let other = SequencedBatch {
        producer_id: 2,
        transactional: true,
        ..batch(0, 8, 1)
    };
    partition.send(other).unwrap();
    let plain = ProducerSummary {
        producer_id: PRODUCER,
        epoch: 3,
        last_sequence: Some(5),
        last_timestamp: 5000,
        coordinator_epoch: -1,
        transaction_start: None,
    };
    let open = ProducerSummary {
        producer_id: 2,
        epoch: 0,
        last_sequence: Some(8),
        transaction_start: Some(106),
        ..plain
    };
    let found: Vec<_> = partition.state.summaries().collect();
    assert_eq!(found, [open, plain]);

    // A newer epoch that wrote nothing but the marker.
    let marker = TransactionMarker {
        producer_id: 2,
        producer_epoch: 1,
        coordinator_epoch: 9,
        timestamp: 6000,
    };
    partition.state.replay_marker(&marker, 107);
    let ended = ProducerSummary {
        epoch: 1,
        last_sequence: None,
        last_timestamp: 6000,
        coordinator_epoch: 9,
        transaction_start: None,
        ..open
    };
    assert_eq!(partition.state.summaries().next(), Some(ended));
}

#[test]
fn only_snapshots_have_a_snapshots_name() {
    assert_eq!(snapshot_offset("00000000000000000131.snapshot"), Some(131));
    for name in [
        "131.snapshot",
        "00000000000000000131.snapshot.tmp",
        "00000000000000000131.log",
    ] {
        assert_eq!(snapshot_offset(name), None);
    }
    assert_eq!(snapshot_offset("99999999999999999999.snapshot"), None);
    assert_eq!(snapshot_offset("+0000000000000000131.snapshot"), None);
}

proptest! {
    #[test]
    fn replaying_the_log_gives_the_state_that_appending_gave(
        sends in proptest::collection::vec((0..4_i64, 0..3_i16, 1..5_i32, 0..2_i32), 0..60)
    ) {
        let mut partition = Partition::new();
        let mut log = Vec::new();
        let mut next_sequence = BTreeMap::new();
        for (producer_id, epoch, records, gap) in sends {
            let sequence = next_sequence.entry((producer_id, epoch)).or_insert(0);
            let sent = SequencedBatch { producer_id, ..batch(epoch, *sequence + gap, records) };
            let before = partition.next_offset;
            if let Ok(offset) = partition.send(sent) && offset == before {
                *sequence = sent.base_sequence + records;
                log.push((sent, offset));
            }
        }
        let mut replayed = ProducerState::new(limits());
        for (batch, offset) in log {
            replayed.replay(&batch, offset);
        }
        prop_assert_eq!(replayed, partition.state);
    }
}
