//! Exact batch positions kept in memory, so that reading what was written lately reads no file.

/// Bounds the memory of all known positions of a process.
#[derive(Debug)]
pub struct PositionBudget {
    bytes_max: usize,
}

impl PositionBudget {
    /// At most this many bytes for all logs together.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max }
    }
}
