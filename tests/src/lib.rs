//! The harness for tests wider than one crate: the real binary, its ports and its log.
//!
//! - [`broker`]: a broker in its own process, to be stopped, killed and started again
//! - [`port`]: ports that a client cannot connect to by accident
//! - [`program`]: the programs that are run
//! - [`wait`]: waiting for a condition with a deadline
//! - [`http`]: one GET to the admin port
//!
//! The tests themselves are in `integration/`, one file per subject, all in one binary.

pub mod broker;
pub mod http;
pub mod port;
pub mod program;
pub mod wait;
