//! Committed records become an image on a watch; and how far this broker has acted on it.
//!
//! Two positions travel in opposite directions. The image carries `applied_index`, the last entry
//! of the metadata log it contains. `ActedIndex` says up to which entry the replica manager has
//! created, deleted and reconfigured logs. `acted <= applied` always.

use tokio::sync::watch;

/// Up to which metadata log index this broker's replica manager has done what the image asks.
///
/// The manager advances it; CreateTopics waits on it, so that a client that was told "created" can
/// produce at once.
#[derive(Debug, Clone)]
pub(crate) struct ActedIndex {
    sender: watch::Sender<u64>,
}

impl ActedIndex {
    /// Nothing acted on yet.
    pub(crate) fn new() -> Self {
        Self { sender: watch::Sender::new(0) }
    }

    /// The manager has acted on the image whose `applied_index` is `index`. Never goes back.
    pub(crate) fn advance(&self, index: u64) {
        self.sender.send_if_modified(|acted| {
            let moved = *acted < index;
            *acted = index.max(*acted);
            moved
        });
    }

    /// The index acted on so far.
    pub(crate) fn get(&self) -> u64 {
        *self.sender.borrow()
    }

    /// Waits until the manager has acted on `index`. Cancellation safe.
    pub(crate) async fn reached(&self, index: u64) {
        let mut receiver = self.sender.subscribe();
        receiver.wait_for(|acted| index <= *acted).await.expect("this handle keeps the sender alive");
    }
}
