//! Looking at a cluster and changing it: each call is one request with a result for each item.
//!
//! - [`topics`]: create, describe, grow and delete topics
//! - [`configs`]: what is configured, and by whom
//! - [`groups`], [`group_offsets`]: consumer groups and what they have committed
//! - [`offsets`]: where partitions begin and end, and what lies at a time
//!
//! A call repeats itself while the reason for its failure may pass, for at most
//! `default.api.timeout.ms`. What a broker refuses for good is the result of that item.

pub mod configs;
pub mod group_offsets;
pub mod groups;
pub mod offsets;
pub mod topics;

use std::sync::Arc;

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

    /// The cluster's id, controller and brokers, without topics.
    pub async fn describe_cluster(&self) -> Result<Arc<ClusterImage>, Error> {
        self.refresh("describe the cluster", Wanted::Named([].into()))
            .await
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
