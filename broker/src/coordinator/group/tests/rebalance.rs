//! From one generation to the next, and its time limits.

use super::*;

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
fn generations_begin_anew_when_they_run_out() {
    let mut world = World::new();
    let members = world.stable(1);
    world.group.generation = i32::MAX;
    let joined = world.join_as(&members[0]);
    assert_eq!(world.join_answer(joined).generation, 1);
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
