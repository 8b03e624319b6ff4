//! Which response answers which request.

use crate::Message;
use crate::messages;

/// A request, and what comes back. Both have the same API and the same versions.
pub trait Request: Message {
    /// What answers it.
    type Response: Message;
}

macro_rules! answers {
    ($( $module:ident: $request:ident => $response:ident; )*) => {
        $( impl Request for messages::$module::$request {
            type Response = messages::$module::$response;
        } )*

        #[cfg(test)]
        const PAIRS: &[Pair] = &[ $( Pair {
            request: <messages::$module::$request as Message>::KEY,
            response: <messages::$module::$response as Message>::KEY,
        }, )* ];
    };
}

answers! {
    alter_configs: AlterConfigsRequest => AlterConfigsResponse;
    alter_partition_reassignments:
        AlterPartitionReassignmentsRequest => AlterPartitionReassignmentsResponse;
    api_versions: ApiVersionsRequest => ApiVersionsResponse;
    consumer_group_describe: ConsumerGroupDescribeRequest => ConsumerGroupDescribeResponse;
    create_partitions: CreatePartitionsRequest => CreatePartitionsResponse;
    create_topics: CreateTopicsRequest => CreateTopicsResponse;
    delete_groups: DeleteGroupsRequest => DeleteGroupsResponse;
    delete_records: DeleteRecordsRequest => DeleteRecordsResponse;
    delete_topics: DeleteTopicsRequest => DeleteTopicsResponse;
    describe_cluster: DescribeClusterRequest => DescribeClusterResponse;
    describe_configs: DescribeConfigsRequest => DescribeConfigsResponse;
    describe_groups: DescribeGroupsRequest => DescribeGroupsResponse;
    describe_log_dirs: DescribeLogDirsRequest => DescribeLogDirsResponse;
    describe_producers: DescribeProducersRequest => DescribeProducersResponse;
    describe_quorum: DescribeQuorumRequest => DescribeQuorumResponse;
    describe_topic_partitions: DescribeTopicPartitionsRequest => DescribeTopicPartitionsResponse;
    elect_leaders: ElectLeadersRequest => ElectLeadersResponse;
    fetch: FetchRequest => FetchResponse;
    find_coordinator: FindCoordinatorRequest => FindCoordinatorResponse;
    heartbeat: HeartbeatRequest => HeartbeatResponse;
    incremental_alter_configs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    init_producer_id: InitProducerIdRequest => InitProducerIdResponse;
    join_group: JoinGroupRequest => JoinGroupResponse;
    leave_group: LeaveGroupRequest => LeaveGroupResponse;
    list_config_resources: ListConfigResourcesRequest => ListConfigResourcesResponse;
    list_groups: ListGroupsRequest => ListGroupsResponse;
    list_offsets: ListOffsetsRequest => ListOffsetsResponse;
    list_partition_reassignments:
        ListPartitionReassignmentsRequest => ListPartitionReassignmentsResponse;
    metadata: MetadataRequest => MetadataResponse;
    offset_commit: OffsetCommitRequest => OffsetCommitResponse;
    offset_delete: OffsetDeleteRequest => OffsetDeleteResponse;
    offset_fetch: OffsetFetchRequest => OffsetFetchResponse;
    offset_for_leader_epoch: OffsetForLeaderEpochRequest => OffsetForLeaderEpochResponse;
    produce: ProduceRequest => ProduceResponse;
    sync_group: SyncGroupRequest => SyncGroupResponse;
}

#[cfg(test)]
struct Pair {
    request: crate::ApiKey,
    response: crate::ApiKey,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiKey;

    #[test]
    fn every_api_has_one_request_and_its_response() {
        let mut keys: Vec<ApiKey> = PAIRS.iter().map(|pair| pair.request).collect();
        keys.sort_unstable();
        assert_eq!(keys, ApiKey::ALL);
        assert!(PAIRS.iter().all(|pair| pair.request == pair.response));
    }
}
