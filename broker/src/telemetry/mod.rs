//! What the broker tells the people who run it: numbers, log lines, and whether it is well.
//!
//! - [`metrics`]: counters that the hot path bumps, and values read when somebody asks.
//! - [`process`]: what the operating system knows about this process.
//! - [`health`]: alive (the runtimes turn) and ready (clients may come).
//! - [`status`]: the document behind `/v1/broker`.
//! - [`admin_http`]: the admin port that serves them.
//! - [`logging`]: log lines for people and for machines.
//!
//! **Invariant:** nothing here is awaited by the data path, and nothing here runs on its threads.

pub(crate) mod admin_http;
pub(crate) mod health;
pub mod logging;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod status;
