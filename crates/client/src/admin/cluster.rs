//! The cluster as a whole: its id, its brokers, and what each of them serves.

use std::collections::BTreeMap;

use odradek_connection::{Address, CallError, Connection};
use odradek_protocol::{
    ApiKey, ErrorCode, VersionRange,
    messages::{
        api_versions::{ApiVersionsRequest, ApiVersionsResponse},
        describe_cluster::{
            DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
        },
    },
};

use super::Admin;
use crate::{
    cluster::{
        Target,
        image::{ClusterImage, Wanted},
    },
    error::Error,
};

/// The first version of DescribeCluster that lists fenced brokers (KIP-1073).
const FENCED_VERSION: i16 = 2;

/// How this library calls itself.
const SOFTWARE_NAME: &str = "odradek";

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Its id, where the broker tells it.
    pub cluster_id: Option<String>,
    /// The broker to which changes are sent, if there is one.
    pub controller_id: Option<i32>,
    /// The brokers by id.
    pub brokers: BTreeMap<i32, BrokerDescription>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerDescription {
    /// `node.id`.
    pub id: i32,
    /// The address it advertises to this client.
    pub address: Address,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Whether it is registered, but not serving.
    pub is_fenced: bool,
}

/// What a broker serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerVersions {
    /// Every API by its number, also those this client does not speak.
    pub apis: BTreeMap<i16, VersionRange>,
    /// Every feature by its name (KIP-584).
    pub features: BTreeMap<String, Feature>,
    /// Counts changes of the levels in use, where the broker tells.
    pub features_epoch: Option<i64>,
}

/// The levels of a feature that changes how brokers work together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Feature {
    /// The lowest level that this broker could work with.
    pub supported_min: i16,
    /// The highest one.
    pub supported_max: i16,
    /// The level that the cluster has agreed to use; 0 means that the feature is not used.
    pub finalized: i16,
}

impl BrokerVersions {
    /// The version of an API that this client speaks with that broker, if both speak one.
    pub fn usable(&self, api: i16) -> Option<i16> {
        let theirs = self.apis.get(&api)?;
        let ours = ApiKey::try_from(api).ok()?.supported();
        let highest = theirs.max.min(ours.max);
        (theirs.min.max(ours.min) <= highest).then_some(highest)
    }
}

impl Admin {
    /// The cluster's id, controller and serving brokers.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription, Error> {
        match self.ask_to_describe_cluster(false).await {
            // Brokers before Kafka 2.8 tell the same in their metadata.
            Err(Error::Call(CallError::Unserved { .. })) => {
                let nothing_else = Wanted::Named([].into());
                let image = self.refresh("describe the cluster", nothing_else).await?;
                Ok(ClusterDescription::from(&*image))
            }
            described => described,
        }
    }

    /// The same with the brokers that are registered, but not serving. Brokers before Kafka 4.0
    /// refuse to tell.
    pub async fn describe_cluster_with_fenced(&self) -> Result<ClusterDescription, Error> {
        self.ask_to_describe_cluster(true).await
    }

    async fn ask_to_describe_cluster(
        &self,
        include_fenced_brokers: bool,
    ) -> Result<ClusterDescription, Error> {
        const WHAT: &str = "describe the cluster";
        let request = |connection: &Connection| {
            let version = connection.version_of::<DescribeClusterRequest>()?;
            if include_fenced_brokers && version < FENCED_VERSION {
                let message = "this broker is too old to list fenced brokers".to_owned();
                Error::check(WHAT, ErrorCode::UnsupportedVersion, Some(message))?;
            }
            Ok(DescribeClusterRequest {
                include_fenced_brokers,
                ..Default::default()
            })
        };
        let read = |answer: DescribeClusterResponse| {
            Error::check(WHAT, answer.error_code, answer.error_message.clone())?;
            Ok(described(answer))
        };
        self.ask(WHAT, Target::Any, request, read).await
    }

    /// What a broker serves.
    pub async fn describe_versions(&self, broker: i32) -> Result<BrokerVersions, Error> {
        self.ask_for_versions(Target::Broker(broker)).await
    }

    /// The features of the cluster, as any broker knows them.
    pub async fn describe_features(&self) -> Result<BrokerVersions, Error> {
        self.ask_for_versions(Target::Any).await
    }

    async fn ask_for_versions(&self, target: Target<'_>) -> Result<BrokerVersions, Error> {
        const WHAT: &str = "ask what a broker serves";
        let request = |_: &Connection| {
            Ok(ApiVersionsRequest {
                client_software_name: SOFTWARE_NAME.to_owned(),
                client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            })
        };
        let read = |answer: ApiVersionsResponse| {
            Error::check(WHAT, answer.error_code, None)?;
            Ok(versions(answer))
        };
        self.ask(WHAT, target, request, read).await
    }
}

impl From<&ClusterImage> for ClusterDescription {
    fn from(image: &ClusterImage) -> Self {
        let brokers = image.brokers.values().map(|broker| {
            let described = BrokerDescription {
                id: broker.id,
                address: broker.address.clone(),
                rack: broker.rack.clone(),
                is_fenced: false,
            };
            (broker.id, described)
        });
        Self {
            cluster_id: image.cluster_id.clone(),
            controller_id: image.controller_id,
            brokers: brokers.collect(),
        }
    }
}

fn described(answer: DescribeClusterResponse) -> ClusterDescription {
    ClusterDescription {
        cluster_id: Some(answer.cluster_id),
        controller_id: (0 <= answer.controller_id).then_some(answer.controller_id),
        brokers: answer.brokers.into_iter().filter_map(broker).collect(),
    }
}

fn broker(broker: DescribeClusterBroker) -> Option<(i32, BrokerDescription)> {
    let described = BrokerDescription {
        id: broker.broker_id,
        address: Address::new(broker.host, u16::try_from(broker.port).ok()?),
        rack: broker.rack,
        is_fenced: broker.is_fenced,
    };
    Some((described.id, described))
}

fn versions(answer: ApiVersionsResponse) -> BrokerVersions {
    let apis = answer.api_keys.into_iter().map(|api| {
        let (min, max) = (api.min_version, api.max_version);
        (api.api_key, VersionRange { min, max })
    });
    let mut features: BTreeMap<String, Feature> = BTreeMap::new();
    for supported in answer.supported_features {
        let feature = features.entry(supported.name).or_default();
        feature.supported_min = supported.min_version;
        feature.supported_max = supported.max_version;
    }
    for finalized in answer.finalized_features {
        features.entry(finalized.name).or_default().finalized = finalized.max_version_level;
    }
    let epoch = answer.finalized_features_epoch;
    BrokerVersions {
        apis: apis.collect(),
        features,
        features_epoch: (0 <= epoch).then_some(epoch),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use odradek_protocol::messages::api_versions::{
        ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
    };

    use super::*;

    #[test]
    fn a_broker_with_an_impossible_port_is_left_out() {
        let broker = |broker_id, port| DescribeClusterBroker {
            broker_id,
            host: "h".to_owned(),
            port,
            ..Default::default()
        };
        let described = described(DescribeClusterResponse {
            cluster_id: "c".to_owned(),
            controller_id: -1,
            brokers: vec![broker(1, 9092), broker(2, -5)],
            ..Default::default()
        });
        assert_eq!(described.controller_id, None);
        assert_eq!(described.brokers.keys().collect::<Vec<_>>(), [&1]);
    }

    #[test]
    fn an_api_is_usable_where_the_versions_of_both_sides_meet() {
        let ours = ApiKey::Fetch.supported();
        let usable = |min, max| {
            let apis = [(ApiKey::Fetch.number(), VersionRange { min, max })].into();
            let versions = BrokerVersions {
                apis,
                ..Default::default()
            };
            versions.usable(ApiKey::Fetch.number())
        };
        assert_eq!(usable(0, ours.min), Some(ours.min));
        assert_eq!(usable(0, i16::MAX), Some(ours.max));
        assert_eq!(usable(0, ours.min - 1), None);
        assert_eq!(usable(ours.max + 1, i16::MAX), None);
        assert_eq!(BrokerVersions::default().usable(1), None);
    }

    #[test]
    fn apis_that_nobody_knows_here_are_told_and_unused_features_have_level_zero() {
        let feature = |name: &str| SupportedFeatureKey {
            name: name.to_owned(),
            min_version: 0,
            max_version: 2,
        };
        let versions = versions(ApiVersionsResponse {
            api_keys: vec![ApiVersion {
                api_key: 999,
                min_version: 1,
                max_version: 3,
            }],
            supported_features: vec![feature("used"), feature("unused")],
            finalized_features: vec![FinalizedFeatureKey {
                name: "used".to_owned(),
                max_version_level: 2,
                min_version_level: 0,
            }],
            ..Default::default()
        });
        assert_eq!(versions.apis[&999], VersionRange { min: 1, max: 3 });
        assert_eq!(versions.usable(999), None);
        assert_eq!(versions.features["used"].finalized, 2);
        assert_eq!(versions.features["unused"].finalized, 0);
        assert_eq!(versions.features["unused"].supported_max, 2);
        assert_eq!(versions.features_epoch, None);
    }
}
