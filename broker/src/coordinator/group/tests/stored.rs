//! What a group is after the broker's death, and how its offsets age.

use super::*;

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
