//! Metadata.

use crate::{TOPIC_ID, check_request, check_response};
use odradek_protocol::messages::metadata::*;

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
