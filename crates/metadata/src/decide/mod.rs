//! Decisions: a request and an image become records, or an error code with a sentence.
//!
//! Everything here is pure. Nothing is applied: the caller commits the records and the image
//! follows. Randomness (topic ids) and the broker's configuration come in as parameters.
//!
//! - [`alter_configs`]: what topics and brokers are configured to
//! - [`create_topics`], [`create_partitions`], [`delete_topics`]: topics come, grow and go
//! - [`elect_leaders`], [`reassign_partitions`]: who leads a partition, and where it lives
//! - `placement`: where the replicas of new partitions go
//! - [`producer_ids`]: blocks of ids for idempotent producers
//! - [`registration`]: a broker starts

pub mod alter_configs;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod elect_leaders;
mod placement;
pub mod producer_ids;
pub mod reassign_partitions;
pub mod registration;
#[cfg(test)]
pub(crate) mod sample_schema;

use odradek_protocol::ErrorCode;
use thiserror::Error;

/// Why a request, or one topic of it, is not carried out: what the client is told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// Kafka's number.
    pub code: ErrorCode,
    /// A sentence for a person.
    pub message: String,
}

impl Refusal {
    /// A refusal with that sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
