//! `Delta`: what differs between two images, for those who must act on it.
//!
//! Readers see images through a watch that may skip versions, so a delta is taken between the
//! image a reader last acted on and the one it sees now, not per record. Images share what did not
//! change; the walk skips it.

use std::sync::Arc;

use crate::image::{ConfigResource, MetadataImage, TopicImage};

/// The difference between two images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Topics that are new. A topic deleted and created again under its name is in both lists.
    pub created: Vec<Arc<TopicImage>>,
    /// Topics that are gone, as they last were.
    pub deleted: Vec<Arc<TopicImage>>,
    /// Topics that are in both with different partitions.
    pub changed: Vec<TopicChange>,
    /// Resources whose explicit configs differ, including those of created and deleted topics.
    pub configs: Vec<ConfigResource>,
}

/// One topic before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicChange {
    /// As the reader knew it.
    pub before: Arc<TopicImage>,
    /// As it is now.
    pub after: Arc<TopicImage>,
}

impl Delta {
    /// What a reader who acted on `older` must do to have acted on `newer`.
    pub fn between(older: &MetadataImage, newer: &MetadataImage) -> Self {
        let mut delta = Self::default();
        newer
            .topics
            .diff(&older.topics, |before, after| match (before, after) {
                (None, Some(after)) => delta.created.push(Arc::clone(after)),
                (Some(before), None) => delta.deleted.push(Arc::clone(before)),
                (Some(before), Some(after)) => delta.changed.push(TopicChange {
                    before: Arc::clone(before),
                    after: Arc::clone(after),
                }),
                (None, None) => {}
            });
        delta.configs = newer.configs.changed_since(&older.configs);
        delta
    }

    /// Whether nothing differs that a reader would act on.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
