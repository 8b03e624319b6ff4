//! Every internal error as Kafka's number, and nowhere else.

use odradek_protocol::ErrorCode;
use odradek_storage::error::ReadError;

use crate::replica::PartitionError;

/// Why a partition cannot be served here.
pub(crate) fn of_partition(error: PartitionError) -> ErrorCode {
    match error {
        PartitionError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        PartitionError::UnknownTopicId => ErrorCode::UnknownTopicId,
        PartitionError::NotLeader => ErrorCode::NotLeaderOrFollower,
        PartitionError::StorageOffline => ErrorCode::KafkaStorageError,
    }
}

/// Why records cannot be read. A corrupt file is the broker's problem, not the client's: the client
/// is told to look for another replica.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::Io(_) | ReadError::Corrupt { .. } => ErrorCode::KafkaStorageError,
    }
}
