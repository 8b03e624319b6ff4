//! DescribeGroups: state and members of classic groups.

use crate::ErrorCode;
use crate::message::message;
use bytes::Bytes;

message! {
    /// Which groups to describe.
    pub struct DescribeGroupsRequest for DescribeGroups, versions 0..=6, flexible 5.. {
        /// The groups.
        pub groups: Vec<String>;
        /// Whether to say what the client may do with each group (KIP-430).
        pub include_authorized_operations: bool, in 3..;
    }

    /// The groups.
    pub struct DescribeGroupsResponse for DescribeGroups, versions 0..=6, flexible 5.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// One entry for each group of the request.
        pub groups: Vec<DescribedGroup>;
    }

    /// One group.
    pub struct DescribedGroup {
        /// Whether the group could be described. Version 6 says `GroupIdNotFound` where earlier
        /// versions show a group in state `Dead` (KIP-1043).
        pub error_code: ErrorCode;
        /// Why not, or null (KIP-1043).
        pub error_message: Option<String>, in 6..;
        /// The group.
        pub group_id: String;
        /// `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable` or `Dead`; empty after
        /// an error.
        pub group_state: String;
        /// What kind of group it is, such as `consumer`.
        pub protocol_type: String;
        /// The assignment protocol chosen; empty unless the group is stable.
        pub protocol_data: String;
        /// The members.
        pub members: Vec<DescribedGroupMember>;
        /// What the client may do with the group, one bit for each operation; `i32::MIN` if it did
        /// not ask.
        pub authorized_operations: i32 = i32::MIN, in 3..;
    }

    /// One member.
    pub struct DescribedGroupMember {
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 4..;
        /// The client id in the member's last JoinGroup request.
        pub client_id: String;
        /// The address it came from, with a leading slash.
        pub client_host: String;
        /// The member's metadata in the protocol chosen; empty unless the group is stable.
        pub member_metadata: Bytes;
        /// The member's assignment; empty unless the group is stable.
        pub member_assignment: Bytes;
    }
}
