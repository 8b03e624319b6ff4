//! From the first contact with the cluster to the last record that is shown.
//!
//! **Invariant:** a record that was not shown is not committed: whatever ends the reading, the
//! positions go back to the first such record of each partition.

use std::{io, time::Duration};

use odradek_client::{
    Admin, Consumer, Error, ErrorCode, admin::offsets::OffsetSpec, consumer::record::ConsumerRecord,
};
use tokio::time::Instant;

use super::{deserializer::DeserializeError, formatter::Formatter};
use crate::{Outcome, output, signals::EndSignals, suggest};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(500);

/// How long a topic that does not exist may take to appear: a broker that creates what is asked
/// for has done so by then.
const APPEARANCE: Duration = Duration::from_secs(3);

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A topic, shared with the group.
    Topic(String),
    /// The topics whose names match, shared with the group.
    Pattern(String),
    /// One partition, from there on.
    Partition(String, i32, Start),
}

/// Where a partition is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    At(i64),
    Spec(OffsetSpec),
}

/// What is shown, and how long.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) source: Source,
    pub(crate) formatter: Formatter,
    /// The most records to show.
    pub(crate) records_max: Option<u64>,
    /// How long to wait for a record.
    pub(crate) patience: Option<Duration>,
    /// Whether a record that cannot be shown is passed over.
    pub(crate) skips_errors: bool,
    /// Records shown or passed over so far.
    pub(crate) count: u64,
}

/// Why the reading ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Client(#[from] Error),
    #[error("The topic '{topic}' does not exist{hint}")]
    NoTopic { topic: String, hint: String },
    #[error("Error processing message, terminating consumer process: {0}")]
    Record(#[from] DeserializeError),
    #[error("write to standard output: {0}")]
    Output(io::Error),
}

impl Reading {
    /// Shows records until there is a reason to end.
    pub(crate) async fn run(
        &mut self,
        admin: &Admin,
        consumer: &mut Consumer,
        signals: &mut EndSignals,
    ) -> Result<Outcome, Failure> {
        let is_missing = tokio::select! {
            begun = self.begin(admin, consumer) => begun?,
            signal = signals.next() => return Ok(signal),
        };
        let mut missing_since = is_missing.then(Instant::now);
        let mut last_record_at = Instant::now();
        let mut lines = Vec::new();
        while self.records_max.is_none_or(|max| self.count < max) {
            let wait = self.patience.map_or(POLL, |patience| patience.min(POLL));
            let records = tokio::select! {
                // The signal first: with enough records the poll is always ready.
                biased;
                signal = signals.next() => return Ok(signal),
                records = consumer.poll(wait) => records?,
            };
            if !records.is_empty() {
                self.show(consumer, &records, &mut lines).await?;
                last_record_at = Instant::now();
            } else if self
                .patience
                .is_some_and(|it| it <= last_record_at.elapsed())
            {
                break;
            }
            if missing_since.is_some_and(|since| APPEARANCE <= since.elapsed()) {
                missing_since = None;
                self.check_topic(admin).await?;
            }
        }
        Ok(Outcome::Done)
    }

    /// Says what is to be read; whether that is a topic that does not exist yet.
    async fn begin(&self, admin: &Admin, consumer: &Consumer) -> Result<bool, Error> {
        match &self.source {
            Source::Topic(topic) => {
                let is_missing = is_missing(admin, topic).await?;
                consumer.subscribe(std::slice::from_ref(topic))?;
                Ok(is_missing)
            }
            Source::Pattern(pattern) => {
                // Nothing else would tell that no broker is there.
                admin.list_topics().await?;
                consumer.subscribe_pattern(pattern)?;
                Ok(false)
            }
            Source::Partition(topic, partition, start) => {
                let names = std::slice::from_ref(topic);
                for (_, described) in admin.describe_topics(names).await? {
                    if !described?.partitions.contains_key(partition) {
                        return Err(Error::NoPartition {
                            topic: topic.as_str().into(),
                            partition: *partition,
                        });
                    }
                }
                consumer.assign(&[(topic.clone(), *partition)])?;
                match start {
                    Start::At(offset) => consumer.seek(topic, *partition, *offset)?,
                    Start::Spec(spec) => consumer.seek_to(topic, *partition, *spec)?,
                }
                Ok(false)
            }
        }
    }

    /// Fails if the topic still does not exist.
    async fn check_topic(&self, admin: &Admin) -> Result<(), Failure> {
        let Source::Topic(topic) = &self.source else {
            return Ok(());
        };
        if !is_missing(admin, topic).await? {
            return Ok(());
        }
        let topics = admin.list_topics().await?;
        let nearest = suggest::nearest(topic, topics.keys().map(|name| &**name));
        Err(Failure::NoTopic {
            topic: topic.clone(),
            hint: nearest.map_or_else(String::new, |it| format!("; did you mean '{it}'?")),
        })
    }

    async fn show(
        &mut self,
        consumer: &Consumer,
        records: &[ConsumerRecord],
        lines: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let (done, failure) = self.format(records, lines);
        if let Err(error) = write(lines).await {
            go_back(consumer, records);
            return Err(Failure::Output(error));
        }
        self.count += done as u64;
        go_back(consumer, records.get(done..).unwrap_or_default());
        match failure {
            None => Ok(()),
            Some(failure) => {
                // As Kafka counts.
                self.count += 1;
                Err(failure.into())
            }
        }
    }

    /// Appends the lines of as many records as are wanted; how many that were, and why not more.
    fn format(
        &self,
        records: &[ConsumerRecord],
        lines: &mut Vec<u8>,
    ) -> (usize, Option<DeserializeError>) {
        let left = self.records_max.map(|max| max - self.count);
        let wanted = left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let mut done = 0;
        for record in records.iter().take(wanted) {
            match self.formatter.write(record, lines) {
                Err(error) if self.skips_errors => output::error(&format!(
                    "ERROR Error processing message, skipping this message: {error}"
                )),
                Err(error) => return (done, Some(error)),
                Ok(()) => {}
            }
            done += 1;
        }
        (done, None)
    }
}

async fn is_missing(admin: &Admin, topic: &str) -> Result<bool, Error> {
    let described = admin.describe_topics(&[topic.to_owned()]).await?;
    for (_, topic) in described {
        match topic {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                return Ok(true);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Writes to standard output and empties the buffer.
///
/// Whoever reads slowly (a pager) must not keep the consumer from telling its group that it lives.
#[expect(
    clippy::disallowed_methods,
    reason = "the one write at a time is what the thread is for"
)]
async fn write(lines: &mut Vec<u8>) -> io::Result<()> {
    let bytes = std::mem::take(lines);
    let writing = tokio::task::spawn_blocking(move || (output::write(&bytes), bytes));
    let (written, mut bytes) = writing.await.map_err(io::Error::other)?;
    bytes.clear();
    *lines = bytes;
    written
}

/// Makes the first of these records of each partition the next one to read.
fn go_back(consumer: &Consumer, records: &[ConsumerRecord]) {
    for record in records.iter().rev() {
        // It fails where the partition has gone to another member, who reads them.
        let _ = consumer.seek(&record.topic, record.partition, record.offset);
    }
}
