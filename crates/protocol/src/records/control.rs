//! Control records: the markers that end a transaction in every partition it wrote to (KIP-98).
//!
//! ```text
//! key:   version i16 = 0 | type i16, 0 = abort, 1 = commit
//! value: version i16 = 0 | coordinator epoch i32
//! ```

use bytes::Buf;

use super::record::Record;

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its records must not be shown to consumers with `read_committed`.
    Abort,
    /// Its records count.
    Commit,
}

/// The record that ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// How the transaction ended.
    pub outcome: Outcome,
    /// Epoch of the transaction coordinator that decided so, to fence an older one.
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads a record of a control batch. `None` for control records of other types (a quorum's
    /// own, for example), which readers ignore, and for ones too short to say.
    ///
    /// Newer versions only append fields, so their numbers are not looked at.
    pub fn parse(record: &Record<'_>) -> Option<Self> {
        let mut key = record.key?;
        let mut value = record.value?;
        key.try_get_i16().ok()?;
        let outcome = match key.try_get_i16().ok()? {
            ABORT => Outcome::Abort,
            COMMIT => Outcome::Commit,
            _ => return None,
        };
        value.try_get_i16().ok()?;
        Some(Self {
            outcome,
            coordinator_epoch: value.try_get_i32().ok()?,
        })
    }

    pub(super) fn key(self) -> [u8; 4] {
        let kind = match self.outcome {
            Outcome::Abort => ABORT,
            Outcome::Commit => COMMIT,
        };
        join(VERSION.to_be_bytes(), kind.to_be_bytes())
    }

    pub(super) fn value(self) -> [u8; 6] {
        join(VERSION.to_be_bytes(), self.coordinator_epoch.to_be_bytes())
    }
}

fn join<const A: usize, const B: usize, const N: usize>(left: [u8; A], right: [u8; B]) -> [u8; N] {
    let mut bytes = left.into_iter().chain(right);
    std::array::from_fn(|_| bytes.next().expect("the lengths add up"))
}
