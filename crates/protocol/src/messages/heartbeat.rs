//! Heartbeat: a group member says that it is alive, and learns when the group rebalances.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// A member that is alive.
    pub struct HeartbeatRequest for Heartbeat, versions 0..=4, flexible 4.. {
        /// The group.
        pub group_id: String;
        /// The generation the member is in.
        pub generation_id: i32;
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 3..;
    }

    /// Whether all is well.
    pub struct HeartbeatResponse for Heartbeat, versions 0..=4, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// `RebalanceInProgress` asks the member to join again.
        pub error_code: ErrorCode;
    }
}
