//! Every API with its request and response, for the tests that go through all of them.

/// Hands the table to the macro named: `module Key: Request, Response;` for each API.
macro_rules! for_each_api {
    ($callback:ident) => {
        $callback! {
            produce Produce: ProduceRequest, ProduceResponse;
            fetch Fetch: FetchRequest, FetchResponse;
            list_offsets ListOffsets: ListOffsetsRequest, ListOffsetsResponse;
            metadata Metadata: MetadataRequest, MetadataResponse;
            offset_commit OffsetCommit: OffsetCommitRequest, OffsetCommitResponse;
            offset_fetch OffsetFetch: OffsetFetchRequest, OffsetFetchResponse;
            find_coordinator FindCoordinator: FindCoordinatorRequest, FindCoordinatorResponse;
            join_group JoinGroup: JoinGroupRequest, JoinGroupResponse;
            heartbeat Heartbeat: HeartbeatRequest, HeartbeatResponse;
            leave_group LeaveGroup: LeaveGroupRequest, LeaveGroupResponse;
            sync_group SyncGroup: SyncGroupRequest, SyncGroupResponse;
            describe_groups DescribeGroups: DescribeGroupsRequest, DescribeGroupsResponse;
            list_groups ListGroups: ListGroupsRequest, ListGroupsResponse;
            api_versions ApiVersions: ApiVersionsRequest, ApiVersionsResponse;
            create_topics CreateTopics: CreateTopicsRequest, CreateTopicsResponse;
            delete_topics DeleteTopics: DeleteTopicsRequest, DeleteTopicsResponse;
            delete_records DeleteRecords: DeleteRecordsRequest, DeleteRecordsResponse;
            init_producer_id InitProducerId: InitProducerIdRequest, InitProducerIdResponse;
            offset_for_leader_epoch OffsetForLeaderEpoch:
                OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
            describe_configs DescribeConfigs: DescribeConfigsRequest, DescribeConfigsResponse;
            alter_configs AlterConfigs: AlterConfigsRequest, AlterConfigsResponse;
            describe_log_dirs DescribeLogDirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
            create_partitions CreatePartitions:
                CreatePartitionsRequest, CreatePartitionsResponse;
            delete_groups DeleteGroups: DeleteGroupsRequest, DeleteGroupsResponse;
            elect_leaders ElectLeaders: ElectLeadersRequest, ElectLeadersResponse;
            incremental_alter_configs IncrementalAlterConfigs:
                IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
            alter_partition_reassignments AlterPartitionReassignments:
                AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
            list_partition_reassignments ListPartitionReassignments:
                ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
            offset_delete OffsetDelete: OffsetDeleteRequest, OffsetDeleteResponse;
            describe_quorum DescribeQuorum: DescribeQuorumRequest, DescribeQuorumResponse;
            describe_cluster DescribeCluster: DescribeClusterRequest, DescribeClusterResponse;
            describe_producers DescribeProducers:
                DescribeProducersRequest, DescribeProducersResponse;
            consumer_group_describe ConsumerGroupDescribe:
                ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
            list_config_resources ListConfigResources:
                ListConfigResourcesRequest, ListConfigResourcesResponse;
            describe_topic_partitions DescribeTopicPartitions:
                DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
        }
    };
}
