//! The signals that ask a tool to end: Ctrl-C and SIGTERM.

use std::{
    future,
    task::{Context, Poll},
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Outcome;

/// From its making on these signals no longer kill the process: whoever makes it has to wait for
/// them.
#[derive(Debug)]
pub(crate) struct EndSignals {
    all: [(SignalKind, Signal); 2],
}

impl EndSignals {
    /// Listens. Inside of a tokio runtime only.
    pub(crate) fn listen() -> Self {
        let listen = |kind| {
            (
                kind,
                signal(kind).expect("a handler of this signal is allowed"),
            )
        };
        Self {
            all: [SignalKind::interrupt(), SignalKind::terminate()].map(listen),
        }
    }

    /// Waits for the next of them; how a tool ends that it has ended.
    ///
    /// Cancellation safe.
    pub(crate) async fn next(&mut self) -> Outcome {
        future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        for (kind, signal) in &mut self.all {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(Outcome::Signalled(kind.as_raw_value()));
            }
        }
        Poll::Pending
    }
}
