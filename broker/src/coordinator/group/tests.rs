//! The classic protocol, rule by rule.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::{
    GroupError, GroupState, JoinRequest, OffsetsAge, RequestId, Settings, SyncRequest,
    test_support::{
        DELAY, REBALANCE, SESSION, World, protocols, request, settings, static_request,
    },
};
use crate::coordinator::{history::Outcome, state_log::StateLogError};

const MOMENT: Duration = Duration::from_millis(1);

macro_rules! assert_error {
    ($found:expr, $expected:pat) => {
        let found = $found;
        assert!(matches!(found, $expected), "{found:?}");
    };
}

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

#[test]
fn a_new_dynamic_member_is_given_an_id_and_must_come_again_with_it() {
    let mut world = World::new();
    let member = world.invite();
    assert_eq!(world.group.state(), GroupState::Empty);
    let joined = world.join_as(&member);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    world.pass(DELAY);
    let joined = world.join_answer(joined);
    assert_eq!((joined.generation, &*joined.leader), (1, &*member));
    assert_eq!(joined.protocol, "range");
    let members: Vec<_> = joined
        .members
        .iter()
        .map(|member| &*member.metadata)
        .collect();
    assert_eq!(members, [b"range"]);
}

#[test]
fn members_of_old_clients_join_without_an_id() {
    let mut world = World::new();
    let old = JoinRequest {
        needs_member_id: false,
        ..request()
    };
    let joined = world.join(old);
    world.pass(DELAY);
    assert_eq!(world.join_answer(joined).generation, 1);
}

#[test]
fn an_id_that_nobody_comes_back_with_is_forgotten_after_the_session_timeout() {
    let mut world = World::new();
    let member = world.invite();
    world.pass(SESSION);
    assert!(world.group.is_blank());
    let joined = world.join_as(&member);
    assert_error!(world.join_error(joined), GroupError::UnknownMember);
}

#[test]
fn a_rebalance_waits_for_those_who_were_given_an_id() {
    let mut world = World::new();
    let members = world.stable(1);
    let coming = world.invite();
    let again = world.join_as(&members[0]);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    world.join_as(&coming);
    assert_eq!(world.join_answer(again).members.len(), 2);
}

#[test]
fn the_first_members_of_a_group_gather_and_the_delay_is_extended_up_to_the_rebalance_timeout() {
    let mut world = World::new();
    let first = world.invite();
    let first = world.join_as(&first);
    for _ in 0..19 {
        world.pass(just_before(DELAY));
        let next = world.invite();
        world.join_as(&next);
        assert!(!world.joins.contains_key(&first));
        world.pass(MOMENT);
    }
    world.pass(DELAY);
    // 60 seconds and 3 for each: one generation for all who came.
    assert_eq!(world.join_answer(first).generation, 1);
    assert_eq!(world.join_answer(first).members.len(), 20);
}

#[test]
fn a_group_that_nobody_else_joins_begins_after_one_delay() {
    let mut world = World::new();
    let member = world.invite();
    let joined = world.join_as(&member);
    world.pass(just_before(DELAY));
    assert!(!world.joins.contains_key(&joined));
    world.pass(MOMENT);
    assert!(world.joins.contains_key(&joined));
}

#[test]
fn everybody_gets_what_the_leader_assigned_once_it_is_in_the_log() {
    let mut world = World::new();
    world.log_is_fast = false;
    let members: Vec<_> = (0..3).map(|_| world.invite()).collect();
    for member in &members {
        world.join_as(member);
    }
    world.gather();
    let follower = world.sync(&members[1], &[]);
    let assignments = [
        (&*members[1], "one"),
        (&*members[2], "two"),
        ("stranger", "three"),
    ];
    let leader = world.sync(&members[0], &assignments);
    assert!(world.syncs.is_empty(), "nothing is in the log yet");
    world.store_next(Ok(()));
    assert_eq!(world.group.state(), GroupState::Stable);
    assert_eq!(world.assignment(follower), b"one");
    assert_eq!(world.assignment(leader), b"", "it forgot itself");
    let late = world.sync(&members[2], &[]);
    assert_eq!(world.assignment(late), b"two");
    let stored = world.stored.last().unwrap();
    let kept: Vec<_> = stored
        .members
        .iter()
        .map(|member| &*member.assignment)
        .collect();
    assert!(
        kept.contains(&&b"one"[..]) && stored.generation == 1,
        "{stored:?}"
    );
}

#[test]
fn a_log_that_refuses_the_assignment_makes_everybody_join_again() {
    let mut world = World::new();
    world.log_is_fast = false;
    let member = world.invite();
    world.join_as(&member);
    world.gather();
    let sync = world.sync(&member, &[(&member, "all")]);
    world.store_next(Err(GroupError::NotStored(StateLogError::Stopping)));
    assert_error!(world.sync_error(sync), GroupError::NotStored(_));
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    world.log_is_fast = true;
    world.join_as(&member);
    let sync = world.sync(&member, &[(&member, "all")]);
    assert_eq!(world.assignment(sync), b"all");
}

#[test]
fn an_assignment_that_arrives_after_the_next_rebalance_began_is_nobodys() {
    let mut world = World::new();
    world.log_is_fast = false;
    let member = world.invite();
    world.join_as(&member);
    world.gather();
    let sync = world.sync(&member, &[(&member, "old")]);
    let other = world.invite();
    let other = world.join_as(&other);
    assert_error!(world.sync_error(sync), GroupError::RebalanceInProgress);
    let again = world.join_as(&member);
    assert_eq!(world.join_answer(again).generation, 2);
    world.store_next(Ok(()));
    assert_eq!(world.group.state(), GroupState::CompletingRebalance);
    let other = world.join_answer(other).member_id.to_string();
    let sync = world.sync(&other, &[]);
    assert!(
        !world.syncs.contains_key(&sync),
        "generation 2 has no assignment yet"
    );
}

#[test]
fn members_learn_of_a_rebalance_by_their_heartbeats() {
    let mut world = World::new();
    let members = world.stable(2);
    assert!(world.heartbeat(&members[0]).is_ok());
    let third = world.invite();
    let third = world.join_as(&third);
    assert_error!(
        world.heartbeat(&members[0]),
        Err(GroupError::RebalanceInProgress)
    );
    for member in &members {
        world.join_as(member);
    }
    assert_eq!(world.join_answer(third).generation, 2);
    assert!(
        world.heartbeat(&members[0]).is_ok(),
        "also before there is an assignment"
    );
}

#[test]
fn a_member_that_falls_silent_is_dead_after_its_session_timeout_and_not_before() {
    let mut world = World::new();
    let members = world.stable(2);
    live(&mut world, &members[..1], just_before(SESSION));
    assert_eq!(world.group.state(), GroupState::Stable);
    world.pass(MOMENT);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    let joined = world.join_as(&members[0]);
    assert_eq!(world.join_answer(joined).members.len(), 1);
    assert_error!(world.heartbeat(&members[1]), Err(GroupError::UnknownMember));
    let record = world.rebalances.first().unwrap();
    assert_eq!(record.outcome, Outcome::Stable);
    world.settle();
    let record = world.rebalances.last().unwrap().to_string();
    assert!(
        record.contains("1 died") && record.contains("no heartbeat"),
        "{record}"
    );
}

#[test]
fn heartbeats_do_not_pile_up_rings() {
    let mut world = World::new();
    let members = world.stable(3);
    live(&mut world, &members, Duration::from_mins(10));
    assert_eq!(world.group.state(), GroupState::Stable);
    for _ in 0..1000 {
        assert!(world.heartbeat(&members[0]).is_ok());
    }
    assert!(world.rings() <= 3 * 2, "{}", world.rings());
}

#[test]
fn a_member_that_waits_does_not_die_of_it() {
    let mut world = World::new();
    let members = world.stable(2);
    let joined = world.join_as(&members[0]);
    live(&mut world, &members[1..], just_before(REBALANCE));
    assert!(!world.joins.contains_key(&joined));
    // The other one sends heartbeats and does not join: it is out.
    world.pass(MOMENT);
    assert_eq!(world.join_answer(joined).members.len(), 1);
    assert_error!(world.heartbeat(&members[1]), Err(GroupError::UnknownMember));
}

#[test]
fn a_rebalance_takes_as_long_as_its_slowest_member_may() {
    let mut world = World::new();
    let slow = world.join(JoinRequest {
        needs_member_id: false,
        rebalance_timeout: REBALANCE * 3,
        ..request()
    });
    world.gather();
    let slow = [world.join_answer(slow).member_id.to_string()];
    world.settle();
    let new = world.invite();
    let new = world.join_as(&new);
    live(&mut world, &slow, just_before(REBALANCE * 3));
    assert!(!world.joins.contains_key(&new));
    world.pass(MOMENT);
    assert!(world.joins.contains_key(&new));
}

#[test]
fn a_new_member_that_waits_for_five_minutes_is_taken_for_gone() {
    let mut world = World::new();
    let patient = JoinRequest {
        rebalance_timeout: Duration::from_mins(30),
        needs_member_id: false,
        ..request()
    };
    let first = world.join(patient.clone());
    world.gather();
    let first = world.join_answer(first).member_id.to_string();
    world.settle();
    let new = world.join(patient);
    let first = [first];
    live(&mut world, &first, Duration::from_mins(5));
    assert_error!(world.join_error(new), GroupError::UnknownMember);
}

#[test]
fn members_that_never_ask_for_their_assignment_are_out_after_the_rebalance_timeout() {
    let mut world = World::new();
    let members: Vec<_> = (0..2).map(|_| world.invite()).collect();
    for member in &members {
        world.join_as(member);
    }
    world.gather();
    world.sync(&members[0], &[(&members[0], "a"), (&members[1], "b")]);
    assert_eq!(world.group.state(), GroupState::Stable);
    live(&mut world, &members, REBALANCE + MOMENT);
    assert_error!(world.heartbeat(&members[1]), Err(GroupError::UnknownMember));
    assert_error!(
        world.heartbeat(&members[0]),
        Err(GroupError::RebalanceInProgress)
    );
}

#[test]
fn a_leader_that_never_assigns_is_replaced() {
    let mut world = World::new();
    let members: Vec<_> = (0..2).map(|_| world.invite()).collect();
    for member in &members {
        world.join_as(member);
    }
    world.gather();
    let waiting = world.sync(&members[1], &[]);
    live(&mut world, &members[..1], REBALANCE + MOMENT);
    assert_error!(world.sync_error(waiting), GroupError::RebalanceInProgress);
    let joined = world.join_as(&members[1]);
    assert_eq!(*world.join_answer(joined).leader, *members[1]);
}

#[test]
fn who_leaves_is_gone_at_once_and_the_last_one_leaves_an_empty_group() {
    let mut world = World::new();
    let members = world.stable(2);
    assert!(world.leave(&members[0], None));
    assert!(!world.leave(&members[0], None));
    let joined = world.join_as(&members[1]);
    assert_eq!(world.join_answer(joined).generation, 2);
    world.settle();
    assert!(world.leave(&members[1], None));
    assert_eq!(world.group.state(), GroupState::Empty);
    let stored = world.stored.last().unwrap();
    assert_eq!((stored.generation, stored.members.len()), (3, 0));
    assert_eq!(stored.protocol, None);
    assert_eq!(stored.protocol_type, "consumer");
    let outcomes: Vec<_> = world
        .rebalances
        .iter()
        .map(|record| record.outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Stable, Outcome::Stable, Outcome::Empty]);
}

#[test]
fn what_waits_in_the_name_of_a_member_that_leaves_is_answered() {
    let mut world = World::new();
    let members: Vec<_> = (0..2).map(|_| world.invite()).collect();
    let joins: Vec<_> = members.iter().map(|member| world.join_as(member)).collect();
    assert!(world.leave(&members[1], None));
    assert_error!(world.join_error(joins[1]), GroupError::UnknownMember);
    world.gather();
    let sync = world.sync(&members[0], &[]);
    let _ = world.join_answer(joins[0]);
    assert!(world.syncs.contains_key(&sync));

    let mut world = World::new();
    let members: Vec<_> = (0..2).map(|_| world.invite()).collect();
    for member in &members {
        world.join_as(member);
    }
    world.gather();
    let sync = world.sync(&members[1], &[]);
    assert!(world.leave(&members[1], None));
    assert_error!(world.sync_error(sync), GroupError::UnknownMember);
}

#[test]
fn a_member_that_joins_twice_waits_once() {
    let mut world = World::new();
    let members = world.stable(2);
    let first = world.join_as(&members[0]);
    let second = world.join_as(&members[0]);
    assert_error!(world.join_error(first), GroupError::RebalanceInProgress);
    world.join_as(&members[1]);
    assert_eq!(world.join_answer(second).generation, 2);
    let first = world.sync(&members[1], &[]);
    let second = world.sync(&members[1], &[]);
    assert_error!(world.sync_error(first), GroupError::RebalanceInProgress);
    world.sync(&members[0], &[(&members[1], "yours")]);
    assert_eq!(world.assignment(second), b"yours");
}

#[test]
fn a_follower_that_joins_again_unchanged_disturbs_nobody_and_a_leader_does() {
    let mut world = World::new();
    let members = world.stable(2);
    let again = world.join_as(&members[1]);
    assert_eq!(world.group.state(), GroupState::Stable);
    let answer = world.join_answer(again);
    assert_eq!((answer.generation, answer.members.len()), (1, 0));
    let sync = world.sync(&members[1], &[]);
    assert_eq!(world.assignment(sync), members[1].as_bytes());
    world.join_as(&members[0]);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_member_that_wants_something_else_causes_a_rebalance() {
    let mut world = World::new();
    let members = world.stable(2);
    let changed = JoinRequest {
        member_id: members[1].clone(),
        protocols: protocols(&["roundrobin"]),
        ..request()
    };
    let changed = world.join(changed);
    world.join_as(&members[0]);
    assert_eq!(world.join_answer(changed).protocol, "roundrobin");
}

#[test]
fn a_lost_answer_to_a_join_can_be_asked_for_again() {
    let mut world = World::new();
    let members: Vec<_> = (0..2).map(|_| world.invite()).collect();
    for member in &members {
        world.join_as(member);
    }
    world.gather();
    let leader = world.join_as(&members[0]);
    let follower = world.join_as(&members[1]);
    assert_eq!(world.join_answer(leader).members.len(), 2);
    assert_eq!(world.join_answer(follower).members.len(), 0);
    assert_eq!(world.group.generation, 1);
}

#[test]
fn the_protocol_is_one_that_all_know_and_most_prefer() {
    let mut world = World::new();
    for names in [
        &["a", "b", "c"][..],
        &["c", "b"],
        &["b", "c"],
        &["c", "b", "a"],
    ] {
        world.join(JoinRequest {
            protocols: protocols(names),
            needs_member_id: false,
            ..request()
        });
    }
    world.gather();
    assert_eq!(
        world.group.protocol.as_deref(),
        Some("b"),
        "a vote each; of equals the first"
    );
}

#[test]
fn who_has_no_protocol_in_common_with_the_others_is_not_let_in() {
    let mut world = World::new();
    let members = world.stable(1);
    for other in [
        JoinRequest {
            protocols: protocols(&["sticky"]),
            ..request()
        },
        JoinRequest {
            protocols: Vec::new(),
            ..request()
        },
        JoinRequest {
            protocol_type: "connect".to_owned(),
            ..request()
        },
    ] {
        let joined = world.join(other);
        assert_error!(world.join_error(joined), GroupError::InconsistentProtocol);
    }
    assert_eq!(world.group.state(), GroupState::Stable);
    assert!(world.leave(&members[0], None));
    // An empty group takes any type, but not none.
    for (protocol_type, names, refused) in [
        ("", &["x"][..], true),
        ("connect", &[], true),
        ("connect", &["x"], false),
    ] {
        let joined = world.join(JoinRequest {
            protocol_type: protocol_type.to_owned(),
            protocols: protocols(names),
            needs_member_id: false,
            ..request()
        });
        world.gather();
        assert_eq!(world.joins[&joined].is_err(), refused);
    }
    assert_eq!(world.group.protocol_type(), Some("connect"));
}

#[test]
fn a_protocol_named_twice_counts_once() {
    let mut world = World::new();
    let joined = world.join(JoinRequest {
        protocols: protocols(&["a", "a"]),
        needs_member_id: false,
        ..request()
    });
    world.gather();
    assert_eq!(world.join_answer(joined).protocol, "a");
}

#[test]
fn requests_of_another_generation_or_member_are_refused_by_kafkas_codes() {
    let mut world = World::new();
    let members = world.stable(1);
    let sync = world.sync_with(&members[0], 0, &[]);
    assert_error!(world.sync_error(sync), GroupError::IllegalGeneration);
    let sync = world.sync("nobody", &[]);
    assert_error!(world.sync_error(sync), GroupError::UnknownMember);
    let heartbeat = world.heartbeat_with(&members[0], None, 7);
    assert_error!(heartbeat, Err(GroupError::IllegalGeneration));
    assert_error!(world.heartbeat("nobody"), Err(GroupError::UnknownMember));
    let joined = world.join_as("nobody");
    assert_error!(world.join_error(joined), GroupError::UnknownMember);
    for (protocol_type, protocol) in [(Some("connect"), None), (None, Some("sticky"))] {
        let request = SyncRequest {
            id: RequestId(u64::MAX - u64::from(protocol.is_some())),
            member_id: members[0].clone(),
            instance_id: None,
            generation: 1,
            protocol_type: protocol_type.map(str::to_owned),
            protocol: protocol.map(str::to_owned),
            assignments: Vec::new(),
        };
        let sync = world.sync_request(request);
        assert_error!(world.sync_error(sync), GroupError::InconsistentProtocol);
    }
    world.join_as(&members[0]);
    let third = world.invite();
    world.join_as(&third);
    let sync = world.sync(&members[0], &[]);
    assert_error!(world.sync_error(sync), GroupError::RebalanceInProgress);
}

#[test]
fn session_timeouts_outside_the_limits_are_refused() {
    let settings = settings();
    for (seconds, allowed) in [
        (0, false),
        (5, false),
        (6, true),
        (1800, true),
        (1801, false),
    ] {
        let request = JoinRequest {
            session_timeout: Duration::from_secs(seconds),
            ..request()
        };
        assert_eq!(settings.check(&request).is_ok(), allowed, "{seconds}");
    }
}

#[test]
fn a_full_group_takes_nobody_else_and_keeps_its_members() {
    let mut world = World::with(Settings {
        members_max: 2,
        ..settings()
    });
    let members = world.stable(2);
    let third = world.join(request());
    assert_error!(world.join_error(third), GroupError::Full);
    let again = world.join_as(&members[1]);
    assert_eq!(world.join_answer(again).generation, 1);
    world.join_as(&members[0]);
    let third = world.join(request());
    assert_error!(world.join_error(third), GroupError::MemberIdRequired);
    world.join_as(&members[1]);
    let third = world.joins[&third]
        .as_ref()
        .unwrap_err()
        .member_id
        .to_string();
    let third = world.join_as(&third);
    assert_error!(world.join_error(third), GroupError::Full);
    assert_eq!(world.group.state(), GroupState::CompletingRebalance);
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_its_former_self_is_fenced() {
    let mut world = World::new();
    let first = world.join(static_request("one"));
    let second = world.join(static_request("two"));
    world.gather();
    let (first, second) = (
        world.join_answer(first).member_id.to_string(),
        world.join_answer(second).member_id.to_string(),
    );
    world.settle();
    let stored = world.stored.len();

    let back = world.join(static_request("two"));
    assert_eq!(world.group.state(), GroupState::Stable);
    assert_eq!(world.stored.len(), stored + 1, "its new id is in the log");
    let back = world.join_answer(back).clone();
    assert_eq!((back.generation, back.skip_assignment), (1, false));
    assert_eq!(*back.leader, *first);
    let id = back.member_id.to_string();
    let sync = world.sync(&id, &[]);
    assert_eq!(
        world.assignment(sync),
        second.as_bytes(),
        "the assignment stands"
    );
    let heartbeat = world.heartbeat_with(&second, Some("two"), 1);
    assert_error!(heartbeat, Err(GroupError::FencedInstance));
    let joined = world.join(JoinRequest {
        member_id: second,
        ..static_request("two")
    });
    assert_error!(world.join_error(joined), GroupError::FencedInstance);
    assert!(world.heartbeat_with(&id, Some("two"), 1).is_ok());
}

#[test]
fn a_static_leader_that_comes_back_is_told_not_to_assign_if_it_can_be() {
    for (can_skip_assignment, members) in [(true, 2), (false, 0)] {
        let mut world = World::new();
        let first = world.join(static_request("one"));
        world.join(static_request("two"));
        world.gather();
        let former = world.join_answer(first).member_id.clone();
        assert_eq!(world.group.leader.as_ref(), Some(&former));
        world.settle();
        let back = world.join(JoinRequest {
            can_skip_assignment,
            ..static_request("one")
        });
        let answer = world.join_answer(back);
        assert_eq!(answer.skip_assignment, can_skip_assignment);
        assert_eq!(answer.members.len(), members);
        // Who would assign if it were leader is not told that it is.
        let leads = answer.leader == answer.member_id;
        assert_eq!(leads, can_skip_assignment);
        assert_eq!(leads, answer.leader != former);
    }
}

#[test]
fn a_static_member_that_comes_back_with_other_wishes_causes_a_rebalance() {
    let mut world = World::new();
    world.join(static_request("one"));
    world.gather();
    world.settle();
    let back = world.join(JoinRequest {
        protocols: protocols(&["roundrobin"]),
        ..static_request("one")
    });
    let answer = world.join_answer(back);
    assert_eq!((answer.generation, &*answer.protocol), (2, "roundrobin"));
}

#[test]
fn what_waits_in_the_name_of_a_former_self_is_fenced() {
    let mut world = World::new();
    let first = world.join(static_request("one"));
    let second = world.join(static_request("one"));
    assert_error!(world.join_error(first), GroupError::FencedInstance);
    let follower = world.join(static_request("two"));
    world.gather();
    assert_eq!(world.join_answer(second).members.len(), 2);
    let follower = world.join_answer(follower).member_id.to_string();
    let sync = world.sync(&follower, &[]);
    let back = world.join(static_request("two"));
    assert_error!(world.sync_error(sync), GroupError::FencedInstance);
    // The leader may have assigned to the former self already, so there is another generation.
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    let leader = world.join_answer(second).member_id.to_string();
    world.join(JoinRequest {
        member_id: leader,
        ..static_request("one")
    });
    assert_eq!(world.join_answer(back).generation, 2);
}

#[test]
fn a_static_member_may_miss_a_rebalance_until_its_session_ends() {
    let mut world = World::new();
    let first = world.join(static_request("one"));
    let second = world.join(static_request("two"));
    world.gather();
    let first = [world.join_answer(first).member_id.to_string()];
    let second = world.join_answer(second).member_id.to_string();
    world.settle();
    world.join(JoinRequest {
        member_id: first[0].clone(),
        protocols: protocols(&["range"]),
        ..static_request("one")
    });
    // The session timeout is the shorter one: it dies while the rebalance waits for it.
    live(&mut world, &first, SESSION + MOMENT);
    assert_error!(
        world.heartbeat_with(&second, Some("two"), 1),
        Err(GroupError::UnknownMember)
    );
    assert_eq!(world.group.generation, 2);
}

#[test]
fn a_static_return_that_cannot_be_stored_is_undone() {
    let mut world = World::new();
    let first = world.join(static_request("one"));
    world.gather();
    let former = world.join_answer(first).member_id.to_string();
    world.settle();
    world.log_is_fast = false;
    let back = world.join(static_request("one"));
    world.store_next(Err(GroupError::NotStored(StateLogError::Stopping)));
    assert_error!(world.join_error(back), GroupError::NotStored(_));
    assert!(world.heartbeat_with(&former, Some("one"), 1).is_ok());
    assert!(world.group.is_leader(&former));
}

#[test]
fn an_operator_removes_a_static_member_by_its_lasting_name() {
    let mut world = World::new();
    world.join(static_request("one"));
    world.gather();
    world.settle();
    assert!(!world.leave("", Some("nobody")));
    assert!(!world.leave("", None));
    assert!(world.leave("", Some("one")));
    assert_eq!(world.group.state(), GroupState::Empty);
}

#[test]
fn commits_are_taken_from_members_of_the_generation_and_from_anybody_for_an_empty_group() {
    let mut world = World::new();
    assert!(world.commit("", None, -1).is_ok());
    let members = world.stable(1);
    assert!(world.commit(&members[0], None, 1).is_ok());
    assert_error!(
        world.commit(&members[0], None, 2),
        Err(GroupError::IllegalGeneration)
    );
    assert_error!(
        world.commit("nobody", None, 1),
        Err(GroupError::UnknownMember)
    );
    assert_error!(world.commit("", None, -1), Err(GroupError::UnknownMember));
    let other = world.invite();
    world.join_as(&other);
    assert!(
        world.commit(&members[0], None, 1).is_ok(),
        "before it joins again"
    );
    world.join_as(&members[0]);
    assert_error!(
        world.commit(&members[0], None, 2),
        Err(GroupError::RebalanceInProgress)
    );
}

#[test]
fn a_commit_is_as_good_as_a_heartbeat() {
    let mut world = World::new();
    let members = world.stable(1);
    for _ in 0..10 {
        world.pass(just_before(SESSION));
        assert!(world.commit(&members[0], None, 1).is_ok());
    }
}

#[test]
fn a_group_outlives_the_broker_with_its_members() {
    let mut world = World::new();
    let members = world.stable(2);
    world.restart();
    assert_eq!(world.group.state(), GroupState::Stable);
    assert!(world.heartbeat(&members[0]).is_ok());
    let sync = world.sync(&members[1], &[]);
    assert_eq!(world.assignment(sync), members[1].as_bytes());
    live(&mut world, &members[..1], SESSION);
    assert_error!(world.heartbeat(&members[1]), Err(GroupError::UnknownMember));
}

#[test]
fn a_generation_that_was_not_assigned_is_not_remembered() {
    let mut world = World::new();
    let members = world.stable(1);
    let other = world.invite();
    world.join_as(&other);
    world.join_as(&members[0]);
    assert_eq!(world.group.generation, 2);
    world.restart();
    assert_eq!((world.group.generation, world.group.roster.len()), (1, 1));
    assert_error!(world.heartbeat(&other), Err(GroupError::UnknownMember));
}

#[test]
fn a_group_above_a_lowered_limit_rebalances_and_keeps_who_comes_first() {
    let mut world = World::new();
    let members = world.stable(3);
    world.group.settings = std::sync::Arc::new(Settings {
        members_max: 2,
        ..settings()
    });
    world.restart();
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
    let joins: Vec<_> = members.iter().map(|member| world.join_as(member)).collect();
    assert_error!(world.join_error(joins[2]), GroupError::Full);
    assert_eq!(world.join_answer(joins[0]).generation, 2);
}

#[test]
fn generations_begin_anew_when_they_run_out() {
    let mut world = World::new();
    let members = world.stable(1);
    world.group.generation = i32::MAX;
    let joined = world.join_as(&members[0]);
    assert_eq!(world.join_answer(joined).generation, 1);
}

#[test]
fn offsets_age_from_when_the_group_is_not_in_use() {
    let mut world = World::new();
    assert_eq!(world.group.offsets_age(), OffsetsAge::SinceCommit);
    let members = world.stable(1);
    // Their metadata is no subscription, so they may be subscribed to anything.
    assert_eq!(world.group.offsets_age(), OffsetsAge::Never);
    assert!(world.group.is_subscribed_to("any"));
    world.pass(Duration::from_secs(1));
    assert!(world.leave(&members[0], None));
    let since = world.now.wall_ms;
    world.pass(Duration::from_mins(1));
    assert_eq!(world.group.offsets_age(), OffsetsAge::SinceEmpty(since));
    assert!(!world.group.is_subscribed_to("any"));
}

#[test]
fn a_record_tells_why_a_group_rebalanced_and_how_long_it_took() {
    let mut world = World::new();
    let members = world.stable(2);
    let first = &world.rebalances[0];
    assert_eq!((first.generation, first.members), (1, 2));
    assert_eq!(
        first.joining_ms, 6000,
        "the delay, and once more for the second member"
    );
    assert!(world.leave(&members[1], None));
    world.pass(Duration::from_millis(1500));
    world.join_as(&members[0]);
    world.pass(Duration::from_millis(250));
    world.settle();
    let second = &world.rebalances[1];
    assert_eq!((second.joining_ms, second.assigning_ms), (1500, 250));
    assert_eq!(second.changes.to_string(), "1 left");
    assert_eq!(second.leader.as_deref(), Some(&*members[0]));
}

#[test]
fn ten_thousand_members_join_in_reasonable_time() {
    let mut world = World::new();
    let members = world.stable(10_000);
    assert_eq!(world.group.state(), GroupState::Stable);
    assert_eq!(world.group.generation, 1);
    live(&mut world, &members[..1], SESSION);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
}
