//! A broker starts: it says who it is, and is known from then on.

use thiserror::Error;

use crate::{
    image::MetadataImage,
    records::{ClusterIdRecord, FeatureLevelRecord, Record, RegisterBrokerRecord},
};

/// The level of `metadata.version` that this program writes and reads. The numbering is our own:
/// it names the set of record types and versions, and goes up with it.
pub const METADATA_VERSION: i16 = 1;

const METADATA_VERSION_FEATURE: &str = "metadata.version";

/// Why a broker cannot join.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistrationError {
    /// Its directory was formatted for another cluster.
    #[error("the log directory belongs to cluster {ours}, the metadata to cluster {found}")]
    OtherCluster {
        /// The id in `meta.properties`.
        ours: String,
        /// The id in the metadata log.
        found: String,
    },
    /// The cluster was finalized at a level that this program does not know.
    #[error("the metadata is at version {found}, this program knows up to {METADATA_VERSION}")]
    TooNew {
        /// The finalized level.
        found: i16,
    },
}

/// Registers a broker of the cluster `cluster_id`; the first one founds the cluster.
pub fn register_broker(
    image: &MetadataImage,
    cluster_id: &str,
    broker: RegisterBrokerRecord,
) -> Result<Vec<Record>, RegistrationError> {
    let found = image.features.get(METADATA_VERSION_FEATURE).copied();
    if let Some(found) = found.filter(|found| METADATA_VERSION < *found) {
        return Err(RegistrationError::TooNew { found });
    }
    let cluster_id = cluster_id.to_owned();
    let mut records = Vec::new();
    match image.cluster_id.as_deref() {
        None => {
            let (name, level) = (METADATA_VERSION_FEATURE.to_owned(), METADATA_VERSION);
            records.push(ClusterIdRecord { cluster_id }.into());
            records.push(FeatureLevelRecord { name, level }.into());
        }
        Some(found) if found == cluster_id => {}
        Some(found) => {
            let (ours, found) = (cluster_id, found.to_owned());
            return Err(RegistrationError::OtherCluster { ours, found });
        }
    }
    records.push(broker.into());
    Ok(records)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn broker() -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: 1,
            ..RegisterBrokerRecord::default()
        }
    }

    fn founded() -> MetadataImage {
        let mut image = MetadataImage::default();
        for record in register_broker(&image.clone(), "cluster-a", broker()).unwrap() {
            image.apply(record, 7).unwrap();
        }
        image
    }

    #[test]
    fn the_first_broker_founds_the_cluster_and_its_epoch_is_the_index_of_its_entry() {
        let image = founded();
        assert_eq!(image.cluster_id.as_deref(), Some("cluster-a"));
        assert_eq!(
            image.features.get("metadata.version"),
            Some(&METADATA_VERSION)
        );
        assert_eq!(image.brokers[&1].broker_epoch, 7);
        let again = register_broker(&image, "cluster-a", broker()).unwrap();
        assert_eq!(again, [broker().into()]);
    }

    #[test]
    fn a_directory_of_another_cluster_is_refused() {
        let error = register_broker(&founded(), "cluster-b", broker()).unwrap_err();
        assert!(matches!(error, RegistrationError::OtherCluster { .. }));
    }

    #[test]
    fn metadata_of_a_later_version_is_refused() {
        let mut image = founded();
        image
            .features
            .insert("metadata.version".into(), METADATA_VERSION + 1);
        let error = register_broker(&image, "cluster-a", broker()).unwrap_err();
        assert_eq!(
            error,
            RegistrationError::TooNew {
                found: METADATA_VERSION + 1
            }
        );
    }
}
