//! Incremental fetch sessions (KIP-227): each request names only what changed since the last. Pure.
//!
//! **Invariant:** after an answer, this and the broker agree on the partitions of the session and
//! on where each stands; after anything else the session begins anew.

use std::collections::BTreeMap;

use odradek_protocol::{
    Uuid,
    messages::fetch::{FetchPartition, FetchRequest, FetchTopic, ForgottenTopic},
};

use super::chunk::Place;
use crate::by_topic::by_topic;

/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;

/// Where one partition is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) topic_id: Uuid,
    pub(crate) offset: i64,
    /// The leader epoch that is known; a broker that knows another says so.
    pub(crate) leader_epoch: i32,
    pub(crate) bytes_max: i32,
}

/// The session with one broker.
#[derive(Debug, Default)]
pub(crate) struct FetchSession {
    id: i32,
    epoch: i32,
    /// What the broker knows.
    known: BTreeMap<Place, Wanted>,
}

impl FetchSession {
    /// Fills in a request by which the broker will know that `wanted` is what is to be read.
    pub(crate) fn ask(&mut self, wanted: &BTreeMap<Place, Wanted>, request: &mut FetchRequest) {
        let is_new = self.epoch == INITIAL_EPOCH;
        let changed = wanted
            .iter()
            .filter(|(place, now)| is_new || self.known.get(place) != Some(now));
        request.session_id = self.id;
        request.session_epoch = self.epoch;
        request.topics = topics(changed);
        let gone = self.known.iter().filter(|(place, known)| {
            // A topic created again has another id: its older self is forgotten by that.
            wanted
                .get(*place)
                .is_none_or(|now| now.topic_id != known.topic_id)
        });
        request.forgotten_topics_data = forgotten(gone);
        self.known.clone_from(wanted);
    }

    /// The broker has answered, and calls the session so; 0 if it keeps none.
    pub(crate) fn answered(&mut self, id: i32) {
        if id == 0 {
            return self.lost();
        }
        self.id = id;
        // From the largest back to the first, never to 0, which would begin anew.
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
    }

    /// The broker does not know the session, or nobody knows what it knows.
    pub(crate) fn lost(&mut self) {
        *self = Self::default();
    }

    /// The name behind a topic id of an answer.
    pub(crate) fn topic(&self, id: Uuid) -> Option<&Place> {
        let mut known = self.known.iter();
        known
            .find(|(_, wanted)| wanted.topic_id == id)
            .map(|(place, _)| place)
    }
}

fn topics<'a>(changed: impl Iterator<Item = (&'a Place, &'a Wanted)>) -> Vec<FetchTopic> {
    let each = changed.map(|((topic, partition), wanted)| {
        let partition = FetchPartition {
            partition: *partition,
            current_leader_epoch: wanted.leader_epoch,
            fetch_offset: wanted.offset,
            partition_max_bytes: wanted.bytes_max,
            ..Default::default()
        };
        ((topic, wanted.topic_id), partition)
    });
    by_topic(each)
        .map(|((topic, topic_id), partitions)| FetchTopic {
            topic: topic.to_string(),
            topic_id,
            partitions,
        })
        .collect()
}

fn forgotten<'a>(gone: impl Iterator<Item = (&'a Place, &'a Wanted)>) -> Vec<ForgottenTopic> {
    let each = gone.map(|((topic, partition), known)| ((topic, known.topic_id), *partition));
    by_topic(each)
        .map(|((topic, topic_id), partitions)| ForgottenTopic {
            topic: topic.to_string(),
            topic_id,
            partitions,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn wanted(offsets: &[(i32, i64)]) -> BTreeMap<Place, Wanted> {
        let each = offsets.iter().map(|(partition, offset)| {
            let wanted = Wanted {
                topic_id: Uuid::from_u128(1),
                offset: *offset,
                leader_epoch: 0,
                bytes_max: 1,
            };
            ((Arc::from("t"), *partition), wanted)
        });
        each.collect()
    }

    /// Session id and epoch, the partitions named and those forgotten.
    fn ask(session: &mut FetchSession, offsets: &[(i32, i64)]) -> (i32, i32, Vec<i32>, Vec<i32>) {
        let mut request = FetchRequest::default();
        session.ask(&wanted(offsets), &mut request);
        let named = request.topics.iter().flat_map(|topic| &topic.partitions);
        let gone = request.forgotten_topics_data.iter();
        (
            request.session_id,
            request.session_epoch,
            named.map(|partition| partition.partition).collect(),
            gone.flat_map(|topic| topic.partitions.clone()).collect(),
        )
    }

    #[test]
    fn only_what_changed_is_named() {
        let mut session = FetchSession::default();
        assert_eq!(
            ask(&mut session, &[(0, 5), (1, 5)]),
            (0, 0, vec![0, 1], vec![])
        );
        session.answered(77);
        assert_eq!(
            ask(&mut session, &[(0, 6), (1, 5)]),
            (77, 1, vec![0], vec![])
        );
        session.answered(77);
        assert_eq!(ask(&mut session, &[(1, 5)]), (77, 2, vec![], vec![0]));
        session.answered(77);
        assert_eq!(
            ask(&mut session, &[(0, 6), (1, 5)]),
            (77, 3, vec![0], vec![])
        );
    }

    #[test]
    fn a_session_that_was_lost_begins_anew() {
        let mut session = FetchSession::default();
        ask(&mut session, &[(0, 5)]);
        session.answered(77);
        session.lost();
        assert_eq!(ask(&mut session, &[(0, 5)]), (0, 0, vec![0], vec![]));
        // A broker that keeps no sessions answers 0.
        session.answered(0);
        assert_eq!(ask(&mut session, &[(0, 5)]), (0, 0, vec![0], vec![]));
    }
}
