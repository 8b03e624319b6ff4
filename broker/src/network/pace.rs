//! How slow a peer may be: when a request that has begun to arrive, or an answer that has begun to
//! leave, has stalled.
//!
//! Two rules, because patience costs memory:
//!
//! - as long as memory is plentiful, each `socket.stall.timeout.ms` must bring some progress;
//! - while others wait for memory, the transfer as a whole must run at [`BYTES_PER_SECOND_MIN`]
//!   after a first [`GRACE`]. Nobody's slow link may keep everybody else out.

use std::time::Duration;

use tokio::time::Instant;

/// The speed that is demanded while memory is short: a fifth of the slowest office line.
const BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

/// How long a transfer may take to get going while memory is short.
const GRACE: Duration = Duration::from_secs(1);

/// The progress of one transfer. Time in which the broker itself held it up does not count: then
/// the transfer is measured anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    began: Instant,
    last_progress: Instant,
    bytes: u64,
}

impl Pace {
    /// A transfer that begins now.
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            began: now,
            last_progress: now,
            bytes: 0,
        }
    }

    /// Counts bytes that came through.
    pub(crate) fn progress(&mut self, now: Instant, bytes: usize) {
        self.last_progress = now;
        self.bytes += bytes as u64;
    }

    /// When the transfer will have stalled unless it makes progress.
    pub(crate) fn deadline(&self, stall_timeout: Duration, memory_is_short: bool) -> Instant {
        let patient = self.last_progress + stall_timeout;
        if !memory_is_short {
            return patient;
        }
        let due_ms = self.bytes.saturating_mul(1000) / BYTES_PER_SECOND_MIN;
        patient.min(self.began + GRACE + Duration::from_millis(due_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    const STALL: Duration = Duration::from_secs(30);

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn any_progress_is_enough_while_memory_is_plentiful() {
        let start = Instant::now();
        let mut pace = Pace::begin(start);
        assert_eq!(pace.deadline(STALL, false), start + STALL);
        pace.progress(start + seconds(29), 1);
        assert_eq!(pace.deadline(STALL, false), start + seconds(59));
    }

    #[test]
    fn a_minimal_speed_is_demanded_while_memory_is_short() {
        let start = Instant::now();
        let mut pace = Pace::begin(start);
        assert_eq!(pace.deadline(STALL, true), start + seconds(1));
        pace.progress(start, 10 * 64 * 1024);
        assert_eq!(pace.deadline(STALL, true), start + seconds(11));
        pace.progress(start, 90 * 64 * 1024);
        assert_eq!(
            pace.deadline(STALL, true),
            start + STALL,
            "never beyond the stall timeout"
        );
    }
}
