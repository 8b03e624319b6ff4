//! Committed records become an image on a watch; and how far this broker has acted on it.
//!
//! Two positions travel in opposite directions. The image carries `applied_index`, the last entry
//! of the metadata log it contains. [`ActedIndex`] says up to which entry the replica manager has
//! created, deleted and reconfigured logs. `acted <= applied` always.

use std::sync::Arc;

use bytes::Bytes;
use odradek_metadata::{
    ApplyError, MetadataImage,
    records::{self, Record},
};
use odradek_quorum::{LogId, StateMachine, StateMachineError};
use tokio::sync::watch;

use super::Images;

/// The state machine of the metadata log. Lives on the quorum's thread.
#[derive(Debug)]
pub(super) struct Publisher {
    image: Arc<MetadataImage>,
    images: watch::Sender<Arc<MetadataImage>>,
}

impl Publisher {
    /// Begins with the empty image.
    pub(super) fn new() -> (Self, Images) {
        let image = Arc::new(MetadataImage::default());
        let (images, receiver) = watch::channel(Arc::clone(&image));
        (Self { image, images }, receiver)
    }

    /// Publishes `image` with `records`, all from the entry `id`, in it; or nothing at all.
    fn publish(
        &mut self,
        id: LogId,
        mut image: MetadataImage,
        records: Vec<Record>,
    ) -> Result<(), ApplyError> {
        for record in records {
            image.apply(record, id.index)?;
        }
        image.applied_index = id.index;
        image.applied_epoch = id.epoch;
        self.image = Arc::new(image);
        self.images.send_replace(Arc::clone(&self.image));
        Ok(())
    }
}

impl StateMachine for Publisher {
    fn apply(&mut self, id: LogId, payload: &Bytes) -> Result<(), StateMachineError> {
        let image = MetadataImage::clone(&self.image);
        Ok(self.publish(id, image, records::decode_batch(payload)?)?)
    }

    fn snapshot(&self) -> Bytes {
        records::encode_batch(&self.image.to_records())
    }

    fn restore(&mut self, last: LogId, data: &Bytes) -> Result<(), StateMachineError> {
        Ok(self.publish(last, MetadataImage::default(), records::decode_batch(data)?)?)
    }
}

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
        Self {
            sender: watch::Sender::new(0),
        }
    }

    /// The manager has acted on the image whose `applied_index` is `index`. Never goes back.
    pub(crate) fn advance(&self, index: u64) {
        self.sender.send_if_modified(|acted| {
            let moved = *acted < index;
            *acted = index.max(*acted);
            moved
        });
    }

    /// Waits until the manager has acted on `index`. Cancellation safe.
    pub(crate) async fn reached(&self, index: u64) {
        let mut receiver = self.sender.subscribe();
        receiver
            .wait_for(|acted| index <= *acted)
            .await
            .expect("self keeps the sender alive");
    }
}
