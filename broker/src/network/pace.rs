//! How slow a peer may be: when a request that has begun to arrive, or an answer that has begun to
//! leave, has stalled.
//!
//! Two rules, because patience costs memory:
//!
//! - as long as memory is plentiful, each `socket.stall.timeout.ms` must bring some progress;
//! - while others wait for memory, each [`STEP_BYTES`] must come through within [`STEP_TIME_MAX`].
//!   Nobody's slow link may keep everybody else out.

use std::time::Duration;

use tokio::time::Instant;

/// How far a transfer must get in [`STEP_TIME_MAX`] while memory is short.
const STEP_BYTES: usize = 64 * 1024;

/// How long a transfer may take for [`STEP_BYTES`] while memory is short.
const STEP_TIME_MAX: Duration = Duration::from_secs(1);

/// The progress of one transfer. Time in which the broker itself held it up does not count: then
/// the transfer is measured anew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    last_progress: Instant,
    step_began: Instant,
    step_bytes: usize,
}

impl Pace {
    /// A transfer that begins now.
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            last_progress: now,
            step_began: now,
            step_bytes: 0,
        }
    }

    /// Counts bytes that came through.
    pub(crate) fn progress(&mut self, now: Instant, bytes: usize) {
        self.last_progress = now;
        self.step_bytes = self.step_bytes.saturating_add(bytes);
        if STEP_BYTES <= self.step_bytes {
            self.step_began = now;
            self.step_bytes = 0;
        }
    }

    /// When the transfer will have stalled unless it makes progress.
    pub(crate) fn deadline(&self, stall_timeout: Duration, memory_is_short: bool) -> Instant {
        let patient = self.last_progress + stall_timeout;
        if memory_is_short {
            patient.min(self.step_began + STEP_TIME_MAX)
        } else {
            patient
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Pace, STEP_BYTES};

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
        pace.progress(start + seconds(3), STEP_BYTES - 1);
        assert_eq!(pace.deadline(STALL, true), start + seconds(1), "not enough");
        pace.progress(start + seconds(3), 1);
        assert_eq!(pace.deadline(STALL, true), start + seconds(4));
        pace.progress(start + seconds(4), 50 * STEP_BYTES);
        assert_eq!(
            pace.deadline(STALL, true),
            start + seconds(5),
            "no credit for haste"
        );
        assert_eq!(
            pace.deadline(seconds(0), true),
            start + seconds(4),
            "never more patient"
        );
    }
}
