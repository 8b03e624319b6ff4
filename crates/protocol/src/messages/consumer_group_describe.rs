//! ConsumerGroupDescribe: state and members of groups whose coordinator assigns (KIP-848).

use crate::ErrorCode;
use crate::message::message;
use uuid::Uuid;

message! {
    /// Which groups to describe.
    pub struct ConsumerGroupDescribeRequest for ConsumerGroupDescribe,
        versions 0..=1, flexible 0..
    {
        /// The groups.
        pub group_ids: Vec<String>;
        /// Whether to say what the client may do with each group (KIP-430).
        pub include_authorized_operations: bool;
    }

    /// The groups.
    pub struct ConsumerGroupDescribeResponse for ConsumerGroupDescribe,
        versions 0..=1, flexible 0..
    {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each group of the request.
        pub groups: Vec<DescribedGroup>;
    }

    /// One group.
    pub struct DescribedGroup {
        /// Whether the group could be described. `GroupIdNotFound` also for one of another type.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
        /// The group.
        pub group_id: String;
        /// `Empty`, `Assigning`, `Reconciling`, `Stable` or `Dead`.
        pub group_state: String;
        /// Counts changes of members and of what they subscribe to.
        pub group_epoch: i32;
        /// The group epoch for which the target assignment was made.
        pub assignment_epoch: i32;
        /// The assignor chosen.
        pub assignor_name: String;
        /// The members.
        pub members: Vec<Member>;
        /// What the client may do with the group, one bit for each operation; `i32::MIN` if it did
        /// not ask.
        pub authorized_operations: i32 = i32::MIN;
    }

    /// One member.
    pub struct Member {
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub instance_id: Option<String>;
        /// Where it is, or null (KIP-881).
        pub rack_id: Option<String>;
        /// The assignment epoch that it has reached.
        pub member_epoch: i32;
        /// The client id.
        pub client_id: String;
        /// The address it comes from, with a leading slash.
        pub client_host: String;
        /// The topics that it subscribes to by name.
        pub subscribed_topic_names: Vec<String>;
        /// The pattern that it subscribes to, or null.
        pub subscribed_topic_regex: Option<String>;
        /// What it reads.
        pub assignment: Assignment;
        /// What it is to read.
        pub target_assignment: Assignment;
        /// 1 for a member of this protocol, 0 for one of the classic protocol in the same group, -1
        /// for one of which nobody knows.
        pub member_type: i8 = -1, in 1..;
    }

    /// What a member reads.
    pub struct Assignment {
        /// Topic by topic.
        pub topic_partitions: Vec<TopicPartitions>;
    }

    /// Partitions of one topic.
    pub struct TopicPartitions {
        /// The topic's id.
        pub topic_id: Uuid;
        /// The topic's name.
        pub topic_name: String;
        /// The partitions.
        pub partitions: Vec<i32>;
    }
}
