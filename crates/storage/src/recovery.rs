//! Opening a log: at once after a clean stop, by a bounded scan after a crash.

/// How the log directory was left, which decides what must be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastShutdown {
    /// Stopped in order: every file is complete.
    Clean,
    /// The process died, but the kernel with its page cache lived on: every finished write is
    /// there, and only the very last one may be torn.
    ProcessDied,
    /// The machine may have gone down: only what was synced is certain to be there.
    Unclean,
}

/// What opening a log took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes of batches that were read and verified.
    pub bytes_scanned: u64,
    /// Bytes of a torn tail that were cut off.
    pub bytes_truncated: u64,
    /// Index files that were built anew from the log.
    pub indexes_rebuilt: u32,
}
