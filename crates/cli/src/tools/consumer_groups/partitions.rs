//! Which partitions there are.
//!
//! It is asked before anything else is asked about them: of a partition that does not exist, a
//! broker says that it may come into being, and the client would wait for it.

use std::collections::{BTreeMap, BTreeSet};

use odradek_client::{
    Admin, Error,
    admin::offsets::{OffsetSpec, TopicPartition},
};

use super::{failure::Failure, options::TopicScope};

/// The partitions of topics that were asked about, or why there are none.
pub(super) struct Existing(BTreeMap<String, Result<BTreeSet<i32>, Error>>);

impl Existing {
    /// Asks about topics.
    pub(super) async fn of<'a>(
        admin: &Admin,
        topics: impl Iterator<Item = &'a String>,
    ) -> Result<Self, Error> {
        let topics: BTreeSet<&String> = topics.collect();
        let topics: Vec<String> = topics.into_iter().cloned().collect();
        let described = admin.describe_topics(&topics).await?.into_iter();
        let partitions = described.map(|(topic, described)| {
            let partitions = described.map(|it| it.partitions.into_keys().collect());
            (topic, partitions)
        });
        Ok(Self(partitions.collect()))
    }

    /// Whether there is that partition.
    pub(super) fn has(&self, (topic, partition): &TopicPartition) -> bool {
        let partitions = self.0.get(topic).and_then(|it| it.as_ref().ok());
        partitions.is_some_and(|it| it.contains(partition))
    }

    /// Those that are meant: all of a topic, or those that are named, which may not exist.
    pub(super) fn meant(&self, scope: &TopicScope) -> Result<Vec<TopicPartition>, Error> {
        let topic = &scope.topic;
        let partitions = match (&scope.partitions, self.0.get(topic)) {
            (Some(named), Some(Ok(_))) => named.clone(),
            (None, Some(Ok(all))) => all.iter().copied().collect(),
            (_, Some(Err(error))) => return Err(error.clone()),
            (_, None) => return Err(Error::Incomplete(topic.clone())),
        };
        let each = partitions.into_iter().map(|it| (topic.clone(), it));
        Ok(each.collect())
    }

    /// Refuses partitions that do not exist.
    pub(super) fn check<'a>(
        &self,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<(), Failure> {
        let mut missing = Vec::new();
        for partition in partitions {
            if let Some(Err(error)) = self.0.get(&partition.0) {
                return Err(Failure::Topic(error.clone()));
            }
            if !self.has(partition) {
                missing.push(partition.clone());
            }
        }
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Failure::NoSuchPartitions(missing))
        }
    }
}

/// The offset of each partition that there is; absent where no record is as late as asked for.
pub(super) async fn find_offsets(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, Option<i64>>, Error> {
    let wanted = partitions.iter().map(|it| (it.clone(), spec)).collect();
    let found = admin.list_offsets(&wanted).await.into_iter();
    found
        .map(|(partition, found)| Ok((partition, found?.offset)))
        .collect()
}
