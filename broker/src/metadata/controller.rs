//! The controller's loop: request, decision, commit, answer.
//!
//! Requests are decided one after the other, each against an image that contains all before it.
//! Those that wait together are committed together, with one sync of the log; a request is one
//! entry, so it takes effect whole or not at all. Answers are given after the commit, when the
//! image that everybody sees contains the change.

use odradek_metadata::{
    MetadataImage,
    decide::{
        Refusal,
        alter_configs::{self, Alteration},
        create_partitions::{self, Growth},
        create_topics::{self, CreatedTopic, NewTopic, TopicRules},
        delete_topics::{self, DeletedTopic, TopicReference},
        producer_ids,
        registration::{self, RegistrationError},
    },
    records::{self, Record, RegisterBrokerRecord},
};
use odradek_quorum::Proposer;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Images,
    handle::{ChangeError, Committed},
};
use crate::config::schema::Schema;

/// Requests that may wait. Whoever asks beyond that waits for a place.
pub(super) const QUEUE_REQUESTS_MAX: usize = 256;

/// Requests committed together. Bounds the work that is lost when the commit fails.
const GROUP_REQUESTS_MAX: usize = 64;

/// A change that somebody asks for.
#[derive(Debug)]
pub(super) enum Request {
    CreateTopics {
        topics: Vec<NewTopic>,
        settings: TopicSettings,
        reply: Reply<Vec<Result<CreatedTopic, Refusal>>>,
    },
    CreatePartitions {
        topics: Vec<Growth>,
        /// Only check; nothing grows.
        validate_only: bool,
        reply: Reply<Vec<Result<(), Refusal>>>,
    },
    DeleteTopics {
        topics: Vec<TopicReference>,
        reply: Reply<Vec<Result<DeletedTopic, Refusal>>>,
    },
    AlterConfigs {
        alterations: Vec<Alteration>,
        /// Only check; nothing changes.
        validate_only: bool,
        reply: Reply<Vec<Result<(), Refusal>>>,
    },
    RegisterBroker {
        cluster_id: String,
        broker: RegisterBrokerRecord,
        reply: Reply<Result<(), RegistrationError>>,
    },
    AllocateProducerIds {
        reply: Reply<Result<std::ops::Range<i64>, Refusal>>,
    },
}

/// What new topics get that do not say it themselves, and whether they are really wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TopicSettings {
    /// `num.partitions`.
    pub(crate) default_partitions: i32,
    /// `default.replication.factor`.
    pub(crate) default_replication_factor: i16,
    /// Only check; create nothing.
    pub(crate) validate_only: bool,
}

/// Where the answer goes. Whoever asked may have gone; the change is made all the same.
type Reply<T> = oneshot::Sender<Committed<T>>;

/// A decided request: what to commit, and how to answer once it is.
struct Decided {
    records: Vec<Record>,
    /// Told the index of the last entry that the image contains by now.
    answer: Box<dyn FnOnce(Result<u64, ChangeError>) + Send>,
}

impl Decided {
    fn new<T: Send + 'static>(records: Vec<Record>, outcome: T, reply: Reply<T>) -> Self {
        let answer = Box::new(move |index: Result<u64, ChangeError>| {
            // Nobody may be waiting any more.
            let _ = reply.send(index.map(|index| (outcome, index)));
        });
        Self { records, answer }
    }
}

/// The active controller.
#[derive(Debug)]
pub(super) struct Controller {
    images: Images,
    proposer: Proposer,
}

impl Controller {
    pub(super) const fn new(images: Images, proposer: Proposer) -> Self {
        Self { images, proposer }
    }

    /// Serves requests until `stop` or until nobody can ask any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Request>, stop: CancellationToken) {
        let mut group = Vec::new();
        loop {
            tokio::select! {
                // What is decided is committed and answered before the loop looks at `stop` again.
                biased;
                () = stop.cancelled() => return,
                received = queue.recv_many(&mut group, GROUP_REQUESTS_MAX) => {
                    if received == 0 {
                        return;
                    }
                }
            }
            self.serve(group.drain(..)).await;
        }
    }

    /// Decides and commits requests that arrived together.
    async fn serve(&self, group: impl Iterator<Item = Request>) {
        let mut image = MetadataImage::clone(&self.images.borrow());
        let (mut payloads, mut answers) = (Vec::new(), Vec::new());
        for request in group {
            let Decided { records, answer } = decide(&image, request);
            answers.push(answer);
            if records.is_empty() {
                continue;
            }
            payloads.push(records::encode_batch(&records));
            // The index matters only for what is committed; nobody else sees this image.
            let ahead = image.applied_index + 1;
            for record in records {
                image
                    .apply(record, ahead)
                    .expect("decisions fit the image they were made on");
            }
        }
        let index = if payloads.is_empty() {
            Ok(image.applied_index)
        } else {
            self.proposer.propose(payloads).await.map(|last| last.index)
        };
        if let Err(error) = &index {
            tracing::error!(%error, "could not change the metadata");
        }
        for answer in answers {
            answer(index.clone().map_err(ChangeError::from));
        }
    }
}

fn decide(image: &MetadataImage, request: Request) -> Decided {
    match request {
        Request::CreateTopics {
            topics,
            settings,
            reply,
        } => {
            let rules = TopicRules {
                default_partitions: settings.default_partitions,
                default_replication_factor: settings.default_replication_factor,
                schema: &Schema,
            };
            let mut outcome = create_topics::create_topics(image, &topics, rules, Uuid::new_v4);
            let created = outcome.iter_mut().flatten();
            let mut records: Vec<_> = created
                .flat_map(|topic| std::mem::take(&mut topic.records))
                .collect();
            if settings.validate_only {
                records.clear();
            }
            Decided::new(records, outcome, reply)
        }
        Request::CreatePartitions {
            topics,
            validate_only,
            reply,
        } => {
            let mut records = Vec::new();
            let outcome = create_partitions::create_partitions(image, &topics)
                .into_iter()
                .map(|result| result.map(|new| records.extend(new)))
                .collect();
            if validate_only {
                records.clear();
            }
            Decided::new(records, outcome, reply)
        }
        Request::DeleteTopics { topics, reply } => {
            let mut records = Vec::new();
            let outcome = delete_topics::delete_topics(image, &topics)
                .into_iter()
                .map(|result| {
                    result.map(|(topic, record)| {
                        records.push(record);
                        topic
                    })
                })
                .collect();
            Decided::new(records, outcome, reply)
        }
        Request::AlterConfigs {
            alterations,
            validate_only,
            reply,
        } => {
            let mut records = Vec::new();
            let outcome = alter_configs::alter_configs(image, &alterations, &Schema)
                .into_iter()
                .map(|result| result.map(|changes| records.extend(changes)))
                .collect();
            if validate_only {
                records.clear();
            }
            Decided::new(records, outcome, reply)
        }
        Request::RegisterBroker {
            cluster_id,
            broker,
            reply,
        } => match registration::register_broker(image, &cluster_id, broker) {
            Ok(records) => Decided::new(records, Ok(()), reply),
            Err(error) => Decided::new(Vec::new(), Err(error), reply),
        },
        Request::AllocateProducerIds { reply } => {
            match producer_ids::allocate_producer_ids(image) {
                Ok((block, record)) => Decided::new(vec![record], Ok(block), reply),
                Err(refusal) => Decided::new(Vec::new(), Err(refusal), reply),
            }
        }
    }
}
