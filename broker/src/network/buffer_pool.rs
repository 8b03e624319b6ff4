//! Buffers that requests arrive in, kept for reuse.
//!
//! A fresh large buffer costs the kernel a page fault for each 4 KiB of it; a used one costs
//! nothing. So buffers return here on drop, up to [`RETAINED_BYTES_MAX`], and those that nobody
//! needed for a while go back to the operating system.
//!
//! Small sizes are far apart, for a small buffer is soon outgrown; large ones are close, for their
//! unused rest is what costs.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The sizes that are kept. A connection that has begun a request costs at least the smallest; the
/// largest are for producers that put a megabyte of every partition into one request.
const SIZES: [usize; 9] = {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    [
        4 * KIB,
        16 * KIB,
        64 * KIB,
        256 * KIB,
        MIB,
        2 * MIB,
        4 * MIB,
        8 * MIB,
        16 * MIB,
    ]
};

/// The largest total of unused buffers: enough for the requests that a few busy producers have
/// under way. A quiet broker keeps none.
const RETAINED_BYTES_MAX: usize = 24 << 20;

/// How long a buffer may lie unused.
const UNUSED_MAX: Duration = Duration::from_secs(10);

/// The buffers that wait for use.
#[derive(Debug)]
pub(crate) struct BufferPool {
    shelves: Mutex<Shelves>,
    /// Rung when a buffer is put on an empty pool, to start the clock of [`BufferPool::trim`].
    filled: Notify,
    myself: Weak<Self>,
}

#[derive(Debug, Default)]
struct Shelves {
    by_size: [Shelf; SIZES.len()],
    retained_bytes: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    buffers: Vec<Box<[u8]>>,
    /// The fewest buffers that lay here since the last trim: so many were not needed.
    unused: usize,
}

/// A buffer and how much of it is filled. Returns to the pool on drop.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    pool: Weak<BufferPool>,
}

impl BufferPool {
    /// An empty pool.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new_cyclic(|myself| Self {
            shelves: Mutex::default(),
            filled: Notify::new(),
            myself: Weak::clone(myself),
        })
    }

    /// A buffer of at least `size` bytes: the next larger size that is kept, or `size` itself when
    /// that is larger than all of them.
    pub(crate) fn take(&self, size: usize) -> Buffer {
        let (bytes, pool) = match shelf_for(size) {
            None => (zeroed(size), Weak::new()),
            Some((number, rounded)) => {
                let kept = self.shelves.lock().take(number);
                (
                    kept.unwrap_or_else(|| zeroed(rounded)),
                    Weak::clone(&self.myself),
                )
            }
        };
        Buffer {
            bytes,
            filled: 0,
            pool,
        }
    }

    /// Gives buffers that nobody needed for [`UNUSED_MAX`] back to the operating system, for ever.
    /// Sleeps without a timer while the pool is empty. Cancellation safe.
    pub(crate) async fn trim(&self) {
        loop {
            self.filled.notified().await;
            while 0 < self.retained_bytes() {
                tokio::time::sleep(UNUSED_MAX).await;
                // Freed after the lock is released: it may take a while.
                let unused = self.shelves.lock().take_unused();
                drop(unused);
            }
        }
    }

    /// Bytes of the buffers that lie unused.
    pub(crate) fn retained_bytes(&self) -> usize {
        self.shelves.lock().retained_bytes
    }

    fn put_back(&self, bytes: Box<[u8]>) {
        let Some((number, _)) = shelf_for(bytes.len()) else {
            return;
        };
        let mut shelves = self.shelves.lock();
        if RETAINED_BYTES_MAX < shelves.retained_bytes + bytes.len() {
            return;
        }
        let was_empty = shelves.retained_bytes == 0;
        shelves.put(number, bytes);
        drop(shelves);
        if was_empty {
            self.filled.notify_one();
        }
    }
}

impl Shelves {
    fn take(&mut self, number: usize) -> Option<Box<[u8]>> {
        let shelf = self.by_size.get_mut(number)?;
        let bytes = shelf.buffers.pop()?;
        shelf.unused = shelf.unused.min(shelf.buffers.len());
        self.retained_bytes -= bytes.len();
        Some(bytes)
    }

    fn put(&mut self, number: usize, bytes: Box<[u8]>) {
        if let Some(shelf) = self.by_size.get_mut(number) {
            self.retained_bytes += bytes.len();
            shelf.buffers.push(bytes);
        }
    }

    /// Takes out what was not needed since the last call, and begins a new count.
    fn take_unused(&mut self) -> Vec<Box<[u8]>> {
        let mut unused = Vec::new();
        for shelf in &mut self.by_size {
            unused.extend(shelf.buffers.drain(..shelf.unused.min(shelf.buffers.len())));
            shelf.unused = shelf.buffers.len();
        }
        self.retained_bytes -= unused.iter().map(|bytes| bytes.len()).sum::<usize>();
        unused
    }
}

impl Buffer {
    /// How many bytes it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes filled so far.
    pub(crate) fn filled(&self) -> &[u8] {
        // `filled` never exceeds the length, so the fallback is never taken.
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The next `bytes_max` bytes to fill, or fewer at the end.
    pub(crate) fn unfilled(&mut self, bytes_max: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(bytes_max).min(self.bytes.len());
        self.bytes.get_mut(self.filled..end).unwrap_or_default()
    }

    /// Counts `bytes` of what [`Buffer::unfilled`] gave as filled.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.filled = self.filled.saturating_add(bytes).min(self.bytes.len());
    }

    /// Appends a copy of `bytes`, as far as there is room.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let room = self.unfilled(bytes.len());
        let copied = room.len();
        room.copy_from_slice(bytes.get(..copied).unwrap_or_default());
        self.advance(copied);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade() {
            pool.put_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// The shelf with the smallest buffers of at least `size` bytes, and their size.
fn shelf_for(size: usize) -> Option<(usize, usize)> {
    SIZES
        .into_iter()
        .enumerate()
        .find(|&(_, kept)| size <= kept)
}

fn zeroed(size: usize) -> Box<[u8]> {
    vec![0; size].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{BufferPool, RETAINED_BYTES_MAX, SIZES, UNUSED_MAX};

    const SMALLEST: usize = SIZES[0];

    #[test]
    fn sizes_are_rounded_up_and_huge_ones_are_exact() {
        let pool = BufferPool::new();
        for (asked, given) in [
            (1, SMALLEST),
            (SMALLEST, SMALLEST),
            (SMALLEST + 1, 4 * SMALLEST),
            (1 << 20, 1 << 20),
            (5 << 20, 8 << 20),
            (17 << 20, 17 << 20),
        ] {
            assert_eq!(pool.take(asked).capacity(), given);
        }
    }

    #[test]
    fn a_dropped_buffer_is_used_again_and_what_is_kept_is_bounded() {
        let pool = BufferPool::new();
        let mut buffer = pool.take(SMALLEST);
        buffer.append(b"abc");
        assert_eq!(buffer.filled(), b"abc");
        drop(buffer);
        assert_eq!(pool.retained_bytes(), SMALLEST);
        assert!(pool.take(SMALLEST).filled().is_empty());

        let many: Vec<_> = (0..40).map(|_| pool.take(1 << 20)).collect();
        drop(many);
        assert!(pool.retained_bytes() <= RETAINED_BYTES_MAX);
        drop(pool.take(100 << 20));
        assert!(pool.retained_bytes() <= RETAINED_BYTES_MAX);
    }

    #[test]
    fn appending_stops_at_the_end_of_the_buffer() {
        let mut buffer = BufferPool::new().take(SMALLEST);
        buffer.append(&vec![7; SMALLEST + 100]);
        assert_eq!(buffer.filled(), vec![7; SMALLEST]);
        assert!(buffer.unfilled(1).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn unused_buffers_are_freed_after_a_while() {
        let pool = BufferPool::new();
        let trimmer = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.trim().await }
        });
        drop((pool.take(1 << 20), pool.take(1 << 20)));
        assert_eq!(pool.retained_bytes(), 2 << 20);
        tokio::time::sleep(3 * UNUSED_MAX).await;
        assert_eq!(pool.retained_bytes(), 0);
        trimmer.abort();
    }
}
