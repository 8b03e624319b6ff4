//! From a request's bytes to its answer: the only match on the API key.
//!
//! - [`context`]: what a handler may use, and who asks.
//!
//! One file per API holds its handler. Handlers know neither sockets nor encodings. Their shapes:
//!
//! ```text
//! pub(crate) async fn handle(ctx: &RequestContext, request: XRequest) -> XResponse
//!
//! // Produce puts its records into the partitions' queues before it returns, so that several
//! // produces of one connection are under way together and still append in order:
//! pub(crate) fn start(ctx: &RequestContext, request: ProduceRequest)
//!     -> impl Future<Output = Result<Option<ProduceResponse>, CloseConnection>>
//!        + Send + use<>          // 'static: it does not borrow the context
//!
//! // Fetch names the file ranges that fill the gaps of its answer, in the order of the gaps:
//! pub(crate) async fn handle(ctx: &RequestContext, request: FetchRequest)
//!     -> (FetchResponse, Vec<LogSlice>)
//! ```
//!
//! A handler is cancelled by dropping its future: when the client has gone, or when the broker
//! stops. So whatever must run to its end is handed to another owner before the first `.await`.

pub(crate) mod context;

/// There is no answer that could tell the client what went wrong: its connection is closed instead.
///
/// Kafka does so for an error of a produce with acks=0. The reason goes to the log, rate limited.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct CloseConnection {
    /// What went wrong, for the log: lowercase, no full stop.
    pub(crate) reason: String,
}
