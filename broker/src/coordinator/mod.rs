//! Consumer groups: who is in them, and how far they have read.
//!
//! - [`records`]: the records of `__consumer_offsets`.
//! - [`state_log`]: one partition of it: append, replay.
//! - [`internal_topic`]: the topic itself.

pub(crate) mod internal_topic;
pub(crate) mod records;
pub(crate) mod state_log;
