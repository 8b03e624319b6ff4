//! The broker that keeps the group, found when it is needed and forgotten when it is not it.

use std::{sync::Arc, time::Duration};

use odradek_connection::Connection;
use odradek_protocol::{ErrorCode, request::Request};
use parking_lot::Mutex;

use crate::{
    cluster::{Cluster, coordinators::Coordinator},
    error::Error,
};

/// A way to the coordinator of one group.
#[derive(Debug)]
pub(crate) struct CoordinatorLink {
    cluster: Arc<Cluster>,
    group_id: String,
    known: Mutex<Option<Coordinator>>,
}

impl CoordinatorLink {
    pub(crate) fn new(cluster: Arc<Cluster>, group_id: String) -> Self {
        Self {
            cluster,
            group_id,
            known: Mutex::default(),
        }
    }

    pub(crate) fn group_id(&self) -> &str {
        &self.group_id
    }

    pub(crate) const fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Asks for something that is answered at once.
    pub(crate) async fn call<R: Request>(
        &self,
        request: impl FnOnce(&Connection) -> Result<R, Error>,
    ) -> Result<R::Response, Error> {
        let attempt = async {
            let coordinator = self.find().await?;
            let connection = self.cluster.connect_to(&coordinator).await?;
            let request = request(&connection)?;
            Ok(connection.call(&request).await?)
        };
        self.watched(attempt).await
    }

    /// Asks for something that waits for the other members.
    pub(crate) async fn call_and_wait<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, Error> {
        let attempt = async {
            let coordinator = self.find().await?;
            let connection = self.cluster.connect_to_join(&coordinator).await?;
            Ok(connection.call_within(request, timeout).await?)
        };
        self.watched(attempt).await
    }

    /// Checks a code of an answer: if the broker is not the coordinator any more it is forgotten.
    pub(crate) fn check(&self, what: impl Into<String>, code: ErrorCode) -> Result<(), Error> {
        if matches!(
            code,
            ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable
        ) {
            self.forget();
        }
        Error::check(what, code, None)
    }

    async fn find(&self) -> Result<Coordinator, Error> {
        if let Some(known) = self.known.lock().clone() {
            return Ok(known);
        }
        let groups = [self.group_id.clone()];
        let found = self.cluster.find_coordinators(&groups).await?;
        let missing = || Error::Incomplete(format!("the coordinator of group {}", self.group_id));
        let found = found.into_values().next().ok_or_else(missing)??;
        *self.known.lock() = Some(found.clone());
        Ok(found)
    }

    /// Who does not answer may not be the coordinator any more.
    async fn watched<T>(
        &self,
        attempt: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let outcome = attempt.await;
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }

    fn forget(&self) {
        *self.known.lock() = None;
    }
}
