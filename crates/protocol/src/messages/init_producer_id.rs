//! InitProducerId: give a producer the id and epoch by which its batches are told apart.

use crate::ErrorCode;
use crate::message::message;

message! {
    /// Who wants an id.
    pub struct InitProducerIdRequest for InitProducerId, versions 0..=5, flexible 2.. {
        /// The transactional id, or null from a producer that is only idempotent (KIP-98).
        pub transactional_id: Option<String>;
        /// How long a transaction may stay open, in milliseconds. Without meaning if
        /// `transactional_id` is null.
        pub transaction_timeout_ms: i32;
        /// The id the producer has, or -1 for a new one. With an id, its epoch is raised (KIP-360).
        pub producer_id: i64 = -1, in 3..;
        /// The epoch the producer has, or -1 if it has none (KIP-360).
        pub producer_epoch: i16 = -1, in 3..;
    }

    /// The producer's id and epoch.
    pub struct InitProducerIdResponse for InitProducerId, versions 0..=5, flexible 2.. {
        /// How long the client should pause because of a quota, in milliseconds.
        pub throttle_time_ms: i32;
        /// Whether there is an id in this response.
        pub error_code: ErrorCode;
        /// The producer id, or -1 after an error.
        pub producer_id: i64 = -1;
        /// The producer epoch, or -1 after an error.
        pub producer_epoch: i16;
    }
}
