//! What can go wrong: what failed, where, and whether asking again may help.

use std::{sync::Arc, time::Duration};

use odradek_connection::{CallError, ConnectError};
use odradek_protocol::{ErrorCode, primitives::EncodeError};

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No broker could be reached.
    #[error("{0}")]
    Connect(#[source] Arc<ConnectError>),
    /// A broker did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A broker refused.
    #[error("{what}: {}", .message.as_deref().unwrap_or_else(|| .code.text()))]
    Refused {
        /// What was asked, or which part of it.
        what: String,
        /// Kafka's number.
        code: ErrorCode,
        /// The broker's sentence, if it has one.
        message: Option<String>,
    },
    /// The cluster has no such broker now.
    #[error("broker {0} is not known to the cluster")]
    UnknownBroker(i32),
    /// There is nobody to ask.
    #[error("no broker is known: bootstrap.servers is empty")]
    NoBroker,
    /// The time was over before there was any answer.
    #[error("no answer yet")]
    Unanswered,
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
    /// A record is larger than the client may send.
    #[error("a record of up to {bytes} bytes is larger than {key}={bytes_max}")]
    RecordTooLarge {
        /// What it may take on the wire.
        bytes: usize,
        /// The configuration key that says how much is allowed.
        key: &'static str,
        /// Its value.
        bytes_max: usize,
    },
    /// The topic has no such partition.
    #[error("{topic} has no partition {partition}")]
    NoPartition {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// There is no position to begin from, and `auto.offset.reset` is `none`.
    #[error("no position for {topic}-{partition}, and auto.offset.reset is none")]
    NoOffset {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// The consumer does not read that partition.
    #[error("{topic}-{partition} is not assigned to this consumer")]
    NotAssigned {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
    },
    /// The log has lost records that were read already (KIP-320), and `auto.offset.reset` is
    /// `none`.
    #[error("{topic}-{partition} was read up to offset {offset}, and has lost records before it")]
    Truncated {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Where reading was to go on.
        offset: i64,
        /// The first offset at which the log is another one, if that is known. Reading goes on
        /// there unless a seek says otherwise.
        diverged_at: Option<i64>,
    },
    /// The consumer has no `group.id`.
    #[error("a group.id is needed to subscribe and to commit")]
    NoGroup,
    /// A consumer is given its partitions, or subscribes to topics: not both.
    #[error("assign and subscribe exclude each other: unsubscribe first")]
    AssignedAndSubscribed,
    /// That pattern cannot be read.
    #[error("the pattern {pattern} is not a regular expression: {reason}")]
    BadPattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A commit came while the group rebalances. After the next poll it may be made again, of the
    /// partitions that are still assigned.
    #[error("not committed: group {group} is rebalancing")]
    Rebalancing {
        /// The group.
        group: String,
    },
    /// A commit came too late: the group has given the partitions to others, who read on from the
    /// commit before.
    #[error(
        "not committed: group {group} has gone on without this consumer; if processing took \
             longer than max.poll.interval.ms, raise it or lower max.poll.records"
    )]
    NotAMember {
        /// The group.
        group: String,
    },
    /// What a member would say to its group does not fit into the protocol.
    #[error("write for the group: {0}")]
    Unwritable(#[source] EncodeError),
    /// As many commits wait for the coordinator as may.
    #[error("not committed: {0} commits are waiting for the coordinator already")]
    CommitsWaiting(usize),
    /// What a broker sent is damaged. Seeking behind it passes over it.
    #[error("read {topic}-{partition} at offset {offset}: {reason}")]
    Unreadable {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// Where the batch begins that cannot be read.
        offset: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A broker's answer says nothing about a part of the question.
    #[error("the broker did not answer for {0}")]
    Incomplete(String),
    /// All attempts failed.
    #[error("{what}: not done within {:?}: {last}", to_ms(*.after))]
    TimedOut {
        /// What was tried.
        what: String,
        /// The time allowed.
        after: Duration,
        /// How the last attempt failed.
        last: Box<Error>,
    },
}

impl Error {
    /// A broker's refusal, if the code is one.
    pub(crate) fn check(
        what: impl Into<String>,
        code: ErrorCode,
        message: Option<String>,
    ) -> Result<(), Self> {
        if !code.is_error() {
            return Ok(());
        }
        Err(Self::Refused {
            what: what.into(),
            code,
            message,
        })
    }

    /// Whether the same call may succeed later.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Connect(_) | Self::UnknownBroker(_) | Self::Incomplete(_) => true,
            Self::Call(error) => error.retriable(),
            Self::Refused { code, .. } => code.retriable(),
            Self::NoBroker
            | Self::Unanswered
            | Self::Closed
            | Self::RecordTooLarge { .. }
            | Self::NoPartition { .. }
            | Self::NoOffset { .. }
            | Self::NotAssigned { .. }
            | Self::Truncated { .. }
            | Self::NoGroup
            | Self::AssignedAndSubscribed
            | Self::BadPattern { .. }
            | Self::Rebalancing { .. }
            | Self::NotAMember { .. }
            | Self::Unwritable(_)
            | Self::CommitsWaiting(_)
            | Self::Unreadable { .. }
            | Self::TimedOut { .. } => false,
        }
    }

    /// Whether nothing but a change by the caller helps: not even a later call.
    pub(crate) fn is_final(&self) -> bool {
        !self.retriable() && !matches!(self, Self::TimedOut { .. })
    }

    /// Kafka's number, where a broker gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::TimedOut { last, .. } => last.code(),
            _ => None,
        }
    }
}

/// What was left of a limit is shown as the limit, and not as `14.999996815s`.
fn to_ms(duration: Duration) -> Duration {
    Duration::from_millis((duration.as_secs_f64() * 1000.0).round() as u64)
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(Arc::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_as_it_was_set() {
        let error = Error::TimedOut {
            what: "find topic t".to_owned(),
            after: Duration::from_nanos(14_999_996_815),
            last: Box::new(Error::Unanswered),
        };
        let told = "find topic t: not done within 15s: no answer yet";
        assert_eq!(error.to_string(), told);
    }
}
