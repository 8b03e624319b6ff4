//! The disk pool: a few operating system threads on which every blocking storage call is made.
//!
//! There are several ways in, because there are several kinds of work:
//!
//! - [`DiskPool::spawn`] and [`DiskPool::submit`] are for what appends and the opening of logs
//!   need.
//!   They never wait. Their callers bound themselves: a partition has at most one drain scheduled.
//! - [`DiskPool::run`] is for work that a client's request caused, such as a lookup in an index or
//!   a cold read. At most *threads - 1* such jobs are queued or running; further callers wait as
//!   futures, in the order in which they came, and cost no thread. So however many clients read
//!   old data, one thread is always left for appends.
//! - [`DiskPool::upkeep`] is for work that may take long and that no client waits for: flushes in
//!   the background, retention, checkpoints. It has a thread of its own.
//! - [`DiskPool::clean`] is for compaction, which may take minutes and sleeps on purpose. It has
//!   threads of its own too.
//!
//! **Bound:** at most one job per local partition is queued, *threads - 1* of requests, one for
//! each duty of the upkeep, and one for each thread that compacts.
//!
//! **Invariant:** a job that was accepted runs to its end, even when nobody waits for its result
//! any more and even while the pool is stopping.
//!
//! The pool does not know what a log is, and it does not order jobs beyond first in, first out:
//! whoever needs one writer at a time keeps that order itself.

use std::{io, num::NonZeroUsize, sync::Arc, thread, thread::JoinHandle};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use super::job_queue::JobQueue;

/// The threads that may block, and their queues. See the module's documentation.
#[derive(Debug)]
pub(crate) struct DiskPool {
    jobs: Arc<JobQueue>,
    upkeep: Arc<JobQueue>,
    cleaning: Arc<JobQueue>,
    /// One permit for each request's job that may be queued or running.
    request_permits: Arc<Semaphore>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The pool is stopping, or the job panicked: there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("disk pool has stopped or the job failed")]
pub(crate) struct JobLost;

impl DiskPool {
    /// Starts `threads` threads named `disk-0`, `disk-1`, …, and `disk-upkeep`.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self {
            jobs: Arc::default(),
            upkeep: Arc::default(),
            cleaning: Arc::default(),
            request_permits: Arc::new(Semaphore::new(threads.get().saturating_sub(1).max(1))),
            threads: Mutex::default(),
        });
        for number in 0..threads.get() {
            pool.start_thread(format!("disk-{number}"), &pool.jobs)?;
        }
        pool.start_thread("disk-upkeep".to_owned(), &pool.upkeep)?;
        Ok(pool)
    }

    /// Adds `threads` threads named `clean-0`, `clean-1`, …, for [`clean`](Self::clean).
    pub(crate) fn start_cleaning(&self, threads: usize) -> io::Result<()> {
        (0..threads)
            .try_for_each(|number| self.start_thread(format!("clean-{number}"), &self.cleaning))
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
        let permits = Arc::clone(&self.request_permits);
        let permit = permits.acquire_owned().await.map_err(|_| JobLost)?;
        let done = self.submit(move || {
            let result = job();
            drop(permit);
            result
        });
        done.await.map_err(|_| JobLost)
    }

    /// Puts `job` at the end of the queue and returns at once.
    ///
    /// The caller bounds how many of its jobs are outstanding. Once the pool is stopping, the job
    /// is dropped unrun.
    pub(crate) fn spawn<F>(&self, job: F)
    where
        F: FnOnce() + Send + 'static,
    {
        self.jobs.push(Box::new(job));
    }

    /// As [`spawn`](Self::spawn), for a job whose end somebody awaits. The receiver fails when the
    /// pool is stopping or the job panicked.
    pub(crate) fn submit<T, F>(&self, job: F) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Self::submit_to(&self.jobs, job)
    }

    /// Runs `job` on the thread for upkeep, where one job runs at a time. The receiver fails as
    /// that of [`submit`](Self::submit) does.
    pub(crate) fn upkeep<T, F>(&self, job: F) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Self::submit_to(&self.upkeep, job)
    }

    /// Runs `job` on a thread for compaction. The receiver fails as that of
    /// [`submit`](Self::submit) does.
    pub(crate) fn clean<T, F>(&self, job: F) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        Self::submit_to(&self.cleaning, job)
    }

    /// Jobs that wait for a thread at this moment, without those of upkeep and compaction.
    pub(crate) fn queued(&self) -> usize {
        self.jobs.len()
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

    fn submit_to<T, F>(queue: &JobQueue, job: F) -> oneshot::Receiver<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        queue.push(Box::new(move || {
            // The caller may have gone away; the work is done all the same.
            let _ = sender.send(job());
        }));
        receiver
    }

    fn start_thread(&self, name: String, queue: &Arc<JobQueue>) -> io::Result<()> {
        let queue = Arc::clone(queue);
        let thread = thread::Builder::new()
            .name(name)
            .spawn(move || queue.work())?;
        self.threads.lock().push(thread);
        Ok(())
    }

    fn close(&self) {
        self.request_permits.close();
        self.jobs.close();
        self.upkeep.close();
        self.cleaning.close();
    }
}

impl Drop for DiskPool {
    fn drop(&mut self) {
        self.close();
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
    async fn upkeep_that_takes_long_holds_up_nobody() {
        let pool = pool(1);
        let (release, blocked) = mpsc::channel::<()>();
        let upkeep = pool.upkeep(move || blocked.recv().is_err());
        assert_eq!(pool.run(|| 1).await, Ok(1));
        drop(release);
        assert_eq!(upkeep.await, Ok(true));
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
