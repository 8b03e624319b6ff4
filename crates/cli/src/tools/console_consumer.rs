//! `kafka-console-consumer`: prints the records of a topic.

use std::{collections::BTreeSet, time::Duration};

use odradek_client::{
    Admin, Consumer, Error,
    admin::offsets::OffsetSpec,
    consumer::{
        config::ConsumerConfig,
        record::{ConsumerRecord, TimestampType},
    },
};
use tokio::time::Instant;

use crate::{Outcome, arguments::key_value, connection::ConnectionOptions, output};

/// How long one poll waits; Ctrl-C ends it earlier.
const POLL: Duration = Duration::from_millis(500);

/// Prints the records of a topic.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-console-consumer")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// Only this partition; all of them if absent.
    #[arg(long)]
    partition: Option<i32>,
    /// Where to begin: an offset, earliest or latest. Needs --partition.
    #[arg(
        long,
        requires = "partition",
        conflicts_with = "from_beginning",
        allow_hyphen_values = true
    )]
    offset: Option<String>,
    /// Begin at the first record instead of after the last.
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records.
    #[arg(long)]
    max_messages: Option<u64>,
    /// End when no record came for so long.
    #[arg(long)]
    timeout_ms: Option<u64>,
    /// read_committed leaves out what was aborted.
    #[arg(long, default_value = "read_uncommitted")]
    isolation_level: String,
    /// A property of the formatter: print.key, print.value, print.timestamp, print.offset,
    /// print.partition, print.headers =true|false, key.separator=…, line.separator=…; may be
    /// repeated.
    #[arg(long = "formatter-property", visible_alias = "property", value_parser = key_value)]
    formatter_properties: Vec<(String, String)>,
    /// A key of the consumer's configuration, as key=value; may be repeated.
    #[arg(long = "command-property", visible_alias = "consumer-property")]
    #[arg(value_parser = key_value)]
    command_properties: Vec<(String, String)>,
}

/// How a record becomes a line.
#[derive(Debug)]
struct Formatter {
    /// What is printed of it, in Kafka's fixed order.
    fields: BTreeSet<Field>,
    key_separator: String,
    line_separator: String,
    null: String,
}

/// A part of a record, in the order in which they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Timestamp,
    Partition,
    Offset,
    Headers,
    Key,
    Value,
}

pub(crate) async fn run(options: Options) -> Outcome {
    let read = (config(&options), formatter(&options), start(&options));
    let (config, formatter, start) = match read {
        (Ok(config), Ok(formatter), Ok(start)) => (config, formatter, start),
        (Err(problem), ..) | (_, Err(problem), _) | (.., Err(problem)) => {
            output::error(&problem);
            return Outcome::Failed;
        }
    };
    let mut count = 0;
    let result = tokio::select! {
        result = consume(&options, config, &formatter, start, &mut count) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    output::flush();
    let outcome = match result {
        Ok(()) => Outcome::Done,
        Err(error) => {
            output::error(&format!("ERROR {error}"));
            Outcome::Failed
        }
    };
    output::error(&format!("Processed a total of {count} messages"));
    outcome
}

async fn consume(
    options: &Options,
    config: ConsumerConfig,
    formatter: &Formatter,
    start: Start,
    count: &mut u64,
) -> Result<(), Error> {
    let admin = Admin::new(config.client.clone());
    let mut partitions = Vec::new();
    for (name, topic) in admin
        .describe_topics(std::slice::from_ref(&options.topic))
        .await?
    {
        let topic = topic?;
        let indexes = topic.partitions.keys().copied();
        let wanted = indexes.filter(|index| options.partition.is_none_or(|it| it == *index));
        partitions.extend(wanted.map(|index| (name.clone(), index)));
    }
    if let (Some(partition), true) = (options.partition, partitions.is_empty()) {
        return Err(Error::NoPartition {
            topic: options.topic.as_str().into(),
            partition,
        });
    }
    let mut consumer = Consumer::new(config);
    consumer.assign(&partitions);
    for (topic, partition) in &partitions {
        match start {
            Start::At(offset) => consumer.seek(topic, *partition, offset)?,
            Start::Spec(spec) => consumer.seek_to(topic, *partition, spec)?,
        }
    }
    let patience = options.timeout_ms.map(Duration::from_millis);
    let mut last_record_at = Instant::now();
    loop {
        let records = consumer
            .poll(patience.map_or(POLL, |it| it.min(POLL)))
            .await?;
        if records.is_empty() {
            // What was read is shown while nothing more comes.
            output::flush();
            if patience.is_some_and(|patience| patience <= last_record_at.elapsed()) {
                return Ok(());
            }
            continue;
        }
        last_record_at = Instant::now();
        for record in records {
            formatter.print(&record);
            *count += 1;
            if options.max_messages.is_some_and(|max| max <= *count) {
                return Ok(());
            }
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy)]
enum Start {
    At(i64),
    Spec(OffsetSpec),
}

fn start(options: &Options) -> Result<Start, String> {
    match options
        .offset
        .as_deref()
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None if options.from_beginning => Ok(Start::Spec(OffsetSpec::Earliest)),
        None | Some("latest") => Ok(Start::Spec(OffsetSpec::Latest)),
        Some("earliest") => Ok(Start::Spec(OffsetSpec::Earliest)),
        Some(text) => match text.parse() {
            Ok(offset) if 0 <= offset => Ok(Start::At(offset)),
            _ => Err(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', \
                 'latest', or a non-negative long."
            )),
        },
    }
}

impl Formatter {
    fn print(&self, record: &ConsumerRecord) {
        let fields = self.fields.iter().map(|field| self.text(*field, record));
        let mut line = fields
            .collect::<Vec<_>>()
            .join(self.key_separator.as_bytes());
        line.extend_from_slice(self.line_separator.as_bytes());
        output::bytes(&line);
    }

    fn text(&self, field: Field, record: &ConsumerRecord) -> Vec<u8> {
        let or_null = |bytes: Option<&[u8]>| bytes.unwrap_or(self.null.as_bytes()).to_vec();
        match field {
            Field::Timestamp if record.timestamp_ms < 0 => b"NO_TIMESTAMP".to_vec(),
            Field::Timestamp => {
                let clock = match record.timestamp_type {
                    TimestampType::CreateTime => "CreateTime",
                    TimestampType::LogAppendTime => "LogAppendTime",
                };
                format!("{clock}:{}", record.timestamp_ms).into_bytes()
            }
            Field::Partition => format!("Partition:{}", record.partition).into_bytes(),
            Field::Offset => format!("Offset:{}", record.offset).into_bytes(),
            Field::Headers if record.headers.is_empty() => b"NO_HEADERS".to_vec(),
            Field::Headers => {
                let each = record.headers.iter().map(|(key, value)| {
                    [key, b":".as_slice(), &or_null(value.as_deref())].concat()
                });
                each.collect::<Vec<_>>().join(b",".as_slice())
            }
            Field::Key => or_null(record.key.as_deref()),
            Field::Value => or_null(record.value.as_deref()),
        }
    }
}

fn config(options: &Options) -> Result<ConsumerConfig, String> {
    let properties = options.connection.properties("console-consumer");
    let mut properties = properties.with("isolation.level", options.isolation_level.as_str());
    for (key, value) in &options.command_properties {
        properties = properties.with(key, value);
    }
    ConsumerConfig::from_properties(properties).map_err(|error| error.to_string())
}

fn formatter(options: &Options) -> Result<Formatter, String> {
    let mut formatter = Formatter {
        fields: [Field::Value].into(),
        key_separator: "\t".to_owned(),
        line_separator: "\n".to_owned(),
        null: "null".to_owned(),
    };
    for (key, value) in &options.formatter_properties {
        let field = match key.as_str() {
            "print.timestamp" => Field::Timestamp,
            "print.partition" => Field::Partition,
            "print.offset" => Field::Offset,
            "print.headers" => Field::Headers,
            "print.key" => Field::Key,
            "print.value" => Field::Value,
            "key.separator" => {
                formatter.key_separator.clone_from(value);
                continue;
            }
            "line.separator" => {
                formatter.line_separator.clone_from(value);
                continue;
            }
            "null.literal" => {
                formatter.null.clone_from(value);
                continue;
            }
            _ => return Err(format!("the formatter has no property {key}={value}")),
        };
        if value.trim() == "true" {
            formatter.fields.insert(field);
        } else {
            formatter.fields.remove(&field);
        }
    }
    Ok(formatter)
}
