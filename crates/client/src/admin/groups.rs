//! Consumer groups: list, describe, delete.
//!
//! Each group is asked about at its own coordinator. A coordinator that has moved or is still
//! loading is asked again.

use std::collections::BTreeMap;

use odradek_protocol::messages::{
    delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
    describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroupMember},
    list_groups::{ListGroupsRequest, ListedGroup},
};

use super::Admin;
use crate::{cluster::Target, error::Error};

/// A group as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// `group.id`.
    pub id: String,
    /// What its members share: `consumer` for consumers.
    pub protocol_type: String,
    /// Kafka's name of its state, such as `Stable`; empty from brokers that do not tell.
    pub state: String,
    /// `classic`, `consumer`, …; empty from brokers that do not tell.
    pub kind: String,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// `group.id`.
    pub id: String,
    /// Kafka's name of its state, such as `Stable`; `Dead` when there is no such group.
    pub state: String,
    /// What its members share: `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor in use; empty while there is none.
    pub assignor: String,
    /// Who is in it.
    pub members: Vec<DescribedGroupMember>,
}

impl Admin {
    /// The groups of all coordinators, by id.
    pub async fn list_groups(&self) -> Result<BTreeMap<String, GroupListing>, Error> {
        let cluster = self.describe_cluster().await?;
        let mut groups = BTreeMap::new();
        for id in cluster.brokers.keys() {
            let listed = self.ask(
                "list groups",
                Target::Broker(*id),
                |_| Ok(ListGroupsRequest::default()),
                |answer| {
                    Error::check("list groups", answer.error_code, None)?;
                    Ok(answer.groups)
                },
            );
            let listed = listed.await?.into_iter().map(listing);
            groups.extend(listed.map(|group| (group.id.clone(), group)));
        }
        Ok(groups)
    }

    /// Describes a group.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, Error> {
        let request = DescribeGroupsRequest {
            groups: vec![group.to_owned()],
            ..Default::default()
        };
        let read = |answer: DescribeGroupsResponse| {
            let described = answer.groups.into_iter().next().unwrap_or_default();
            Error::check(group, described.error_code, described.error_message)?;
            Ok(GroupDescription {
                id: described.group_id,
                state: described.group_state,
                protocol_type: described.protocol_type,
                assignor: described.protocol_data,
                members: described.members,
            })
        };
        let target = Target::Coordinator(group);
        self.ask("describe a group", target, |_| Ok(request.clone()), read)
            .await
    }

    /// Deletes a group that has no members, with its offsets.
    pub async fn delete_group(&self, group: &str) -> Result<(), Error> {
        let request = DeleteGroupsRequest {
            groups_names: vec![group.to_owned()],
        };
        let read = |answer: DeleteGroupsResponse| {
            let deleted = answer.results.into_iter().next().unwrap_or_default();
            Error::check(group, deleted.error_code, None)
        };
        let target = Target::Coordinator(group);
        self.ask("delete a group", target, |_| Ok(request.clone()), read)
            .await
    }
}

fn listing(group: ListedGroup) -> GroupListing {
    GroupListing {
        id: group.group_id,
        protocol_type: group.protocol_type,
        state: group.group_state,
        kind: group.group_type,
    }
}
