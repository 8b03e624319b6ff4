//! The one place where the broker reads the wall clock.
//!
//! Everything below `api` takes the time as a parameter; who needs to pass one asks the [`Clock`]
//! in [`Services`](crate::api::context::Services). Intervals and deadlines are not its business:
//! those use tokio's monotonic time.

#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day, in milliseconds since 1970 as Kafka's timestamps do.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The machine's clock.
    System,
    /// Stands still until a test moves it.
    #[cfg(test)]
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// Now, in milliseconds since 1970.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    pub(crate) fn now_ms(&self) -> i64 {
        match self {
            // A machine that believes to be before 1970 gets 1970: timestamps must not be negative.
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |elapsed| elapsed.as_millis() as i64),
            #[cfg(test)]
            Self::Manual(now_ms) => now_ms.load(Ordering::Relaxed),
        }
    }
}
