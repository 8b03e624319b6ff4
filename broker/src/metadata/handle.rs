//! What the rest of the broker holds of the metadata: the image, and ways to ask for a change.

use std::{sync::Arc, time::Duration};

use odradek_metadata::{
    MetadataImage,
    decide::{
        Refusal,
        alter_configs::Alteration,
        create_partitions::Growth,
        create_topics::{CreatedTopic, NewTopic},
        delete_topics::{DeletedTopic, TopicReference},
        registration::RegistrationError,
    },
    records::RegisterBrokerRecord,
};
use odradek_quorum::{ProposeError, QuorumView};
use tokio::sync::{mpsc, oneshot};

use super::{
    Images,
    controller::{Request, TopicSettings},
    producer_ids::ProducerIds,
    publisher::ActedIndex,
};

/// Looks at the metadata and asks the controller for changes. Clones are the same handle.
#[derive(Debug, Clone)]
pub(crate) struct MetadataHandle {
    images: Images,
    requests: mpsc::Sender<Request>,
    acted: ActedIndex,
    producer_ids: Arc<ProducerIds>,
    quorum: QuorumView,
}

/// Why a change was not made, whatever it was.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The metadata log could not take it.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// The controller has stopped. Whether the change was made is unknown.
    #[error("the controller has stopped")]
    Stopped,
    /// The request itself is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Why this broker may not register.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// It does not belong here.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// It could not be recorded.
    #[error("record the broker's registration")]
    Change(#[from] ChangeError),
}

/// A change that was committed, with the log index by which it is in the image.
pub(super) type Committed<T> = Result<(T, u64), ChangeError>;

impl MetadataHandle {
    pub(super) fn new(
        images: Images,
        requests: mpsc::Sender<Request>,
        acted: ActedIndex,
        quorum: QuorumView,
    ) -> Self {
        Self {
            images,
            requests,
            acted,
            producer_ids: Arc::default(),
            quorum,
        }
    }

    /// The latest image.
    pub(crate) fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.borrow())
    }

    /// The image as it changes.
    pub(crate) fn watch(&self) -> Images {
        self.images.clone()
    }

    /// Who leads the metadata log, and how far it has come.
    pub(crate) const fn quorum(&self) -> &QuorumView {
        &self.quorum
    }

    /// How far this broker has acted on the image; for the replica manager to advance.
    pub(crate) const fn acted(&self) -> &ActedIndex {
        &self.acted
    }

    /// Creates topics, each with its own outcome, and waits up to `timeout` until this broker
    /// serves them. With `validate_only` nothing is created.
    pub(crate) async fn create_topics(
        &self,
        topics: Vec<NewTopic>,
        settings: TopicSettings,
        timeout: Duration,
    ) -> Result<Vec<Result<CreatedTopic, Refusal>>, ChangeError> {
        let request = |reply| Request::CreateTopics {
            topics,
            settings,
            reply,
        };
        let (outcome, index) = self.ask(request).await?;
        self.wait_until_acted(index, timeout).await;
        Ok(outcome)
    }

    /// Lets topics grow, each with its own outcome, and waits up to `timeout` until this broker
    /// serves the new partitions. With `validate_only` nothing grows.
    pub(crate) async fn create_partitions(
        &self,
        topics: Vec<Growth>,
        validate_only: bool,
        timeout: Duration,
    ) -> Result<Vec<Result<(), Refusal>>, ChangeError> {
        let request = |reply| Request::CreatePartitions {
            topics,
            validate_only,
            reply,
        };
        let (outcome, index) = self.ask(request).await?;
        self.wait_until_acted(index, timeout).await;
        Ok(outcome)
    }

    /// Deletes topics, each with its own outcome, and waits up to `timeout` until this broker no
    /// longer serves them.
    pub(crate) async fn delete_topics(
        &self,
        topics: Vec<TopicReference>,
        timeout: Duration,
    ) -> Result<Vec<Result<DeletedTopic, Refusal>>, ChangeError> {
        let (outcome, index) = self
            .ask(|reply| Request::DeleteTopics { topics, reply })
            .await?;
        self.wait_until_acted(index, timeout).await;
        Ok(outcome)
    }

    /// Changes the configuration of topics and brokers, each with its own outcome, and waits up to
    /// `timeout` until it is in force here. With `validate_only` nothing changes.
    pub(crate) async fn alter_configs(
        &self,
        alterations: Vec<Alteration>,
        validate_only: bool,
        timeout: Duration,
    ) -> Result<Vec<Result<(), Refusal>>, ChangeError> {
        let request = |reply| Request::AlterConfigs {
            alterations,
            validate_only,
            reply,
        };
        let (outcome, index) = self.ask(request).await?;
        self.wait_until_acted(index, timeout).await;
        Ok(outcome)
    }

    /// Makes this broker known, in the cluster with that id.
    pub(crate) async fn register_broker(
        &self,
        cluster_id: String,
        broker: RegisterBrokerRecord,
    ) -> Result<(), RegisterError> {
        let request = |reply| Request::RegisterBroker {
            cluster_id,
            broker,
            reply,
        };
        let (outcome, _) = self.ask(request).await?;
        Ok(outcome?)
    }

    /// A producer id that nobody was given before.
    pub(crate) async fn next_producer_id(&self) -> Result<i64, ChangeError> {
        let allocate = || async {
            let (block, _) = self
                .ask(|reply| Request::AllocateProducerIds { reply })
                .await?;
            Ok(block?)
        };
        self.producer_ids.next(allocate).await
    }

    /// Hands a request to the controller, which carries it out whether or not the caller stays.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Committed<T>>) -> Request,
    ) -> Committed<T> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| ChangeError::Stopped)?;
        answer.await.map_err(|_| ChangeError::Stopped)?
    }

    /// The change is made and stays made; only how soon it shows here is bounded.
    async fn wait_until_acted(&self, index: u64, timeout: Duration) {
        if tokio::time::timeout(timeout, self.acted.reached(index))
            .await
            .is_err()
        {
            tracing::debug!(
                index,
                "the broker has not acted on a metadata change in time"
            );
        }
    }
}
