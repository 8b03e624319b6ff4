//! The appends that wait for their partition's one writer.
//!
//! **Invariant:** while the queue is not empty a drain is scheduled or running, and never two.
//! Whoever pushes into a queue without a drain has to schedule one; the drain goes on until
//! [`AppendQueue::is_done`] says that it may end.
//!
//! **Bound:** what is queued are slices of request frames, so the byte budgets of the connections
//! bound the queue; it needs no bound of its own.

use std::mem;

use odradek_storage::{
    append::{AppendRequest, Appended},
    error::AppendError as LogAppendError,
};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{leader::NotEnoughReplicas, space::DiskNearlyFull};

/// The most record bytes that one group takes before other partitions get their turn.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// Why records were not appended, or not acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AppendError {
    /// The log refused them.
    #[error(transparent)]
    Log(#[from] LogAppendError),
    /// Too few replicas are in sync for `acks=all`; nothing was appended.
    #[error(transparent)]
    NotEnoughReplicas(#[from] NotEnoughReplicas),
    /// Too little room is left on the disk; nothing was appended.
    #[error(transparent)]
    DiskNearlyFull(#[from] DiskNearlyFull),
    /// The partition was deleted; nothing was appended.
    #[error("the partition was deleted")]
    Deleted,
    /// The broker is stopping; nothing was appended.
    #[error("the broker is stopping")]
    Stopping,
}

/// What became of one append.
pub(super) type AppendResult = Result<Appended, AppendError>;

/// The answer to an append, once it comes. A closed channel means that the broker is stopping.
pub(crate) type AppendReply = oneshot::Receiver<AppendResult>;

/// An append and whom to answer.
#[derive(Debug)]
pub(super) struct PendingAppend {
    pub(super) request: AppendRequest,
    pub(super) reply: oneshot::Sender<AppendResult>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct AppendQueue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<PendingAppend>,
    /// A drain is scheduled or running: it will see whatever is pushed.
    draining: bool,
    /// Why nothing may be appended any more.
    closed: Option<AppendError>,
}

impl AppendQueue {
    /// Puts an append at the end, and says whether the caller has to schedule a drain for it. A
    /// closed queue answers on the spot.
    pub(super) fn push(&self, append: PendingAppend) -> bool {
        let mut state = self.state.lock();
        if let Some(reason) = state.closed.clone() {
            drop(state);
            append.answer(Err(reason));
            return false;
        }
        state.pending.push(append);
        !mem::replace(&mut state.draining, true)
    }

    /// The oldest appends, as many as one write should take, but at least one if there is any.
    pub(super) fn take_group(&self) -> Vec<PendingAppend> {
        let pending = &mut self.state.lock().pending;
        let mut bytes = 0;
        let group = pending.iter().take_while(|append| {
            let fits = bytes < GROUP_BYTES_MAX;
            bytes += append.request.records.len();
            fits
        });
        let count = group.count();
        if count == pending.len() {
            return mem::take(pending);
        }
        pending.drain(..count).collect()
    }

    /// Whether the drain may end because nothing came meanwhile. If so, the next push schedules
    /// another.
    pub(super) fn is_done(&self) -> bool {
        let mut state = self.state.lock();
        state.draining = !state.pending.is_empty();
        !state.draining
    }

    /// Refuses all further appends with `reason`, those that wait included.
    pub(super) fn close(&self, reason: &AppendError) {
        let pending = {
            let mut state = self.state.lock();
            state.closed = Some(reason.clone());
            mem::take(&mut state.pending)
        };
        for append in pending {
            append.answer(Err(reason.clone()));
        }
    }

    /// Why appends are refused, if they are.
    pub(super) fn closed(&self) -> Option<AppendError> {
        self.state.lock().closed.clone()
    }
}

impl PendingAppend {
    /// Its client may have gone away; what was appended stays appended.
    fn answer(self, result: AppendResult) {
        let _ = self.reply.send(result);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn append(bytes: usize) -> (PendingAppend, AppendReply) {
        let (reply, receiver) = oneshot::channel();
        let records = Bytes::from(vec![0; bytes]);
        (
            PendingAppend {
                request: AppendRequest { records },
                reply,
            },
            receiver,
        )
    }

    #[test]
    fn the_first_push_schedules_a_drain_and_the_next_only_after_it_ended() {
        let queue = AppendQueue::default();
        assert!(queue.push(append(1).0));
        assert!(!queue.push(append(1).0));
        assert_eq!(queue.take_group().len(), 2);
        assert!(!queue.push(append(1).0));
        assert!(!queue.is_done());
        assert_eq!(queue.take_group().len(), 1);
        assert!(queue.is_done());
        assert!(queue.push(append(1).0));
    }

    #[test]
    fn a_group_is_bounded_in_bytes_and_holds_at_least_one_append() {
        let queue = AppendQueue::default();
        for bytes in [GROUP_BYTES_MAX + 1, GROUP_BYTES_MAX - 1, 1, 1] {
            queue.push(append(bytes).0);
        }
        let sizes = || -> Vec<_> {
            queue
                .take_group()
                .iter()
                .map(|append| append.request.records.len())
                .collect()
        };
        assert_eq!(sizes(), [GROUP_BYTES_MAX + 1]);
        assert_eq!(sizes(), [GROUP_BYTES_MAX - 1, 1]);
        assert_eq!(sizes(), [1]);
        assert_eq!(sizes(), [] as [usize; 0]);
    }

    #[test]
    fn a_closed_queue_answers_those_who_wait_and_those_who_come() {
        let queue = AppendQueue::default();
        let (waiting, mut waiting_reply) = append(1);
        queue.push(waiting);
        queue.close(&AppendError::Deleted);
        let (late, mut late_reply) = append(1);
        assert!(!queue.push(late));
        for reply in [&mut waiting_reply, &mut late_reply] {
            assert!(matches!(
                reply.try_recv().unwrap(),
                Err(AppendError::Deleted)
            ));
        }
        assert!(queue.take_group().is_empty());
    }
}
