//! SyncGroup: the leader's assignment, and requests of other generations.

use super::*;

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
