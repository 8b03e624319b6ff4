//! A queue of jobs and the life of the threads that work it off, first in, first out.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use parking_lot::{Condvar, Mutex};

/// A unit of blocking work.
pub(super) type Job = Box<dyn FnOnce() + Send + 'static>;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct JobQueue {
    state: Mutex<State>,
    /// Signalled when a job arrives while a thread sleeps, and on closing.
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Threads asleep on [`JobQueue::work`]. With none asleep a push needs no system call.
    idle: usize,
    /// A thread was woken and has not come to the queue yet. It will wake the next one if there is
    /// more than it can take, so a burst of short jobs does not wake a thread for each of them.
    waking: bool,
    closed: bool,
}

impl JobQueue {
    /// Puts a job at the end; a closed queue drops it.
    pub(super) fn push(&self, job: Job) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        state.jobs.push_back(job);
        let wake = state.should_wake();
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// The life of one thread: take a job, run it, sleep when there is none, end when the queue is
    /// closed and empty.
    pub(super) fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job on a disk thread panicked; the thread goes on");
            }
        }
    }

    /// Jobs that wait for a thread.
    pub(super) fn len(&self) -> usize {
        self.state.lock().jobs.len()
    }

    /// Takes no more jobs. The threads end when those that wait are done.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.work.notify_all();
    }

    /// The oldest job; `None` once the queue is closed and empty.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                let wake = !state.jobs.is_empty() && state.should_wake();
                drop(state);
                if wake {
                    self.work.notify_one();
                }
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
            state.waking = false;
        }
    }
}

impl State {
    /// Whether a thread must be woken for the jobs there are; if so, the caller does it.
    fn should_wake(&mut self) -> bool {
        let wake = 0 < self.idle && !self.waking;
        self.waking |= wake;
        wake
    }
}

impl fmt::Debug for JobQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobQueue").finish_non_exhaustive()
    }
}
