//! `__consumer_offsets`: the topic in which groups and their positions are kept.
//!
//! It is created when somebody first looks for a coordinator, by nobody else, and with its own
//! configuration rather than that of other topics.

use std::time::Duration;

use odradek_metadata::decide::create_topics::NewTopic;
use odradek_protocol::ErrorCode;

use crate::{
    config::Offsets,
    metadata::{ChangeError, MetadataHandle, controller::TopicSettings},
};

/// Its name.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// How long whoever asks first waits until the partitions are served here.
const CREATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes sure that the topic exists, and waits until this broker serves it.
///
/// # Errors
/// If it does not exist and cannot be created now.
pub(crate) async fn ensure_offsets_topic(
    metadata: &MetadataHandle,
    config: &Offsets,
) -> Result<(), ChangeError> {
    if metadata.image().topic(OFFSETS_TOPIC).is_some() {
        return Ok(());
    }
    let settings = TopicSettings {
        default_partitions: config.topic_partitions,
        default_replication_factor: config.topic_replication_factor,
        validate_only: false,
    };
    let created = metadata
        .create_topics(vec![offsets_topic(config)], settings, CREATION_TIMEOUT)
        .await?;
    for outcome in created {
        match outcome {
            Ok(topic) => tracing::info!(
                topic = topic.name,
                partitions = topic.partitions,
                "created the topic of groups and their offsets"
            ),
            // Somebody else was first.
            Err(refusal) if refusal.code == ErrorCode::TopicAlreadyExists => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(())
}

/// As Kafka creates it: compacted, so that the last word on each group and position stays, and
/// compressed or not as the coordinator wrote it.
fn offsets_topic(config: &Offsets) -> NewTopic {
    let segment_bytes = config.topic_segment_bytes.to_string();
    NewTopic {
        name: OFFSETS_TOPIC.to_owned(),
        partitions: config.topic_partitions,
        replication_factor: config.topic_replication_factor,
        assignments: Vec::new(),
        configs: [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", &segment_bytes),
        ]
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .into(),
    }
}
