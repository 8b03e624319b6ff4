//! Old records go by size and by age, and readers who were behind learn it.

use std::{fs, path::Path, time::Duration};

use odradek_protocol::{
    ErrorCode,
    messages::{
        fetch::FetchResponse,
        list_offsets::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP},
    },
};
use odradek_tests::{broker::Broker, wait};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};

use crate::{
    client::{config, create_topic, topic_id},
    fetch_raw::{self, asked, batches, fetch},
    list_offsets::offset_at,
    produce_raw::{batch_at, batch_of, now_ms, produce},
    wire::Wire,
};

/// The smallest segment that Kafka 4 accepts (KIP-1030).
const SEGMENT_BYTES: u64 = 1 << 20;

/// Ten such records fill a segment.
const VALUE_BYTES: usize = 100_000;

/// Looks for old segments all the time, and removes their files at once.
const EAGER: &[(&str, &str)] = &[
    ("log.retention.check.interval.ms", "100"),
    ("log.segment.delete.delay.ms", "0"),
];

/// Base offset and size of each segment, in order.
fn segments(directory: &Path) -> Vec<(i64, u64)> {
    let mut segments: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| {
            let path = entry.unwrap().path();
            let is_log = path.extension().is_some_and(|extension| extension == "log");
            let base = path.file_stem()?.to_str()?.parse().ok()?;
            // It may have been deleted since the directory was listed.
            is_log.then_some((base, fs::metadata(&path).ok()?.len()))
        })
        .collect();
    segments.sort_unstable();
    segments
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_outgrows_retention_bytes_loses_its_oldest_segments() {
    const RETENTION_BYTES: u64 = 2 * SEGMENT_BYTES;
    let mut broker = Broker::start_with(EAGER);
    let entries = [("retention.bytes", "2097152"), ("segment.bytes", "1048576")];
    create_topic(&broker, "outgrown", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "outgrown");
    let batch = batch_of(1, VALUE_BYTES);
    for offset in 0..60 {
        assert_eq!(produce(&mut wire, id, 0, batch.clone()).unwrap(), offset);
    }
    let directory = broker.log_dir().join("outgrown-0");
    // A segment goes as long as what remains is not less than what the topic asks to keep.
    let kept = wait::until("the oldest segments are gone", || {
        let segments = segments(&directory);
        let bytes: u64 = segments.iter().map(|&(_, bytes)| bytes).sum();
        (bytes < RETENTION_BYTES + SEGMENT_BYTES).then_some(segments)
    });
    let bytes: u64 = kept.iter().map(|&(_, bytes)| bytes).sum();
    assert!(RETENTION_BYTES <= bytes, "{kept:?}");
    let log_start = kept[0].0;
    assert!(0 < log_start);

    let earliest = |wire: &mut Wire| offset_at(wire, "outgrown", EARLIEST_TIMESTAMP).0;
    assert_eq!(earliest(&mut wire), log_start);
    let behind = fetch(&mut wire, id, 0, log_start - 1);
    assert_eq!(behind.error_code, ErrorCode::OffsetOutOfRange);
    let first = fetch(&mut wire, id, 0, log_start);
    assert_eq!(batches(&first)[0].header().base_offset, log_start);
    for (reset, expected) in [("earliest", log_start), ("latest", 60)] {
        assert_eq!(
            first_offset_after_reset(&broker, "outgrown", reset),
            expected
        );
    }

    broker.kill();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    assert_eq!(earliest(&mut wire), log_start);
    assert_eq!(
        fetch(&mut wire, id, 0, 0).error_code,
        ErrorCode::OffsetOutOfRange
    );
}

/// Where a consumer lands that asks for offset 0, which is gone.
fn first_offset_after_reset(broker: &Broker, topic: &str, reset: &str) -> i64 {
    let settings = [
        ("group.id", "unused"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", reset),
        ("fetch.error.backoff.ms", "10"),
        ("enable.partition.eof", "true"),
    ];
    let consumer: BaseConsumer = config(broker, &settings).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, 0, Offset::Offset(0))
        .unwrap();
    consumer.assign(&assignment).unwrap();
    wait::until("the consumer is somewhere", || {
        match consumer.poll(Duration::from_millis(50))? {
            Ok(message) => Some(message.offset()),
            Err(rdkafka::error::KafkaError::PartitionEOF(_)) => {
                let positions = consumer.position().unwrap();
                match positions.elements()[0].offset() {
                    Offset::Offset(offset) => Some(offset),
                    // Nothing was consumed: it stands at the end of the log.
                    _ => Some(
                        consumer
                            .fetch_watermarks(topic, 0, wait::PATIENCE)
                            .unwrap()
                            .1,
                    ),
                }
            }
            Err(error) => panic!("{error}"),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_older_than_retention_ms_go_and_younger_ones_stay() {
    const HOUR_MS: i64 = 3_600_000;
    let broker = Broker::start_with(EAGER);
    let entries = [("retention.ms", "600000"), ("segment.bytes", "1048576")];
    for topic in ["all-old", "half-old", "young"] {
        create_topic(&broker, topic, 1, &entries).await;
    }
    create_topic(
        &broker,
        "for-ever",
        1,
        &[("retention.ms", "-1"), ("segment.bytes", "1048576")],
    )
    .await;
    let mut wire = Wire::connect(&broker);
    let old = batch_at(now_ms() - HOUR_MS, 1, VALUE_BYTES);
    let young = batch_at(now_ms(), 1, VALUE_BYTES);
    let mut fill = |topic, batches: &[&bytes::Bytes]| {
        let id = topic_id(&mut wire, topic);
        for &batch in batches {
            produce(&mut wire, id, 0, batch.clone()).unwrap();
        }
    };
    // Young ones first: what shall stay has stood the test for as long as what shall go.
    fill("young", &[&young; 25]);
    fill("for-ever", &[&old; 25]);
    fill("half-old", &[[&old; 25], [&young; 25]].concat());
    fill("all-old", &[&old; 25]);

    let mut range = |topic| {
        let start = offset_at(&mut wire, topic, EARLIEST_TIMESTAMP).0;
        (start, offset_at(&mut wire, topic, LATEST_TIMESTAMP).0)
    };
    // The active segment too: a new, empty one takes its place.
    wait::until("all of them are gone", || {
        (range("all-old") == (25, 25)).then_some(())
    });
    // Whole segments go: the one in which old and young meet stays, and holds at most ten.
    let (start, end) = wait::until("the old half is gone", || {
        let (start, end) = range("half-old");
        (15 <= start).then_some((start, end))
    });
    assert!(start <= 25 && end == 50, "{start}..{end}");
    assert_eq!(range("young"), (0, 25));
    assert_eq!(range("for-ever"), (0, 25));

    // The log goes on where it was.
    let id = topic_id(&mut wire, "all-old");
    assert_eq!(produce(&mut wire, id, 0, young).unwrap(), 25);
    assert_eq!(batches(&fetch(&mut wire, id, 0, 25)).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_a_deleted_segment_is_told_during_its_long_poll() {
    let broker = Broker::start_with(EAGER);
    let entries = [("retention.ms", "600000"), ("segment.bytes", "1048576")];
    create_topic(&broker, "leaving", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "leaving");
    let old = batch_at(now_ms() - 3_600_000, 1, 100);
    assert_eq!(produce(&mut wire, id, 0, old).unwrap(), 0);
    wait::until("the record is gone", || {
        (offset_at(&mut wire, "leaving", EARLIEST_TIMESTAMP).0 == 1).then_some(())
    });
    // Position 0 has left the log; whoever waits there would wait for ever.
    let mut poll = fetch_raw::request(id, vec![asked(0, 0)]);
    poll.max_wait_ms = 120_000;
    let response: FetchResponse = wire.call(fetch_raw::VERSION, &poll);
    let partition = fetch_raw::only_partition(&response);
    assert_eq!(partition.error_code, ErrorCode::OffsetOutOfRange);
}

/// What was promised to a reader is delivered, even if retention takes it off the disk meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_under_way_survives_the_deletion_of_its_segments() {
    let broker = Broker::start_with(EAGER);
    let entries = [
        ("retention.bytes", "1048576"),
        ("segment.bytes", "52428800"),
    ];
    create_topic(&broker, "under-way", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "under-way");
    let batch = batch_of(1, 1_000_000);
    for _ in 0..45 {
        produce(&mut wire, id, 0, batch.clone()).unwrap();
    }
    let mut slow = Wire::connect(&broker);
    let mut request = fetch_raw::request(id, vec![asked(0, 0)]);
    request.max_bytes = 50_000_000;
    request.topics[0].partitions[0].partition_max_bytes = 50_000_000;
    slow.send(fetch_raw::VERSION, &request);
    slow.stream.peek(&mut [0; 1]).unwrap();
    // So much more that the first segment has to go.
    for _ in 0..15 {
        produce(&mut wire, id, 0, batch.clone()).unwrap();
    }
    let first = broker
        .log_dir()
        .join("under-way-0")
        .join(format!("{:020}.log", 0));
    wait::until("the first segment's file is gone", || {
        (!first.exists()).then_some(())
    });
    let response: FetchResponse = slow.receive(fetch_raw::VERSION);
    let found = batches(fetch_raw::only_partition(&response));
    assert_eq!(found.len(), 45);
    for batch in found {
        batch.verify_crc().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_roll_by_size_and_by_the_time_of_their_records() {
    let broker = Broker::start();
    let entries = [("segment.ms", "60000"), ("segment.bytes", "1048576")];
    create_topic(&broker, "rolling", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "rolling");
    let now = now_ms() - 1_000_000;
    let mut append = |timestamp, value_bytes| {
        produce(&mut wire, id, 0, batch_at(timestamp, 1, value_bytes)).unwrap()
    };
    let bases = || {
        let segments = segments(&broker.log_dir().join("rolling-0"));
        segments.iter().map(|&(base, _)| base).collect::<Vec<_>>()
    };
    append(now, 10);
    append(now + 60_000, 10);
    assert_eq!(bases(), [0]);
    append(now + 60_001, 10);
    assert_eq!(bases(), [0, 2]);
    append(now + 60_001, 700_000);
    assert_eq!(bases(), [0, 2]);
    append(now + 60_001, 700_000);
    assert_eq!(bases(), [0, 2, 4]);
}
