//! Log lines that a stranger can cause: at most one per kind and interval, and a count of the rest.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The shortest time between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(5);

/// Decides whether a line of one kind may be written now.
#[derive(Debug, Default)]
pub(crate) struct LogLimiter {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_line: Option<Instant>,
    suppressed: u64,
}

impl LogLimiter {
    /// `Some(n)`: write the line, and say that `n` like it were left out since the last one.
    /// `None`: leave it out.
    pub(crate) fn permit(&self) -> Option<u64> {
        let mut state = self.state.lock();
        let now = Instant::now();
        if state
            .last_line
            .is_some_and(|last| now.duration_since(last) < INTERVAL)
        {
            state.suppressed += 1;
            return None;
        }
        state.last_line = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERVAL, LogLimiter};

    #[tokio::test(start_paused = true)]
    async fn one_line_per_interval_and_it_counts_those_left_out() {
        let limiter = LogLimiter::default();
        assert_eq!(limiter.permit(), Some(0));
        assert_eq!(limiter.permit(), None);
        assert_eq!(limiter.permit(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(limiter.permit(), Some(2));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(limiter.permit(), Some(0));
    }
}
