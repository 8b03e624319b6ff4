//! The door to blocking work: everything that may wait for a disk runs on the threads kept here.
//!
//! - [`pool`]: a few named threads, and who may use them for what.
//! - `job_queue`: the queue that they work off.
//!
//! Nothing outside this module starts a thread to call storage, and nothing on a runtime worker
//! calls storage where it may touch a file.

mod job_queue;
pub(crate) mod pool;

pub(crate) use pool::DiskPool;
