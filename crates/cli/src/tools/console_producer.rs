//! `kafka-console-producer`: each line of standard input becomes a record.

use std::{
    collections::VecDeque,
    io::{IsTerminal, Write},
};

use odradek_client::{
    Error, Producer,
    producer::{config::ProducerConfig, delivery::Delivery, record::ProducerRecord},
};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{Outcome, arguments::key_value, connection::ConnectionOptions, output};

/// Lines under way at once; the next waits for the first of them.
const UNDER_WAY_MAX: usize = 100_000;

/// Sends lines of standard input as records.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-console-producer")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// A property of the line reader: parse.key=true, key.separator=…, ignore.error=true,
    /// null.marker=…; may be repeated.
    #[arg(long = "reader-property", visible_alias = "property", value_parser = key_value)]
    reader_properties: Vec<(String, String)>,
    /// A key of the producer's configuration, as key=value; may be repeated.
    #[arg(long = "command-property", visible_alias = "producer-property")]
    #[arg(value_parser = key_value)]
    command_properties: Vec<(String, String)>,
    /// How records are compressed; gzip if no codec is named.
    #[arg(long, num_args = 0..=1, default_missing_value = "gzip")]
    compression_codec: Option<String>,
    /// 0, 1 or -1 (all).
    #[arg(long, allow_hyphen_values = true)]
    request_required_acks: Option<String>,
    /// Wait for each record before the next.
    #[arg(long)]
    sync: bool,
}

/// How a line becomes a record.
#[derive(Debug)]
struct LineFormat {
    parse_key: bool,
    separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
}

/// Why it ended before its input did.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Client(#[from] Error),
    #[error("No key separator found on line number {number}: '{line}'")]
    NoSeparator { number: u64, line: String },
    #[error("read standard input: {0}")]
    Input(#[from] std::io::Error),
}

pub(crate) async fn run(options: Options) -> Outcome {
    let (config, format) = match (config(&options), format(&options)) {
        (Ok(config), Ok(format)) => (config, format),
        (Err(problem), _) | (_, Err(problem)) => {
            output::error(&problem);
            return Outcome::Failed;
        }
    };
    let producer = Producer::new(config);
    let sent = send_lines(&producer, &options, &format).await;
    // What was read before a failure still goes out.
    let closed = producer.close().await;
    let closed = closed.map_err(Failure::from);
    match sent.and(closed) {
        Ok(()) => Outcome::Done,
        Err(failure) => {
            output::error(&failure.to_string());
            Outcome::Failed
        }
    }
}

async fn send_lines(
    producer: &Producer,
    options: &Options,
    format: &LineFormat,
) -> Result<(), Failure> {
    let has_prompt = std::io::stdin().is_terminal();
    let mut input = BufReader::new(tokio::io::stdin());
    let mut under_way: VecDeque<Delivery> = VecDeque::new();
    let mut line = Vec::new();
    for number in 1.. {
        if has_prompt {
            // Only a decoration.
            let _ = write!(std::io::stderr(), ">");
        }
        line.clear();
        if input.read_until(b'\n', &mut line).await? == 0 {
            break;
        }
        while line
            .last()
            .is_some_and(|byte| matches!(byte, b'\n' | b'\r'))
        {
            line.pop();
        }
        let record = record(&options.topic, &line, format, number)?;
        let delivery = producer.send(record).await?;
        if options.sync {
            report(delivery.wait().await);
            continue;
        }
        under_way.push_back(delivery);
        if UNDER_WAY_MAX <= under_way.len()
            && let Some(first) = under_way.pop_front()
        {
            report(first.wait().await);
        }
    }
    producer.flush().await;
    for delivery in under_way {
        report(delivery.wait().await);
    }
    Ok(())
}

/// A record that failed is told, and the others go on: so does Kafka's tool.
fn report<T>(outcome: Result<T, Error>) {
    if let Err(error) = outcome {
        output::error(&format!("Error when sending message: {error}"));
    }
}

fn record(
    topic: &str,
    line: &[u8],
    format: &LineFormat,
    number: u64,
) -> Result<ProducerRecord, Failure> {
    let field = |bytes: &[u8]| {
        let is_null = format
            .null_marker
            .as_ref()
            .is_some_and(|it| it.as_bytes() == bytes);
        (!is_null).then(|| bytes.to_vec().into())
    };
    let mut record = ProducerRecord::new(topic, Vec::new());
    if !format.parse_key {
        record.value = field(line);
        return Ok(record);
    }
    let separator = format.separator.as_bytes();
    let at = line
        .windows(separator.len())
        .position(|window| window == separator);
    match at.and_then(|at| Some((line.get(..at)?, line.get(at + separator.len()..)?))) {
        Some((key, value)) => {
            record.key = field(key);
            record.value = field(value);
        }
        None if format.ignore_error => record.value = field(line),
        None => {
            return Err(Failure::NoSeparator {
                number,
                line: String::from_utf8_lossy(line).into_owned(),
            });
        }
    }
    Ok(record)
}

fn config(options: &Options) -> Result<ProducerConfig, String> {
    let mut properties = options.connection.properties("console-producer");
    if let Some(codec) = &options.compression_codec {
        properties = properties.with("compression.type", codec);
    }
    if let Some(acks) = &options.request_required_acks {
        properties = properties.with("acks", acks);
    }
    for (key, value) in &options.command_properties {
        properties = properties.with(key, value);
    }
    ProducerConfig::from_properties(properties).map_err(|error| error.to_string())
}

fn format(options: &Options) -> Result<LineFormat, String> {
    let mut format = LineFormat {
        parse_key: false,
        separator: "\t".to_owned(),
        ignore_error: false,
        null_marker: None,
    };
    for (key, value) in &options.reader_properties {
        match key.as_str() {
            "parse.key" => format.parse_key = value == "true",
            "key.separator" if !value.is_empty() => format.separator.clone_from(value),
            "ignore.error" => format.ignore_error = value == "true",
            "null.marker" => format.null_marker = Some(value.clone()),
            _ => return Err(format!("the line reader has no property {key}={value}")),
        }
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keyed(separator: &str) -> LineFormat {
        LineFormat {
            parse_key: true,
            separator: separator.to_owned(),
            ignore_error: false,
            null_marker: Some("NULL".to_owned()),
        }
    }

    #[test]
    fn a_line_is_split_at_the_first_separator() {
        let record = record("t", b"k--v--w", &keyed("--"), 1).unwrap();
        assert_eq!(record.key.unwrap(), "k");
        assert_eq!(record.value.unwrap(), "v--w");
    }

    #[test]
    fn a_line_without_a_separator_is_named_by_its_number() {
        let failure = record("t", b"plain", &keyed("-"), 3).unwrap_err();
        let expected = "No key separator found on line number 3: 'plain'";
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn the_null_marker_makes_a_tombstone() {
        let record = record("t", b"k-NULL", &keyed("-"), 1).unwrap();
        assert_eq!(record.value, None);
    }
}
