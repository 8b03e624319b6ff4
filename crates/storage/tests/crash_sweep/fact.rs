//! What was promised, and when: the account that every crash is held against.

use bytes::Bytes;
use odradek_protocol::records::BatchHeader;
use uuid::Uuid;

/// A batch as the log stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) base_offset: i64,
    pub(crate) end_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) producer_id: i64,
    pub(crate) timestamp: i64,
    /// As it was sent, and as it must be found.
    pub(crate) sent: Bytes,
    pub(crate) stored: Bytes,
}

impl StoredBatch {
    pub(crate) fn next_sequence(&self) -> i32 {
        let header = BatchHeader::parse(&self.sent).unwrap();
        header.last_sequence() + 1
    }
}

/// Something that became true of a log.
#[derive(Debug, Clone)]
pub(crate) enum LogFact {
    /// The metadata has the topic from here on.
    Created,
    /// The metadata does not have the topic any more.
    Deleted,
    Appended(StoredBatch),
    /// Everything below is durable.
    Durable {
        end_offset: i64,
    },
    /// Records below may be gone.
    MayStartAt {
        offset: i64,
    },
    /// Records below must be gone.
    StartsAt {
        offset: i64,
    },
    /// Records below may be gone whose key has a later one; once this is done, they are.
    Cleaned {
        cleaned_to: i64,
    },
    /// Records from here on are gone.
    Truncated {
        end_offset: i64,
    },
}

/// Something that became true.
#[derive(Debug, Clone)]
pub(crate) enum Fact {
    /// The directory is taken: it has its id, and a clean stop before is not believed again.
    Started { directory_id: Uuid },
    /// Everything was synced and closed.
    Stopped,
    OfLog {
        topic: String,
        id: Uuid,
        fact: LogFact,
    },
}

/// A fact, and the part of the history during which it became true.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    /// Events before it was begun.
    pub(crate) began: usize,
    /// Events when it was reported done.
    pub(crate) done: usize,
    pub(crate) fact: Fact,
}
