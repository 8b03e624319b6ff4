//! Every internal error as the number that Kafka's clients know. This is the only place.
//!
//! The choice decides what a client does next: a retriable code makes it ask again, a fatal one
//! reaches the application. So a code says what the client should do, as Kafka's does in the same
//! situation, rather than what exactly happened; that is in the error's own text.

use odradek_metadata::decide::Refusal;
use odradek_protocol::{ErrorCode, records::BatchError};
use odradek_quorum::ProposeError;
use odradek_storage::{
    error::{AppendError as LogAppendError, ReadError},
    producer_state::SequenceError,
};

use crate::{
    coordinator::{
        group::GroupError,
        offsets::{commit::PositionError, delete::DeletionError},
        state_log::StateLogError,
    },
    error_chain::ErrorChain,
    metadata::ChangeError,
    replica::{AppendError, DeleteRecordsError, PartitionError},
};

/// What every request that wants a transaction is told until there are any: of the codes that all
/// clients take as fatal at once, the one that is about the transactional id.
pub(crate) const TRANSACTIONS_NOT_SUPPORTED: ErrorCode =
    ErrorCode::TransactionalIdAuthorizationFailed;

/// The disk is full: nothing was appended, and a retry may succeed. Of the codes that say so, the
/// one that every client retries by itself (docs/adr/0006-full-disk.md).
const DISK_FULL: ErrorCode = ErrorCode::NotEnoughReplicas;

/// Why a partition cannot be served.
pub(crate) fn of_partition(error: PartitionError) -> ErrorCode {
    match error {
        PartitionError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        PartitionError::UnknownTopicId => ErrorCode::UnknownTopicId,
        PartitionError::NotLeader => ErrorCode::NotLeaderOrFollower,
        PartitionError::StorageOffline => ErrorCode::KafkaStorageError,
    }
}

/// Why records were not appended, or not acknowledged.
pub(crate) fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Log(error) => of_log_append(error),
        AppendError::NotEnoughReplicas(_) => ErrorCode::NotEnoughReplicas,
        AppendError::DiskNearlyFull(_) => DISK_FULL,
        AppendError::Deleted => ErrorCode::UnknownTopicOrPartition,
        // The client asks for metadata again, and so finds whoever serves it then.
        AppendError::Stopping => ErrorCode::NotLeaderOrFollower,
    }
}

/// Why records were not deleted.
pub(crate) fn of_delete_records(error: &DeleteRecordsError) -> ErrorCode {
    match error {
        DeleteRecordsError::OffsetOutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        DeleteRecordsError::OnlyCompacted => ErrorCode::PolicyViolation,
        // The client asks for metadata again, and so learns whether the partition is gone.
        DeleteRecordsError::Closed => ErrorCode::NotLeaderOrFollower,
        DeleteRecordsError::Storage => ErrorCode::KafkaStorageError,
    }
}

/// Why a request about a group was refused.
pub(crate) fn of_group(error: &GroupError) -> ErrorCode {
    match error {
        GroupError::NotCoordinator => ErrorCode::NotCoordinator,
        GroupError::Loading => ErrorCode::CoordinatorLoadInProgress,
        GroupError::InvalidGroupId => ErrorCode::InvalidGroupId,
        GroupError::InvalidSessionTimeout => ErrorCode::InvalidSessionTimeout,
        GroupError::NotFound => ErrorCode::GroupIdNotFound,
        GroupError::NotEmpty => ErrorCode::NonEmptyGroup,
        GroupError::Full => ErrorCode::GroupMaxSizeReached,
        GroupError::MemberIdRequired => ErrorCode::MemberIdRequired,
        GroupError::UnknownMember => ErrorCode::UnknownMemberId,
        GroupError::FencedInstance => ErrorCode::FencedInstanceId,
        GroupError::IllegalGeneration => ErrorCode::IllegalGeneration,
        GroupError::RebalanceInProgress => ErrorCode::RebalanceInProgress,
        GroupError::InconsistentProtocol => ErrorCode::InconsistentGroupProtocol,
        GroupError::NotStored(error) => of_state_log(error),
    }
}

/// Why a position was not committed.
pub(crate) fn of_position(error: &PositionError) -> ErrorCode {
    match error {
        PositionError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        PositionError::MetadataTooLarge => ErrorCode::OffsetMetadataTooLarge,
        PositionError::Group(error) => of_group(error),
    }
}

/// Why a committed position was not deleted.
pub(crate) fn of_deletion(error: DeletionError) -> ErrorCode {
    match error {
        DeletionError::UnknownTopicOrPartition => ErrorCode::UnknownTopicOrPartition,
        DeletionError::Subscribed => ErrorCode::GroupSubscribedToTopic,
    }
}

/// Why the state of a group was not stored.
pub(crate) fn of_state_log(error: &StateLogError) -> ErrorCode {
    match error {
        // No other broker would take it either, nor this one later.
        error if error.is_too_large() => ErrorCode::UnknownServerError,
        // Clients look for the coordinator again.
        StateLogError::Partition(PartitionError::NotLeader | PartitionError::StorageOffline)
        | StateLogError::Append(AppendError::Log(
            LogAppendError::Io(_) | LogAppendError::Offline,
        ))
        | StateLogError::Stopping => ErrorCode::NotCoordinator,
        // They ask again, here and later.
        _ => ErrorCode::CoordinatorNotAvailable,
    }
}

/// Why records could not be found or read.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::Io(_) | ReadError::Corrupt { .. } => ErrorCode::KafkaStorageError,
    }
}

/// Why the metadata was not changed, with a sentence for the client.
pub(crate) fn of_change(error: &ChangeError) -> Refusal {
    let code = match error {
        ChangeError::Refused(refusal) => return refusal.clone(),
        // The client asks for metadata again, and so finds whoever is the controller then.
        ChangeError::Stopped | ChangeError::Propose(ProposeError::Stopped) => {
            ErrorCode::NotController
        }
        ChangeError::Propose(ProposeError::Commit(_)) => ErrorCode::KafkaStorageError,
        ChangeError::Propose(ProposeError::TooLarge { .. }) => ErrorCode::PolicyViolation,
    };
    Refusal::new(code, ErrorChain(error).to_string())
}

fn of_log_append(error: &LogAppendError) -> ErrorCode {
    match error {
        LogAppendError::MalformedBatch(error) => of_batch(error),
        LogAppendError::NotOneBatch { .. } | LogAppendError::InvalidRecord(_) => {
            ErrorCode::InvalidRecord
        }
        LogAppendError::InvalidTimestamp { .. } | LogAppendError::ClaimsLogAppendTime => {
            ErrorCode::InvalidTimestamp
        }
        LogAppendError::RecordTooLarge { .. } => ErrorCode::MessageTooLarge,
        LogAppendError::RecordListTooLarge { .. } => ErrorCode::RecordListTooLarge,
        LogAppendError::Sequence(error) => of_sequence(error),
        LogAppendError::Transactional => TRANSACTIONS_NOT_SUPPORTED,
        // Only a follower can meet it, and followers answer nobody.
        LogAppendError::OutOfOrderOffsets { .. } => ErrorCode::UnknownServerError,
        LogAppendError::NoSpace => DISK_FULL,
        LogAppendError::Io(_) | LogAppendError::Offline => ErrorCode::KafkaStorageError,
    }
}

/// Damage on the way is worth another try; a batch that was built wrongly is not.
fn of_batch(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::CrcMismatch { .. }
        | BatchError::Incomplete { .. }
        | BatchError::InvalidLength { .. } => ErrorCode::CorruptMessage,
        BatchError::UnknownCompression { .. } => ErrorCode::UnsupportedCompressionType,
        BatchError::UnsupportedMagic { .. }
        | BatchError::InvalidBaseOffset { .. }
        | BatchError::InvalidLastOffsetDelta { .. }
        | BatchError::InvalidRecordCount { .. } => ErrorCode::InvalidRecord,
    }
}

fn of_sequence(error: &SequenceError) -> ErrorCode {
    match error {
        SequenceError::InvalidProducerEpoch { .. } => ErrorCode::InvalidProducerEpoch,
        SequenceError::OutOfOrderSequence { .. } => ErrorCode::OutOfOrderSequenceNumber,
        SequenceError::DuplicateSequence { .. } => ErrorCode::DuplicateSequenceNumber,
    }
}

#[cfg(test)]
mod tests {
    use odradek_protocol::{ErrorCode, records::BatchError};
    use odradek_storage::error::AppendError as LogAppendError;

    use super::{of_append, of_partition};
    use crate::replica::{AppendError, PartitionError};

    #[test]
    fn what_may_pass_by_itself_is_retriable_and_what_will_not_is_fatal() {
        let crc = BatchError::CrcMismatch {
            stored: 1,
            computed: 2,
        };
        for (error, retriable) in [
            (AppendError::Stopping, true),
            (AppendError::Deleted, true),
            (LogAppendError::NoSpace.into(), true),
            (LogAppendError::Offline.into(), true),
            (LogAppendError::MalformedBatch(crc).into(), true),
            (LogAppendError::Transactional.into(), false),
            (LogAppendError::NotOneBatch { found: 2 }.into(), false),
            (
                LogAppendError::RecordTooLarge { size: 2, limit: 1 }.into(),
                false,
            ),
        ] {
            assert_eq!(of_append(&error).retriable(), retriable, "{error}");
        }
        assert!(of_partition(PartitionError::UnknownTopicOrPartition).retriable());
        assert_eq!(
            of_partition(PartitionError::UnknownTopicId),
            ErrorCode::UnknownTopicId
        );
    }
}
