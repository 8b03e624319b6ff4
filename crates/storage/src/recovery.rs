//! Opening a log: at once after a clean stop, by a bounded scan after a crash.

/// What opening a log took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of batches that were read and verified.
    pub bytes_scanned: u64,
    /// Bytes of batches whose headers were read to learn of their producers.
    pub bytes_replayed: u64,
    /// Bytes of a torn tail that were cut off.
    pub bytes_truncated: u64,
    /// Index files that were built anew from the log.
    pub indexes_rebuilt: u32,
}
