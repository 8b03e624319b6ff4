//! The wall clock, for the timestamps of records. Everything that waits uses tokio's clock instead.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time in ms since the Unix epoch; 0 for a clock that is set before it.
pub(crate) fn now_ms() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place in this crate that reads the wall clock"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64)
}
