//! The requests under way on one connection: which may start, and whose answer is next.
//!
//! Kafka serves one request of a connection at a time. So do we, but for Produce: a run of produces
//! is under way together, because each would otherwise wait for the one before it to be stored. Its
//! records enter the partitions' queues when it starts, so the order of requests is the order of
//! records.
//!
//! **Invariants:** answers come out in the order of requests; anything but a Produce starts only
//! when every earlier request of the connection was answered, and nothing starts before it was.
//! At most one request waits to start, and while it waits no more are accepted.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use odradek_protocol::ApiKey;
use tokio::time::Instant;

use crate::{
    api::{Answer, CloseConnection, EncodedResponse, Kind, Request},
    network::memory_budget::Turn,
};

/// How many requests of one connection may be under way. Producers send five, some twenty.
const REQUESTS_MAX: usize = 64;

/// The queue. See the module's documentation.
#[derive(Default)]
pub(crate) struct Pipeline {
    under_way: VecDeque<UnderWay>,
    /// Next to start, once it may.
    waiting: Option<(Request, Option<Turn>)>,
    /// Bytes of the requests under way.
    bytes: usize,
}

struct UnderWay {
    answer: Answer,
    api_key: ApiKey,
    began: Instant,
    bytes: usize,
    turn: Option<Turn>,
    kind: Kind,
}

/// An answer whose turn it is; `response` is `None` where the request wants none.
pub(crate) struct Answered {
    pub(crate) api_key: ApiKey,
    /// When the request had arrived and was started.
    pub(crate) began: Instant,
    pub(crate) response: Option<EncodedResponse>,
    pub(crate) turn: Option<Turn>,
}

impl Pipeline {
    /// Whether another request may be handed in. `bytes_max` bounds the bytes under way; one
    /// request may always be.
    pub(crate) fn has_room(&self, bytes_max: usize) -> bool {
        self.waiting.is_none()
            && self.under_way.len() < REQUESTS_MAX
            && (self.under_way.is_empty() || self.bytes < bytes_max)
    }

    /// Hands in the next request. Call it only while there is room; then call `start`.
    pub(crate) fn push(&mut self, request: Request, turn: Option<Turn>) {
        debug_assert!(
            self.waiting.is_none(),
            "requests are handed in one at a time"
        );
        self.waiting = Some((request, turn));
    }

    /// Starts the waiting request if its time has come. `memory_is_overdrawn` holds back whoever
    /// has no right to exceed the memory budget.
    pub(crate) fn start(
        &mut self,
        memory_is_overdrawn: bool,
        start: impl FnOnce(&Request) -> Result<Answer, CloseConnection>,
    ) -> Result<(), CloseConnection> {
        let Some((request, turn)) = self.waiting.take() else {
            return Ok(());
        };
        if !self.may_start(request.kind()) || (memory_is_overdrawn && turn.is_none()) {
            self.waiting = Some((request, turn));
            return Ok(());
        }
        let (api_key, bytes, kind) = (request.api_key(), request.bytes(), request.kind());
        let (began, answer) = (Instant::now(), start(&request)?);
        self.bytes += bytes;
        // It waits for other clients, one of which may need the turn to be read at all.
        let turn = turn.filter(|_| kind != Kind::Membership);
        self.under_way.push_back(UnderWay {
            answer,
            api_key,
            began,
            bytes,
            turn,
            kind,
        });
        Ok(())
    }

    /// Whether a request waits for nothing but memory.
    pub(crate) fn waits_for_memory(&self) -> bool {
        self.waiting
            .as_ref()
            .is_some_and(|(request, _)| self.may_start(request.kind()))
    }

    /// Whether any request is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether the next answer is of a request that is pointless once the peer has left.
    pub(crate) fn may_be_abandoned(&self) -> bool {
        self.under_way
            .front()
            .is_none_or(|next| matches!(next.kind, Kind::Fetch | Kind::Membership))
    }

    /// Waits for the next answer; for ever if there is no request under way. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Result<Answered, CloseConnection> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next answer if it is there already.
    pub(crate) fn next_if_ready(&mut self) -> Option<Result<Answered, CloseConnection>> {
        // Whoever calls this waits in `next` afterwards, which registers a real waker.
        match self.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answered) => Some(answered),
            Poll::Pending => None,
        }
    }

    /// Only the request at the front is polled. The others advance all the same: what they wait for
    /// is done by others, and they have only to notice.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Answered, CloseConnection>> {
        let Some(next) = self.under_way.front_mut() else {
            return Poll::Pending;
        };
        let Poll::Ready(response) = next.answer.as_mut().poll(context) else {
            return Poll::Pending;
        };
        let (api_key, began, turn) = (next.api_key, next.began, next.turn.take());
        self.bytes -= next.bytes;
        self.under_way.pop_front();
        let answered = |response| Answered {
            api_key,
            began,
            response,
            turn,
        };
        Poll::Ready(response.map(answered))
    }

    fn may_start(&self, kind: Kind) -> bool {
        match self.under_way.front() {
            None => true,
            // Anything but a Produce is under way alone, so the front speaks for all.
            Some(front) => front.kind == Kind::Produce && kind == Kind::Produce,
        }
    }
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
