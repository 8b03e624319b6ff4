//! The administration of partitions. Kafka's own client speaks only the newest versions, so the
//! requests of the classic ones, and of DescribeLogDirs, were written by hand; its broker took
//! them.

use crate::{check_request, check_response};
use odradek_protocol::messages::create_partitions::*;
use odradek_protocol::messages::delete_records::*;
use odradek_protocol::messages::describe_log_dirs::*;
use odradek_protocol::messages::describe_producers as producers;
use odradek_protocol::messages::describe_topic_partitions as pages;
use odradek_protocol::{ErrorCode, Uuid};

const TOPIC_ID: Uuid = Uuid::from_u128(0x6773_a25e_514f_45bb_b89b_3b1e_45c8_28bd);

fn growth(
    count: i32,
    assignments: Option<Vec<CreatePartitionsAssignment>>,
) -> CreatePartitionsRequest {
    CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic {
            name: "golden".to_owned(),
            count,
            assignments,
        }],
        timeout_ms: 30_000,
        validate_only: false,
    }
}

fn grown(error_code: ErrorCode, message: Option<&str>) -> CreatePartitionsResponse {
    CreatePartitionsResponse {
        throttle_time_ms: 0,
        results: vec![CreatePartitionsTopicResult {
            name: "golden".to_owned(),
            error_code,
            error_message: message.map(str::to_owned),
        }],
    }
}

#[test]
fn create_partitions_version_0_is_classic() {
    let request = [
        "00000029",
        "0025 0000 00000001 0006 676f6c64656e",
        "00000001 0006 676f6c64656e", // one topic, "golden"
        "00000004 ffffffff",          // four partitions, no assignments
        "00007530 00",                // timeout, not only a check
    ];
    check_request(0, 1, &request, &growth(4, None));

    let response = [
        "00000018",
        "00000001 00000000",               // correlation id, throttle time
        "00000001 0006 676f6c64656e 0000", // one result, "golden", no error
        "ffff",                            // no message
    ];
    check_response(0, 1, &response, &grown(ErrorCode::None, None));
}

#[test]
fn create_partitions_version_3_says_why_a_topic_cannot_shrink() {
    let request = [
        "00000031",
        "0025 0003 00000006 0006 676f6c64656e 00",
        "02 07 676f6c64656e 00000003", // one topic, "golden", three partitions
        "03 02 00000001 00",           // two assignments; the first: one broker, 1
        "02 00000001 00",              // the second
        "00 00007530 00 00",           // no tags of the topic, timeout, not only a check, no tags
    ];
    let broker_1 = CreatePartitionsAssignment {
        broker_ids: vec![1],
    };
    check_request(3, 6, &request, &growth(3, Some(vec![broker_1; 2])));

    let response = [
        "00000060",
        "00000005 00 00000000",
        "02 07 676f6c64656e 0025", // one result, "golden", INVALID_PARTITIONS
        "4b 54686520746f70696320676f6c64656e2063757272656e746c7920686173203320",
        "706172746974696f6e2873293b203220776f756c64206e6f7420626520616e20696e6372656173652e",
        "00 00",
    ];
    let message = "The topic golden currently has 3 partition(s); 2 would not be an increase.";
    let expected = grown(ErrorCode::InvalidPartitions, Some(message));
    check_response(3, 5, &response, &expected);
}

fn deletion(offsets: &[(i32, i64)]) -> DeleteRecordsRequest {
    let partitions = offsets
        .iter()
        .map(|&(partition_index, offset)| DeleteRecordsPartition {
            partition_index,
            offset,
        });
    DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "golden".to_owned(),
            partitions: partitions.collect(),
        }],
        timeout_ms: 60_000,
    }
}

fn deleted(results: &[(i32, i64, ErrorCode)]) -> DeleteRecordsResponse {
    let partitions = results
        .iter()
        .map(
            |&(partition_index, low_watermark, error_code)| DeleteRecordsPartitionResult {
                partition_index,
                low_watermark,
                error_code,
            },
        );
    DeleteRecordsResponse {
        throttle_time_ms: 0,
        topics: vec![DeleteRecordsTopicResult {
            name: "golden".to_owned(),
            partitions: partitions.collect(),
        }],
    }
}

#[test]
fn delete_records_version_0_is_classic() {
    let request = [
        "00000030",
        "0015 0000 00000003 0006 676f6c64656e",
        "00000001 0006 676f6c64656e",         // one topic, "golden"
        "00000001 00000000 0000000000000005", // one partition, 0, up to 5
        "0000ea60",                           // timeout
    ];
    check_request(0, 3, &request, &deletion(&[(0, 5)]));

    let response = [
        "00000026",
        "00000003 00000000",
        "00000001 0006 676f6c64656e",
        "00000001 00000000 0000000000000006 0000", // one partition, 0, begins at 6, no error
    ];
    check_response(0, 3, &response, &deleted(&[(0, 6, ErrorCode::None)]));
}

#[test]
fn delete_records_version_2_has_a_result_for_each_partition() {
    let request = [
        "00000047",
        "0015 0002 00000004 0006 676f6c64656e 00",
        "02 07 676f6c64656e 04", // one topic, "golden", three partitions
        "00000000 0000000000000004 00", // up to 4
        "00000001 ffffffffffffffff 00", // up to the high watermark
        "00000002 0000000000000009 00", // up to 9
        "00 0000ea60 00",        // no tags of the topic, timeout, no tags
    ];
    let asked = deletion(&[(0, 4), (1, TO_HIGH_WATERMARK), (2, 9)]);
    check_request(2, 4, &request, &asked);

    let response = [
        "00000041",
        "00000004 00 00000000",
        "02 07 676f6c64656e 04",
        "00000001 0000000000000000 0000 00",
        "00000002 ffffffffffffffff 0001 00", // OFFSET_OUT_OF_RANGE
        "00000000 0000000000000004 0000 00",
        "00 00",
    ];
    let expected = deleted(&[
        (1, 0, ErrorCode::None),
        (2, -1, ErrorCode::OffsetOutOfRange),
        (0, 4, ErrorCode::None),
    ]);
    check_response(2, 4, &response, &expected);
}

fn one_partition() -> DescribeLogDirsRequest {
    let topic = DescribableLogDirTopic {
        topic: "golden".to_owned(),
        partitions: vec![0],
    };
    DescribeLogDirsRequest {
        topics: Some(vec![topic]),
    }
}

fn directory(total_bytes: i64, usable_bytes: i64) -> DescribeLogDirsResponse {
    let topic = DescribeLogDirsTopic {
        name: "golden".to_owned(),
        partitions: vec![DescribeLogDirsPartition::default()],
    };
    let directory = DescribeLogDirsResult {
        log_dir: "/tmp/admin-golden".to_owned(),
        topics: vec![topic],
        total_bytes,
        usable_bytes,
        ..Default::default()
    };
    DescribeLogDirsResponse {
        results: vec![directory],
        ..Default::default()
    }
}

#[test]
fn describe_log_dirs_version_1_is_classic() {
    let request = [
        "00000024",
        "0023 0001 00000004 0006 676f6c64656e",
        "00000001 0006 676f6c64656e", // one topic, "golden"
        "00000001 00000000",          // one partition, 0
    ];
    check_request(1, 4, &request, &one_partition());

    let response = [
        "00000046",
        "00000004 00000000",
        "00000001 0000 0011 2f746d702f61646d696e2d676f6c64656e", // one directory, no error, path
        "00000001 0006 676f6c64656e",                            // one topic, "golden"
        "00000001 00000000",                                     // one partition, 0
        "0000000000000000 0000000000000000 00",                  // size, lag, not a future one
    ];
    check_response(1, 4, &response, &directory(-1, -1));
}

#[test]
fn describe_log_dirs_version_4_tells_the_room_on_the_file_system() {
    let request = [
        "00000020",
        "0023 0004 00000005 0006 676f6c64656e 00",
        "02 07 676f6c64656e 02 00000000 00 00",
    ];
    check_request(4, 5, &request, &one_partition());

    let response = [
        "00000052",
        "00000005 00 00000000 0000", // correlation id, no tags, throttle time, no error
        "02 0000 12 2f746d702f61646d696e2d676f6c64656e",
        "02 07 676f6c64656e",
        "02 00000000 0000000000000000 0000000000000000 00 00",
        "00",                                // no tags of the topic
        "0000003efe39d000 0000000c49afe000", // total and usable bytes
        "00 00",
    ];
    let expected = directory(0x3e_fe39_d000, 0x0c_49af_e000);
    check_response(4, 5, &response, &expected);
}

#[test]
fn describe_producers_tells_where_each_producer_is() {
    let request = [
        "00000020",
        "003d 0000 00000004 0006 676f6c64656e 00",
        "02 07 676f6c64656e 02 00000000 00 00", // one topic, "golden", one partition, 0
    ];
    let topic = producers::TopicRequest {
        name: "golden".to_owned(),
        partition_indexes: vec![0],
    };
    let asked = producers::DescribeProducersRequest {
        topics: vec![topic],
    };
    check_request(0, 4, &request, &asked);

    let response = [
        "00000042",
        "00000004 00 00000000",
        "02 07 676f6c64656e",
        "02 00000000 0000 00",       // one partition, 0, no error, no message
        "02 00000000000003e8",       // one producer, 1000
        "00000003 00000005",         // epoch, last sequence number
        "0000018bcfe56800 ffffffff", // last timestamp, no coordinator epoch
        "ffffffffffffffff 00",       // no open transaction, no tags
        "00 00 00",
    ];
    let producer = producers::ProducerState {
        producer_id: 1000,
        producer_epoch: 3,
        last_sequence: 5,
        last_timestamp: 1_700_000_000_000,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    };
    let partition = producers::PartitionResponse {
        active_producers: vec![producer],
        ..Default::default()
    };
    let topic = producers::TopicResponse {
        name: "golden".to_owned(),
        partitions: vec![partition],
    };
    let expected = producers::DescribeProducersResponse {
        topics: vec![topic],
        ..Default::default()
    };
    check_response(0, 4, &response, &expected);
}

fn page(partitions: &[i32], next: Option<i32>) -> pages::DescribeTopicPartitionsResponse {
    let partition = |index: &i32| pages::DescribeTopicPartitionsResponsePartition {
        partition_index: *index,
        leader_id: 1,
        leader_epoch: 0,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..Default::default()
    };
    let topic = pages::DescribeTopicPartitionsResponseTopic {
        name: Some("golden".to_owned()),
        topic_id: TOPIC_ID,
        partitions: partitions.iter().map(partition).collect(),
        topic_authorized_operations: 3576,
        ..Default::default()
    };
    pages::DescribeTopicPartitionsResponse {
        topics: vec![topic],
        next_cursor: next.map(cursor),
        ..Default::default()
    }
}

fn cursor(partition_index: i32) -> pages::Cursor {
    pages::Cursor {
        topic_name: "golden".to_owned(),
        partition_index,
    }
}

#[test]
fn describe_topic_partitions_goes_on_at_a_cursor() {
    let topic = pages::TopicRequest {
        name: "golden".to_owned(),
    };
    let mut asked = pages::DescribeTopicPartitionsRequest {
        topics: vec![topic],
        response_partition_limit: 2,
        cursor: None,
    };
    let request = [
        "00000020",
        "004b 0000 00000005 0006 676f6c64656e 00",
        "02 07 676f6c64656e 00", // one topic, "golden"
        "00000002 ff 00",        // two partitions at a time, no cursor, no tags
    ];
    check_request(0, 5, &request, &asked);
    let response = [
        "00000070",
        "00000005 00 00000000",
        "02 0000 07 676f6c64656e", // one topic, no error, "golden"
        "6773a25e514f45bbb89b3b1e45c828bd 00",
        "03", // two partitions: no error, index, leader, epoch, replicas, in-sync replicas
        "0000 00000000 00000001 00000000 02 00000001 02 00000001",
        "01 01 01 00", // nobody eligible, nobody formerly so, nobody offline, no tags
        "0000 00000001 00000001 00000000 02 00000001 02 00000001",
        "01 01 01 00",
        "00000df8 00",                 // authorized operations
        "01 07 676f6c64656e 00000002", // a cursor: "golden", 2
        "00 00",
    ];
    check_response(0, 5, &response, &page(&[0, 1], Some(2)));

    asked.cursor = Some(cursor(2));
    let request = [
        "0000002c",
        "004b 0000 00000006 0006 676f6c64656e 00",
        "02 07 676f6c64656e 00",
        "00000002 01 07 676f6c64656e 00000002 00 00",
    ];
    check_request(0, 6, &request, &asked);
    let response = [
        "00000048",
        "00000006 00 00000000",
        "02 0000 07 676f6c64656e",
        "6773a25e514f45bbb89b3b1e45c828bd 00",
        "02 0000 00000002 00000001 00000000 02 00000001 02 00000001",
        "01 01 01 00",
        "00000df8 00",
        "ff 00", // no cursor: the last page
    ];
    check_response(0, 6, &response, &page(&[2], None));
}
