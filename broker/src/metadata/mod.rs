//! The cluster's metadata in this process: who may change it, and how everybody sees it.
//!
//! In the order a change flows:
//!
//! - [`handle`]: what the rest of the broker holds: look at the image, ask for a change.
//! - [`controller`]: one request after the other: image, decision, commit, answer.
//! - [`publisher`]: committed records become an image on a watch.
//!
//! and beside it:
//!
//! - [`producer_ids`]: hands out producer ids from the block this broker was given.
//! - [`registration`]: what this broker says of itself.
//!
//! Two threads of their own run this: `controller` decides, `quorum` writes the log and syncs it.
//! No load on the data path can hold them up, and a slow disk holds up commits but not decisions.

pub(crate) mod controller;
pub(crate) mod handle;
mod producer_ids;
pub(crate) mod publisher;
pub(crate) mod registration;

use std::{io, path::Path, sync::Arc, thread, thread::JoinHandle};

pub(crate) use odradek_quorum::QuorumView;
use odradek_quorum::{Quorum, QuorumHealth, RealDisk, ReplicaKey, VoterConfig};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use handle::{ChangeError, MetadataHandle};
use publisher::{ActedIndex, Publisher};

/// Name of the metadata log's directory inside the first log directory. No partition's directory
/// can have it.
const DIRECTORY: &str = "__quorum";

/// The running metadata of this process; owns its threads.
#[derive(Debug)]
pub(crate) struct Metadata {
    handle: MetadataHandle,
    stop: CancellationToken,
    quorum: Quorum,
    controller: JoinHandle<()>,
}

/// Why the metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// Its log cannot be opened.
    #[error("open the metadata log")]
    Quorum(#[from] odradek_quorum::StartError),
    /// The system has no thread for the controller.
    #[error("start the controller's thread")]
    Thread(#[source] io::Error),
}

impl Metadata {
    /// Opens the metadata log in `log_directory`. When this returns, the image holds everything
    /// that was committed before. Blocks for some milliseconds.
    pub(crate) fn start(log_directory: &Path, voter: ReplicaKey) -> Result<Self, StartError> {
        let (publisher, images) = Publisher::new();
        let config = VoterConfig::new(log_directory.join(DIRECTORY), voter);
        let quorum = Quorum::start(Arc::new(RealDisk), &config, publisher)?;
        let (requests, queue) = mpsc::channel(controller::QUEUE_REQUESTS_MAX);
        let stop = CancellationToken::new();
        let controller = spawn_controller(
            controller::Controller::new(images.clone(), quorum.proposer().clone()),
            queue,
            stop.clone(),
        )?;
        let acted = ActedIndex::new();
        let handle = MetadataHandle::new(images, requests, acted, quorum.view().clone());
        Ok(Self {
            handle,
            stop,
            quorum,
            controller,
        })
    }

    /// What the rest of the broker holds.
    pub(crate) const fn handle(&self) -> &MetadataHandle {
        &self.handle
    }

    /// Whether changes can still be committed.
    pub(crate) const fn health(&self) -> &QuorumHealth {
        self.quorum.health()
    }

    /// Finishes what is being committed, refuses the rest and closes the log. Blocks.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        if self.controller.join().is_err() {
            tracing::error!("the controller's thread panicked");
        }
        self.quorum.join();
    }
}

/// Runs the controller on a thread and runtime of its own.
fn spawn_controller(
    controller: controller::Controller,
    queue: mpsc::Receiver<controller::Request>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(StartError::Thread)?;
    thread::Builder::new()
        .name("controller".into())
        .spawn(move || runtime.block_on(controller.run(queue, stop)))
        .map_err(StartError::Thread)
}

/// A receiver of images, each of which is complete.
pub(crate) type Images = watch::Receiver<Arc<odradek_metadata::MetadataImage>>;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
