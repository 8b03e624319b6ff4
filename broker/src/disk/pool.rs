//! The disk pool: a few operating system threads on which every blocking storage call is made.
//!
//! There are two ways in, because there are two kinds of work:
//!
//! - [`DiskPool::spawn`] and [`DiskPool::submit`] are for the log's own work: a partition's drain,
//!   a flush, opening a log. They never wait. Their callers bound themselves: a partition has at
//!   most one drain scheduled, and housekeeping has one job under way.
//! - [`DiskPool::run`] is for work that a client's request caused, such as a lookup in an index or
//!   a cold read. At most *threads - 1* such jobs are queued or running; further callers wait as
//!   futures, in the order in which they came, and cost no thread. So however many clients read
//!   old data, one thread is always left for appends.
//!
//! **Bound:** the queue holds at most one job per local partition, one per housekeeping duty, and
//! *threads - 1* jobs of requests.
//!
//! **Invariant:** a job that was accepted runs to its end, even when nobody waits for its result
//! any more and even while the pool is stopping.
//!
//! The pool does not know what a log is, and it does not order jobs beyond first in, first out:
//! whoever needs one writer at a time keeps that order itself.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

/// A unit of blocking work.
type Job = Box<dyn FnOnce() + Send + 'static>;

/// The threads that may block, and their queue. See the module's documentation.
#[derive(Debug)]
pub(crate) struct DiskPool {
    shared: Arc<Shared>,
    /// One permit for each request's job that may be queued or running.
    request_permits: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The pool is stopping, or the job panicked: there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disk pool has stopped or the job failed")]
pub(crate) struct JobLost;

impl DiskPool {
    /// Starts `threads` threads named `disk-0`, `disk-1`, ….
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                idle: 0,
                waking: false,
                closed: false,
            }),
            work: Condvar::new(),
        });
        let pool = Arc::new(Self {
            shared: Arc::clone(&shared),
            request_permits: Arc::new(Semaphore::new(threads.get().saturating_sub(1).max(1))),
            threads: Mutex::new(Vec::with_capacity(threads.get())),
        });
        for number in 0..threads.get() {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new()
                .name(format!("disk-{number}"))
                .spawn(move || shared.work())?;
            pool.threads.lock().push(thread);
        }
        Ok(pool)
    }

    /// Runs `job` on the pool and resolves to its result.
    ///
    /// Waits for its turn without holding a thread, see the module's documentation. Cancellation:
    /// dropped before its turn, the job never runs; dropped later, it runs and its result is lost.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, JobLost>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = Arc::clone(&self.request_permits)
            .acquire_owned()
            .await
            .map_err(|_| JobLost)?;
        let done = self.submit(move || {
            let result = job();
            drop(permit);
            result
        });
        done.await.map_err(|_| JobLost)
    }

    /// As [`spawn`](Self::spawn), for a job whose end somebody awaits. The receiver fails when the
    /// pool is stopping or the job panicked.
    pub(crate) fn submit<T, F>(&self, job: F) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        // The caller may have gone away; the work is done all the same.
        self.spawn(move || {
            let _ = sender.send(job());
        });
        receiver
    }

    /// Puts `job` at the end of the queue and returns at once.
    ///
    /// The caller bounds how many of its jobs are outstanding. Once the pool is stopping, the job
    /// is dropped unrun: whoever awaits something from it sees its sender vanish.
    pub(crate) fn spawn<F>(&self, job: F)
    where
        F: FnOnce() + Send + 'static,
    {
        let mut queue = self.shared.queue.lock();
        if queue.closed {
            return;
        }
        queue.jobs.push_back(Box::new(job));
        let wake = queue.should_wake();
        drop(queue);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// Jobs that wait for a thread at this moment; for the metrics.
    pub(crate) fn queued(&self) -> usize {
        self.shared.queue.lock().jobs.len()
    }

    /// Refuses new jobs, finishes the queued ones and waits for the threads to end.
    ///
    /// Blocks; call it where blocking is allowed, and never from a job of this pool.
    pub(crate) fn stop(&self) {
        self.close();
        for thread in self.threads.lock().drain(..) {
            // A job's panic is caught inside the thread, so there is nothing to learn from this.
            let _ = thread.join();
        }
    }

    fn close(&self) {
        self.request_permits.close();
        self.shared.queue.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the threads share.
struct Shared {
    queue: Mutex<Queue>,
    /// Signalled when a job arrives while a thread sleeps, and on closing.
    work: Condvar,
}

struct Queue {
    jobs: VecDeque<Job>,
    /// Threads asleep on [`Shared::work`]. With none asleep a push needs no system call.
    idle: usize,
    /// A thread was woken and has not come to the queue yet. It will wake the next one if there is
    /// more than it can take, so a burst of short jobs does not wake a thread for each of them.
    waking: bool,
    closed: bool,
}

impl Queue {
    /// Whether to wake a thread for the jobs there are; if so, the caller must do it.
    fn should_wake(&mut self) -> bool {
        let wake = 0 < self.idle && !self.waking;
        self.waking |= wake;
        wake
    }
}

impl Shared {
    /// The life of one thread: take a job, run it, sleep when there is none.
    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a job on the disk pool panicked; the thread goes on");
            }
        }
    }

    /// The oldest job; `None` once the pool is closed and the queue empty.
    fn next(&self) -> Option<Job> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                let wake = !queue.jobs.is_empty() && queue.should_wake();
                drop(queue);
                if wake {
                    self.work.notify_one();
                }
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            self.work.wait(&mut queue);
            queue.idle -= 1;
            queue.waking = false;
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use super::*;

    fn pool(threads: usize) -> Arc<DiskPool> {
        DiskPool::start(NonZeroUsize::new(threads).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_job_returns_its_result() {
        assert_eq!(pool(2).run(|| 6 * 7).await, Ok(42));
    }

    #[tokio::test]
    async fn a_panicking_job_loses_its_result_and_the_thread_survives() {
        let pool = pool(1);
        assert_eq!(
            pool.run(|| panic!("as the test wants")).await,
            Err::<(), _>(JobLost)
        );
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn stopping_finishes_what_was_queued_and_refuses_what_comes_later() {
        let pool = pool(1);
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let done = Arc::clone(&done);
            pool.spawn(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        pool.stop();
        assert_eq!(done.load(Ordering::SeqCst), 100);
        assert_eq!(pool.run(|| ()).await, Err(JobLost));
    }

    #[tokio::test]
    async fn requests_that_block_leave_a_thread_for_appends() {
        let pool = pool(2);
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let mut readers = Vec::new();
        for _ in 0..4 {
            let (pool, blocked) = (Arc::clone(&pool), Arc::clone(&blocked));
            readers.push(tokio::spawn(async move {
                pool.run(move || blocked.lock().recv().is_err()).await
            }));
        }
        tokio::task::yield_now().await;
        let (sender, receiver) = oneshot::channel();
        pool.spawn(move || sender.send(()).unwrap());
        receiver.await.unwrap();
        drop(release);
        for reader in readers {
            assert_eq!(reader.await.unwrap(), Ok(true));
        }
    }
}
