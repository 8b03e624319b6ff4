//! Produce.

use crate::{TOPIC_ID, check_request, check_response, hex};
use odradek_protocol::messages::produce::*;
use odradek_protocol::{ErrorCode, Uuid};

/// One batch of one record: key `k`, value `v`, timestamp 1,700,000,000,000.
const BATCH: &str = "0000000000000000 0000003a ffffffff 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";

fn produce_request(name: &str, topic_id: Uuid) -> ProduceRequest {
    ProduceRequest {
        transactional_id: None,
        acks: -1,
        timeout_ms: 1500,
        topic_data: vec![TopicProduceData {
            name: name.to_owned(),
            topic_id,
            partition_data: vec![PartitionProduceData {
                index: 0,
                records: Some(hex(&[BATCH])),
            }],
        }],
    }
}

fn produce_response(name: &str, topic_id: Uuid, base_offset: i64) -> ProduceResponse {
    ProduceResponse {
        responses: vec![TopicProduceResponse {
            name: name.to_owned(),
            topic_id,
            partition_responses: vec![PartitionProduceResponse {
                index: 0,
                base_offset,
                ..PartitionProduceResponse::default()
            }],
        }],
        ..ProduceResponse::default()
    }
}

#[test]
fn produce_version_3_is_classic() {
    let request = [
        "00000076",                   // length
        "0000 0003 00000008",         // Produce, version 3, correlation id
        "0006 676f6c64656e",          // client id "golden"
        "ffff",                       // no transactional id
        "ffff 000005dc",              // acks, timeout
        "00000001 0006 676f6c64656e", // one topic, "golden"
        "00000001 00000000 00000046", // one partition, 0, 70 bytes of records
        BATCH,
    ];
    check_request(3, 8, &request, &produce_request("golden", Uuid::nil()));

    let response = [
        "0000002e",                   // length
        "00000008",                   // correlation id
        "00000001 0006 676f6c64656e", // one topic, "golden"
        "00000001 00000000 0000",     // one partition, 0, no error
        "0000000000000000",           // base offset
        "ffffffffffffffff",           // no log append time
        "00000000",                   // throttle time
    ];
    check_response(3, 8, &response, &produce_response("golden", Uuid::nil(), 0));
}

#[test]
fn produce_version_9_is_flexible() {
    let request = [
        "0000006f",
        "0000 0009 00000009 0006 676f6c64656e 00", // header, classic client id, no tags
        "00",                                      // no transactional id
        "ffff 000005dc",                           // acks, timeout
        "02 07 676f6c64656e",                      // one topic, "golden"
        "02 00000000 47",                          // one partition, 0, 70 bytes of records
        BATCH,
        "00 00 00", // no tags of partition, topic, request
    ];
    check_request(9, 9, &request, &produce_request("golden", Uuid::nil()));

    let response = [
        "00000035",
        "00000009 00",        // correlation id, no tags
        "02 07 676f6c64656e", // one topic, "golden"
        "02 00000000 0000",   // one partition, 0, no error
        "0000000000000001",   // base offset
        "ffffffffffffffff",   // no log append time
        "0000000000000000",   // log start offset
        "01 00",              // no record errors, no error message
        "00 00 00000000 00",  // no tags of partition and topic, throttle time, no tags
    ];
    let mut expected = produce_response("golden", Uuid::nil(), 1);
    expected.responses[0].partition_responses[0].log_start_offset = 0;
    check_response(9, 9, &response, &expected);
}

#[test]
fn produce_version_13_names_topics_by_id() {
    let request = [
        "00000078",
        "0000 000d 0000000a 0006 676f6c64656e 00",
        "00 ffff 000005dc",                    // as before
        "02 6f5bd527bae84cf78f4d2a9a6ac2ed70", // one topic, its id
        "02 00000000 47",
        BATCH,
        "00 00 00",
    ];
    check_request(13, 10, &request, &produce_request("", TOPIC_ID));

    let response = [
        "0000003e",
        "0000000a 00",
        "02 6f5bd527bae84cf78f4d2a9a6ac2ed70",
        "02 00000000 0000",
        "0000000000000002 ffffffffffffffff 0000000000000000 01 00",
        "00 00 00000000 00",
    ];
    let mut expected = produce_response("", TOPIC_ID, 2);
    expected.responses[0].partition_responses[0].log_start_offset = 0;
    check_response(13, 10, &response, &expected);
}

#[test]
fn produce_to_an_unknown_topic_id_has_no_offsets() {
    let response = [
        "0000003e",
        "0000000e 00",
        "02 00000000000000010000000000000002",
        "02 00000000 0064",                                   // UNKNOWN_TOPIC_ID
        "ffffffffffffffff ffffffffffffffff ffffffffffffffff", // no offsets, no time
        "01 00 00 00 00000000 00",
    ];
    let mut expected = produce_response("", Uuid::from_u64_pair(1, 2), -1);
    expected.responses[0].partition_responses[0].error_code = ErrorCode::UnknownTopicId;
    check_response(13, 14, &response, &expected);
}
