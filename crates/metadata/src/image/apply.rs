//! Records into the image, and the image back into records: a snapshot is the shortest list of
//! records that leads to the same image.

use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use super::{
    BrokerImage, ConfigResource, Endpoint, MetadataImage, PartitionImage, ResourceKind, TopicImage,
};
use crate::records::{
    BrokerEndpoint, ClusterIdRecord, ConfigRecord, FeatureLevelRecord, PartitionRecord,
    ProducerIdsRecord, Record, RecordError, RegisterBrokerRecord, TopicRecord,
};

/// A record that does not fit the image: the log or this program is broken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// The batch cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A partition or a removal names a topic that is not there.
    #[error("topic {0} is unknown")]
    UnknownTopic(Uuid),
    /// Partitions are added one after the other.
    #[error("topic {topic_id} has {partitions} partitions, a record is for number {partition}")]
    PartitionOutOfOrder {
        /// The topic.
        topic_id: Uuid,
        /// Partitions it has.
        partitions: usize,
        /// The record's.
        partition: i32,
    },
    /// Name and id of a topic are unique.
    #[error("topic {name} exists already")]
    TopicExists {
        /// Its name.
        name: String,
    },
}

impl MetadataImage {
    /// Applies one record of the entry with that index.
    pub fn apply(&mut self, record: Record, index: u64) -> Result<(), ApplyError> {
        match record {
            Record::ClusterId(record) => self.cluster_id = Some(record.cluster_id.into()),
            Record::FeatureLevel(FeatureLevelRecord { name, level: 0 }) => {
                self.features.remove(name.as_str());
            }
            Record::FeatureLevel(record) => {
                self.features.insert(record.name.into(), record.level);
            }
            Record::RegisterBroker(record) => self.register(record, index),
            Record::Topic(record) => return self.add_topic(record),
            Record::Partition(record) => return self.set_partition(record),
            Record::RemoveTopic(record) => return self.remove_topic(record.topic_id),
            Record::Config(record) => return self.set_config(record),
            Record::ProducerIds(record) => self.next_producer_id = record.next,
        }
        Ok(())
    }

    /// Records that lead from the empty image to this one.
    pub fn to_records(&self) -> Vec<Record> {
        let cluster_id = self.cluster_id.iter().map(|id| {
            let cluster_id = id.to_string();
            ClusterIdRecord { cluster_id }.into()
        });
        let features = self.features.iter().map(|(name, level)| {
            FeatureLevelRecord {
                name: name.to_string(),
                level: *level,
            }
            .into()
        });
        let brokers = self
            .brokers
            .values()
            .map(|broker| registration_of(broker).into());
        let topics = self.topics.iter().flat_map(|topic| records_of(topic));
        let configs = self.configs.iter().flat_map(|(resource, configs)| {
            configs
                .iter()
                .map(|(key, value)| config_record(resource, key, Some(value)).into())
        });
        let next = self.next_producer_id;
        let producer_ids = (next != 0).then(|| ProducerIdsRecord { next }.into());
        cluster_id
            .chain(features)
            .chain(brokers)
            .chain(topics)
            .chain(configs)
            .chain(producer_ids)
            .collect()
    }

    fn register(&mut self, record: RegisterBrokerRecord, index: u64) {
        let endpoints = record.endpoints.into_iter().map(|endpoint| Endpoint {
            listener: endpoint.listener.into(),
            host: endpoint.host.into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let broker = BrokerImage {
            id: record.broker_id,
            incarnation_id: record.incarnation_id,
            broker_epoch: u64::try_from(record.broker_epoch).unwrap_or(index),
            endpoints: endpoints.collect(),
            directories: record.directories,
            rack: record.rack.map(Arc::from),
            fenced: record.fenced,
        };
        self.brokers.insert(broker.id, Arc::new(broker));
    }

    fn add_topic(&mut self, record: TopicRecord) -> Result<(), ApplyError> {
        let TopicRecord { name, topic_id: id } = record;
        if self.topic(&name).is_some() || self.topic_by_id(id).is_some() {
            return Err(ApplyError::TopicExists { name });
        }
        let partitions = imbl::Vector::new();
        self.topics.insert(TopicImage {
            name: name.into(),
            id,
            partitions,
        });
        Ok(())
    }

    fn set_partition(&mut self, record: PartitionRecord) -> Result<(), ApplyError> {
        let PartitionRecord {
            topic_id,
            partition,
            ..
        } = record;
        let topic = self
            .topics
            .get_mut(topic_id)
            .ok_or(ApplyError::UnknownTopic(topic_id))?;
        let partitions = topic.partitions.len();
        let image = PartitionImage {
            replicas: record.replicas,
            directories: record.directories,
            isr: record.isr,
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        };
        match usize::try_from(partition) {
            Ok(index) if index < partitions => {
                topic.partitions.set(index, image);
            }
            Ok(index) if index == partitions => topic.partitions.push_back(image),
            _ => {
                return Err(ApplyError::PartitionOutOfOrder {
                    topic_id,
                    partitions,
                    partition,
                });
            }
        }
        Ok(())
    }

    fn remove_topic(&mut self, id: Uuid) -> Result<(), ApplyError> {
        let topic = self.topics.remove(id).ok_or(ApplyError::UnknownTopic(id))?;
        self.configs
            .remove(&ConfigResource::topic(Arc::clone(&topic.name)));
        Ok(())
    }

    fn set_config(&mut self, record: ConfigRecord) -> Result<(), ApplyError> {
        let kind = ResourceKind::from_code(record.resource_type)
            .ok_or(RecordError::UnknownResource(record.resource_type))?;
        let resource = ConfigResource {
            kind,
            name: record.resource_name.into(),
        };
        self.configs
            .set(&resource, record.key.into(), record.value.map(Arc::from));
        Ok(())
    }
}

/// The record that sets or removes one config.
pub(crate) fn config_record(
    resource: &ConfigResource,
    key: &str,
    value: Option<&str>,
) -> ConfigRecord {
    ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.to_string(),
        key: key.to_owned(),
        value: value.map(str::to_owned),
    }
}

fn registration_of(broker: &BrokerImage) -> RegisterBrokerRecord {
    let endpoints = broker.endpoints.iter().map(|endpoint| BrokerEndpoint {
        listener: endpoint.listener.to_string(),
        host: endpoint.host.to_string(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    RegisterBrokerRecord {
        broker_id: broker.id,
        incarnation_id: broker.incarnation_id,
        endpoints: endpoints.collect(),
        directories: broker.directories.clone(),
        rack: broker.rack.as_deref().map(str::to_owned),
        fenced: broker.fenced,
        broker_epoch: broker.broker_epoch as i64,
    }
}

fn records_of(topic: &TopicImage) -> Vec<Record> {
    let topic_id = topic.id;
    let head = TopicRecord {
        name: topic.name.to_string(),
        topic_id,
    };
    let partitions = topic.partitions.iter().zip(0..).map(|(image, partition)| {
        let PartitionImage {
            replicas,
            directories,
            isr,
            ..
        } = image.clone();
        Record::from(PartitionRecord {
            topic_id,
            partition,
            replicas,
            directories,
            isr,
            leader: image.leader,
            leader_epoch: image.leader_epoch,
            partition_epoch: image.partition_epoch,
        })
    });
    [head.into()].into_iter().chain(partitions).collect()
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
