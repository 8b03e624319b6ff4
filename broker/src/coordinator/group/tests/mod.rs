//! The classic protocol, rule by rule; one file per role.
#![allow(clippy::unwrap_used)]

macro_rules! assert_error {
    ($found:expr, $expected:pat) => {
        let found = $found;
        assert!(matches!(found, $expected), "{found:?}");
    };
}

mod join;
mod presence;
mod rebalance;
mod static_members;
mod stored;
mod sync;

use std::time::Duration;

use super::{
    GroupError, GroupState, JoinRequest, OffsetsAge, RequestId, Settings, SyncRequest,
    test_support::{
        DELAY, REBALANCE, SESSION, World, protocols, request, settings, static_request,
    },
};
use crate::coordinator::{history::Outcome, state_log::StateLogError};

const MOMENT: Duration = Duration::from_millis(1);

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(MOMENT)
}

/// Heartbeats of these members for that time.
fn live(world: &mut World, members: &[String], time: Duration) {
    let step = Duration::from_secs(3);
    let mut left = time;
    while !left.is_zero() {
        world.pass(step.min(left));
        left = left.saturating_sub(step);
        for member in members {
            let _ = world.heartbeat(member);
        }
    }
}
