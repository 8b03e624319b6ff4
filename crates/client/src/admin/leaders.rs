//! Questions about partitions: each is asked at the partition's leader, together with all others
//! that the same broker leads.
//!
//! **Invariant:** a partition that was answered is not asked about again because another failed.

use std::{collections::BTreeMap, sync::Arc};

use odradek_protocol::{ErrorCode, request::Request};

use super::offsets::{ByPartition, TopicPartition};
use crate::{
    cluster::{
        Cluster, Target,
        image::{ClusterImage, Wanted},
    },
    error::Error,
};

/// A question about partitions, each with what is wanted of it.
pub(crate) struct Question<'a, Q, Ask, Read> {
    /// What it is about, for messages.
    pub(crate) what: &'a str,
    /// The partitions.
    pub(crate) wanted: &'a ByPartition<Q>,
    /// The request about those that one broker leads.
    pub(crate) ask: Ask,
    /// What is answered about each.
    pub(crate) read: Read,
}

impl<Q, T, R, Ask, Read> Question<'_, Q, Ask, Read>
where
    R: Request,
    Ask: Fn(&[(&TopicPartition, &Q)]) -> R,
    Read: Fn(R::Response) -> ByPartition<Result<T, Error>>,
{
    /// Asks the leader of each partition. What fails for a passing reason is asked again until
    /// `default.api.timeout.ms` is over.
    pub(crate) async fn put(&self, cluster: &Cluster) -> ByPartition<Result<T, Error>> {
        let found = parking_lot::Mutex::new(ByPartition::new());
        // The outcome of each is in `found`; what is an error here is only the reason to go on.
        let attempt = async || {
            let left: Vec<_> = self
                .wanted
                .iter()
                .filter(|(partition, _)| is_open(found.lock().get(*partition)))
                .collect();
            let results = self.put_once(cluster, &left).await;
            let mut found = found.lock();
            found.extend(results);
            let again = found.values().filter_map(|result| result.as_ref().err());
            match again.into_iter().find(|error| error.retriable()) {
                Some(error) => Err(error.clone()),
                None => Ok(()),
            }
        };
        let timeout = cluster.config().api_timeout;
        let outcome = cluster.retrying(self.what, timeout, attempt).await;
        let mut found = found.into_inner();
        if let Err(error) = outcome {
            for partition in self.wanted.keys() {
                found
                    .entry(partition.clone())
                    .or_insert_with(|| Err(error.clone()));
            }
        }
        found
    }

    /// Asks the leader of each partition once.
    async fn put_once(
        &self,
        cluster: &Cluster,
        wanted: &[(&TopicPartition, &Q)],
    ) -> ByPartition<Result<T, Error>> {
        let mut found = ByPartition::new();
        let partitions = wanted.iter().map(|(partition, _)| *partition);
        if let Err(error) = learn_leaders(cluster, partitions.clone()).await {
            let failed = partitions.map(|it| (it.clone(), Err(error.clone())));
            return failed.collect();
        }
        let image = cluster.image();
        let mut by_leader: BTreeMap<i32, Vec<(&TopicPartition, &Q)>> = BTreeMap::new();
        for (partition, wanted) in wanted {
            let (topic, index) = partition;
            if let Some(leader) = image.partition(topic, *index).and_then(|it| it.leader) {
                let with_it = by_leader.entry(leader).or_default();
                with_it.push((partition, wanted));
            } else {
                let refused = Error::Refused {
                    what: format!("{topic}-{index}"),
                    code: why_no_leader(&image, topic, *index),
                    message: None,
                };
                found.insert((*partition).clone(), Err(refused));
            }
        }
        for (leader, partitions) in by_leader {
            found.extend(self.put_to(cluster, leader, &partitions).await);
        }
        found
    }

    async fn put_to(
        &self,
        cluster: &Cluster,
        leader: i32,
        partitions: &[(&TopicPartition, &Q)],
    ) -> ByPartition<Result<T, Error>> {
        let request = (self.ask)(partitions);
        let answer = async {
            let connection = cluster.connect(Target::Broker(leader)).await?;
            Ok::<_, Error>(connection.call(&request).await?)
        };
        let mut answered = answer.await.map(&self.read);
        let each = partitions.iter().map(|(partition, _)| {
            let (topic, index) = partition;
            let outcome = match &mut answered {
                Ok(answered) => answered
                    .remove(*partition)
                    .unwrap_or_else(|| Err(Error::Incomplete(format!("{topic}-{index}")))),
                Err(error) => Err(error.clone()),
            };
            if outcome.is_err() {
                cluster.forget_leaders(topic);
            }
            ((*partition).clone(), outcome)
        });
        each.collect()
    }
}

/// Whether a partition is to be asked about, or asked about again.
fn is_open<T>(result: Option<&Result<T, Error>>) -> bool {
    match result {
        None => true,
        Some(Ok(_)) => false,
        Some(Err(error)) => error.retriable(),
    }
}

/// Asks the cluster who leads, unless that is known of all.
async fn learn_leaders<'a>(
    cluster: &Cluster,
    partitions: impl Iterator<Item = &'a TopicPartition> + Clone,
) -> Result<(), Error> {
    let known = cluster.image();
    let is_unknown = |(topic, index): &TopicPartition| {
        let known = known.partition(topic, *index);
        known.is_none_or(|partition| partition.leader.is_none())
    };
    if partitions.clone().any(is_unknown) {
        let topics = partitions.map(|(topic, _)| Arc::from(topic.as_str()));
        cluster.refresh(&Wanted::Named(topics.collect())).await?;
    }
    Ok(())
}

fn why_no_leader(image: &ClusterImage, topic: &str, index: i32) -> ErrorCode {
    match image.failed_topics.get(topic) {
        Some(code) => *code,
        None if image.partition(topic, index).is_some() => ErrorCode::LeaderNotAvailable,
        None => ErrorCode::UnknownTopicOrPartition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_yet_succeed_is_asked_again() {
        let refused = |code| {
            Err(Error::Refused {
                what: String::new(),
                code,
                message: None,
            })
        };
        assert!(is_open::<()>(None));
        assert!(!is_open(Some(&Ok(()))));
        assert!(is_open::<()>(Some(&refused(
            ErrorCode::NotLeaderOrFollower
        ))));
        assert!(!is_open::<()>(Some(&refused(ErrorCode::OffsetOutOfRange))));
    }

    #[test]
    fn a_partition_without_a_leader_says_why() {
        let mut image = ClusterImage::default();
        let unknown = ErrorCode::UnknownTopicOrPartition;
        assert_eq!(why_no_leader(&image, "t", 0), unknown);
        let invalid = ErrorCode::InvalidTopicException;
        image.failed_topics.insert("t".into(), invalid);
        assert_eq!(why_no_leader(&image, "t", 0), invalid);
    }
}
