//! A data directory that was written once opens for ever: `tests/golden/data-v1`.
//!
//! The README beside it tells what it holds and how it was made.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use odradek_protocol::{
    Uuid,
    messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    records::{BatchBuilder, BatchRecords, Compression},
};
use odradek_tests::broker::{Broker, Setup};

use crate::{
    admin::status,
    client::{create_topic, delete_topic, topic_id, watermarks},
    fetch_raw::{batches, fetch},
    list_offsets::offset_at,
    produce_raw::produce,
    recovery::forget_boot,
    topics::config_of,
    wire::Wire,
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/data-v1");

/// Names a directory: the test then writes the data there first, and opens what it has written.
const WRITE_INTO: &str = "ODRADEK_WRITE_GOLDEN";

/// The metadata log is written into zeros, which are left out of the golden files.
const METADATA_SEGMENT_BYTES: u64 = 1 << 20;

/// All records are from the year 2100, so that no rule about age ever takes them away.
const THEN: i64 = 4_102_444_800_000;

const CONFIGS: &[(&str, &str)] = &[
    // Each minute of record time begins a segment.
    ("segment.ms", "60000"),
    // Small enough for the offset indexes to have entries.
    ("index.interval.bytes", "100"),
    ("retention.ms", "987654321"),
    ("message.timestamp.after.max.ms", "9223372036854775807"),
];

const CODECS: [Compression; 5] = [
    Compression::None,
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

/// What `every-codec` holds: a batch of three records for each codec.
fn every_codec() -> Vec<Bytes> {
    let batch = |codec| {
        BatchBuilder::new()
            .compression(codec)
            .record_with_headers(
                THEN,
                Some(b"key"),
                Some(b"value"),
                &[(b"name", Some(b"x")), (b"", None)],
            )
            .record(
                THEN + 1,
                None,
                Some("ä value of some length, ".repeat(20).as_bytes()),
            )
            .record(THEN + 2, Some(b"key without value"), None)
            .build()
            .to_bytes()
    };
    CODECS.map(batch).to_vec()
}

/// What an idempotent producer wrote to `sequenced`: ten batches of two records, two minutes apart,
/// each in a segment of its own.
fn sequenced(producer_id: i64) -> Vec<Bytes> {
    let batch = |number: i32| {
        let timestamp = THEN + i64::from(number) * 120_000;
        let value = format!("value {number}");
        BatchBuilder::new()
            .producer(producer_id, 0, number * 2)
            .record(timestamp, None, Some(value.as_bytes()))
            .record(timestamp + 5, None, Some(value.as_bytes()))
            .build()
            .to_bytes()
    };
    (0..10).map(batch).collect()
}

/// The life of a small broker.
async fn write(into: &Path) {
    let mut broker = Broker::start();
    for name in ["every-codec", "deleted", "sequenced"] {
        create_topic(&broker, name, 2, CONFIGS).await;
    }
    delete_topic(&broker, "deleted").await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "every-codec");
    for batch in every_codec() {
        produce(&mut wire, id, 1, batch).unwrap();
    }
    // The metadata tells of more than one start.
    broker.stop();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    let producer_id = init_producer_id(&mut wire);
    let id = topic_id(&mut wire, "sequenced");
    for batch in sequenced(producer_id) {
        produce(&mut wire, id, 0, batch).unwrap();
    }
    broker.stop();
    forget_boot(&broker);
    copy(&broker.log_dir(), into);
    // Removed when the next start comes to it; nobody needs it for good.
    for leftover in entries(into).filter(|path| path.to_string_lossy().ends_with("-delete")) {
        fs::remove_dir_all(leftover).unwrap();
    }
    for file in entries(&into.join("__quorum")) {
        let bytes = fs::read(&file).unwrap();
        let used = bytes
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |last| last + 1);
        if bytes.len() as u64 == METADATA_SEGMENT_BYTES {
            fs::write(&file, &bytes[..used]).unwrap();
        }
    }
}

/// Makes of the golden files what the broker had left.
fn restore(data: &Path) {
    let golden = env::var_os(WRITE_INTO).map_or_else(|| PathBuf::from(GOLDEN), PathBuf::from);
    copy(&golden, data);
    for file in entries(&data.join("__quorum")) {
        if file.extension().is_some_and(|extension| extension == "log") {
            let file = File::options().write(true).open(file).unwrap();
            file.set_len(METADATA_SEGMENT_BYTES).unwrap();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in entries(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
}

fn init_producer_id(wire: &mut Wire) -> i64 {
    let response: InitProducerIdResponse = wire.call(5, &InitProducerIdRequest::default());
    response.producer_id
}

/// The id that stands in a partition's directory.
fn id_on_disk(data: &Path, partition: &str) -> Uuid {
    let text = fs::read_to_string(data.join(partition).join("partition.metadata")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("topic_id: "))
        .unwrap();
    odradek_protocol::Uuid::from_slice(&base64_url(line)).unwrap()
}

/// Kafka writes ids in base64 for URLs, without padding.
fn base64_url(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |byte| alphabet.iter().position(|&known| known == byte).unwrap() as u32;
    let mut bytes = Vec::new();
    for quad in text.as_bytes().chunks(4) {
        let bits = quad.iter().fold(0, |bits, &byte| bits << 6 | digit(byte));
        let bits = bits << (6 * (4 - quad.len()));
        bytes.extend(&bits.to_be_bytes()[1..quad.len()]);
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_of_an_older_broker_opens_with_all_that_was_in_it() {
    if let Some(into) = env::var_os(WRITE_INTO) {
        write(Path::new(&into)).await;
    }
    // As it was left; and as if the power had failed right after, so that nothing is believed.
    for clean in [true, false] {
        let mut broker = Setup::default().start_on(|data| {
            restore(data);
            if !clean {
                fs::remove_file(data.join(".kafka_cleanshutdown")).unwrap();
            }
        });
        check(&broker, clean);
        // And what this broker makes of it, opens as well.
        broker.kill();
        broker.start_again();
        let mut wire = Wire::connect(&broker);
        assert_eq!(offset_at(&mut wire, "sequenced", THEN).0, 0);
    }
}

fn check(broker: &Broker, clean: bool) {
    let status = status(broker);
    let previous_stop = if clean { "clean" } else { "page-cache-lost" };
    assert_eq!(status["recovery"]["previous_stop"], previous_stop);
    assert_eq!(status["partitions"], 4);
    assert_eq!(
        status["offline_partitions"].as_array().map(Vec::len),
        Some(0)
    );
    let properties = fs::read_to_string(broker.log_dir().join("meta.properties")).unwrap();
    let cluster_id = status["cluster_id"].as_str().unwrap();
    assert!(
        properties.contains(&format!("cluster.id={cluster_id}")),
        "{properties}"
    );

    let mut wire = Wire::connect(broker);
    assert_eq!(topic_id(&mut wire, "deleted"), Uuid::nil());
    for (topic, partition) in [
        ("every-codec", "every-codec-1"),
        ("sequenced", "sequenced-0"),
    ] {
        assert_eq!(
            topic_id(&mut wire, topic),
            id_on_disk(&broker.log_dir(), partition)
        );
        for &(key, value) in CONFIGS {
            assert_eq!(config_of(broker, topic, key), value);
        }
    }

    let id = topic_id(&mut wire, "every-codec");
    let found = batches(&fetch(&mut wire, id, 1, 0));
    assert_eq!(found.len(), CODECS.len());
    let sent = every_codec();
    for ((batch, sent), codec) in found.iter().zip(&sent).zip(CODECS) {
        batch.verify_crc().unwrap();
        assert_eq!(batch.header().attributes.compression(), codec);
        // Behind the offset and the leader epoch, everything is as it was sent.
        assert_eq!(&batch.to_bytes()[16..61], &sent[16..61]);
        let records = BatchRecords::read(batch).unwrap();
        let values: Vec<_> = records
            .iter()
            .map(|record| record.unwrap().value.map(<[u8]>::len))
            .collect();
        assert_eq!(values, [Some(5), Some(25 * 20), None]);
    }

    assert_eq!(watermarks(broker, "sequenced", 0), (0, 20));
    let minute = THEN + 7 * 120_000;
    assert_eq!(offset_at(&mut wire, "sequenced", minute), (14, minute));
    let id = topic_id(&mut wire, "sequenced");
    let first = batches(&fetch(&mut wire, id, 0, 0));
    let producer_id = first[0].header().producer_id;
    // Its last five batches are known as what they are, and so is the next.
    for (number, batch) in sequenced(producer_id).into_iter().enumerate().skip(5) {
        assert_eq!(produce(&mut wire, id, 0, batch).unwrap(), number as i64 * 2);
    }
    assert!(
        producer_id < init_producer_id(&mut wire),
        "no id is given out twice"
    );
}
