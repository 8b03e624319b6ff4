//! Members with a lasting name.

use super::*;

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
