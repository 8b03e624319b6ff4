//! Whose answer comes next.
//!
//! A broker answers the requests of one connection in their order, so that a queue is enough; the
//! correlation id only proves that both sides count alike.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::Lost;

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) correlation_id: i32,
    /// Told the whole frame of the answer; dropped when the connection is lost.
    pub(crate) answer: oneshot::Sender<Bytes>,
}

/// The requests that were sent and not answered.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiter>,
    /// Why nothing more will be answered.
    lost: Option<Lost>,
}

impl InFlight {
    /// Adds the next to be answered. Once the connection is lost the waiter is dropped at once.
    pub(crate) fn push(&self, waiter: Waiter) {
        let mut state = self.state.lock();
        if state.lost.is_none() {
            state.waiting.push_back(waiter);
        }
    }

    /// Hands an answer to whoever waits for it.
    pub(crate) fn answer(&self, correlation_id: i32, frame: Bytes) -> Result<(), Lost> {
        let waiter = self.state.lock().waiting.pop_front();
        match waiter {
            Some(waiter) if waiter.correlation_id == correlation_id => {
                // Whoever asked may have lost interest.
                let _ = waiter.answer.send(frame);
                Ok(())
            }
            other => Err(Lost::Correlation {
                expected: other.map(|waiter| waiter.correlation_id),
                found: correlation_id,
            }),
        }
    }

    /// Gives up on everybody. The first reason stays.
    pub(crate) fn lose(&self, reason: Lost) {
        let mut state = self.state.lock();
        state.lost.get_or_insert(reason);
        state.waiting.clear();
    }

    /// Why nothing more will be answered, if so.
    pub(crate) fn lost(&self) -> Option<Lost> {
        self.state.lock().lost.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn waiter(correlation_id: i32) -> (Waiter, oneshot::Receiver<Bytes>) {
        let (answer, receiver) = oneshot::channel();
        let waiter = Waiter {
            correlation_id,
            answer,
        };
        (waiter, receiver)
    }

    #[test]
    fn answers_go_to_those_who_asked_in_their_order() {
        let in_flight = InFlight::default();
        let (first, mut first_answer) = waiter(1);
        let (second, second_answer) = waiter(2);
        in_flight.push(first);
        in_flight.push(second);
        drop(second_answer);
        in_flight.answer(1, Bytes::from_static(b"one")).unwrap();
        in_flight.answer(2, Bytes::new()).unwrap();
        assert_eq!(first_answer.try_recv().unwrap(), "one");
    }

    #[test]
    fn an_answer_that_nobody_waits_for_is_an_error() {
        let in_flight = InFlight::default();
        assert!(in_flight.answer(1, Bytes::new()).is_err());
        let (first, _answer) = waiter(1);
        in_flight.push(first);
        assert!(in_flight.answer(2, Bytes::new()).is_err());
    }

    #[test]
    fn who_comes_after_the_loss_is_told_at_once() {
        let in_flight = InFlight::default();
        in_flight.lose(Lost::ClosedByPeer);
        in_flight.lose(Lost::ClosedHere);
        let (late, mut answer) = waiter(1);
        in_flight.push(late);
        assert!(answer.try_recv().is_err());
        assert!(matches!(in_flight.lost(), Some(Lost::ClosedByPeer)));
    }
}
