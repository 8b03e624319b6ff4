//! Heartbeats, commits, leaving, dying.

use super::*;

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
