//! Finds where reading begins, and whether it may go on there.
//!
//! Three kinds of brokers are asked: the group's coordinator for what was committed, leaders for
//! beginnings and ends, and leaders that are new whether they still hold what was read.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::mpsc,
    time::{Duration, Instant},
};

use super::{
    assignment::{Assigned, Position, Start, Whereabouts},
    chunk::Place,
    config::{ConsumerConfig, IsolationLevel, OffsetReset},
    fetcher::Shared,
    group::{coordinator::CoordinatorLink, offsets as group_offsets},
    validation::{self, EpochEnd, Verdict},
};
use crate::{
    admin::{
        group_offsets::CommittedOffset,
        leaders::Question,
        offsets::{self, FoundOffset, OffsetSpec, TopicPartition},
    },
    cluster::{Cluster, image::ClusterImage},
    error::Error,
};

/// Answers that wait for the fetcher; whoever brings more waits.
const ANSWERS_MAX: usize = 64;

/// What is known of a position before the question: which partition, and its turn at that time.
type Asked<T> = Vec<(Place, u64, T)>;

/// Asks for positions, and takes the answers.
#[derive(Debug)]
pub(crate) struct Positions {
    cluster: Arc<Cluster>,
    config: Arc<ConsumerConfig>,
    shared: Arc<Shared>,
    /// Of the group, if the consumer has one.
    coordinator: Option<Arc<CoordinatorLink>>,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
}

#[derive(Debug)]
pub(crate) enum Answer {
    /// What the group has committed.
    Committed {
        asked: Asked<()>,
        outcome: Result<BTreeMap<TopicPartition, CommittedOffset>, Error>,
    },
    /// Beginnings and ends.
    Found(Vec<(Place, u64, OffsetSpec, Result<FoundOffset, Error>)>),
    /// Whether positions hold, under a leader of that epoch.
    Validated(Vec<(Place, u64, InDoubt, Result<EpochEnd, Error>)>),
}

/// A position to be validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InDoubt {
    position: Position,
    /// The epoch of the leader that is asked.
    leader_epoch: i32,
}

/// What is to be asked, of whom.
#[derive(Debug, Default)]
struct Questions {
    committed: Asked<()>,
    unknown: Asked<OffsetSpec>,
    in_doubt: Asked<InDoubt>,
}

impl Positions {
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        config: Arc<ConsumerConfig>,
        shared: Arc<Shared>,
        coordinator: Option<Arc<CoordinatorLink>>,
    ) -> Self {
        Self {
            cluster,
            config,
            shared,
            coordinator,
            answers: mpsc::channel(ANSWERS_MAX),
        }
    }

    /// The next answer. Cancellation safe.
    pub(crate) async fn answered(&mut self) -> Option<Answer> {
        self.answers.1.recv().await
    }

    /// Asks about the partitions that need it.
    pub(crate) fn ask(&self, image: &ClusterImage, now: Instant) {
        let mut questions = Questions::default();
        for (place, assigned) in self.shared.assignment.lock().iter_mut() {
            self.question(place, assigned, image, now, &mut questions);
        }
        self.ask_coordinator(questions.committed);
        self.ask_leaders(questions.unknown);
        self.ask_new_leaders(questions.in_doubt);
    }

    fn question(
        &self,
        place: &Place,
        assigned: &mut Assigned,
        image: &ClusterImage,
        now: Instant,
        questions: &mut Questions,
    ) {
        if let Some(position) = assigned.wants(now) {
            let leader_epoch = image.partition(&place.0, place.1).map(|it| it.leader_epoch);
            if let Some(leader_epoch) = leader_epoch
                && 0 <= position.leader_epoch
                && assigned.validated_in < leader_epoch
            {
                assigned.whereabouts = Whereabouts::InDoubt(position);
                let in_doubt = InDoubt {
                    position,
                    leader_epoch,
                };
                questions
                    .in_doubt
                    .push((place.clone(), assigned.turn, in_doubt));
            }
            return;
        }
        let Whereabouts::Unknown(start) = assigned.whereabouts else {
            return;
        };
        if !assigned.may_be_asked_about(now) {
            return;
        }
        let spec = match start {
            Start::Committed if self.coordinator.is_some() => {
                assigned.whereabouts = Whereabouts::Asked;
                questions.committed.push((place.clone(), assigned.turn, ()));
                return;
            }
            Start::Committed | Start::Reset => self.reset_to(),
            Start::Spec(spec) => Some(spec),
        };
        if let Some(spec) = spec {
            assigned.whereabouts = Whereabouts::Asked;
            questions.unknown.push((place.clone(), assigned.turn, spec));
        } else {
            let (topic, partition) = place.clone();
            assigned.error = Some(Error::NoOffset { topic, partition });
            self.shared.arrived.notify_one();
        }
    }

    fn reset_to(&self) -> Option<OffsetSpec> {
        match self.config.offset_reset {
            OffsetReset::Earliest => Some(OffsetSpec::Earliest),
            OffsetReset::Latest => Some(OffsetSpec::Latest),
            OffsetReset::None => None,
        }
    }

    /// Asks for the positions that the group has committed.
    fn ask_coordinator(&self, asked: Asked<()>) {
        let Some(coordinator) = self.coordinator.clone().filter(|_| !asked.is_empty()) else {
            return;
        };
        let require_stable = self.config.isolation == IsolationLevel::ReadCommitted;
        let answers = self.answers.0.clone();
        tokio::spawn(async move {
            let wanted: Vec<_> = asked.iter().map(|(place, ..)| key(place)).collect();
            let outcome = group_offsets::fetch(&coordinator, &wanted, require_stable).await;
            let _ = answers.send(Answer::Committed { asked, outcome }).await;
        });
    }

    /// Asks the leaders for the beginnings and the ends.
    fn ask_leaders(&self, asked: Asked<OffsetSpec>) {
        if asked.is_empty() {
            return;
        }
        let (cluster, answers) = (Arc::clone(&self.cluster), self.answers.0.clone());
        tokio::spawn(async move {
            let wanted = asked.iter().map(|(place, _, spec)| (key(place), *spec));
            let mut found = offsets::list_offsets(&cluster, &wanted.collect()).await;
            let each = asked.into_iter().map(|(place, turn, spec)| {
                let outcome = found
                    .remove(&key(&place))
                    .unwrap_or_else(|| missing(&place));
                (place, turn, spec, outcome)
            });
            let _ = answers.send(Answer::Found(each.collect())).await;
        });
    }

    /// Asks leaders that are new whether they hold what their predecessors had.
    fn ask_new_leaders(&self, asked: Asked<InDoubt>) {
        if asked.is_empty() {
            return;
        }
        let (cluster, answers) = (Arc::clone(&self.cluster), self.answers.0.clone());
        tokio::spawn(async move {
            let wanted = asked.iter().map(|(place, _, it)| (key(place), it.position));
            let question = Question {
                what: "compare with a new leader's log",
                wanted: &wanted.collect(),
                ask: validation::question,
                read: validation::answers,
            };
            let mut found = question.put(&cluster).await;
            let each = asked.into_iter().map(|(place, turn, in_doubt)| {
                let outcome = found
                    .remove(&key(&place))
                    .unwrap_or_else(|| missing(&place));
                (place, turn, in_doubt, outcome)
            });
            let _ = answers.send(Answer::Validated(each.collect())).await;
        });
    }

    /// Takes an answer, as far as nobody has moved the positions meanwhile.
    pub(crate) fn take(&self, answer: Answer) {
        match answer {
            Answer::Committed { asked, outcome } => self.take_committed(asked, &outcome),
            Answer::Found(found) => {
                for (place, turn, spec, outcome) in found {
                    self.with(&place, turn, |assigned| {
                        self.take_found(&place, assigned, spec, outcome);
                    });
                }
            }
            Answer::Validated(judged) => {
                for (place, turn, in_doubt, outcome) in judged {
                    self.with(&place, turn, |assigned| {
                        self.take_validated(&place, assigned, in_doubt, outcome);
                    });
                }
            }
        }
    }

    fn with(&self, place: &Place, turn: u64, take: impl FnOnce(&mut Assigned)) {
        let mut assignment = self.shared.assignment.lock();
        if let Some(assigned) = assignment.get_mut(place).filter(|it| it.turn == turn) {
            take(assigned);
        }
    }

    fn take_committed(
        &self,
        asked: Asked<()>,
        outcome: &Result<BTreeMap<TopicPartition, CommittedOffset>, Error>,
    ) {
        for (place, turn, ()) in asked {
            self.with(&place, turn, |assigned| match outcome {
                Ok(offsets) => {
                    assigned.whereabouts = match offsets.get(&key(&place)) {
                        None => Whereabouts::Unknown(Start::Reset),
                        Some(committed) => Whereabouts::At(Position {
                            offset: committed.offset,
                            leader_epoch: committed.leader_epoch.unwrap_or(-1),
                        }),
                    };
                }
                Err(error) => self.try_again(assigned, Start::Committed, error.clone()),
            });
        }
    }

    fn take_found(
        &self,
        place: &Place,
        assigned: &mut Assigned,
        spec: OffsetSpec,
        outcome: Result<FoundOffset, Error>,
    ) {
        match outcome {
            Ok(FoundOffset {
                offset: Some(offset),
                leader_epoch,
                ..
            }) => {
                assigned.whereabouts = Whereabouts::At(Position {
                    offset,
                    leader_epoch: leader_epoch.unwrap_or(-1),
                });
                // The leader itself has said so.
                let image = self.cluster.image();
                let leader_epoch = image.partition(&place.0, place.1).map(|it| it.leader_epoch);
                assigned.validated_in = leader_epoch.unwrap_or(-1);
            }
            // No record is that late: the next one may be.
            Ok(_) => {
                let end = Start::Spec(OffsetSpec::Latest);
                assigned.whereabouts = Whereabouts::Unknown(end);
            }
            Err(error) => self.try_again(assigned, Start::Spec(spec), error),
        }
    }

    fn take_validated(
        &self,
        place: &Place,
        assigned: &mut Assigned,
        in_doubt: InDoubt,
        outcome: Result<EpochEnd, Error>,
    ) {
        let position = in_doubt.position;
        let verdict = match outcome {
            Ok(end) => validation::judge(position, end),
            Err(error) if error.is_final() => {
                // A broker that cannot be asked leaves it to the fetch to find out.
                tracing::debug!(topic = %place.0, partition = place.1, %error, "not validated");
                Verdict::Holds
            }
            Err(_) => {
                assigned.whereabouts = Whereabouts::At(position);
                assigned.not_before = Some(Instant::now() + self.pause());
                return;
            }
        };
        assigned.validated_in = in_doubt.leader_epoch;
        assigned.whereabouts = match verdict {
            Verdict::Holds => Whereabouts::At(position),
            Verdict::Diverged(diverged_at) => {
                let (topic, partition) = (Arc::clone(&place.0), place.1);
                tracing::warn!(
                    %topic, partition, offset = position.offset, ?diverged_at,
                    "the log has lost records that were read"
                );
                if self.reset_to().is_none() {
                    assigned.error = Some(Error::Truncated {
                        topic,
                        partition,
                        offset: position.offset,
                        diverged_at: diverged_at.map(|position| position.offset),
                    });
                    self.shared.arrived.notify_one();
                }
                diverged_at.map_or(Whereabouts::Unknown(Start::Reset), Whereabouts::At)
            }
        };
    }

    fn try_again(&self, assigned: &mut Assigned, start: Start, error: Error) {
        assigned.whereabouts = Whereabouts::Unknown(start);
        assigned.not_before = Some(Instant::now() + self.pause());
        if error.is_final() {
            assigned.error = Some(error);
            self.shared.arrived.notify_one();
        }
    }

    fn pause(&self) -> Duration {
        self.config.client.retry_backoff
    }
}

fn key(place: &Place) -> TopicPartition {
    (place.0.to_string(), place.1)
}

fn missing<T>(place: &Place) -> Result<T, Error> {
    Err(Error::Incomplete(format!("{}-{}", place.0, place.1)))
}
