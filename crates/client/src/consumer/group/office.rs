//! What is asked of the coordinator on behalf of a member, and how the leader shares out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use odradek_connection::Connection;
use odradek_protocol::{
    ErrorCode,
    messages::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
};

use super::{
    assignor::Assignor,
    balance::{self, Counts},
    coordinator::CoordinatorLink,
    events::{Identity, Join, Sync},
};
use crate::{
    cluster::image::{ClusterImage, Wanted},
    consumer::config::ConsumerConfig,
    error::Error,
};

/// How much longer than the rebalance itself its answer may take.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// What the consumer is called in its group.
const PROTOCOL_TYPE: &str = "consumer";

/// The first version of LeaveGroup that names several members (KIP-345).
const LEAVE_SEVERAL_VERSION: i16 = 3;

/// Asks the coordinator.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) coordinator: Arc<CoordinatorLink>,
    pub(crate) config: Arc<ConsumerConfig>,
}

impl Office {
    /// Asks about topics.
    pub(crate) async fn refresh(&self, wanted: &Wanted) -> Result<Arc<ClusterImage>, Error> {
        let may_create = self.config.allow_auto_create_topics && matches!(wanted, Wanted::Named(_));
        self.coordinator
            .cluster()
            .ask_about(wanted, may_create)
            .await
    }

    /// How long the coordinator may wait for the other members.
    fn join_timeout(&self) -> Duration {
        self.config.max_poll_interval + JOIN_GRACE
    }

    /// Joins the group; the answer comes when all its members have.
    pub(crate) async fn join(&self, join: Join) -> Result<JoinGroupResponse, Error> {
        let config = &self.config;
        let protocols = balance::protocols(
            &config.assignors,
            &join.topics,
            &join.owned,
            &join.previous,
            &config.rack,
        )?;
        let request = JoinGroupRequest {
            group_id: self.coordinator.group_id().to_owned(),
            session_timeout_ms: ms(config.session_timeout),
            rebalance_timeout_ms: ms(config.max_poll_interval),
            member_id: join.identity.member_id,
            group_instance_id: config.group_instance_id.clone(),
            protocol_type: PROTOCOL_TYPE.to_owned(),
            protocols,
            reason: None,
        };
        let timeout = self.join_timeout();
        let answer = self.coordinator.call_and_wait(&request, timeout).await?;
        if answer.error_code.retriable() {
            self.coordinator.check("join", answer.error_code)?;
        }
        Ok(answer)
    }

    /// Waits for the assignment. The leader makes it first, and gets back what it was made of.
    pub(crate) async fn sync(
        &self,
        sync: Sync,
    ) -> Result<(SyncGroupResponse, Option<Counts>), Error> {
        let mut assignments = Vec::new();
        let mut counts = None;
        if let Some(members) = sync.members {
            let known = self.counts_for(&members).await?;
            if !sync.skip_assignment {
                assignments = self.share_out(&sync.protocol, &members, &known)?;
            }
            counts = Some(known);
        }
        let request = SyncGroupRequest {
            group_id: self.coordinator.group_id().to_owned(),
            generation_id: sync.identity.generation,
            member_id: sync.identity.member_id,
            group_instance_id: self.config.group_instance_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE.to_owned()),
            protocol_name: Some(sync.protocol),
            assignments,
        };
        let timeout = self.join_timeout();
        let answer = self.coordinator.call_and_wait(&request, timeout).await?;
        self.coordinator.check("sync", answer.error_code)?;
        Ok((answer, counts))
    }

    /// The partitions of everything that the group subscribes to, as they are now.
    async fn counts_for(&self, members: &[JoinGroupResponseMember]) -> Result<Counts, Error> {
        let topics: BTreeSet<String> = balance::topics_of_all(members);
        let names = topics.iter().map(|name| Arc::from(name.as_str()));
        let image = self.refresh(&Wanted::Named(names.collect())).await?;
        Ok(balance::counts(&image, topics.iter()))
    }

    fn share_out(
        &self,
        protocol: &str,
        members: &[JoinGroupResponseMember],
        counts: &Counts,
    ) -> Result<Vec<SyncGroupRequestAssignment>, Error> {
        let mut ours = self.config.assignors.iter();
        let assignor: Option<&Assignor> = ours.find(|assignor| assignor.name() == protocol);
        let unknown = || Error::Refused {
            what: format!("share out partitions by {protocol}"),
            code: ErrorCode::InconsistentGroupProtocol,
            message: None,
        };
        let assignor = *assignor.ok_or_else(unknown)?;
        let demand = balance::demand(assignor, members, counts);
        balance::handed_out(&assignor.assign(&demand))
    }

    /// Says that the member lives.
    pub(crate) async fn heartbeat(&self, identity: &Identity) -> Result<(), Error> {
        let request = HeartbeatRequest {
            group_id: self.coordinator.group_id().to_owned(),
            generation_id: identity.generation,
            member_id: identity.member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        };
        let answer = self.coordinator.call(|_| Ok(request)).await?;
        self.coordinator.check("heartbeat", answer.error_code)
    }

    /// Says goodbye, so that the others need not wait for the session to end.
    pub(crate) async fn leave(&self, identity: &Identity, reason: &str) -> Result<(), Error> {
        let request = |connection: &Connection| {
            let mut request = LeaveGroupRequest {
                group_id: self.coordinator.group_id().to_owned(),
                ..Default::default()
            };
            if LEAVE_SEVERAL_VERSION <= connection.version_of::<LeaveGroupRequest>()? {
                request.members.push(MemberIdentity {
                    member_id: identity.member_id.clone(),
                    group_instance_id: None,
                    reason: Some(reason.to_owned()),
                });
            } else {
                request.member_id.clone_from(&identity.member_id);
            }
            Ok(request)
        };
        let answer = self.coordinator.call(request).await?;
        self.coordinator
            .check("leave the group", answer.error_code)?;
        for member in answer.members {
            self.coordinator
                .check("leave the group", member.error_code)?;
        }
        Ok(())
    }
}

fn ms(duration: Duration) -> i32 {
    duration.as_millis().try_into().unwrap_or(i32::MAX)
}
