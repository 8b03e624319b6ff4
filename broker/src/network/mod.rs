//! Sockets: who may connect, requests in, answers out.
//!
//! In the order bytes flow:
//!
//! - [`listener`]: binds, accepts, limits.
//! - [`connection`]: one socket, one task: the loop that ties the rest together.
//! - [`frame_reader`]: bytes to frames.
//! - [`pipeline`]: requests under way on one connection; which may start, which answer is next.
//! - [`response_writer`]: answers and file ranges to the socket.
//!
//! and what bounds them:
//!
//! - [`memory_budget`], [`buffer_pool`]: bytes in memory.
//! - [`pace`]: how slow a peer may be.
//! - [`log_limiter`]: how many lines a peer may cause in the log.
//!
//! **Invariant:** nothing here blocks a runtime thread on a disk, and no peer, however slow or
//! hostile, makes the broker hold more memory than [`memory_budget`] says.

mod buffer_pool;
mod connection;
mod frame_reader;
pub(crate) mod listener;
mod log_limiter;
mod memory_budget;
mod pace;
mod pipeline;
mod response_writer;

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{api::context::Services, config, disk::pool::DiskPool};
use buffer_pool::BufferPool;
use log_limiter::LogLimiter;
use memory_budget::MemoryBudget;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Network {
    services: Arc<Services>,
    resources: Resources,
    /// `connections.max.idle.ms`.
    idle_timeout: Option<Duration>,
    /// Cancelled when the broker stops.
    stopping: CancellationToken,
    /// Lines about peers that break the rules.
    complaints: LogLimiter,
}

/// What requests are read with and answers sent with.
#[derive(Debug)]
struct Resources {
    budget: Arc<MemoryBudget>,
    pool: Arc<BufferPool>,
    /// Where ranges are read that may not be in the page cache.
    disk: Arc<DiskPool>,
    /// `socket.request.max.bytes`.
    request_bytes_max: usize,
    /// `socket.stall.timeout.ms`.
    stall_timeout: Duration,
}

impl Network {
    /// The shared parts of all connections, which end when `stopping` is cancelled.
    pub(crate) fn new(
        config: &config::Network,
        services: Arc<Services>,
        stopping: CancellationToken,
    ) -> Arc<Self> {
        let resources = Resources {
            budget: MemoryBudget::new(config.request_bytes_budget.unwrap_or(usize::MAX)),
            pool: BufferPool::new(),
            disk: Arc::clone(&services.disk),
            request_bytes_max: config.request_bytes_max,
            stall_timeout: config.stall_timeout,
        };
        Arc::new(Self {
            services,
            resources,
            idle_timeout: config.idle_timeout,
            stopping,
            complaints: LogLimiter::default(),
        })
    }

    /// Bytes of requests and answers in memory now.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.resources.budget.used_bytes()
    }

    /// Gives unused memory back, until the broker stops.
    pub(crate) async fn trim_memory(&self) {
        tokio::select! {
            biased; // First of all, stop.
            () = self.stopping.cancelled() => {}
            () = self.resources.pool.trim() => {}
        }
    }
}
