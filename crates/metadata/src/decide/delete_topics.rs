//! DeleteTopics: which topics go, each by itself.

use std::collections::HashMap;

use odradek_protocol::ErrorCode;
use uuid::Uuid;

use super::Refusal;
use crate::{
    image::{MetadataImage, TopicImage},
    records::{Record, RemoveTopicRecord},
};

/// How a client names the topic to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicReference {
    /// By name.
    Name(String),
    /// By id (KIP-516).
    Id(Uuid),
}

/// A topic that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

/// Decides for each reference, in order. The records of the successes belong into one batch.
///
/// A topic that is named more than once is not deleted: the request may mean something else.
pub fn delete_topics(
    image: &MetadataImage,
    topics: &[TopicReference],
) -> Vec<Result<(DeletedTopic, Record), Refusal>> {
    let found: Vec<_> = topics
        .iter()
        .map(|reference| find(image, reference))
        .collect();
    let mut asked = HashMap::new();
    for topic in found.iter().flatten() {
        *asked.entry(topic.id).or_insert(0) += 1;
    }
    found
        .into_iter()
        .map(|topic| {
            let topic = topic?;
            if asked.get(&topic.id).is_some_and(|times| 1 < *times) {
                let message = format!("Topic {} is named more than once.", topic.name);
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
            let deleted = DeletedTopic {
                name: topic.name.to_string(),
                id: topic.id,
            };
            Ok((deleted, RemoveTopicRecord { topic_id: topic.id }.into()))
        })
        .collect()
}

fn find<'a>(
    image: &'a MetadataImage,
    reference: &TopicReference,
) -> Result<&'a TopicImage, Refusal> {
    let (found, refusal) = match reference {
        TopicReference::Name(name) => (
            image.topic(name),
            Refusal::new(
                ErrorCode::UnknownTopicOrPartition,
                "There is no topic of this name.",
            ),
        ),
        TopicReference::Id(id) => (
            image.topic_by_id(*id),
            Refusal::new(ErrorCode::UnknownTopicId, "There is no topic with this id."),
        ),
    };
    found.map(AsRef::as_ref).ok_or(refusal)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::records::TopicRecord;

    fn image() -> MetadataImage {
        let mut image = MetadataImage::default();
        for (name, id) in [("a", 1), ("b", 2)] {
            let topic_id = Uuid::from_u128(id);
            image
                .apply(
                    TopicRecord {
                        name: name.into(),
                        topic_id,
                    }
                    .into(),
                    1,
                )
                .unwrap();
        }
        image
    }

    fn codes(topics: &[TopicReference]) -> Vec<Result<String, ErrorCode>> {
        delete_topics(&image(), topics)
            .into_iter()
            .map(|result| {
                result
                    .map(|(topic, _)| topic.name)
                    .map_err(|refusal| refusal.code)
            })
            .collect()
    }

    fn name(name: &str) -> TopicReference {
        TopicReference::Name(name.to_owned())
    }

    fn id(id: u128) -> TopicReference {
        TopicReference::Id(Uuid::from_u128(id))
    }

    #[test]
    fn topics_go_by_name_and_by_id_and_each_fails_alone() {
        let expected = [
            Ok("a".to_owned()),
            Err(ErrorCode::UnknownTopicOrPartition),
            Ok("b".to_owned()),
            Err(ErrorCode::UnknownTopicId),
        ];
        assert_eq!(codes(&[name("a"), name("x"), id(2), id(9)]), expected);
    }

    #[test]
    fn a_topic_named_twice_stays() {
        let twice = Err(ErrorCode::InvalidRequest);
        assert_eq!(codes(&[name("a"), id(1)]), [twice.clone(), twice.clone()]);
        assert_eq!(
            codes(&[name("a"), name("b"), name("a")]),
            [twice.clone(), Ok("b".to_owned()), twice]
        );
    }
}
