//! Batches that other implementations wrote, see `golden/records/README.md`.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use bytes::Bytes;
use odradek_protocol::records::control::{EndTransactionMarker, Outcome};
use odradek_protocol::records::{
    BatchHeader, BatchRecords, Batches, Compression, RecordBatch, RecordRules, RecordStats,
    validate_records,
};

fn segment(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records");
    std::fs::read(folder.join(name)).unwrap().into()
}

fn only_batch(name: &str) -> RecordBatch {
    let segment = segment(name);
    let batches: Vec<_> = Batches::new(segment.clone()).map(Result::unwrap).collect();
    let [batch] = batches.try_into().unwrap();
    assert_eq!(batch.to_bytes(), segment, "{name}");
    batch
}

fn files() -> impl Iterator<Item = (String, Compression)> {
    let clients = ["java", "librdkafka", "go"];
    let files = clients
        .into_iter()
        .flat_map(|client| Compression::ALL.map(|codec| (format!("{client}-{codec}.log"), codec)));
    files.chain([("java-zstd22.log".to_owned(), Compression::Zstd)])
}

/// Undoes what the leader did, so that the batch is again as its producer sent it.
fn as_produced(batch: &RecordBatch) -> RecordBatch {
    let header = BatchHeader {
        base_offset: 0,
        partition_leader_epoch: -1,
        ..*batch.header()
    };
    RecordBatch::parse(&[&header.encode(), batch.body().as_ref()].concat().into()).unwrap()
}

#[test]
fn batches_of_every_client_and_codec_are_accepted() {
    for (name, codec) in files() {
        let batch = only_batch(&name);
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().attributes.compression(), codec, "{name}");
        let stats = validate_records(&as_produced(&batch), RecordRules::default());
        let expected = RecordStats {
            min_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_019,
            max_timestamp_delta: 19,
        };
        assert_eq!(stats, Ok(expected), "{name}");
        assert_eq!(
            batch.header().max_timestamp,
            expected.max_timestamp,
            "{name}"
        );
    }
}

#[test]
fn records_of_every_client_and_codec_are_read_as_written() {
    for (name, _) in files() {
        let records = BatchRecords::read(&only_batch(&name)).unwrap();
        let records: Vec<_> = records.iter().map(Result::unwrap).collect();
        assert_eq!(records.len(), 20, "{name}");
        for (i, record) in records.into_iter().enumerate() {
            let text = |field: Option<&[u8]>| {
                field.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            };
            assert_eq!(record.offset, i as i64, "{name}");
            assert_eq!(record.timestamp, 1_700_000_000_000 + i as i64, "{name}");
            assert_eq!(
                text(record.key),
                (i % 5 != 0).then(|| format!("key-{i}")),
                "{name}"
            );
            let value = format!("value-{i} {}", "odradek ".repeat(i));
            assert_eq!(text(record.value), (i % 7 != 3).then_some(value), "{name}");
            let mut expected = Vec::new();
            if i % 2 == 0 {
                expected.push(("trace".to_owned(), Some(format!("t{i}"))));
            }
            if i % 4 == 0 {
                expected.push(("empty".to_owned(), None));
            }
            let headers: Vec<_> = record
                .headers
                .map(|(key, value)| (text(Some(key)).unwrap(), text(value)))
                .collect();
            assert_eq!(headers, expected, "{name}");
        }
    }
}

#[test]
fn a_brokers_transaction_markers_are_understood() {
    let batches: Vec<_> = Batches::new(segment("java-transactions.log"))
        .map(Result::unwrap)
        .collect();
    let outcomes: Vec<_> = batches
        .iter()
        .filter(|batch| batch.header().attributes.is_control())
        .map(|batch| {
            batch.verify_crc().unwrap();
            assert!(batch.header().attributes.is_transactional());
            let records = BatchRecords::read(batch).unwrap();
            let record = records.iter().next().unwrap().unwrap();
            (
                record.offset,
                EndTransactionMarker::parse(&record).unwrap().outcome,
            )
        })
        .collect();
    assert_eq!(outcomes, [(1, Outcome::Commit), (3, Outcome::Abort)]);
    assert_eq!(batches.len(), 4);
}
