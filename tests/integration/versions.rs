//! What the broker says it serves is what it serves, in every version.

use std::collections::BTreeMap;

use odradek_protocol::{
    ApiKey, ErrorCode, Message,
    messages::{
        alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
        alter_partition_reassignments::{
            AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        },
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
        create_topics::{CreateTopicsRequest, CreateTopicsResponse},
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        delete_records::{DeleteRecordsRequest, DeleteRecordsResponse},
        delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
        describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse},
        describe_producers::{DescribeProducersRequest, DescribeProducersResponse},
        describe_quorum::{DescribeQuorumRequest, DescribeQuorumResponse},
        describe_topic_partitions::{
            DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        },
        elect_leaders::{ElectLeadersRequest, ElectLeadersResponse},
        fetch::{FetchRequest, FetchResponse},
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        incremental_alter_configs::{
            IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        },
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse},
        list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        list_offsets::{ListOffsetsRequest, ListOffsetsResponse},
        list_partition_reassignments::{
            ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        },
        metadata::{MetadataRequest, MetadataResponse},
        offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
        offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse},
        produce::{ProduceRequest, ProduceResponse},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
};
use odradek_tests::broker::Broker;

use crate::{
    client::create_topic,
    fetch_raw::asked,
    produce_raw::{self, batch_of},
    wire::Wire,
};

/// What is advertised. A line more or less here is a promise made or broken.
const ADVERTISED: &[(ApiKey, i16, i16)] = &[
    // Versions 0 to 2 are advertised for the sake of older librdkafka, and not served (KIP-896).
    (ApiKey::Produce, 0, 13),
    (ApiKey::Fetch, 4, 17),
    (ApiKey::ListOffsets, 1, 10),
    (ApiKey::Metadata, 0, 13),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 9),
    (ApiKey::FindCoordinator, 0, 6),
    (ApiKey::JoinGroup, 0, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 6),
    (ApiKey::ListGroups, 0, 5),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 6),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    (ApiKey::OffsetForLeaderEpoch, 2, 4),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::AlterConfigs, 0, 2),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::DescribeLogDirs, 1, 4),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::ElectLeaders, 0, 2),
    (ApiKey::AlterPartitionReassignments, 0, 1),
    (ApiKey::ListPartitionReassignments, 0, 0),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeQuorum, 0, 2),
    (ApiKey::DescribeCluster, 0, 2),
    (ApiKey::DescribeProducers, 0, 0),
    (ApiKey::ListConfigResources, 0, 1),
    (ApiKey::DescribeTopicPartitions, 0, 0),
];

#[test]
fn what_is_advertised_is_answered_in_every_version() {
    let broker = Broker::start();
    let mut wire = Wire::connect(&broker);
    let answer: ApiVersionsResponse = wire.call(0, &ApiVersionsRequest::default());
    let advertised: BTreeMap<_, _> = answer
        .api_keys
        .iter()
        .map(|range| (range.api_key, (range.min_version, range.max_version)))
        .collect();
    let expected: BTreeMap<_, _> = ADVERTISED
        .iter()
        .map(|&(key, min, max)| (key as i16, (min, max)))
        .collect();
    assert_eq!(advertised, expected);

    let software = ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1".to_owned(),
    };
    each_version::<_, ApiVersionsResponse>(&mut wire, &software);
    let produce = ProduceRequest {
        acks: 1,
        ..Default::default()
    };
    each_version::<_, ProduceResponse>(&mut wire, &produce);
    each_version::<_, FetchResponse>(&mut wire, &FetchRequest::default());
    each_version::<_, ListOffsetsResponse>(&mut wire, &ListOffsetsRequest::default());
    each_version::<_, MetadataResponse>(
        &mut wire,
        &MetadataRequest {
            topics: Some(Vec::new()),
            ..Default::default()
        },
    );
    each_version::<_, CreateTopicsResponse>(&mut wire, &CreateTopicsRequest::default());
    each_version::<_, DeleteTopicsResponse>(&mut wire, &DeleteTopicsRequest::default());
    each_version::<_, InitProducerIdResponse>(&mut wire, &InitProducerIdRequest::default());
    each_version::<_, OffsetForLeaderEpochResponse>(
        &mut wire,
        &OffsetForLeaderEpochRequest::default(),
    );
    each_version::<_, DescribeConfigsResponse>(&mut wire, &DescribeConfigsRequest::default());
    each_version::<_, AlterConfigsResponse>(&mut wire, &AlterConfigsRequest::default());
    each_version::<_, IncrementalAlterConfigsResponse>(
        &mut wire,
        &IncrementalAlterConfigsRequest::default(),
    );
    each_version::<_, OffsetCommitResponse>(&mut wire, &OffsetCommitRequest::default());
    let all_topics = OffsetFetchRequest {
        topics: Some(Vec::new()),
        ..Default::default()
    };
    each_version::<_, OffsetFetchResponse>(&mut wire, &all_topics);
    each_version::<_, OffsetDeleteResponse>(&mut wire, &OffsetDeleteRequest::default());
    each_version::<_, FindCoordinatorResponse>(&mut wire, &FindCoordinatorRequest::default());
    each_version::<_, JoinGroupResponse>(&mut wire, &JoinGroupRequest::default());
    each_version::<_, SyncGroupResponse>(&mut wire, &SyncGroupRequest::default());
    each_version::<_, HeartbeatResponse>(&mut wire, &HeartbeatRequest::default());
    each_version::<_, LeaveGroupResponse>(&mut wire, &LeaveGroupRequest::default());
    each_version::<_, DescribeGroupsResponse>(&mut wire, &DescribeGroupsRequest::default());
    each_version::<_, ListGroupsResponse>(&mut wire, &ListGroupsRequest::default());
    each_version::<_, DeleteGroupsResponse>(&mut wire, &DeleteGroupsRequest::default());
    each_version::<_, DescribeClusterResponse>(&mut wire, &DescribeClusterRequest::default());
    each_version::<_, DeleteRecordsResponse>(&mut wire, &DeleteRecordsRequest::default());
    each_version::<_, CreatePartitionsResponse>(&mut wire, &CreatePartitionsRequest::default());
    each_version::<_, DescribeLogDirsResponse>(&mut wire, &DescribeLogDirsRequest::default());
    each_version::<_, DescribeProducersResponse>(&mut wire, &DescribeProducersRequest::default());
    each_version::<_, ElectLeadersResponse>(&mut wire, &ElectLeadersRequest::default());
    each_version::<_, AlterPartitionReassignmentsResponse>(
        &mut wire,
        &AlterPartitionReassignmentsRequest::default(),
    );
    each_version::<_, ListPartitionReassignmentsResponse>(
        &mut wire,
        &ListPartitionReassignmentsRequest::default(),
    );
    each_version::<_, DescribeQuorumResponse>(&mut wire, &DescribeQuorumRequest::default());
    each_version::<_, ListConfigResourcesResponse>(
        &mut wire,
        &ListConfigResourcesRequest::default(),
    );
    each_version::<_, DescribeTopicPartitionsResponse>(
        &mut wire,
        &DescribeTopicPartitionsRequest::default(),
    );
}

fn each_version<Q: Message, A: Message>(wire: &mut Wire, request: &Q) {
    let (_, min, max) = ADVERTISED.iter().find(|(key, ..)| *key == Q::KEY).unwrap();
    for version in (*min).max(Q::VERSIONS.min)..=*max {
        // Decoding checks that the answer is of this version and nothing is left over.
        let _: A = wire.call(version, request);
    }
}

/// Before topic ids came, a topic went by its name.
#[tokio::test(flavor = "multi_thread")]
async fn records_pass_in_every_version_of_produce_and_fetch() {
    let broker = Broker::start();
    create_topic(&broker, "versions", 1, &[]).await;
    let mut wire = Wire::connect(&broker);
    let id = crate::client::topic_id(&mut wire, "versions");
    let mut produced = 0;
    for version in 3..=13 {
        let mut request = produce_raw::request(id, 0, batch_of(1, 10));
        "versions".clone_into(&mut request.topic_data[0].name);
        let response: ProduceResponse = wire.call(version, &request);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::None, "version {version}");
        assert_eq!(partition.base_offset, produced);
        produced += 1;
    }
    for version in 4..=17 {
        let mut request = crate::fetch_raw::request(id, vec![asked(0, 0)]);
        "versions".clone_into(&mut request.topics[0].topic);
        let response: FetchResponse = wire.call(version, &request);
        let found = crate::fetch_raw::batches(crate::fetch_raw::only_partition(&response));
        assert_eq!(found.len() as i64, produced, "version {version}");
    }
}
