//! Offsets by timestamp, the ends of partitions, and the ends of leader epochs.

use odradek_protocol::{
    ErrorCode,
    messages::{
        list_offsets::{
            EARLIEST_LOCAL_TIMESTAMP, EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition,
            ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
            ListOffsetsTopic, MAX_TIMESTAMP,
        },
        offset_for_leader_epoch::{
            EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
            OffsetForLeaderPartition, OffsetForLeaderTopic,
        },
    },
    records::{BatchBuilder, Compression},
};
use odradek_tests::broker::Broker;

use crate::{
    client::{create_topic, topic_id},
    produce_raw::{batch_of, produce},
    wire::Wire,
};

/// Asks about one partition.
fn look_up(
    wire: &mut Wire,
    topic: &str,
    partition: ListOffsetsPartition,
) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        topics: vec![ListOffsetsTopic {
            name: topic.to_owned(),
            partitions: vec![partition],
        }],
        timeout_ms: 10_000,
        ..Default::default()
    };
    let response: ListOffsetsResponse = wire.call(10, &request);
    response.topics[0].partitions[0].clone()
}

/// Offset and timestamp of the record that partition 0 has for a timestamp; -1 for none.
pub(crate) fn offset_at(wire: &mut Wire, topic: &str, timestamp: i64) -> (i64, i64) {
    let asked = ListOffsetsPartition {
        timestamp,
        ..Default::default()
    };
    let found = look_up(wire, topic, asked);
    assert_eq!(found.error_code, ErrorCode::None);
    (found.offset, found.timestamp)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_finds_the_first_record_that_is_not_older() {
    const LOOKUPS: [(i64, (i64, i64)); 9] = [
        (EARLIEST_TIMESTAMP, (0, -1)),
        (EARLIEST_LOCAL_TIMESTAMP, (0, -1)),
        (LATEST_TIMESTAMP, (8, -1)),
        (MAX_TIMESTAMP, (4, 3000)),
        (0, (0, 1000)),
        (1001, (1, 2000)),
        (2000, (1, 2000)),
        // Older than those before it, so it is found by what it is and not by where it is.
        (2001, (4, 3000)),
        (3001, (-1, -1)),
    ];
    let mut broker = Broker::start();
    for codec in [Compression::None, Compression::Zstd] {
        let topic = format!("times-{codec:?}");
        create_topic(&broker, &topic, 1, &[("retention.ms", "-1")]).await;
        let mut wire = Wire::connect(&broker);
        let id = topic_id(&mut wire, &topic);
        for timestamps in [
            &[1000, 2000, 1500][..],
            &[1700],
            &[3000, 500],
            &[2500, 2500],
        ] {
            let batch = timestamps.iter().fold(
                BatchBuilder::new().compression(codec),
                |batch, &timestamp| batch.record(timestamp, None, Some(b"value")),
            );
            produce(&mut wire, id, 0, batch.build().to_bytes()).unwrap();
        }
        for (timestamp, expected) in LOOKUPS {
            assert_eq!(
                offset_at(&mut wire, &topic, timestamp),
                expected,
                "{topic} {timestamp}"
            );
        }
    }
    broker.kill();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    for topic in ["times-None", "times-Zstd"] {
        for (timestamp, expected) in LOOKUPS {
            assert_eq!(
                offset_at(&mut wire, topic, timestamp),
                expected,
                "{topic} {timestamp}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timestamp_is_found_in_any_segment_also_after_a_restart() {
    let mut broker = Broker::start();
    let entries = [("segment.bytes", "1048576"), ("retention.ms", "-1")];
    create_topic(&broker, "segments", 1, &entries).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "segments");
    // Four segments and a bit; a record every 100 ms.
    let value = vec![b'x'; 10_000];
    for number in 0..450 {
        let record = BatchBuilder::new().record(1_000_000 + number * 100, None, Some(&value));
        produce(&mut wire, id, 0, record.build().to_bytes()).unwrap();
    }
    let check = |wire: &mut Wire| {
        for number in (0..450).step_by(7) {
            let exactly = 1_000_000 + number * 100;
            for timestamp in [exactly - 99, exactly] {
                assert_eq!(offset_at(wire, "segments", timestamp), (number, exactly));
            }
        }
        assert_eq!(offset_at(wire, "segments", MAX_TIMESTAMP), (449, 1_044_900));
        assert_eq!(offset_at(wire, "segments", 1_044_901), (-1, -1));
    };
    check(&mut wire);
    broker.stop();
    broker.start_again();
    check(&mut Wire::connect(&broker));
    broker.kill();
    broker.start_again();
    check(&mut Wire::connect(&broker));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_append_replaces_the_producers_where_the_topic_says_so() {
    let broker = Broker::start();
    create_topic(
        &broker,
        "append-time",
        1,
        &[("message.timestamp.type", "LogAppendTime")],
    )
    .await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "append-time");
    let before = crate::produce_raw::now_ms();
    let ancient = BatchBuilder::new().record(1000, None, Some(b"value"));
    produce(&mut wire, id, 0, ancient.build().to_bytes()).unwrap();
    let (offset, timestamp) = offset_at(&mut wire, "append-time", 0);
    assert_eq!(offset, 0);
    assert!(
        (before..=crate::produce_raw::now_ms()).contains(&timestamp),
        "{timestamp}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_partitions_and_epochs_have_their_errors() {
    let broker = Broker::start();
    create_topic(&broker, "errors", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let mut error = |topic, partition_index, current_leader_epoch| {
        let asked = ListOffsetsPartition {
            partition_index,
            current_leader_epoch,
            timestamp: LATEST_TIMESTAMP,
        };
        look_up(&mut wire, topic, asked).error_code
    };
    assert_eq!(error("errors", 0, 0), ErrorCode::None);
    assert_eq!(error("errors", 1, -1), ErrorCode::UnknownTopicOrPartition);
    assert_eq!(
        error("no-errors", 0, -1),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(error("errors", 0, 7), ErrorCode::UnknownLeaderEpoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_epoch_ends_where_the_log_does() {
    let mut broker = Broker::start();
    create_topic(&broker, "epochs", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = topic_id(&mut wire, "epochs");
    produce(&mut wire, id, 0, batch_of(3, 10)).unwrap();
    let ends = [
        (0, 0, (ErrorCode::None, 0, 3)),
        // Of an epoch that is still to come, nobody knows the end.
        (0, 5, (ErrorCode::None, -1, -1)),
        (9, 0, (ErrorCode::UnknownLeaderEpoch, -1, -1)),
    ];
    for (current, epoch, expected) in ends {
        assert_eq!(epoch_end(&mut wire, "epochs", current, epoch), expected);
    }
    broker.kill();
    broker.start_again();
    let mut wire = Wire::connect(&broker);
    assert_eq!(
        epoch_end(&mut wire, "epochs", -1, 0),
        (ErrorCode::None, 0, 3)
    );
}

fn epoch_end(
    wire: &mut Wire,
    topic: &str,
    current_leader_epoch: i32,
    leader_epoch: i32,
) -> (ErrorCode, i32, i64) {
    let request = OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![OffsetForLeaderTopic {
            topic: topic.to_owned(),
            partitions: vec![OffsetForLeaderPartition {
                partition: 0,
                current_leader_epoch,
                leader_epoch,
            }],
        }],
    };
    let response: OffsetForLeaderEpochResponse = wire.call(4, &request);
    let EpochEndOffset {
        error_code,
        leader_epoch,
        end_offset,
        ..
    } = response.topics[0].partitions[0];
    (error_code, leader_epoch, end_offset)
}
