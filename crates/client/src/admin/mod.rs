//! Looking at a cluster and changing it: each call is one request with a result for each item.
//!
//! - [`topics`]: create, describe, grow and delete topics
//! - [`eligible_leaders`]: who may lead a partition once nobody in sync is left
//! - [`configs`]: what is configured, by whom, and changes to it
//! - [`cluster`]: the brokers, and what each of them serves
//! - [`log_dirs`]: the brokers' directories, and what lies in them
//! - [`groups`], [`group_offsets`], [`group_state`]: consumer groups and what they have committed
//! - [`by_coordinator`]: how many groups are asked about at once
//! - [`offsets`]: where partitions begin and end, and what lies at a time
//! - [`records`]: deleting the oldest records
//! - [`elections`], [`reassignments`]: who leads partitions, and where they live
//! - [`quorum`]: who keeps the cluster's metadata
//! - [`producers`]: what partitions remember of those who write to them
//!
//! A call repeats itself while the reason for its failure may pass, for at most
//! `default.api.timeout.ms`. What a broker refuses for good is the result of that item.

pub mod by_coordinator;
pub mod cluster;
pub mod configs;
pub mod elections;
pub mod eligible_leaders;
pub mod group_offsets;
pub mod group_state;
pub mod groups;
pub(crate) mod leaders;
pub mod log_dirs;
pub mod offsets;
pub mod producers;
pub mod quorum;
pub mod reassignments;
pub mod records;
pub mod topics;

use std::{borrow::Borrow, collections::BTreeMap, sync::Arc};

use odradek_connection::Connection;
use odradek_protocol::request::Request;

use crate::{
    cluster::{
        Cluster, Target,
        image::{ClusterImage, Wanted},
    },
    config::ClientConfig,
    error::Error,
};

/// An administrator of one cluster. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Admin {
    cluster: Arc<Cluster>,
}

impl Admin {
    /// Nothing is dialled before the first call.
    pub fn new(config: ClientConfig) -> Self {
        Self {
            cluster: Cluster::new(config),
        }
    }

    pub(crate) async fn refresh(
        &self,
        what: &str,
        wanted: Wanted,
    ) -> Result<Arc<ClusterImage>, Error> {
        let attempt = || self.cluster.refresh(&wanted);
        let timeout = self.cluster.config().api_timeout;
        self.cluster.retrying(what, timeout, attempt).await
    }

    /// Asks whom it takes until there is an answer that `read` accepts.
    pub(crate) async fn ask<R: Request, T>(
        &self,
        what: &str,
        target: Target<'_>,
        request: impl Fn(&Connection) -> Result<R, Error>,
        read: impl Fn(R::Response) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let attempt = async || {
            let connection = self.cluster.connect(target).await?;
            let request = request(&connection)?;
            read(connection.call(&request).await?)
        };
        let timeout = self.cluster.config().api_timeout;
        self.cluster.retrying(what, timeout, attempt).await
    }

    /// How long a broker may take over a change before it answers.
    pub(crate) fn timeout_ms(&self) -> i32 {
        let timeout = self.cluster.config().request_timeout.as_millis();
        timeout.try_into().unwrap_or(i32::MAX)
    }
}

/// The outcome of each item of one request: what was answered about it, or what befell the whole.
fn outcomes<K: Ord + Clone, T>(
    items: impl IntoIterator<Item = impl Borrow<K>>,
    answered: Result<BTreeMap<K, Result<T, Error>>, Error>,
    name: impl Fn(&K) -> String,
) -> BTreeMap<K, Result<T, Error>> {
    let (mut answered, failed) = match answered {
        Ok(answered) => (answered, None),
        Err(error) => (BTreeMap::new(), Some(error)),
    };
    let each = items.into_iter().map(|item| {
        let item = item.borrow();
        let outcome = answered.remove(item).unwrap_or_else(|| {
            let missing = || Error::Incomplete(name(item));
            Err(failed.clone().unwrap_or_else(missing))
        });
        (item.clone(), outcome)
    });
    each.collect()
}
