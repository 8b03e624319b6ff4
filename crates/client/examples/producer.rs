//! Sends lines from standard input to a topic, those of `KEY:VALUE` with a key, and prints where
//! each went:
//!
//! ```text
//! printf 'a:1\na:2\nb:3\n' | cargo run --example producer -- 127.0.0.1:9092 orders linger.ms=20
//! ```
//!
//! What follows the topic are a producer's settings under Kafka's own names.

use std::{io::BufRead, process::ExitCode};

use odradek_client::{
    Producer, Properties,
    producer::{config::ProducerConfig, record::ProducerRecord},
};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a tool")]
#[tokio::main]
async fn main() -> ExitCode {
    match run(std::env::args().skip(1)).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failures) => {
            println!("{failures} records failed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns how many records failed.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a tool")]
async fn run(
    mut arguments: impl Iterator<Item = String>,
) -> Result<usize, Box<dyn std::error::Error>> {
    let usage = "usage: producer HOST:PORT TOPIC [KEY=VALUE...]";
    let (servers, topic) = (
        arguments.next().ok_or(usage)?,
        arguments.next().ok_or(usage)?,
    );
    let mut properties = Properties::default().with("bootstrap.servers", servers);
    for setting in arguments {
        let (key, value) = setting.split_once('=').ok_or(usage)?;
        properties = properties.with(key, value);
    }
    let producer = Producer::new(ProducerConfig::from_properties(properties)?);

    let mut deliveries = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let record = match line.split_once(':') {
            Some((key, value)) => {
                ProducerRecord::new(topic.as_str(), value.to_owned()).key(key.to_owned())
            }
            None => ProducerRecord::new(topic.as_str(), line.clone()),
        };
        // Taken, not sent yet: records travel together.
        deliveries.push(producer.send(record).await?);
    }
    producer.flush().await;

    let mut failures = 0;
    for delivery in deliveries {
        match delivery.wait().await {
            Ok(it) => println!("{}-{} at offset {:?}", it.topic, it.partition, it.offset),
            Err(error) => {
                failures += 1;
                let may_help = if error.retriable() { "may" } else { "does not" };
                eprintln!("{error} (sending it again {may_help} help)");
            }
        }
    }
    producer.close().await?;
    Ok(failures)
}
