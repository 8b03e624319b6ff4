//! Whole frames exchanged with Apache Kafka 4.3.1, taken apart by hand.
//!
//! The requests were written by Kafka's own client classes and the responses by its broker. Three
//! are shortened: the Fetch response of version 4 to one batch, the successful ApiVersions
//! responses to two APIs. Each frame must decode to the value shown and encode back to the same
//! bytes.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use odradek_protocol::frame::{LENGTH_PREFIX_LEN, encode_request, encode_response, frame_len};
use odradek_protocol::messages::api_versions::*;
use odradek_protocol::messages::fetch::*;
use odradek_protocol::messages::metadata::*;
use odradek_protocol::messages::produce::*;
use odradek_protocol::{
    ApiKey, Decoder, ErrorCode, Message, Records, RequestHeader, ResponseHeader, Uuid,
};
use std::fmt::Debug;

/// One batch of one record: key `k`, value `v`, timestamp 1,700,000,000,000.
const BATCH: &str = "0000000000000000 0000003a ffffffff 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";

/// The same as the broker stored it: base offset 1 or 2, leader epoch 0.
const STORED_BATCH_AT_1: &str = "0000000000000001 0000003a 00000000 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";
const STORED_BATCH_AT_2: &str = "0000000000000002 0000003a 00000000 02 e99b8dd8 0000 00000000 \
    0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 \
    10 00 00 00 02 6b 02 76 00";

const TOPIC_ID: Uuid = Uuid::from_u128(0x6f5b_d527_bae8_4cf7_8f4d_2a9a_6ac2_ed70);

/// Bytes from hexadecimal digits; spaces are only for the reader.
fn hex(parts: &[&str]) -> Bytes {
    let digits: Vec<u8> = parts
        .concat()
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn check_request<R: Message + Debug + PartialEq>(
    version: i16,
    correlation_id: i32,
    parts: &[&str],
    expected: &R,
) {
    let whole = hex(parts);
    let frame = without_prefix(&whole);
    let mut decoder = Decoder::new(&frame);
    let header = RequestHeader::decode(&mut decoder).unwrap();
    let expected_header = RequestHeader {
        api_key: R::KEY,
        api_version: version,
        correlation_id,
        client_id: Some("golden".to_owned()),
    };
    assert_eq!(header, expected_header);
    assert_eq!(
        &<R as Message>::decode(&mut decoder, version).unwrap(),
        expected
    );
    decoder.expect_end().unwrap();
    assert_eq!(encode_request(&header, expected).unwrap().bytes, whole);
}

fn check_response<R: Message + Debug + PartialEq>(
    version: i16,
    correlation_id: i32,
    parts: &[&str],
    expected: &R,
) {
    let whole = hex(parts);
    let frame = without_prefix(&whole);
    let mut decoder = Decoder::new(&frame);
    let header = ResponseHeader::decode(&mut decoder, R::KEY, version).unwrap();
    assert_eq!(header, ResponseHeader { correlation_id });
    assert_eq!(
        &<R as Message>::decode(&mut decoder, version).unwrap(),
        expected
    );
    decoder.expect_end().unwrap();
    assert_eq!(
        encode_response(correlation_id, version, expected)
            .unwrap()
            .bytes,
        whole
    );
}

fn without_prefix(whole: &Bytes) -> Bytes {
    let prefix = whole[..LENGTH_PREFIX_LEN].try_into().unwrap();
    assert_eq!(
        frame_len(prefix, usize::MAX),
        Ok(whole.len() - LENGTH_PREFIX_LEN)
    );
    whole.slice(LENGTH_PREFIX_LEN..)
}

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

fn metadata_request() -> MetadataRequest {
    let topic = MetadataRequestTopic {
        name: Some("golden".to_owned()),
        ..Default::default()
    };
    MetadataRequest {
        topics: Some(vec![topic]),
        ..MetadataRequest::default()
    }
}

fn metadata_response() -> MetadataResponse {
    MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: 1,
            host: "127.0.0.1".to_owned(),
            port: 21990,
            rack: None,
        }],
        topics: vec![MetadataResponseTopic {
            name: Some("golden".to_owned()),
            partitions: vec![MetadataResponsePartition {
                leader_id: 1,
                replica_nodes: vec![1],
                isr_nodes: vec![1],
                ..MetadataResponsePartition::default()
            }],
            ..MetadataResponseTopic::default()
        }],
        ..MetadataResponse::default()
    }
}

#[test]
fn metadata_version_0_has_brokers_and_topics_only() {
    let request = [
        "0000001c",
        "0003 0000 00000005 0006 676f6c64656e",
        "00000001 0006 676f6c64656e", // one topic, "golden"
    ];
    check_request(0, 5, &request, &metadata_request());

    let response = [
        "00000047",
        "00000005",
        "00000001 00000001 0009 3132372e302e302e31 000055e6", // one broker, 1, address
        "00000001 0000 0006 676f6c64656e",                    // one topic, no error, "golden"
        "00000001 0000 00000000 00000001", // one partition, no error, 0, leader 1
        "00000001 00000001 00000001 00000001", // replicas, in-sync replicas
    ];
    check_response(0, 5, &response, &metadata_response());
}

#[test]
fn metadata_version_9_is_flexible() {
    let request = [
        "0000001e",
        "0003 0009 00000006 0006 676f6c64656e 00",
        "02 07 676f6c64656e 00", // one topic, "golden"
        "00 00 00 00",           // create nothing, no authorized operations, no tags
    ];
    let mut expected = metadata_request();
    expected.allow_auto_topic_creation = false;
    check_request(9, 6, &request, &expected);

    let response = [
        "00000069",
        "00000006 00 00000000",
        "02 00000001 0a 3132372e302e302e31 000055e6 00 00", // one broker, no rack
        "17 494c615644344c79465443737762516e4d6675476777",  // cluster id
        "00000001",                                         // controller
        "02 0000 07 676f6c64656e 00",                       // one topic, not internal
        "02 0000 00000000 00000001 00000000",               // one partition, leader and epoch
        "02 00000001 02 00000001 01 00", // replicas, in-sync replicas, none offline
        "80000000 00 80000000 00",       // authorized operations: not asked for
    ];
    let mut expected = metadata_response();
    expected.cluster_id = Some("ILaVD4LyFTCswbQnMfuGgw".to_owned());
    expected.controller_id = 1;
    expected.topics[0].partitions[0].leader_epoch = 0;
    check_response(9, 6, &response, &expected);
}

#[test]
fn metadata_version_13_has_topic_ids_and_an_error_of_its_own() {
    let request = [
        "0000002d",
        "0003 000d 00000007 0006 676f6c64656e 00",
        "02 00000000000000000000000000000000 07 676f6c64656e 00", // by name: the id is zero
        "00 00 00",
    ];
    let mut expected = metadata_request();
    expected.allow_auto_topic_creation = false;
    check_request(13, 7, &request, &expected);

    let response = [
        "00000077",
        "00000007 00 00000000",
        "02 00000001 0a 3132372e302e302e31 000055e6 00 00",
        "17 494c615644344c79465443737762516e4d6675476777",
        "00000001",
        "02 0000 07 676f6c64656e 6f5bd527bae84cf78f4d2a9a6ac2ed70 00",
        "02 0000 00000000 00000001 00000000 02 00000001 02 00000001 01 00",
        "80000000 00", // authorized operations of the topic; those of the cluster are gone
        "0000 00",     // no error, no tags
    ];
    let mut expected = metadata_response();
    expected.cluster_id = Some("ILaVD4LyFTCswbQnMfuGgw".to_owned());
    expected.controller_id = 1;
    expected.topics[0].topic_id = TOPIC_ID;
    expected.topics[0].partitions[0].leader_epoch = 0;
    check_response(13, 7, &response, &expected);
}

fn two_apis() -> Vec<ApiVersion> {
    vec![
        ApiVersion {
            api_key: 0,
            min_version: 0,
            max_version: 13,
        },
        ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        },
    ]
}

#[test]
fn api_versions_version_0_asks_without_a_body() {
    let request = ["00000010", "0012 0000 00000001 0006 676f6c64656e"];
    check_request(0, 1, &request, &ApiVersionsRequest::default());

    let response = [
        "00000016",
        "00000001 0000", // correlation id, no error
        "00000002",      // two APIs
        "0000 0000 000d 0012 0000 0004",
    ];
    let expected = ApiVersionsResponse {
        api_keys: two_apis(),
        ..Default::default()
    };
    check_response(0, 1, &response, &expected);
}

#[test]
fn api_versions_version_3_says_who_asks_and_answers_with_features() {
    let request = [
        "0000001d",
        "0012 0003 00000002 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00", // "golden" "1.0"
    ];
    let expected = ApiVersionsRequest {
        client_software_name: "golden".to_owned(),
        client_software_version: "1.0".to_owned(),
    };
    check_request(3, 2, &request, &expected);

    let response = [
        "00000056",
        "00000002", // correlation id, and never tags
        "0000 03",  // no error, two APIs
        "0000 0000 000d 00 0012 0000 0004 00",
        "00000007",                                                  // throttle time
        "03",                                                        // three tagged fields
        "00 17 02 11 6d657461646174612e76657273696f6e 0001 0019 00", // supported, 23 bytes
        "01 08 0000000000000005", // epoch of the finalized features
        "02 17 02 11 6d657461646174612e76657273696f6e 0019 0001 00", // finalized, 23 bytes
    ];
    let expected = ApiVersionsResponse {
        api_keys: two_apis(),
        throttle_time_ms: 7,
        supported_features: vec![SupportedFeatureKey {
            name: "metadata.version".to_owned(),
            min_version: 1,
            max_version: 25,
        }],
        finalized_features_epoch: 5,
        finalized_features: vec![FinalizedFeatureKey {
            name: "metadata.version".to_owned(),
            max_version_level: 25,
            min_version_level: 1,
        }],
        ..ApiVersionsResponse::default()
    };
    check_response(3, 2, &response, &expected);
}

#[test]
fn api_versions_version_4_is_laid_out_like_version_3() {
    let request = [
        "0000001d",
        "0012 0004 00000003 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00",
    ];
    let expected = ApiVersionsRequest {
        client_software_name: "golden".to_owned(),
        client_software_version: "1.0".to_owned(),
    };
    check_request(4, 3, &request, &expected);
}

#[test]
fn an_unknown_api_versions_version_is_answered_in_version_0() {
    let request = hex(&[
        "0012 0063 00000010 0006 676f6c64656e 00",
        "07 676f6c64656e 04 312e30 00",
    ]);
    let header = RequestHeader::decode(&mut Decoder::new(&request)).unwrap();
    assert_eq!(
        (header.api_key, header.api_version),
        (ApiKey::ApiVersions, 99)
    );

    let response = [
        "00000010",
        "00000010 0023",           // correlation id, UNSUPPORTED_VERSION
        "00000001 0012 0000 0004", // the versions of ApiVersions itself
    ];
    let expected = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: vec![ApiVersion {
            api_key: 18,
            min_version: 0,
            max_version: 4,
        }],
        ..ApiVersionsResponse::default()
    };
    check_response(0, 16, &response, &expected);
}
