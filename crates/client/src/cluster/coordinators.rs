//! Which brokers coordinate which groups.
//!
//! Nothing is remembered: a group's coordinator moves with the leader of one partition, and an
//! answer that is asked for each time is never wrong for long.

use std::collections::BTreeMap;

use odradek_connection::{Address, Connection};
use odradek_protocol::{
    ErrorCode,
    messages::find_coordinator::{
        Coordinator as FoundCoordinator, FindCoordinatorRequest, FindCoordinatorResponse,
    },
};

use super::{Cluster, pool::Purpose};
use crate::error::Error;

/// The first version of FindCoordinator that asks about several keys (KIP-699).
const FIND_SEVERAL_VERSION: i16 = 4;

/// The broker that keeps a group's members and offsets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Coordinator {
    /// Its `node.id`.
    pub id: i32,
    /// Where it listens.
    pub address: Address,
}

impl Cluster {
    /// The coordinator of each group. Brokers that take only one group a request are asked as often
    /// as there are groups.
    pub(crate) async fn find_coordinators(
        &self,
        groups: &[String],
    ) -> Result<BTreeMap<String, Result<Coordinator, Error>>, Error> {
        let connection = self.any().await?;
        let version = connection.version_of::<FindCoordinatorRequest>()?;
        let mut found = BTreeMap::new();
        if FIND_SEVERAL_VERSION <= version {
            let request = FindCoordinatorRequest {
                coordinator_keys: groups.to_vec(),
                ..Default::default()
            };
            let answer = connection.call(&request).await?;
            let each = answer.coordinators.into_iter();
            found.extend(each.map(|it| (it.key.clone(), coordinator(it))));
        } else {
            for group in groups {
                let request = FindCoordinatorRequest {
                    key: group.clone(),
                    ..Default::default()
                };
                let answer = connection.call(&request).await?;
                found.insert(group.clone(), coordinator(only(group, answer)));
            }
        }
        Ok(found)
    }

    /// A connection to a group's coordinator.
    pub(super) async fn coordinator(&self, group: &str) -> Result<Connection, Error> {
        let found = self.find_coordinators(&[group.to_owned()]).await?;
        let missing = || Error::Incomplete(what(group));
        let coordinator = found.into_values().next().ok_or_else(missing)??;
        self.connect_to(&coordinator).await
    }

    /// A connection to that coordinator.
    pub(crate) async fn connect_to(&self, coordinator: &Coordinator) -> Result<Connection, Error> {
        Ok(self
            .pool
            .get(&coordinator.address, Purpose::Requests)
            .await?)
    }

    /// A connection to it for requests that wait for the other members of a group.
    pub(crate) async fn connect_to_join(
        &self,
        coordinator: &Coordinator,
    ) -> Result<Connection, Error> {
        Ok(self
            .pool
            .get(&coordinator.address, Purpose::Membership)
            .await?)
    }
}

/// The one coordinator of an answer to one key, in the form of an answer to several.
fn only(group: &str, answer: FindCoordinatorResponse) -> FoundCoordinator {
    FoundCoordinator {
        key: group.to_owned(),
        node_id: answer.node_id,
        host: answer.host,
        port: answer.port,
        error_code: answer.error_code,
        error_message: answer.error_message,
    }
}

fn coordinator(found: FoundCoordinator) -> Result<Coordinator, Error> {
    Error::check(what(&found.key), found.error_code, found.error_message)?;
    let Ok(port) = u16::try_from(found.port) else {
        return Err(Error::Refused {
            what: what(&found.key),
            code: ErrorCode::CoordinatorNotAvailable,
            message: None,
        });
    };
    Ok(Coordinator {
        id: found.node_id,
        address: Address::new(found.host, port),
    })
}

fn what(group: &str) -> String {
    format!("find the coordinator of group {group}")
}
