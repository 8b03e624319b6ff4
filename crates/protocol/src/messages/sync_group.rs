//! SyncGroup: the leader hands out the assignment of a generation, everyone else waits for it.

use crate::ErrorCode;
use crate::message::message;
use bytes::Bytes;

message! {
    /// A member that wants its assignment.
    pub struct SyncGroupRequest for SyncGroup, versions 0..=5, flexible 4.. {
        /// The group.
        pub group_id: String;
        /// The generation, from the JoinGroup response.
        pub generation_id: i32;
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 3..;
        /// What kind of group the member takes it for, or null to have it not checked (KIP-559).
        pub protocol_type: Option<String>, in 5..;
        /// Which protocol it takes to be chosen, or null to have it not checked (KIP-559).
        pub protocol_name: Option<String>, in 5..;
        /// Everyone's assignment, from the leader; empty from the others.
        pub assignments: Vec<SyncGroupRequestAssignment>;
    }

    /// The assignment of one member.
    pub struct SyncGroupRequestAssignment {
        /// The member id.
        pub member_id: String;
        /// Its partitions, in the encoding of the protocol. Opaque to the broker.
        pub assignment: Bytes;
    }

    /// The member's assignment.
    pub struct SyncGroupResponse for SyncGroup, versions 0..=5, flexible 4.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// Whether there is an assignment in this response.
        pub error_code: ErrorCode;
        /// What kind of group it is, or null after an error (KIP-559).
        pub protocol_type: Option<String>, in 5..;
        /// The protocol chosen, or null after an error (KIP-559).
        pub protocol_name: Option<String>, in 5..;
        /// The member's assignment, as the leader wrote it; empty if it has none.
        pub assignment: Bytes;
    }
}
