//! What members ask: join, sync, heartbeat, leave.

use std::sync::Arc;

use super::{
    Coordinator,
    group::{
        Claim, GroupError, JoinAnswer, JoinRefusal, JoinRequest, Leaver, SyncAnswer, SyncRequest,
    },
    shard::Shard,
};

/// What became of each member that was to leave.
pub(crate) type Departures = Vec<Result<(), GroupError>>;

impl Coordinator {
    /// A member joins its group. Resolves when the next generation begins, which may take as long
    /// as the longest rebalance timeout. Dropping the future does not undo anything.
    pub(crate) async fn join(&self, group: &str, mut request: JoinRequest) -> JoinAnswer {
        let member_id = Arc::<str>::from(&*request.member_id);
        let refused = |error| JoinRefusal {
            error,
            member_id: Arc::clone(&member_id),
        };
        let shard = self.shard_of_members(group).map_err(refused)?;
        self.shared.settings.check(&request)?;
        let answer = {
            let mut state = shard.active().map_err(refused)?;
            // Who knows its id knows a group that is not any more.
            if !request.member_id.is_empty() && !state.groups.contains_key(group) {
                return Err(refused(GroupError::UnknownMember));
            }
            state.get_or_create(group, shard.now());
            let (id, answer) = state.wait_for_join();
            request.id = id;
            shard.on_group(&mut state, group, |group, now, effects| {
                group.join(request, now, effects);
            });
            answer
        };
        let answer = answer.await;
        answer.unwrap_or_else(|_| Err(refused(GroupError::NotCoordinator)))
    }

    /// A member asks for its assignment. Resolves when the leader has brought it, which may take as
    /// long as the longest rebalance timeout. Dropping the future does not undo anything.
    pub(crate) async fn sync(&self, group: &str, mut request: SyncRequest) -> SyncAnswer {
        let shard = self.shard_of_members(group)?;
        let answer = {
            // The client joins again, and so begins anew.
            let mut state = shard.active().map_err(|error| match error {
                GroupError::Loading => GroupError::RebalanceInProgress,
                error => error,
            })?;
            let (id, answer) = state.wait_for_sync();
            request.id = id;
            let known = shard.on_group(&mut state, group, |group, now, effects| {
                group.sync(request, now, effects);
            });
            known.ok_or(GroupError::UnknownMember)?;
            answer
        };
        answer.await.unwrap_or(Err(GroupError::NotCoordinator))
    }

    /// A member is alive.
    pub(crate) fn heartbeat(&self, group: &str, claim: Claim<'_>) -> Result<(), GroupError> {
        let shard = self.shard_of_members(group)?;
        let mut state = match shard.active() {
            Ok(state) => state,
            // Whether the member exists will be known soon; its session begins then.
            Err(GroupError::Loading) => return Ok(()),
            Err(error) => return Err(error),
        };
        let alive = shard.on_group(&mut state, group, |group, now, effects| {
            group.heartbeat(claim, now, effects)
        });
        alive.unwrap_or(Err(GroupError::UnknownMember))
    }

    /// Members leave; one answer for each.
    pub(crate) fn leave(
        &self,
        group: &str,
        leavers: &[Leaver<'_>],
    ) -> Result<Departures, GroupError> {
        let shard = self.shard_of_members(group)?;
        let mut state = shard.active()?;
        let left = shard.on_group(&mut state, group, |group, now, effects| {
            group.leave(leavers, now, effects)
        });
        Ok(left.unwrap_or_else(|| {
            let nobody = leavers.iter().map(|_| Err(GroupError::UnknownMember));
            nobody.collect()
        }))
    }

    /// The shard of a group that has members, and so a name.
    fn shard_of_members(&self, group: &str) -> Result<Arc<Shard>, GroupError> {
        if group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        self.shard_of(group)
    }
}
