//! Waiting for a condition with a deadline: tests never sleep and hope.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a condition may take on a busy machine before the test fails.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks `condition` every few milliseconds until it has a value.
///
/// # Panics
/// When [`PATIENCE`] is over; the message names `what`.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for: {what}"
        );
        thread::sleep(Duration::from_millis(2));
    }
}
