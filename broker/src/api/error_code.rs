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
    error_chain::ErrorChain,
    metadata::ChangeError,
    replica::{AppendError, PartitionError},
};

/// What every request that wants a transaction is told until there are any: of the codes that all
/// clients take as fatal at once, the one that is about the transactional id.
pub(crate) const TRANSACTIONS_NOT_SUPPORTED: ErrorCode =
    ErrorCode::TransactionalIdAuthorizationFailed;

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
        AppendError::Deleted => ErrorCode::UnknownTopicOrPartition,
        // The client asks for metadata again, and so finds whoever serves it then.
        AppendError::Stopping => ErrorCode::NotLeaderOrFollower,
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
        // Retriable: a full disk may have room again before the client gives up.
        LogAppendError::NoSpace | LogAppendError::Io(_) | LogAppendError::Offline => {
            ErrorCode::KafkaStorageError
        }
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
