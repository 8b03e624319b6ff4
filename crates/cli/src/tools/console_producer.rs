//! `kafka-console-producer`: each line of standard input becomes a record.
//!
//! - `line`: how a line becomes a record
//!
//! **Invariant:** whatever ends it, a line that was read before is sent, or its failure is told.

mod line;

use std::{
    io::{self, IsTerminal, Write},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odradek_client::{
    Error, Producer, Properties,
    producer::{config::ProducerConfig, delivery::Delivery},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::{Notify, mpsc},
};

use self::line::{LineError, LineFormat};
use crate::{
    Outcome,
    arguments::key_value,
    connection::ClientOptions,
    output,
    properties_file::{self, PropertiesFile},
    signals::EndSignals,
};

/// Lines under way at once; the next waits for the first of them.
const UNDER_WAY_MAX: usize = 100_000;

/// How much of the input is read at once.
const INPUT_BYTES: usize = 64 * 1024;

/// How long what is under way may take after Ctrl-C.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long the first record may wait for a broker: who typed a wrong address learns it soon.
const MAX_BLOCK_MS: &str = "15000";

/// The only reader of lines that there is.
const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// Sends lines of standard input as records.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-console-producer")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ClientOptions,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// A property of the line reader: parse.key=true, key.separator=<tab>, parse.headers=true,
    /// headers.delimiter=<tab>, headers.separator=, headers.key.separator=: ignore.error=true,
    /// null.marker=…; may be repeated. With all of them a line is h1:v1,h2:v2<tab>key<tab>value.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    reader_property: Vec<(String, String)>,
    /// The old name of --reader-property.
    #[arg(long, hide = true, value_parser = key_value, conflicts_with = "reader_property")]
    property: Vec<(String, String)>,
    /// A file of such properties; --reader-property goes before it.
    #[arg(long, value_name = "FILE", value_parser = properties_file::read)]
    reader_config: Option<PropertiesFile>,
    /// How lines are read; there is only one way.
    #[arg(long, value_parser = line_reader, hide = true)]
    line_reader: Option<String>,
    /// A key of the producer's configuration, as key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    command_property: Vec<(String, String)>,
    /// The old name of --command-property.
    #[arg(long, hide = true, value_parser = key_value, conflicts_with = "command_property")]
    producer_property: Vec<(String, String)>,
    /// Wait for each record before the next, and end at the first that fails.
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    tuning: Tuning,
}

/// Options that stand for keys of the producer's configuration, and go before them.
#[derive(Debug, clap::Args)]
struct Tuning {
    /// How records are compressed: none, gzip, snappy, lz4 or zstd; gzip if no codec is named.
    #[arg(long, value_name = "CODEC", num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// Who has to have a record: 0 nobody, 1 the leader, -1 or all every replica in sync.
    #[arg(long, value_name = "ACKS", allow_hyphen_values = true)]
    request_required_acks: Option<String>,
    /// Bytes of a batch (batch.size).
    #[arg(long, value_name = "BYTES")]
    batch_size: Option<u32>,
    /// The old name of --batch-size, which it goes before.
    #[arg(long, hide = true)]
    max_partition_memory_bytes: Option<u32>,
    /// Bytes of all records that wait (buffer.memory).
    #[arg(long, value_name = "BYTES")]
    max_memory_bytes: Option<u32>,
    /// How long a record waits for others of its batch (linger.ms).
    #[arg(long, value_name = "MS")]
    timeout: Option<u64>,
    /// How long a line waits for a broker or for memory (max.block.ms); 15000 if absent.
    #[arg(long, value_name = "MS")]
    max_block_ms: Option<u64>,
    /// How long a broker may take to answer (request.timeout.ms).
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    request_timeout_ms: Option<u64>,
    /// How often a batch is sent again (retries).
    #[arg(long, value_name = "COUNT")]
    message_send_max_retries: Option<u32>,
    /// The pause before a batch is sent again (retry.backoff.ms).
    #[arg(long, value_name = "MS")]
    retry_backoff_ms: Option<u64>,
    /// After how long what is known of the topic is asked for again (metadata.max.age.ms).
    #[arg(long, value_name = "MS")]
    metadata_expiry_ms: Option<u64>,
    /// Taken and not used: the system sizes the buffers of its sockets.
    #[arg(long, hide = true)]
    socket_buffer_size: Option<u32>,
}

/// Why it ended before its input did.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Client(#[from] Error),
    #[error("org.apache.kafka.common.KafkaException: {0}")]
    Line(#[from] LineError),
    #[error("read standard input: {0}")]
    Input(#[from] io::Error),
}

/// Bytes of a record's key and value, for messages; none where it is null.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    key: Option<usize>,
    value: Option<usize>,
}

/// A record that was taken, or refused at once.
type Sent = (Result<Delivery, Error>, Sizes);

/// The tool at work.
#[derive(Debug)]
struct Sending {
    topic: Arc<str>,
    format: LineFormat,
    sync: bool,
    producer: Producer,
}

pub(crate) async fn run(options: Options) -> Outcome {
    warn_of_old_names(&options);
    let read = config(&options).and_then(|config| Ok((config, format(&options)?)));
    let (config, format) = match read {
        Ok(read) => read,
        Err(problem) => {
            output::error(&problem);
            return Outcome::Failed;
        }
    };
    let sending = Sending {
        topic: options.topic.as_str().into(),
        format,
        sync: options.sync,
        producer: Producer::new(config),
    };
    let mut signals = EndSignals::listen();
    let stop = Notify::new();
    let mut work = pin!(sending.work(&stop));
    let signal = tokio::select! {
        outcome = &mut work => return outcome,
        signal = signals.next() => signal,
    };
    stop.notify_one();
    let in_time = tokio::select! {
        done = tokio::time::timeout(FAREWELL, work) => done.is_ok(),
        _ = signals.next() => false,
    };
    if !in_time {
        output::error("ERROR Ended before every record was acknowledged");
    }
    signal
}

impl Sending {
    /// Sends until the input ends or `stop` says so, and waits for what is under way.
    async fn work(&self, stop: &Notify) -> Outcome {
        let (sent, under_way) = mpsc::channel(UNDER_WAY_MAX);
        let (read, all_delivered) = tokio::join!(
            self.send_lines(sent, stop),
            tell_failures(&self.topic, under_way)
        );
        match read {
            Ok(()) if all_delivered => Outcome::Done,
            Ok(()) => Outcome::Failed,
            Err(failure) => {
                output::error(&failure.to_string());
                Outcome::Failed
            }
        }
    }

    async fn send_lines(&self, sent: mpsc::Sender<Sent>, stop: &Notify) -> Result<(), Failure> {
        let read = tokio::select! {
            read = self.read_lines(&sent) => read,
            () = stop.notified() => Ok(()),
        };
        // However the reading ended.
        self.producer.flush().await;
        read
    }

    async fn read_lines(&self, sent: &mpsc::Sender<Sent>) -> Result<(), Failure> {
        let has_prompt = io::stdin().is_terminal();
        let mut input = BufReader::with_capacity(INPUT_BYTES, tokio::io::stdin());
        for number in 1.. {
            if has_prompt {
                // Only a decoration.
                let _ = write!(io::stderr(), ">");
            }
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line).await? == 0 {
                break;
            }
            let line = without_end(line);
            let record = self.format.record(&self.topic, &line, number)?;
            let sizes = Sizes {
                key: record.key.as_ref().map(Bytes::len),
                value: record.value.as_ref().map(Bytes::len),
            };
            let outcome = match self.producer.send(record).await {
                Ok(delivery) if self.sync => {
                    delivery.wait().await?;
                    continue;
                }
                Ok(delivery) => Ok(delivery),
                // The next line may be shorter.
                Err(error @ Error::RecordTooLarge { .. }) if !self.sync => Err(error),
                Err(error) => return Err(error.into()),
            };
            // Whoever listens goes on for as long as this does.
            let _ = sent.send((outcome, sizes)).await;
        }
        Ok(())
    }
}

/// Waits for the outcome of every record; whether all of them were good. A record that failed is
/// told, and the others go on: so does Kafka's tool.
async fn tell_failures(topic: &str, mut sent: mpsc::Receiver<Sent>) -> bool {
    let mut all_delivered = true;
    while let Some((taken, sizes)) = sent.recv().await {
        let outcome = match taken {
            Ok(delivery) => delivery.wait().await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            all_delivered = false;
            output::error(&failure_line(topic, sizes, &error));
        }
    }
    all_delivered
}

fn failure_line(topic: &str, sizes: Sizes, error: &Error) -> String {
    let shown = |size: Option<usize>| match size {
        Some(bytes) => format!("{bytes} bytes"),
        None => "null".to_owned(),
    };
    format!(
        "ERROR Error when sending message to topic {topic} with key: {}, value: {} with error: \
         {error}",
        shown(sizes.key),
        shown(sizes.value),
    )
}

/// A line as Java reads it: without `\n` or `\r\n`.
fn without_end(mut line: Vec<u8>) -> Bytes {
    for end in [b'\n', b'\r'] {
        if line.last() == Some(&end) {
            line.pop();
        }
    }
    line.into()
}

fn line_reader(name: &str) -> Result<String, String> {
    (name == LINE_READER)
        .then(|| name.to_owned())
        .ok_or_else(|| format!("no Java class can be loaded; there is only {LINE_READER}"))
}

fn warn_of_old_names(options: &Options) {
    let old = [
        (
            !options.property.is_empty(),
            "--property",
            "--reader-property",
        ),
        (
            !options.producer_property.is_empty(),
            "--producer-property",
            "--command-property",
        ),
    ];
    for (_, old, new) in old.into_iter().filter(|(is_used, ..)| *is_used) {
        output::error(&format!(
            "Warning: {old} is deprecated and will be removed in a future version. Use {new} \
             instead."
        ));
    }
}

/// Kafka's order: a file, then properties, then options that stand for one.
fn config(options: &Options) -> Result<ProducerConfig, String> {
    let mut properties = options.connection.properties("console-producer");
    if !properties.has("max.block.ms") {
        properties = properties.with("max.block.ms", MAX_BLOCK_MS);
    }
    let given = options.command_property.iter();
    for (key, value) in given.chain(&options.producer_property) {
        properties = properties.with(key, value);
    }
    let properties = options.tuning.over(properties);
    ProducerConfig::from_properties(properties).map_err(|error| error.to_string())
}

impl Tuning {
    fn over(&self, properties: Properties) -> Properties {
        let text = |number: Option<u64>| number.map(|it| it.to_string());
        let size = |number: Option<u32>| text(number.map(u64::from));
        let batch_size = self.max_partition_memory_bytes.or(self.batch_size);
        let each = [
            ("compression.type", self.compression_codec.clone()),
            ("acks", self.request_required_acks.clone()),
            ("batch.size", size(batch_size)),
            ("buffer.memory", size(self.max_memory_bytes)),
            ("linger.ms", text(self.timeout)),
            ("max.block.ms", text(self.max_block_ms)),
            ("request.timeout.ms", text(self.request_timeout_ms)),
            ("retries", size(self.message_send_max_retries)),
            ("retry.backoff.ms", text(self.retry_backoff_ms)),
            ("metadata.max.age.ms", text(self.metadata_expiry_ms)),
        ];
        let given = each.into_iter();
        let given = given.filter_map(|(key, value)| Some((key, value?)));
        given.fold(properties, |all, (key, value)| all.with(key, value))
    }
}

fn format(options: &Options) -> Result<LineFormat, String> {
    let file = options.reader_config.iter().flat_map(|file| &file.0);
    let given = options.reader_property.iter().chain(&options.property);
    let properties = file.chain(given).cloned();
    let (format, unknown) = LineFormat::from_properties(properties)
        .map_err(|error| format!("org.apache.kafka.common.KafkaException: {error}"))?;
    for name in unknown {
        output::error(&format!("Warning: the line reader has no property {name}"));
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;
    use odradek_client::producer::config::Acks;

    use super::*;

    fn options(arguments: &[&str]) -> Result<Options, clap::Error> {
        let always = ["tool", "--bootstrap-server", "a:1", "--topic", "t"];
        Options::try_parse_from(always.iter().chain(arguments))
    }

    #[test]
    fn lines_end_as_java_reads_them() {
        for line in ["a\n", "a\r\n", "a\r", "a"] {
            assert_eq!(without_end(line.as_bytes().to_vec()), "a");
        }
        assert_eq!(without_end(b"a\r\r\n".to_vec()), "a\r");
    }

    #[test]
    fn an_option_goes_before_the_property_that_it_stands_for() {
        let given = [
            "--command-property",
            "acks=0",
            "--request-required-acks",
            "-1",
        ];
        assert_eq!(config(&options(&given).unwrap()).unwrap().acks, Acks::All);
        let given = ["--batch-size", "7", "--max-partition-memory-bytes", "8"];
        assert_eq!(config(&options(&given).unwrap()).unwrap().batch_size, 8);
    }

    #[test]
    fn an_old_name_is_not_mixed_with_its_new_one() {
        let given = ["--property", "parse.key=true", "--reader-property", "a=b"];
        assert!(options(&given).is_err());
        assert!(options(&given[..2]).is_ok());
        assert!(options(&["--line-reader", "com.example.Reader"]).is_err());
        assert!(options(&["--line-reader", LINE_READER]).is_ok());
    }

    #[test]
    fn a_failure_is_told_in_the_form_of_kafkas_log() {
        let sizes = Sizes {
            key: None,
            value: Some(5),
        };
        let expected = "ERROR Error when sending message to topic t with key: null, value: 5 \
                        bytes with error: the client is closed";
        assert_eq!(failure_line("t", sizes, &Error::Closed), expected);
    }
}
