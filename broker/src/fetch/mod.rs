//! Fetching: who follows which partitions, and what they are given.
//!
//! In the order a request passes through:
//! - [`session`]: incremental fetch sessions (KIP-227)
//! - [`subscription`]: the partitions a session follows
//! - [`interest`]: which of them changed: the place where long polls wait
//! - [`reading`]: a look at one partition
//! - [`pass`]: what one fetch collected, and whether it is enough
//!
//! **Invariant:** the cost of a fetch is in proportion to the partitions that changed, not to those
//! followed. Records never pass through here: an answer names ranges of files.

pub(crate) mod interest;
pub(crate) mod pass;
pub(crate) mod reading;
pub(crate) mod session;
pub(crate) mod subscription;

pub(crate) use session::SessionCache;
