//! ListGroups: the groups that the broker asked coordinates.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Which groups to list.
    pub struct ListGroupsRequest for ListGroups, versions 0..=5, flexible 3.. {
        /// The states to list, such as `Stable`; empty for all (KIP-518).
        pub states_filter: Vec<String>, in 4..;
        /// The types to list, such as `classic`; empty for all (KIP-848).
        pub types_filter: Vec<String>, in 5..;
    }

    /// The groups.
    pub struct ListGroupsResponse for ListGroups, versions 0..=5, flexible 3.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// Whether the groups could be listed.
        pub error_code: ErrorCode;
        /// The groups.
        pub groups: Vec<ListedGroup>;
    }

    /// One group.
    pub struct ListedGroup {
        /// The group.
        pub group_id: String;
        /// What kind of group it is, such as `consumer`.
        pub protocol_type: String;
        /// Its state, such as `Stable` (KIP-518).
        pub group_state: String, in 4..;
        /// Its type, such as `classic` (KIP-848).
        pub group_type: String, in 5..;
    }
}
