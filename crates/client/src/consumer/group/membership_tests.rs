#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use odradek_protocol::{
    consumer_protocol::TopicPartitions, messages::join_group::JoinGroupResponseMember,
};

use super::*;
use crate::cluster::backoff::Backoff;

const SECOND: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(3);
const MAX_POLL: Duration = Duration::from_mins(5);

/// A membership, its clock, and a coordinator that answers as it is told to.
struct Scene {
    membership: Membership,
    now: Instant,
}

fn topics(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn partitions(indexes: &[i32]) -> BTreeSet<TopicPartition> {
    indexes
        .iter()
        .map(|index| ("t".to_owned(), *index))
        .collect()
}

fn refused(code: ErrorCode) -> Error {
    Error::check("ask", code, None).unwrap_err()
}

fn assignment(indexes: &[i32]) -> Bytes {
    let assignment = Assignment {
        assigned_partitions: vec![TopicPartitions {
            topic: "t".to_owned(),
            partitions: indexes.to_vec(),
        }],
        user_data: None,
    };
    assignment.encode().unwrap()
}

impl Scene {
    fn new(is_static: bool) -> Self {
        let terms = Terms {
            group_id: "g".to_owned(),
            is_static,
            heartbeat_interval: HEARTBEAT,
            max_poll_interval: MAX_POLL,
            backoff: Backoff {
                first: SECOND,
                max: 8 * SECOND,
            },
        };
        let now = Instant::now();
        let membership = Membership::new(terms, fastrand::Rng::with_seed(7), now);
        Self { membership, now }
    }

    /// A member of the first generation that reads these partitions.
    fn stable(is_static: bool, indexes: &[i32]) -> Self {
        let mut scene = Self::new(is_static);
        scene.event(Event::Topics(topics(&["t"])));
        scene.event(Event::Polled);
        scene.prepared(&[]);
        scene.join_as("me", 1);
        scene.assign(indexes);
        scene.taken();
        assert_eq!(scene.membership.state, State::Stable);
        scene
    }

    fn event(&mut self, event: Event) -> Option<Effect> {
        self.membership.handle(event, self.now)
    }

    fn after(&mut self, time: Duration) -> Option<Effect> {
        self.now += time;
        self.event(Event::Tick)
    }

    fn done(&mut self, done: Done) -> Option<Effect> {
        let (number, _) = self.membership.notice();
        self.event(Event::Done { number, done })
    }

    /// The poll has given up what it had to, and still reads these.
    fn prepared(&mut self, owned: &[i32]) -> Option<Effect> {
        let owned = partitions(owned);
        self.done(Done::Prepared { owned })
    }

    fn taken(&mut self) {
        assert_eq!(self.done(Done::Taken), None);
    }

    fn joined(&mut self, answer: JoinGroupResponse) -> Option<Effect> {
        let attempt = self.membership.attempt;
        let answer = Ok(answer);
        self.event(Event::Joined { attempt, answer })
    }

    fn join_refused(&mut self, error_code: ErrorCode) -> Option<Effect> {
        self.joined(JoinGroupResponse {
            error_code,
            member_id: "given".to_owned(),
            ..Default::default()
        })
    }

    /// The join succeeds, under another leader.
    fn join_as(&mut self, member_id: &str, generation_id: i32) {
        let effect = self.joined(JoinGroupResponse {
            member_id: member_id.to_owned(),
            generation_id,
            leader: "somebody".to_owned(),
            protocol_name: Some("range".to_owned()),
            ..Default::default()
        });
        let Some(Effect::Sync(Sync { members: None, .. })) = effect else {
            panic!("a follower syncs without members: {effect:?}");
        };
    }

    fn synced(&mut self, error_code: ErrorCode, indexes: &[i32]) -> Option<Effect> {
        let answer = Ok(SyncGroupResponse {
            error_code,
            assignment: assignment(indexes),
            ..Default::default()
        });
        let attempt = self.membership.attempt;
        self.event(Event::Synced { attempt, answer })
    }

    fn assign(&mut self, indexes: &[i32]) {
        assert_eq!(self.synced(ErrorCode::None, indexes), None);
        let (_, Some(Notice::Assigned(assigned))) = self.membership.notice() else {
            panic!("the poll hears what is assigned: {:?}", self.membership);
        };
        assert_eq!(*assigned, partitions(indexes));
    }

    fn heard(&mut self, code: ErrorCode) {
        let of = self.membership.identity().clone();
        let answer = Error::check("heartbeat", code, None);
        assert_eq!(self.event(Event::Heard { of, answer }), None);
    }

    /// Whether the poll is to prepare, and whether because everything is lost.
    fn prepares(&self) -> Option<bool> {
        match self.membership.notice() {
            (_, Some(Notice::Prepare { lost, .. })) => Some(*lost),
            _ => None,
        }
    }

    fn fails_with(&self) -> Option<ErrorCode> {
        match self.membership.notice() {
            (_, Some(Notice::Failed { error, .. })) => error.code(),
            _ => None,
        }
    }
}

fn identity(member_id: &str, generation: i32) -> Identity {
    Identity {
        member_id: member_id.to_owned(),
        generation,
    }
}

/// Whom a join says it is, and what it still reads.
fn join(effect: Option<Effect>) -> (Identity, BTreeSet<TopicPartition>) {
    match effect {
        Some(Effect::Join(join)) => (join.identity, join.owned),
        other => panic!("it joins: {other:?}"),
    }
}

#[test]
fn nothing_is_joined_before_there_are_topics_and_a_poll() {
    let mut scene = Scene::new(false);
    assert_eq!(scene.event(Event::Polled), None);
    assert_eq!(scene.prepares(), None);
    scene.event(Event::Topics(topics(&["t"])));
    assert_eq!(scene.prepares(), Some(false));

    let mut scene = Scene::new(false);
    scene.event(Event::Topics(topics(&["t"])));
    assert_eq!(scene.prepares(), None);
    assert_eq!(scene.membership.wake_at(), None);
    scene.event(Event::Polled);
    assert_eq!(scene.prepares(), Some(false));
}

#[test]
fn a_first_join_comes_again_with_the_id_that_it_was_given() {
    let mut scene = Scene::new(false);
    scene.event(Event::Topics(topics(&["t"])));
    scene.event(Event::Polled);
    let first = scene.prepared(&[]);
    assert_eq!(join(first).0, Identity::unknown());
    let second = scene.join_refused(ErrorCode::MemberIdRequired);
    assert_eq!(join(second).0, identity("given", NO_GENERATION));
    scene.join_as("given", 4);
    assert_eq!(*scene.membership.identity(), identity("given", 4));
}

#[test]
fn the_leader_gets_the_members_and_may_be_told_to_leave_all_as_it_is() {
    for skip_assignment in [false, true] {
        let mut scene = Scene::new(true);
        scene.event(Event::Topics(topics(&["t"])));
        scene.event(Event::Polled);
        scene.prepared(&[]);
        let effect = scene.joined(JoinGroupResponse {
            member_id: "me".to_owned(),
            leader: "me".to_owned(),
            generation_id: 1,
            skip_assignment,
            members: vec![JoinGroupResponseMember::default()],
            ..Default::default()
        });
        let Some(Effect::Sync(Sync {
            members: Some(members),
            skip_assignment: skips,
            ..
        })) = effect
        else {
            panic!("the leader syncs with the members: {effect:?}");
        };
        assert_eq!((members.len(), skips), (1, skip_assignment));
        assert!(scene.membership.leads());
        scene.assign(&[0]);
        scene.taken();
        // The leader sees that there are more partitions now.
        scene.event(Event::OutOfDate);
        assert_eq!(scene.prepares(), Some(false));
    }
}

#[test]
fn heartbeats_go_on_one_at_a_time_also_while_the_poll_is_awaited() {
    let mut scene = Scene::stable(false, &[0]);
    assert_eq!(scene.after(HEARTBEAT / 2), None);
    let beat = Some(Effect::Heartbeat(identity("me", 1)));
    assert_eq!(scene.after(HEARTBEAT / 2), beat);
    assert_eq!(scene.after(HEARTBEAT), None);
    scene.heard(ErrorCode::RebalanceInProgress);
    assert_eq!(scene.prepares(), Some(false));
    assert_eq!(scene.after(HEARTBEAT), beat);
    scene.heard(ErrorCode::RebalanceInProgress);
    // What it still reads goes into the join, with the generation in which it got it.
    assert_eq!(
        join(scene.prepared(&[0])),
        (identity("me", 1), partitions(&[0]))
    );
    assert_eq!(scene.after(10 * HEARTBEAT), None);
    scene.join_as("me", 2);
    scene.assign(&[0, 1]);
    let beat = Some(Effect::Heartbeat(identity("me", 2)));
    assert_eq!(scene.after(HEARTBEAT), beat);
}

#[test]
fn who_gave_partitions_up_joins_again_so_that_others_get_them() {
    let mut scene = Scene::stable(false, &[0, 1]);
    scene.heard(ErrorCode::RebalanceInProgress);
    scene.prepared(&[0, 1]);
    scene.join_as("me", 2);
    scene.assign(&[0]);
    scene.taken();
    assert_eq!(scene.prepares(), Some(false));
    assert_eq!(
        join(scene.prepared(&[0])),
        (identity("me", 2), partitions(&[0]))
    );
}

#[test]
fn a_rebalance_that_overtakes_an_assignment_follows_it() {
    let mut scene = Scene::stable(false, &[0]);
    scene.heard(ErrorCode::RebalanceInProgress);
    scene.prepared(&[]);
    scene.join_as("me", 2);
    // Before the assignment came: joined again at once.
    let again = scene.synced(ErrorCode::RebalanceInProgress, &[]);
    assert_eq!(join(again).0, identity("me", 2));
    scene.join_as("me", 3);
    scene.assign(&[0]);
    // Before the poll has taken it: once it has.
    scene.heard(ErrorCode::RebalanceInProgress);
    assert_eq!(scene.prepares(), None);
    scene.taken();
    assert_eq!(scene.prepares(), Some(false));
}

#[test]
fn who_is_put_out_loses_everything_and_joins_anew() {
    for (code, known_as) in [
        (ErrorCode::UnknownMemberId, identity("", NO_GENERATION)),
        (ErrorCode::IllegalGeneration, identity("me", NO_GENERATION)),
    ] {
        let mut scene = Scene::stable(false, &[0]);
        scene.heard(code);
        assert_eq!(scene.prepares(), Some(true), "{code:?}");
        assert_eq!(*scene.membership.identity(), known_as);
        // There is nobody to send heartbeats for.
        assert_eq!(scene.membership.wake_at(), None);
        assert_eq!(join(scene.prepared(&[])).0, known_as);
    }
}

#[test]
fn what_is_still_read_is_lost_if_the_join_is_refused() {
    let mut scene = Scene::stable(false, &[0]);
    scene.heard(ErrorCode::RebalanceInProgress);
    scene.prepared(&[0]);
    assert_eq!(scene.join_refused(ErrorCode::UnknownMemberId), None);
    assert_eq!(scene.prepares(), Some(true));
    scene.prepared(&[]);
    // With nothing left to lose it only waits.
    assert_eq!(scene.join_refused(ErrorCode::UnknownMemberId), None);
    assert_eq!(scene.prepares(), None);
    assert_eq!(join(scene.after(2 * SECOND)).0, Identity::unknown());
}

#[test]
fn what_passes_is_tried_again_with_growing_pauses() {
    let mut scene = Scene::stable(false, &[0]);
    scene.heard(ErrorCode::RebalanceInProgress);
    scene.prepared(&[]);
    let mut pauses = Vec::new();
    for code in [
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::NotCoordinator,
        ErrorCode::CoordinatorNotAvailable,
    ] {
        assert_eq!(scene.join_refused(code), None);
        let pause = scene.membership.wake_at().unwrap() - scene.now;
        assert_eq!(scene.after(pause / 2), None);
        assert_eq!(join(scene.after(pause)).0, identity("me", 1));
        pauses.push(pause);
    }
    assert!(pauses.is_sorted() && SECOND < pauses[2], "{pauses:?}");
    // A heartbeat that is not answered changes nothing but the time of the next.
    let mut scene = Scene::stable(false, &[0]);
    scene.after(HEARTBEAT).unwrap();
    scene.heard(ErrorCode::NotCoordinator);
    assert_eq!(scene.membership.state, State::Stable);
    let beat = Some(Effect::Heartbeat(identity("me", 1)));
    assert_eq!(scene.after(2 * SECOND), beat);
}

#[test]
fn who_does_not_poll_leaves_and_comes_back_with_the_next_poll() {
    let mut scene = Scene::stable(false, &[0]);
    scene.after(MAX_POLL / 2);
    scene.event(Event::Polled);
    assert!(!matches!(
        scene.after(2 * SECOND),
        Some(Effect::Leave { .. })
    ));
    let left = scene.after(MAX_POLL);
    let Some(Effect::Leave {
        identity: leaver, ..
    }) = left
    else {
        panic!("it leaves: {left:?}");
    };
    assert_eq!(leaver, identity("me", 1));
    assert_eq!(scene.prepares(), Some(true));
    assert_eq!(scene.membership.wake_at(), None);
    assert_eq!(join(scene.prepared(&[])).0, Identity::unknown());
}

#[test]
fn a_static_member_does_not_say_goodbye() {
    let mut scene = Scene::stable(true, &[0]);
    assert_eq!(scene.after(MAX_POLL + SECOND), None);
    assert_eq!(scene.prepares(), Some(true));
    let mut scene = Scene::stable(true, &[0]);
    assert_eq!(scene.event(Event::Unsubscribed), None);
    assert_eq!(scene.membership.state, State::Out);
}

#[test]
fn fenced_is_told_by_every_poll_and_nothing_helps() {
    let mut scene = Scene::stable(true, &[0]);
    scene.heard(ErrorCode::FencedInstanceId);
    for _ in 0..3 {
        assert_eq!(scene.fails_with(), Some(ErrorCode::FencedInstanceId));
        assert_eq!(scene.done(Done::Told), None);
        scene.event(Event::Polled);
        scene.event(Event::Topics(topics(&["u"])));
    }
    assert_eq!(scene.membership.wake_at(), None);
}

#[test]
fn what_is_refused_is_told_once_and_the_next_poll_tries_again() {
    let mut scene = Scene::new(false);
    scene.event(Event::Topics(topics(&["t"])));
    scene.event(Event::Polled);
    scene.prepared(&[]);
    assert_eq!(
        scene.join_refused(ErrorCode::InconsistentGroupProtocol),
        None
    );
    assert_eq!(
        scene.fails_with(),
        Some(ErrorCode::InconsistentGroupProtocol)
    );
    scene.done(Done::Told);
    assert_eq!(scene.fails_with(), None);
    assert!(scene.membership.awaits_poll());
    scene.event(Event::Polled);
    assert_eq!(scene.prepares(), Some(false));
}

#[test]
fn other_topics_are_a_reason_to_join_again_and_the_same_are_not() {
    let mut scene = Scene::stable(false, &[0]);
    scene.event(Event::Topics(topics(&["t"])));
    assert_eq!(scene.prepares(), None);
    scene.event(Event::Topics(topics(&["t", "u"])));
    assert_eq!(scene.prepares(), Some(false));
    scene.prepared(&[0]);
    // They change while it joins: it joins once more.
    scene.event(Event::Topics(topics(&["u"])));
    scene.join_as("me", 2);
    scene.assign(&[0]);
    scene.taken();
    assert_eq!(scene.prepares(), Some(false));
}

#[test]
fn answers_that_were_overtaken_change_nothing() {
    let mut scene = Scene::stable(false, &[0]);
    scene.heard(ErrorCode::RebalanceInProgress);
    scene.prepared(&[]);
    let attempt = scene.membership.attempt;
    let left = scene.event(Event::Unsubscribed);
    assert!(matches!(left, Some(Effect::Leave { .. })), "{left:?}");
    let late = JoinGroupResponse {
        generation_id: 9,
        ..Default::default()
    };
    let answer = Ok(late);
    assert_eq!(scene.event(Event::Joined { attempt, answer }), None);
    assert_eq!(*scene.membership.identity(), Identity::unknown());

    // The heartbeat of who it was is not the heartbeat of who it is.
    let mut scene = Scene::stable(false, &[0]);
    let of = identity("me", 0);
    let answer = Err(refused(ErrorCode::UnknownMemberId));
    scene.event(Event::Heard { of, answer });
    assert_eq!(scene.membership.state, State::Stable);

    // The poll has done what nobody wants any more.
    scene.heard(ErrorCode::RebalanceInProgress);
    let (number, _) = scene.membership.notice();
    scene.heard(ErrorCode::UnknownMemberId);
    let done = Done::Prepared {
        owned: partitions(&[0]),
    };
    assert_eq!(scene.event(Event::Done { number, done }), None);
    assert_eq!(scene.prepares(), Some(true));
}

#[test]
fn after_a_commit_that_was_refused_the_next_heartbeat_comes_at_once() {
    let mut scene = Scene::stable(false, &[0]);
    scene.event(Event::Doubted);
    assert!(matches!(
        scene.after(Duration::ZERO),
        Some(Effect::Heartbeat(_))
    ));
}
