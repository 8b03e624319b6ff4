//! Tests of reading records back.

#![allow(clippy::unwrap_used)]

use crate::records::control::{EndTransactionMarker, Outcome};
use crate::records::{BatchBuilder, BatchRecords, Compression, RecordBatch};

type Field<'a> = Option<&'a [u8]>;

/// What a test writes, and what it wants to read.
type Written = (
    i64,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Vec<(Vec<u8>, Option<Vec<u8>>)>,
);

fn read(batch: &RecordBatch) -> Vec<(i64, Written)> {
    let records = BatchRecords::read(batch).unwrap();
    let to_vec = |field: Option<&[u8]>| field.map(<[u8]>::to_vec);
    let records = records.iter().map(|record| {
        let record = record.unwrap();
        let headers = record
            .headers
            .clone()
            .map(|(key, value)| (key.to_vec(), to_vec(value)))
            .collect();
        let fields = (
            record.timestamp,
            to_vec(record.key),
            to_vec(record.value),
            headers,
        );
        (record.offset, fields)
    });
    records.collect()
}

#[test]
fn records_survive_every_codec() {
    let written: Vec<Written> = vec![
        (
            5_000,
            Some(b"key".to_vec()),
            Some(vec![b'x'; 100_000]),
            vec![],
        ),
        (
            4_000,
            None,
            Some(Vec::new()),
            vec![(b"h".to_vec(), None), (b"h".to_vec(), None)],
        ),
        (
            -1,
            Some(Vec::new()),
            None,
            vec![(Vec::new(), Some(b"value".to_vec()))],
        ),
    ];
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new().compression(codec).base_offset(40);
        for (timestamp, key, value, headers) in &written {
            let headers: Vec<_> = headers
                .iter()
                .map(|(key, value)| (key.as_slice(), value.as_deref()))
                .collect();
            builder =
                builder.record_with_headers(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = builder.build();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().attributes.compression(), codec);
        assert_eq!(batch.header().max_timestamp, 5_000);
        let expected: Vec<_> = (40..).zip(written.clone()).collect();
        assert_eq!(read(&batch), expected, "{codec}");
    }
}

#[test]
fn with_append_time_every_record_has_the_batchs_timestamp() {
    let builder = BatchBuilder::new().log_append_time(9_000);
    let batch = builder.record(1, None, None).record(2, None, None).build();
    let timestamps: Vec<_> = read(&batch).iter().map(|(_, record)| record.0).collect();
    assert_eq!(timestamps, [9_000, 9_000]);
}

#[test]
fn a_batch_that_compaction_emptied_has_no_records_under_any_codec() {
    for codec in Compression::ALL {
        let builder = BatchBuilder::new().compression(codec);
        let mut header = *builder.record(1, None, None).build().header();
        header.record_count = 0;
        header.length = 49;
        let batch = RecordBatch::parse(&header.encode().to_vec().into()).unwrap();
        assert_eq!(read(&batch), [], "{codec}");
    }
}

#[test]
fn iteration_ends_after_the_first_malformed_record() {
    let batch = BatchBuilder::new()
        .record(1, None, None)
        .record(2, None, None)
        .build();
    let mut bytes = batch.to_bytes().to_vec();
    bytes[batch.header().total_len() - 7] = 1; // the second record's length: -1
    let batch = RecordBatch::parse(&bytes.into()).unwrap();
    let records = BatchRecords::read(&batch).unwrap();
    let results: Vec<_> = records.iter().map(|record| record.is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn an_uncompressed_batch_is_read_where_it_is() {
    let batch = BatchBuilder::new().record(1, Some(b"key"), None).build();
    let records = BatchRecords::read(&batch).unwrap();
    let key = records.iter().next().unwrap().unwrap().key.unwrap();
    assert!(batch.body().as_ptr_range().contains(&key.as_ptr()));
}

#[test]
fn markers_survive_and_other_control_records_are_ignored() {
    for outcome in [Outcome::Abort, Outcome::Commit] {
        let marker = EndTransactionMarker {
            outcome,
            coordinator_epoch: 6,
        };
        let batch = BatchBuilder::end_transaction(70, 2, marker, 1_000).build();
        let attributes = batch.header().attributes;
        assert!(attributes.is_control() && attributes.is_transactional());
        assert_eq!(
            (batch.header().producer_id, batch.header().producer_epoch),
            (70, 2)
        );
        let records = BatchRecords::read(&batch).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(EndTransactionMarker::parse(&record), Some(marker));
    }
    let (key, value) = ([0, 0, 0, 0], [0; 6]);
    let cases: [(Field<'_>, Field<'_>); 5] = [
        (None, Some(&value)),
        (Some(&key), None),
        (Some(&key[..3]), Some(&value)),
        (Some(&key), Some(&value[..5])),
        (Some(&[0, 0, 0, 2]), Some(&value)), // a quorum's leader change
    ];
    for (key, value) in cases {
        let batch = BatchBuilder::new().record(1, key, value).build();
        let records = BatchRecords::read(&batch).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        assert_eq!(EndTransactionMarker::parse(&record), None);
    }
}
