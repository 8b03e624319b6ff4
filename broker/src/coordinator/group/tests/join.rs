//! JoinGroup: who is let in, and what a member's coming causes.

use super::*;

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
fn ten_thousand_members_join_in_reasonable_time() {
    let mut world = World::new();
    let members = world.stable(10_000);
    assert_eq!(world.group.state(), GroupState::Stable);
    assert_eq!(world.group.generation, 1);
    live(&mut world, &members[..1], SESSION);
    assert_eq!(world.group.state(), GroupState::PreparingRebalance);
}
