//! JoinGroup: join a group, or rejoin it, and wait for the next generation.
//!
//! The answer comes when all members have joined or the rebalance timeout is over. The member
//! chosen as leader gets all members' metadata and assigns the partitions; see
//! [`crate::messages::sync_group`].

use crate::ErrorCode;
use crate::message::message;
use bytes::Bytes;

message! {
    /// A member that wants to be in the next generation.
    pub struct JoinGroupRequest for JoinGroup, versions 0..=9, flexible 6.. {
        /// The group.
        pub group_id: String;
        /// After how long without a heartbeat the member is taken for dead, in milliseconds.
        pub session_timeout_ms: i32;
        /// How long the member may take to rejoin in a rebalance, in milliseconds. -1 means as long
        /// as the session timeout, which is what version 0 has.
        pub rebalance_timeout_ms: i32 = -1, in 1..;
        /// The member id that the coordinator gave, or empty at first. From version 4 a first
        /// request is answered with `MemberIdRequired` and an id to come again with (KIP-394).
        pub member_id: String;
        /// A lasting name that makes this a static member, or null (KIP-345).
        pub group_instance_id: Option<String>, in 5..;
        /// What kind of group it is: `consumer` for consumers, `connect` for Kafka Connect.
        pub protocol_type: String;
        /// The assignment protocols the member knows, the preferred one first.
        pub protocols: Vec<JoinGroupRequestProtocol>;
        /// Why the member joins, for the broker's log, or null (KIP-800).
        pub reason: Option<String>, in 8..;
    }

    /// An assignment protocol a member knows.
    pub struct JoinGroupRequestProtocol {
        /// The protocol's name, such as `range`.
        pub name: String;
        /// The member's metadata in that protocol, such as its subscription. Opaque to the broker.
        pub metadata: Bytes;
    }

    /// The next generation.
    pub struct JoinGroupResponse for JoinGroup, versions 0..=9, flexible 6.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 2..;
        /// Whether the member is in the generation.
        pub error_code: ErrorCode;
        /// The generation, or -1 after an error.
        pub generation_id: i32 = -1;
        /// What kind of group it is, or null after an error.
        pub protocol_type: Option<String>, in 7..;
        /// The assignment protocol chosen. After an error null, but empty before version 7.
        pub protocol_name: Option<String>, null in 7..;
        /// The member id of the leader.
        pub leader: String;
        /// Whether the leader must not assign: the assignment stands (KIP-814).
        pub skip_assignment: bool, in 9..;
        /// The receiver's member id.
        pub member_id: String;
        /// All members, for the leader; empty for the others.
        pub members: Vec<JoinGroupResponseMember>;
    }

    /// A member of the generation.
    pub struct JoinGroupResponseMember {
        /// The member id.
        pub member_id: String;
        /// The static member's lasting name, or null (KIP-345).
        pub group_instance_id: Option<String>, in 5..;
        /// Its metadata in the protocol chosen.
        pub metadata: Bytes;
    }
}
