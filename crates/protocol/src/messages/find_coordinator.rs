//! FindCoordinator: which broker coordinates a group or a transactional id.
//!
//! One key a request up to version 3, several from version 4 (KIP-699).
//!
//! Key types: 0 group, 1 transactional id, 2 share group (KIP-932).

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Whose coordinator is wanted.
    pub struct FindCoordinatorRequest for FindCoordinator, versions 0..=6, flexible 3.. {
        /// The group id or transactional id.
        pub key: String, in ..=3;
        /// What the keys are. Before version 1 always groups.
        pub key_type: i8, in 1..;
        /// The group ids or transactional ids.
        pub coordinator_keys: Vec<String>, in 4..;
    }

    /// The coordinators.
    pub struct FindCoordinatorResponse for FindCoordinator, versions 0..=6, flexible 3.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32, in 1..;
        /// Whether the coordinator was found.
        pub error_code: ErrorCode, in ..=3;
        /// Why not, or null.
        pub error_message: Option<String>, in 1..=3;
        /// The coordinator's broker id, or -1 after an error.
        pub node_id: i32, in ..=3;
        /// Its host name.
        pub host: String, in ..=3;
        /// Its port.
        pub port: i32, in ..=3;
        /// One entry for each key of the request.
        pub coordinators: Vec<Coordinator>, in 4..;
    }

    /// The coordinator of one key.
    pub struct Coordinator {
        /// The key, as in the request.
        pub key: String;
        /// The coordinator's broker id, or -1 after an error.
        pub node_id: i32;
        /// Its host name.
        pub host: String;
        /// Its port.
        pub port: i32;
        /// Whether the coordinator was found.
        pub error_code: ErrorCode;
        /// Why not, or null.
        pub error_message: Option<String>;
    }
}
