#![allow(clippy::unwrap_used)]

use crate::records::{BatchBuilder, BatchRecords};

use super::*;

type Owned = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn owned(batch: &RecordBatch) -> Vec<Owned> {
    let records = BatchRecords::read(batch).unwrap();
    let records = records.iter().map(|record| {
        let record = record.unwrap();
        (
            record.offset,
            record.timestamp,
            record.key.map(<[u8]>::to_vec),
            record.value.map(<[u8]>::to_vec),
            record.headers.len(),
        )
    });
    records.collect()
}

fn original(compression: Compression) -> RecordBatch {
    let headers: &[(&[u8], Option<&[u8]>)] = &[(b"h", Some(b"1")), (b"h", None)];
    BatchBuilder::new()
        .base_offset(1000)
        .leader_epoch(7)
        .producer(40, 2, 9)
        .compression(compression)
        .record(500, Some(b"a"), Some(b"first"))
        .record_with_headers(700, Some(b"b"), None, headers)
        .record(600, Some(b"c"), Some(b"third"))
        .build()
}

fn rewrite(batch: &RecordBatch, mut rewriter: BatchRewriter, offsets: &[i64]) -> RecordBatch {
    let records = BatchRecords::read(batch).unwrap();
    for record in &records {
        let record = record.unwrap();
        if offsets.contains(&record.offset) {
            rewriter.push(&record).unwrap();
        }
    }
    rewriter.build()
}

#[test]
fn what_stays_of_a_batch_is_what_it_was_whatever_the_codec() {
    for compression in Compression::ALL {
        let batch = original(compression);
        let rewritten = rewrite(&batch, BatchRewriter::new(batch.header()), &[1000, 1002]);
        rewritten.verify_crc().unwrap();
        let before = owned(&batch);
        assert_eq!(owned(&rewritten), [before[0].clone(), before[2].clone()]);
        let (header, was) = (rewritten.header(), batch.header());
        assert_eq!(header.attributes, was.attributes);
        assert_eq!(header.record_count, 2);
        assert_eq!(header.max_timestamp, 600);
        assert_eq!(header.base_offset, was.base_offset);
        assert_eq!(header.last_offset(), was.last_offset());
        assert_eq!(header.partition_leader_epoch, 7);
        assert_eq!(header.producer_id, 40);
        assert_eq!(header.last_sequence(), 11);
    }
}

#[test]
fn a_delete_horizon_changes_no_timestamp_and_stays() {
    let batch = original(Compression::Zstd);
    let rewriter = BatchRewriter::with_delete_horizon(batch.header(), 1_000_000);
    let stamped = rewrite(&batch, rewriter, &[1000, 1001, 1002]);
    assert!(stamped.header().attributes.has_delete_horizon());
    assert_eq!(stamped.header().base_timestamp, 1_000_000);
    assert_eq!(stamped.header().max_timestamp, 700);
    assert_eq!(owned(&stamped), owned(&batch));

    let again = rewrite(&stamped, BatchRewriter::new(stamped.header()), &[1001]);
    assert!(again.header().attributes.has_delete_horizon());
    assert_eq!(again.header().base_timestamp, 1_000_000);
    assert_eq!(owned(&again), [owned(&batch)[1].clone()]);
}

#[test]
fn with_log_append_time_every_record_keeps_the_append_time() {
    let batch = BatchBuilder::new()
        .log_append_time(9_000)
        .record(1, Some(b"a"), None)
        .record(2, Some(b"b"), Some(b"2"))
        .build();
    let rewriter = BatchRewriter::with_delete_horizon(batch.header(), 50_000);
    let stamped = rewrite(&batch, rewriter, &[0]);
    assert_eq!(stamped.header().max_timestamp, 9_000);
    assert_eq!(owned(&stamped)[0].1, 9_000);
}

#[test]
fn a_timestamp_that_no_delta_can_express_is_refused() {
    let batch = BatchBuilder::new()
        .record(i64::MIN + 5, Some(b"a"), None)
        .build();
    let mut rewriter = BatchRewriter::with_delete_horizon(batch.header(), 1_000_000);
    let records = BatchRecords::read(&batch).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert!(rewriter.push(&record).is_err());
}

#[test]
fn a_batch_without_records_still_names_its_offsets_and_its_producer() {
    for compression in Compression::ALL {
        let batch = original(compression);
        let empty = without_records(batch.header());
        empty.verify_crc().unwrap();
        assert_eq!(empty.to_bytes().len(), HEADER_LEN);
        assert_eq!(owned(&empty), []);
        let (header, was) = (empty.header(), batch.header());
        assert_eq!(header.last_offset(), was.last_offset());
        assert_eq!(header.last_sequence(), was.last_sequence());
        assert_eq!(header.max_timestamp, was.max_timestamp);
        assert_eq!(BatchHeader::parse(&empty.to_bytes()).unwrap(), *header);
    }
}
