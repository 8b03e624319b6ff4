//! Fetch. The response of version 4 is shortened to one batch.

use crate::{TOPIC_ID, check_request, check_response, hex};
use odradek_protocol::messages::fetch::*;
use odradek_protocol::{Records, Uuid};

/// The same as the broker stored it: base offset 1 or 2, leader epoch 0.
const STORED_BATCH_AT_1: &str = "0000000000000001 0000003a 00000000 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";
const STORED_BATCH_AT_2: &str = "0000000000000002 0000003a 00000000 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";

fn fetch_request(topic: &str, topic_id: Uuid, partition: FetchPartition) -> FetchRequest {
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        topics: vec![FetchTopic {
            topic: topic.to_owned(),
            topic_id,
            partitions: vec![partition],
        }],
        ..FetchRequest::default()
    }
}

fn fetch_response(topic: &str, topic_id: Uuid, partition: PartitionData) -> FetchResponse {
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: topic.to_owned(),
            topic_id,
            partitions: vec![partition],
        }],
        ..FetchResponse::default()
    }
}

#[test]
fn fetch_version_4_is_the_oldest() {
    let request = [
        "00000041",
        "0001 0004 0000000b 0006 676f6c64656e",
        "ffffffff 000001f4 00000001 00100000 00", // replica, wait, min, max bytes, isolation
        "00000001 0006 676f6c64656e",             // one topic, "golden"
        "00000001 00000000",                      // one partition, 0
        "0000000000000000 00010000",              // offset, max bytes
    ];
    let partition = FetchPartition {
        partition_max_bytes: 1 << 16,
        ..Default::default()
    };
    check_request(
        4,
        11,
        &request,
        &fetch_request("golden", Uuid::nil(), partition),
    );

    let response = [
        "0000007c",
        "0000000b 00000000",                 // correlation id, throttle time
        "00000001 0006 676f6c64656e",        // one topic, "golden"
        "00000001 00000000 0000",            // one partition, 0, no error
        "0000000000000003 0000000000000003", // high watermark, last stable offset
        "ffffffff",                          // aborted transactions: not asked for
        "00000046",                          // 70 bytes of records
        STORED_BATCH_AT_2,
    ];
    let partition = PartitionData {
        high_watermark: 3,
        last_stable_offset: 3,
        records: Records::Inline(hex(&[STORED_BATCH_AT_2])),
        ..PartitionData::default()
    };
    check_response(
        4,
        11,
        &response,
        &fetch_response("golden", Uuid::nil(), partition),
    );
}

#[test]
fn fetch_version_12_is_flexible() {
    let request = [
        "0000005a",
        "0001 000c 0000000c 0006 676f6c64656e 00",
        "ffffffff 000001f4 00000001 00100000 00", // replica, wait, min, max bytes, isolation
        "00000000 ffffffff",                      // no session
        "02 07 676f6c64656e",                     // one topic, "golden"
        "02 00000000 00000000",                   // one partition, 0, current leader epoch
        "0000000000000001 ffffffff",              // offset, last fetched epoch
        "ffffffffffffffff 00010000 00 00",        // log start offset, max bytes, no tags
        "01 03 7231 00",                          // nothing forgotten, rack "r1", no tags
    ];
    let partition = FetchPartition {
        current_leader_epoch: 0,
        fetch_offset: 1,
        partition_max_bytes: 1 << 16,
        ..FetchPartition::default()
    };
    let mut expected = fetch_request("golden", Uuid::nil(), partition);
    expected.rack_id = "r1".to_owned();
    check_request(12, 12, &request, &expected);

    let response = [
        "000000cc",
        "0000000c 00",
        "00000000 0000 00000000", // throttle time, no error, no session
        "02 07 676f6c64656e",     // one topic, "golden"
        "02 00000000 0000",       // one partition, 0, no error
        "0000000000000003 0000000000000003", // high watermark, last stable offset
        "0000000000000000 00 ffffffff", // log start, no aborted transactions, stay here
        "8d01",                   // 140 bytes of records
        STORED_BATCH_AT_1,
        STORED_BATCH_AT_2,
        "00 00 00", // no tags of partition, topic, response
    ];
    let partition = PartitionData {
        high_watermark: 3,
        last_stable_offset: 3,
        log_start_offset: 0,
        records: Records::Inline(hex(&[STORED_BATCH_AT_1, STORED_BATCH_AT_2])),
        ..PartitionData::default()
    };
    check_response(
        12,
        12,
        &response,
        &fetch_response("golden", Uuid::nil(), partition),
    );
}

#[test]
fn fetch_version_17_names_topics_by_id_and_opens_a_session() {
    let request = [
        "0000005f",
        "0001 0011 0000000d 0006 676f6c64656e 00",
        "000001f4 00000001 00100000 00", // wait, min, max bytes, isolation
        "00000000 00000000",             // a new session
        "02 6f5bd527bae84cf78f4d2a9a6ac2ed70", // one topic, its id
        "02 00000000 00000000",
        "0000000000000002 ffffffff ffffffffffffffff 00010000 00 00",
        "01 03 7231 00",
    ];
    let partition = FetchPartition {
        current_leader_epoch: 0,
        fetch_offset: 2,
        partition_max_bytes: 1 << 16,
        ..FetchPartition::default()
    };
    let mut expected = fetch_request("", TOPIC_ID, partition);
    expected.session_epoch = 0;
    expected.rack_id = "r1".to_owned();
    check_request(17, 13, &request, &expected);

    let response = [
        "0000008e",
        "0000000d 00",
        "00000000 0000 0bfddeae", // throttle time, no error, session
        "02 6f5bd527bae84cf78f4d2a9a6ac2ed70",
        "02 00000000 0000 0000000000000003 0000000000000003",
        "0000000000000000 00 ffffffff",
        "47",
        STORED_BATCH_AT_2,
        "00 00 00",
    ];
    let partition = PartitionData {
        high_watermark: 3,
        last_stable_offset: 3,
        log_start_offset: 0,
        records: Records::Inline(hex(&[STORED_BATCH_AT_2])),
        ..PartitionData::default()
    };
    let mut expected = fetch_response("", TOPIC_ID, partition);
    expected.session_id = 0x0bfd_deae;
    check_response(17, 13, &response, &expected);
}

#[test]
fn fetch_at_the_end_of_the_log_has_empty_records_and_not_null() {
    let response = [
        "00000048",
        "0000000f 00",
        "00000000 0000 00000000",
        "02 6f5bd527bae84cf78f4d2a9a6ac2ed70",
        "02 00000000 0000 0000000000000003 0000000000000003",
        "0000000000000000 00 ffffffff",
        "01 00 00 00", // no records, no tags
    ];
    let partition = PartitionData {
        high_watermark: 3,
        last_stable_offset: 3,
        log_start_offset: 0,
        ..PartitionData::default()
    };
    check_response(17, 15, &response, &fetch_response("", TOPIC_ID, partition));
}
