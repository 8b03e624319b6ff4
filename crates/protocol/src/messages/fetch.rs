//! Fetch: read record sets from partitions, for consumers and followers alike.
//!
//! Incremental sessions (KIP-227) let a client name only what changed since its last request.
//! Topics go by name up to version 12 and by id from 13 (KIP-516).

use crate::ErrorCode;
use crate::message::message;
use crate::messages::leader_hint::{LeaderIdAndEpoch, NodeEndpoint};
use crate::primitives::Records;
use uuid::Uuid;

message! {
    /// What to read, and how long to wait for it.
    pub struct FetchRequest for Fetch, versions 4..=17, flexible 12.. {
        /// The cluster that the client believes it talks to, or null. Used between controllers.
        pub cluster_id: Option<String>, tag 0 in 12..;
        /// The broker id of a follower, or -1 from a consumer. Replaced by `replica_state`.
        pub replica_id: i32 = -1, in ..=14;
        /// Which follower is asking (KIP-903).
        pub replica_state: ReplicaState, tag 1 in 15..;
        /// How long to wait for `min_bytes`, in milliseconds.
        pub max_wait_ms: i32;
        /// How many bytes of records are worth an answer before that.
        pub min_bytes: i32;
        /// How many bytes of records the answer may have. The first batch comes even if it is
        /// larger (KIP-74).
        pub max_bytes: i32 = i32::MAX;
        /// 0 to read up to the high watermark, 1 to read only up to the last stable offset and be
        /// told of aborted transactions (KIP-98).
        pub isolation_level: i8;
        /// The fetch session, or 0 for none or a new one (KIP-227).
        pub session_id: i32, in 7..;
        /// The place of this request in its session: 0 starts one, -1 does without or ends it.
        pub session_epoch: i32 = -1, in 7..;
        /// The partitions to read; within a session those that are new or changed.
        pub topics: Vec<FetchTopic>;
        /// The partitions that leave the session.
        pub forgotten_topics_data: Vec<ForgottenTopic>, in 7..;
        /// The consumer's rack, so that a replica nearby can be suggested (KIP-392).
        pub rack_id: String, in 11..;
    }

    /// The follower that sent a request.
    pub struct ReplicaState {
        /// The follower's broker id, or -1 from a consumer.
        pub replica_id: i32 = -1;
        /// The follower's broker epoch, or -1 if it is not known.
        pub replica_epoch: i64 = -1;
    }

    /// What to read from one topic.
    pub struct FetchTopic {
        /// The topic's name.
        pub topic: String, in ..=12;
        /// The topic's id.
        pub topic_id: Uuid, in 13..;
        /// The partitions to read.
        pub partitions: Vec<FetchPartition>;
    }

    /// What to read from one partition.
    pub struct FetchPartition {
        /// The partition.
        pub partition: i32;
        /// The leader epoch that the client knows, or -1 to have none checked (KIP-320).
        pub current_leader_epoch: i32 = -1, in 9..;
        /// The offset to read from.
        pub fetch_offset: i64;
        /// The epoch of the last record a follower has, or -1: by it the leader notices that the
        /// logs diverge (KIP-595).
        pub last_fetched_epoch: i32 = -1, in 12..;
        /// A follower's own first offset, or -1 from a consumer.
        pub log_start_offset: i64 = -1, in 5..;
        /// How many bytes to read from this partition, except for a larger first batch.
        pub partition_max_bytes: i32;
        /// The log directory of the follower's replica (KIP-853).
        pub replica_directory_id: Uuid, tag 0 in 17..;
    }

    /// Partitions of one topic that leave the session.
    pub struct ForgottenTopic {
        /// The topic's name.
        pub topic: String, in ..=12;
        /// The topic's id.
        pub topic_id: Uuid, in 13..;
        /// The partitions.
        pub partitions: Vec<i32>;
    }

    /// What was read.
    pub struct FetchResponse for Fetch, versions 4..=17, flexible 12.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// An error of the whole request, such as an unknown session.
        pub error_code: ErrorCode, in 7..;
        /// The fetch session, or 0 if there is none.
        pub session_id: i32, in 7..;
        /// The partitions read; within a session only those with news.
        pub responses: Vec<FetchableTopicResponse>;
        /// How to reach the leaders named in this response (KIP-951).
        pub node_endpoints: Vec<NodeEndpoint>, tag 0 in 16..;
    }

    /// What was read from one topic.
    pub struct FetchableTopicResponse {
        /// The topic's name.
        pub topic: String, in ..=12;
        /// The topic's id.
        pub topic_id: Uuid, in 13..;
        /// The partitions read.
        pub partitions: Vec<PartitionData>;
    }

    /// What was read from one partition.
    pub struct PartitionData {
        /// The partition.
        pub partition_index: i32;
        /// Whether the partition could be read.
        pub error_code: ErrorCode;
        /// The high watermark: the end of what consumers may see, or -1 after an error.
        pub high_watermark: i64;
        /// The last stable offset: below it every transaction is decided (KIP-98). -1 if not known.
        pub last_stable_offset: i64 = -1;
        /// The first offset of the log, or -1 if not known.
        pub log_start_offset: i64 = -1, in 5..;
        /// Where a follower's log departs from the leader's; -1s if it does not (KIP-595).
        pub diverging_epoch: EpochEndOffset, tag 0 in 12..;
        /// The current leader, if this broker is not (KIP-951).
        pub current_leader: LeaderIdAndEpoch, tag 1 in 12..;
        /// The snapshot to fetch instead, in the log of the metadata quorum (KIP-630).
        pub snapshot_id: SnapshotId, tag 2 in 12..;
        /// The aborted transactions within the records; null unless reading committed data only.
        pub aborted_transactions: Option<Vec<AbortedTransaction>>;
        /// The replica to read from instead, or -1 to stay (KIP-392).
        pub preferred_read_replica: i32 = -1, in 11..;
        /// The record batches. The first one contains the offset asked for, and may start below it.
        pub records: Records;
    }

    /// The end of a leader epoch in the leader's log.
    pub struct EpochEndOffset {
        /// The largest epoch not above the one asked for, or -1.
        pub epoch: i32 = -1;
        /// The offset after that epoch's last record, or -1.
        pub end_offset: i64 = -1;
    }

    /// A snapshot of the metadata log.
    pub struct SnapshotId {
        /// The offset after the last record it includes, or -1.
        pub end_offset: i64 = -1;
        /// The epoch of that record, or -1.
        pub epoch: i32 = -1;
    }

    /// A transaction whose records are to be left out.
    pub struct AbortedTransaction {
        /// The producer that aborted.
        pub producer_id: i64;
        /// The offset of its first record in the transaction.
        pub first_offset: i64;
    }
}
