//! What is known of the cluster: brokers, topics, leaders. Pure.
//!
//! **Invariant:** of a partition the newest leader epoch known stays, whatever a broker that lags
//! behind answers later (KIP-320), unless the topic was deleted and created again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use odradek_connection::Address;
use odradek_protocol::{
    ErrorCode, Uuid,
    messages::{
        leader_hint::{LeaderIdAndEpoch, NodeEndpoint},
        metadata::{
            MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
            MetadataResponseTopic,
        },
    },
};

/// The cluster as a broker described it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterImage {
    /// The cluster's id, where the broker tells it.
    pub cluster_id: Option<String>,
    /// The broker that takes changes, if one does.
    pub controller_id: Option<i32>,
    /// The brokers by id.
    pub brokers: BTreeMap<i32, Broker>,
    /// The topics asked about, by name.
    pub topics: BTreeMap<Arc<str>, Topic>,
    /// Why topics asked about are not among them.
    pub failed_topics: BTreeMap<Arc<str>, ErrorCode>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// `node.id`.
    pub id: i32,
    /// Where it listens.
    pub address: Address,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; all zeros from brokers that do not tell.
    pub id: Uuid,
    /// Whether it is the cluster's own.
    pub internal: bool,
    /// Its partitions by number.
    pub partitions: BTreeMap<i32, Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The broker that leads it, if one does.
    pub leader: Option<i32>,
    /// Counts changes of leader; -1 from brokers that do not tell.
    pub leader_epoch: i32,
    /// The brokers that have it, preferred leader first.
    pub replicas: Vec<i32>,
    /// Those in sync with the leader.
    pub isr: Vec<i32>,
    /// Those that cannot serve it now.
    pub offline: Vec<i32>,
}

/// Which topics were asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Named(BTreeSet<Arc<str>>),
}

impl ClusterImage {
    /// A partition, if it is known.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    /// The image after an answer to a question about `wanted`. Topics not asked about stay.
    #[must_use]
    pub(crate) fn updated(&self, wanted: &Wanted, answer: MetadataResponse) -> Self {
        let mut image = Self {
            cluster_id: answer.cluster_id,
            controller_id: (0 <= answer.controller_id).then_some(answer.controller_id),
            brokers: answer.brokers.into_iter().filter_map(broker).collect(),
            topics: self.topics.clone(),
            failed_topics: self.failed_topics.clone(),
        };
        match wanted {
            Wanted::All => {
                image.topics.clear();
                image.failed_topics.clear();
            }
            Wanted::Named(names) => {
                image.topics.retain(|name, _| !names.contains(name));
                image.failed_topics.retain(|name, _| !names.contains(name));
            }
        }
        for topic in answer.topics {
            let Some(name) = topic.name.as_deref().map(Arc::<str>::from) else {
                continue;
            };
            if topic.error_code.is_error() {
                image.failed_topics.insert(name, topic.error_code);
                continue;
            }
            let known = self.topics.get(&name);
            let described = described(Arc::clone(&name), topic, known);
            image.topics.insert(name, described);
        }
        image
    }

    /// The image after a broker said who leads a partition now (KIP-951). What is older than what
    /// is known changes nothing.
    #[must_use]
    pub(crate) fn with_leader(&self, topic: &str, partition: i32, hint: &LeaderHint) -> Self {
        let mut image = self.clone();
        let known = image
            .topics
            .get_mut(topic)
            .and_then(|topic| topic.partitions.get_mut(&partition));
        if let Some(known) = known
            && known.leader_epoch < hint.leader_epoch
        {
            known.leader = Some(hint.leader);
            known.leader_epoch = hint.leader_epoch;
            let endpoint = hint.endpoint.clone();
            image
                .brokers
                .extend(endpoint.map(|broker| (broker.id, broker)));
        }
        image
    }
}

/// Who leads a partition, as told beside an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeaderHint {
    pub(crate) leader: i32,
    pub(crate) leader_epoch: i32,
    /// How to reach it, if that was told.
    pub(crate) endpoint: Option<Broker>,
}

impl LeaderHint {
    /// What an answer says of a leader; `None` if it does not know one either.
    pub(crate) fn read(leader: &LeaderIdAndEpoch, endpoints: &[NodeEndpoint]) -> Option<Self> {
        if leader.leader_id < 0 {
            return None;
        }
        let endpoint = endpoints
            .iter()
            .find(|endpoint| endpoint.node_id == leader.leader_id)
            .and_then(|endpoint| {
                let port = u16::try_from(endpoint.port).ok()?;
                Some(Broker {
                    id: endpoint.node_id,
                    address: Address::new(&endpoint.host, port),
                    rack: endpoint.rack.clone(),
                })
            });
        Some(Self {
            leader: leader.leader_id,
            leader_epoch: leader.leader_epoch,
            endpoint,
        })
    }
}

fn broker(broker: MetadataResponseBroker) -> Option<(i32, Broker)> {
    let id = broker.node_id;
    let address = Address::new(broker.host, u16::try_from(broker.port).ok()?);
    let rack = broker.rack;
    Some((id, Broker { id, address, rack }))
}

fn described(name: Arc<str>, topic: MetadataResponseTopic, known: Option<&Topic>) -> Topic {
    let known = known.filter(|known| known.id == topic.topic_id);
    let partitions = topic.partitions.into_iter().map(|answered| {
        let index = answered.partition_index;
        let newer = known
            .and_then(|known| known.partitions.get(&index))
            .filter(|known| answered.leader_epoch < known.leader_epoch);
        let partition = newer.cloned().unwrap_or_else(|| partition(answered));
        (index, partition)
    });
    Topic {
        name,
        id: topic.topic_id,
        internal: topic.is_internal,
        partitions: partitions.collect(),
    }
}

fn partition(answered: MetadataResponsePartition) -> Partition {
    Partition {
        index: answered.partition_index,
        leader: (0 <= answered.leader_id).then_some(answered.leader_id),
        leader_epoch: answered.leader_epoch,
        replicas: answered.replica_nodes,
        isr: answered.isr_nodes,
        offline: answered.offline_replicas,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answer(name: &str, id: u128, leader: i32, leader_epoch: i32) -> MetadataResponse {
        let partition = MetadataResponsePartition {
            leader_id: leader,
            leader_epoch,
            ..Default::default()
        };
        let topic = MetadataResponseTopic {
            name: Some(name.to_owned()),
            topic_id: Uuid::from_u128(id),
            partitions: vec![partition],
            ..Default::default()
        };
        MetadataResponse {
            topics: vec![topic],
            ..Default::default()
        }
    }

    fn named(name: &str) -> Wanted {
        Wanted::Named([Arc::from(name)].into())
    }

    #[test]
    fn an_answer_about_one_topic_leaves_the_others() {
        let image = ClusterImage::default()
            .updated(&named("a"), answer("a", 1, 1, 0))
            .updated(&named("b"), answer("b", 2, 1, 0));
        assert_eq!(image.topics.len(), 2);
        let image = image.updated(&Wanted::All, answer("b", 2, 1, 0));
        assert_eq!(image.topics.len(), 1);
    }

    #[test]
    fn a_broker_that_lags_behind_does_not_bring_an_old_leader_back() {
        let image = ClusterImage::default()
            .updated(&named("a"), answer("a", 1, 2, 7))
            .updated(&named("a"), answer("a", 1, 1, 6));
        assert_eq!(image.partition("a", 0).unwrap().leader, Some(2));
        let created_again = image.updated(&named("a"), answer("a", 9, 1, 0));
        assert_eq!(created_again.partition("a", 0).unwrap().leader, Some(1));
    }

    #[test]
    fn a_topic_that_cannot_be_described_is_remembered_with_the_reason() {
        let mut refused = answer("a", 1, 1, 0);
        refused.topics[0].error_code = ErrorCode::UnknownTopicOrPartition;
        let image = ClusterImage::default()
            .updated(&named("a"), answer("a", 1, 1, 0))
            .updated(&named("a"), refused);
        assert!(image.topics.is_empty());
        let reason = image.failed_topics.get("a");
        assert_eq!(reason, Some(&ErrorCode::UnknownTopicOrPartition));
    }

    #[test]
    fn a_hint_moves_a_leader_forward_only() {
        let image = ClusterImage::default().updated(&named("a"), answer("a", 1, 2, 7));
        let hint = |leader, leader_epoch| LeaderHint {
            leader,
            leader_epoch,
            endpoint: None,
        };
        let leader = |image: &ClusterImage| image.partition("a", 0).unwrap().leader;
        let image = image.with_leader("a", 0, &hint(3, 8));
        assert_eq!(leader(&image), Some(3));
        let image = image.with_leader("a", 0, &hint(2, 7));
        assert_eq!(leader(&image), Some(3));
    }

    #[test]
    fn no_leader_and_no_controller_are_absent() {
        let image = ClusterImage::default().updated(&Wanted::All, answer("a", 1, -1, 3));
        assert_eq!(image.controller_id, None);
        assert_eq!(image.partition("a", 0).unwrap().leader, None);
    }
}
