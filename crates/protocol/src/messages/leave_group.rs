//! LeaveGroup: leave a group, or from version 3 remove several members from it (KIP-345).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Who leaves.
    pub struct LeaveGroupRequest for LeaveGroup, versions 0..=5, flexible 4.. {
        /// The group.
        pub group_id: String;
        /// The member that leaves.
        pub member_id: String, in ..=2;
        /// The members that leave.
        pub members: Vec<MemberIdentity>, in 3..;
    }

    /// A member that leaves.
    pub struct MemberIdentity {
        /// The member id, or empty to go by `group_instance_id`.
        pub member_id: String;
        /// The static member's lasting name, or null.
        pub group_instance_id: Option<String>;
        /// Why it leaves, for the broker's log, or null (KIP-800).
        pub reason: Option<String>, in 5..;
    }

    /// Who has left.
    pub struct LeaveGroupResponse for LeaveGroup, versions 0..=5, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// An error of the whole request; before version 3 of its one member.
        pub error_code: ErrorCode;
        /// One entry for each member of the request.
        pub members: Vec<MemberResponse>, in 3..;
    }

    /// Whether one member has left.
    pub struct MemberResponse {
        /// The member id, as in the request.
        pub member_id: String;
        /// The static member's lasting name, as in the request.
        pub group_instance_id: Option<String>;
        /// Whether it has left.
        pub error_code: ErrorCode;
    }
}
