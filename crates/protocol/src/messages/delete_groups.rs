//! DeleteGroups: delete groups that have no members, with their positions.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Groups to delete. Each succeeds or fails by itself.
    pub struct DeleteGroupsRequest for DeleteGroups, versions 0..=2, flexible 2.. {
        /// The groups.
        pub groups_names: Vec<String>;
    }

    /// What became of each group.
    pub struct DeleteGroupsResponse for DeleteGroups, versions 0..=2, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// One entry for each group of the request.
        pub results: Vec<DeletableGroupResult>;
    }

    /// What became of one group.
    pub struct DeletableGroupResult {
        /// The group.
        pub group_id: String;
        /// Whether it was deleted.
        pub error_code: ErrorCode;
    }
}
