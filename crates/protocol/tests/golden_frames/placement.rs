//! Who leads partitions and where they live, and the voters of the metadata log. The requests were
//! written by hand; Kafka's broker, one of three, took them.

use crate::{check_request, check_response};
use odradek_protocol::messages::alter_partition_reassignments::*;
use odradek_protocol::messages::describe_quorum::*;
use odradek_protocol::messages::elect_leaders::{self, *};
use odradek_protocol::messages::list_partition_reassignments::*;
use odradek_protocol::{ErrorCode, Uuid};

fn partitions(topic: &str, partitions: &[i32]) -> TopicPartitions {
    TopicPartitions {
        topic: topic.to_owned(),
        partitions: partitions.to_vec(),
    }
}

fn not_elected(partition_id: i32, error_code: ErrorCode, message: &str) -> PartitionResult {
    PartitionResult {
        partition_id,
        error_code,
        error_message: Some(message.to_owned()),
    }
}

const NOT_NEEDED: &str = "Leader election not needed for topic partition.";

#[test]
fn elect_leaders_version_0_is_classic_and_always_preferred() {
    let request = [
        "00000024 002b 0000 00000007 0006 676f6c64656e",
        "00000001 0002 7431",         // one topic, "t1"
        "00000001 00000000 000003e8", // partition 0, timeout
    ];
    let expected = ElectLeadersRequest {
        topic_partitions: Some(vec![partitions("t1", &[0])]),
        timeout_ms: 1_000,
        ..Default::default()
    };
    check_request(0, 7, &request, &expected);

    let response = [
        "0000004b 00000007 00000000",                // throttle time
        "00000001 0002 7431 00000001 00000000 0054", // "t1", partition 0, not needed
        "002f 4c656164657220656c656374696f6e206e6f74206e656564656420666f7220746f706963",
        "20706172746974696f6e2e",
    ];
    let result = ReplicaElectionResult {
        topic: "t1".to_owned(),
        partition_result: vec![not_elected(0, ErrorCode::ElectionNotNeeded, NOT_NEEDED)],
    };
    let expected = ElectLeadersResponse {
        replica_election_results: vec![result],
        ..Default::default()
    };
    check_response(0, 7, &response, &expected);
}

#[test]
fn elect_leaders_version_2_is_flexible() {
    let request = [
        "00000030 002b 0002 00000007 0006 676f6c64656e 00",
        "00 03",                           // preferred, two topics
        "03 7431 03 00000000 00000009 00", // "t1", partitions 0 and 9
        "05 6e6f7065 02 00000000 00",      // "nope", partition 0
        "000003e8 00",
    ];
    let expected = ElectLeadersRequest {
        election_type: elect_leaders::PREFERRED,
        topic_partitions: Some(vec![partitions("t1", &[0, 9]), partitions("nope", &[0])]),
        timeout_ms: 1_000,
    };
    check_request(2, 7, &request, &expected);

    let response = [
        "0000008e 00000007 00 00000000 0000", // no error of the whole
        "03 03 7431 03 00000000 0054",        // two topics, "t1", partition 0, not needed
        "30 4c656164657220656c656374696f6e206e6f74206e656564656420666f7220746f706963",
        "20706172746974696f6e2e 00",
        "00000009 0003 1a 4e6f207375636820706172746974696f6e2061732074312d39 00 00",
        "05 6e6f7065 02 00000000 0003 16 4e6f207375636820746f706963206173206e6f7065 00 00",
        "00",
    ];
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let first = ReplicaElectionResult {
        topic: "t1".to_owned(),
        partition_result: vec![
            not_elected(0, ErrorCode::ElectionNotNeeded, NOT_NEEDED),
            not_elected(9, unknown, "No such partition as t1-9"),
        ],
    };
    let second = ReplicaElectionResult {
        topic: "nope".to_owned(),
        partition_result: vec![not_elected(0, unknown, "No such topic as nope")],
    };
    let expected = ElectLeadersResponse {
        replica_election_results: vec![first, second],
        ..Default::default()
    };
    check_response(2, 7, &response, &expected);
}

#[test]
fn alter_partition_reassignments_calls_a_move_off_with_null() {
    let request = [
        "00000031 002d 0001 00000007 0006 676f6c64656e 00",
        "000003e8 01 02 03 7431 03", // timeout, factor may change, "t1", two partitions
        "00000000 03 00000001 00000009 00", // partition 0 to brokers 1 and 9
        "00000001 00 00",            // partition 1 stays
        "00 00",
    ];
    let partition = |partition_index, replicas| ReassignablePartition {
        partition_index,
        replicas,
    };
    let expected = AlterPartitionReassignmentsRequest {
        timeout_ms: 1_000,
        allow_replication_factor_change: true,
        topics: vec![ReassignableTopic {
            name: "t1".to_owned(),
            partitions: vec![partition(0, Some(vec![1, 9])), partition(1, None)],
        }],
    };
    check_request(1, 7, &request, &expected);

    let response = [
        "00000078 00000007 00 00000000 01 0000 00", // no error of the whole, no message
        "02 03 7431 03 00000000 0027 55",
        "546865206d616e75616c20706172746974696f6e2061737369676e6d656e7420696e636c75646573",
        "2062726f6b657220392c20627574206e6f20737563682062726f6b6572206973207265676973746572",
        "65642e 00",
        "00000001 0055 00 00", // none in progress, no message
        "00 00",
    ];
    let message = "The manual partition assignment includes broker 9, but no such broker is \
                   registered.";
    let partition =
        |partition_index, error_code, message: Option<&str>| ReassignablePartitionResponse {
            partition_index,
            error_code,
            error_message: message.map(str::to_owned),
        };
    let expected = AlterPartitionReassignmentsResponse {
        responses: vec![ReassignableTopicResponse {
            name: "t1".to_owned(),
            partitions: vec![
                partition(0, ErrorCode::InvalidReplicaAssignment, Some(message)),
                partition(1, ErrorCode::NoReassignmentInProgress, None),
            ],
        }],
        ..Default::default()
    };
    check_response(1, 7, &response, &expected);
}

#[test]
fn list_partition_reassignments_tells_who_comes_and_goes() {
    let request = [
        "00000017 002e 0000 00000007 0006 676f6c64656e 00",
        "000003e8 00 00", // timeout, all topics
    ];
    let expected = ListPartitionReassignmentsRequest {
        timeout_ms: 1_000,
        topics: None,
    };
    check_request(0, 7, &request, &expected);

    let response = [
        "00000034 00000007 00 00000000 0000 00",
        "02 04 626967 02 00000000",         // "big", partition 0
        "04 00000002 00000003 00000001",    // on 2, 3 and 1
        "03 00000002 00000003 02 00000001", // 2 and 3 come, 1 goes
        "00 00 00",
    ];
    let ongoing = OngoingPartitionReassignment {
        partition_index: 0,
        replicas: vec![2, 3, 1],
        adding_replicas: vec![2, 3],
        removing_replicas: vec![1],
    };
    let expected = ListPartitionReassignmentsResponse {
        topics: vec![OngoingTopicReassignment {
            name: "big".to_owned(),
            partitions: vec![ongoing],
        }],
        ..Default::default()
    };
    check_response(0, 7, &response, &expected);
}

#[test]
fn describe_quorum_names_directories_and_listeners() {
    let request = [
        "0000002d 0037 0002 00000007 0006 676f6c64656e 00",
        "02 13 5f5f636c75737465725f6d65746164617461 02 00000000 00 00 00",
    ];
    let expected = DescribeQuorumRequest {
        topics: vec![TopicRequest {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![PartitionRequest { partition_index: 0 }],
        }],
    };
    check_request(2, 7, &request, &expected);

    let response = [
        "0000011b 00000007 00 0000 01", // no error, an empty message
        "02 13 5f5f636c75737465725f6d65746164617461 02 00000000 0000 00",
        "00000003 00000005 0000000000000ba1 04", // leader, epoch, high watermark, three voters
        "00000001 9129ef16dcc32b918bde1b77174ae145 0000000000000ba1",
        "000001a203be4657 000001a203be4657 00",
        "00000002 a8fd0c2af950b3c8826082c40ccf4044 0000000000000ba1",
        "000001a203be4655 000001a203be4655 00",
        "00000003 15d6a92e565ea375737113eed47cc1a8 0000000000000ba1",
        "000001a203be4758 000001a203be4758 00",
        "01 00 00", // no observers
        "04",       // three nodes, each with one listener
        "00000001 02 0b 434f4e54524f4c4c4552 0a 3132372e302e302e31 620e 00 00",
        "00000002 02 0b 434f4e54524f4c4c4552 0a 3132372e302e302e31 620f 00 00",
        "00000003 02 0b 434f4e54524f4c4c4552 0a 3132372e302e302e31 6210 00 00",
        "00",
    ];
    let voter = |replica_id, directory_id, time| ReplicaState {
        replica_id,
        replica_directory_id: Uuid::from_u128(directory_id),
        log_end_offset: 2977,
        last_fetch_timestamp: time,
        last_caught_up_timestamp: time,
    };
    let node = |node_id, port| Node {
        node_id,
        listeners: vec![Listener {
            name: "CONTROLLER".to_owned(),
            host: "127.0.0.1".to_owned(),
            port,
        }],
    };
    let partition = PartitionResponse {
        leader_id: 3,
        leader_epoch: 5,
        high_watermark: 2977,
        current_voters: vec![
            voter(
                1,
                0x9129_ef16_dcc3_2b91_8bde_1b77_174a_e145,
                1_795_359_131_223,
            ),
            voter(
                2,
                0xa8fd_0c2a_f950_b3c8_8260_82c4_0ccf_4044,
                1_795_359_131_221,
            ),
            voter(
                3,
                0x15d6_a92e_565e_a375_7371_13ee_d47c_c1a8,
                1_795_359_131_480,
            ),
        ],
        ..Default::default()
    };
    let expected = DescribeQuorumResponse {
        error_message: Some(String::new()),
        topics: vec![TopicResponse {
            topic_name: METADATA_TOPIC.to_owned(),
            partitions: vec![partition],
        }],
        nodes: vec![node(1, 25_102), node(2, 25_103), node(3, 25_104)],
        ..Default::default()
    };
    check_response(2, 7, &response, &expected);
}
