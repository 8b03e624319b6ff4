//! The asking side of a socket: dial a broker, send requests, get their answers.
//!
//! In the order of use:
//! - [`address`]: a host and a port as people write them and brokers advertise them
//! - `dial`: from a name to a socket, resolved anew each time
//! - `frames`: whole frames out of a stream of bytes
//! - [`versions`]: the handshake, and which version of an API both sides speak
//! - [`connection`]: requests in flight on one socket, each with its answer
//! - `in_flight`: whose answer comes next
//! - [`error`]: what can go wrong
//!
//! **Invariant:** requests leave in the order in which they were sent, and every one gets exactly
//! one outcome: its answer, or the reason for which the connection was lost. Nothing is repeated
//! here: whether asking again is safe is known only to whoever asks.
//!
//! What a request means, and which broker to ask, belongs to the crates above.

pub mod address;
pub mod connection;
pub mod error;
pub mod versions;

mod dial;
mod frames;
mod in_flight;

pub use address::Address;
pub use connection::{Connection, ConnectionOptions, PendingAnswer};
pub use error::{CallError, ConnectError, Lost};
