#![allow(clippy::unwrap_used)]

use odradek_protocol::records::{BatchBuilder, control::EndTransactionMarker};

use super::*;

fn chunk(position: i64, batches: Vec<BatchBuilder>, aborted: Vec<AbortedTransaction>) -> Chunk {
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend_from_slice(&batch.build().to_bytes());
    }
    Chunk::new((Arc::from("t"), 0), position, bytes.into(), aborted, true)
}

/// The offsets that are shown.
fn shown(chunk: &mut Chunk) -> Vec<i64> {
    let records = std::iter::from_fn(|| chunk.next());
    records.map(|record| record.unwrap().offset).collect()
}

fn two_at(base_offset: i64) -> BatchBuilder {
    let batch = BatchBuilder::new().base_offset(base_offset).leader_epoch(4);
    batch
        .record(1, Some(b"k"), Some(b"v"))
        .record(2, None, None)
}

#[test]
fn what_lies_before_the_position_is_passed_over() {
    let mut chunk = chunk(11, vec![two_at(8), two_at(10), two_at(12)], vec![]);
    assert_eq!(shown(&mut chunk), [11, 12, 13]);
    let reached = Position {
        offset: 14,
        leader_epoch: 4,
    };
    assert_eq!(chunk.reached(), reached);
}

#[test]
fn a_record_has_all_its_parts() {
    let batch = BatchBuilder::new().base_offset(5).record_with_headers(
        7,
        Some(b"key"),
        None,
        &[(b"h", Some(b"1")), (b"h", None)],
    );
    let record = chunk(0, vec![batch], vec![]).next().unwrap().unwrap();
    assert_eq!((record.offset, record.timestamp_ms), (5, 7));
    assert_eq!(
        (record.key.unwrap(), record.value),
        (Bytes::from("key"), None)
    );
    let headers = [("h", Some("1")), ("h", None)];
    let headers = headers.map(|(key, value)| (Bytes::from(key), value.map(Bytes::from)));
    assert_eq!(record.headers, headers);
}

#[test]
fn the_position_moves_while_records_are_taken_out() {
    let mut chunk = chunk(0, vec![two_at(0), two_at(2)], vec![]);
    chunk.next().unwrap().unwrap();
    assert_eq!(chunk.reached().offset, 1);
    let rest = shown(&mut chunk);
    assert_eq!((rest, chunk.reached().offset), (vec![1, 2, 3], 4));
}

#[test]
fn records_of_an_aborted_transaction_are_not_shown_and_neither_are_markers() {
    let written = |producer, offset| {
        let batch = BatchBuilder::new().base_offset(offset);
        batch
            .producer(producer, 0, 0)
            .transactional()
            .record(1, None, Some(b"v"))
    };
    let marker = |producer, outcome, offset| {
        let marker = EndTransactionMarker {
            outcome,
            coordinator_epoch: 0,
        };
        BatchBuilder::end_transaction(producer, 0, marker, 1).base_offset(offset)
    };
    let batches = vec![
        written(1, 0),
        written(2, 1),
        marker(1, Outcome::Abort, 2),
        marker(2, Outcome::Commit, 3),
        written(1, 4),
        marker(1, Outcome::Commit, 5),
    ];
    let aborted = AbortedTransaction {
        producer_id: 1,
        first_offset: 0,
    };
    let mut chunk = chunk(0, batches, vec![aborted]);
    assert_eq!(shown(&mut chunk), [1, 4]);
    assert_eq!(chunk.reached().offset, 6);
}

#[test]
fn damage_is_told_with_its_place_and_ends_the_chunk() {
    let good = two_at(0).build().to_bytes();
    let mut bad = two_at(2).build().to_bytes().to_vec();
    *bad.last_mut().unwrap() ^= 1;
    let bytes = [good.as_ref(), &bad].concat();
    let mut chunk = Chunk::new((Arc::from("t"), 3), 0, bytes.into(), vec![], true);
    chunk.next().unwrap().unwrap();
    chunk.next().unwrap().unwrap();
    let error = chunk.next().unwrap().unwrap_err().to_string();
    assert!(
        error.contains("t-3") && error.contains("offset 2"),
        "{error}"
    );
    assert!(chunk.next().is_none());
    assert_eq!(chunk.reached().offset, 2);
}

#[test]
fn a_batch_that_is_cut_off_ends_the_chunk_quietly() {
    let whole = two_at(0).build().to_bytes();
    let cut = two_at(2).build().to_bytes();
    let bytes = [whole.as_ref(), &cut[..cut.len() - 1]].concat();
    let mut chunk = Chunk::new((Arc::from("t"), 0), 0, bytes.into(), vec![], true);
    assert_eq!(shown(&mut chunk), [0, 1]);
    assert_eq!(chunk.reached().offset, 2);
}
