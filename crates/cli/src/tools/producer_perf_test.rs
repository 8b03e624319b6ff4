//! `kafka-producer-perf-test`: sends records as fast as they go, or at a rate, and tells how fast
//! they were acknowledged.
//!
//! - `payload`: what the records hold
//! - `statistics`: the lines about them

mod payload;
mod statistics;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odradek_client::{
    Error, Producer, Properties,
    producer::{config::ProducerConfig, delivery::Delivery, record::ProducerRecord},
};
use tokio::{
    sync::mpsc,
    task::{JoinSet, yield_now},
    time::{Instant, sleep_until},
};

use self::{payload::Payload, statistics::Statistics};
use crate::{
    Outcome,
    arguments::key_value,
    output,
    progress::ProgressBar,
    properties_file::{self, PropertiesFile},
};

/// How long the first record may wait for a broker.
const MAX_BLOCK_MS: &str = "15000";

/// After so many records the others of this thread have their turn.
const TURN: u64 = 64;

/// Measures how fast records are acknowledged.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-producer-perf-test")]
#[command(group(clap::ArgGroup::new("payload").required(true)
    .args(["record_size", "payload_file", "payload_monotonic"])))]
pub(crate) struct Options {
    /// Brokers to ask first: host:port, several separated by commas. May also be
    /// bootstrap.servers of the configuration.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap_server: Option<String>,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// How many records to send.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    num_records: u64,
    /// Records per second, about; -1 for as many as go.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = throughput)]
    throughput: Throughput,
    /// Bytes of each record: random letters.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    record_size: Option<u32>,
    /// A file whose parts are the records, chosen at random.
    #[arg(long, value_name = "FILE")]
    payload_file: Option<String>,
    /// What is between these parts.
    #[arg(long, value_name = "TEXT", default_value = "\\n")]
    payload_delimiter: String,
    /// Records are the numbers from 0 on.
    #[arg(long)]
    payload_monotonic: bool,
    /// Keys of the producer's configuration, as key=value.
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = key_value)]
    command_property: Vec<(String, String)>,
    /// The old name of --command-property.
    #[arg(long, hide = true, num_args = 1.., value_parser = key_value)]
    #[arg(conflicts_with = "command_property")]
    producer_props: Vec<(String, String)>,
    /// A file of the producer's configuration; --command-property goes before it.
    #[arg(long, value_name = "FILE", alias = "producer.config")]
    #[arg(value_parser = properties_file::read)]
    command_config: Option<PropertiesFile>,
    /// Also tell of the records without so many at the beginning.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    warmup_records: u64,
    /// How often to tell how it goes.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    reporting_interval: u64,
    /// Taken for the sake of scripts: this client keeps no metrics.
    #[arg(long, hide = true)]
    print_metrics: bool,
    /// Refused: this client has no transactions yet.
    #[arg(long, hide = true)]
    transactional_id: Option<String>,
    /// Refused: this client has no transactions yet.
    #[arg(long, hide = true)]
    transaction_duration_ms: Option<u64>,
}

/// Records per second; unlimited if absent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Throughput(Option<f64>);

fn throughput(text: &str) -> Result<Throughput, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate < 0.0 => Ok(Throughput(None)),
        Ok(rate) if 0.0 < rate => Ok(Throughput(Some(rate))),
        _ => Err("a number above 0, or -1".to_owned()),
    }
}

impl Throughput {
    /// When that record may go, counted from the first.
    fn due(self, number: u64) -> Option<Duration> {
        let seconds = number as f64 / self.0?;
        // A rate that slow never sends it.
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

pub(crate) async fn run(options: Options) -> Outcome {
    match measure(&options).await {
        Ok(0) => Outcome::Done,
        Ok(failed) => {
            output::error(&format!("ERROR {failed} records were not acknowledged"));
            Outcome::Failed
        }
        Err(problem) => {
            output::error(&problem);
            Outcome::Failed
        }
    }
}

/// How many records failed.
async fn measure(options: &Options) -> Result<u64, String> {
    check(options)?;
    let config = config(options)?;
    let payload = payload(options)?;
    if 0 < options.warmup_records {
        output::line(&format!(
            "Warmup first {} records. Steady state results will print after the complete test \
             summary.",
            options.warmup_records
        ));
    }
    output::flush();
    let producer = Producer::new(config);
    let results = Arc::new(Results::begin(options));
    let mut arrivals = Arrivals::new(Arc::clone(&results));
    let sent = send(options, &producer, &payload, &results, &mut arrivals).await;
    producer.flush().await;
    arrivals.all_told().await;
    sent.map_err(|error| error.to_string())?;
    Ok(results.print_summary())
}

/// What the options do not check by themselves.
fn check(options: &Options) -> Result<(), String> {
    if options.transactional_id.is_some() || options.transaction_duration_ms.is_some() {
        return Err("--transactional-id: this client has no transactions yet".to_owned());
    }
    if options.num_records <= options.warmup_records {
        return Err(
            "The value for --warmup-records must be strictly fewer than the number of records in \
             the test, --num-records."
                .to_owned(),
        );
    }
    if !options.producer_props.is_empty() {
        output::error(
            "Option --producer-props has been deprecated and will be removed in a future \
             version. Use --command-property instead.",
        );
    }
    if options.print_metrics {
        output::error("Warning: there are no metrics to print");
    }
    Ok(())
}

fn config(options: &Options) -> Result<ProducerConfig, String> {
    let defaults = Properties::default()
        .with("client.id", "perf-producer-client")
        .with("default.api.timeout.ms", MAX_BLOCK_MS)
        .with("max.block.ms", MAX_BLOCK_MS);
    let file = options.command_config.clone().unwrap_or_default();
    let given = options.command_property.iter();
    let mut properties = given
        .chain(&options.producer_props)
        .fold(file.over(defaults), |all, (key, value)| {
            all.with(key, value)
        });
    if let Some(servers) = &options.bootstrap_server {
        properties = properties.with("bootstrap.servers", servers);
    }
    if !properties.has("bootstrap.servers") {
        return Err("--bootstrap-server or bootstrap.servers must be specified".to_owned());
    }
    ProducerConfig::from_properties(properties).map_err(|error| error.to_string())
}

fn payload(options: &Options) -> Result<Payload, String> {
    if let Some(size) = options.record_size {
        return Ok(Payload::random(size as usize));
    }
    let Some(path) = &options.payload_file else {
        return Ok(Payload::Number);
    };
    output::line(&format!("Reading payloads from: {path}"));
    let payload = Payload::read(path, &options.payload_delimiter)?;
    if let Payload::OneOf(values) = &payload {
        output::line(&format!("Number of records read: {}", values.len()));
    }
    Ok(payload)
}

async fn send(
    options: &Options,
    producer: &Producer,
    payload: &Payload,
    results: &Results,
    arrivals: &mut Arrivals,
) -> Result<(), Error> {
    let topic: Arc<str> = options.topic.as_str().into();
    let mut progress = ProgressBar::begin(options.num_records);
    for number in 0..options.num_records {
        if let Some(due) = options.throughput.due(number) {
            sleep_until(results.begun + due).await;
        }
        if number.is_multiple_of(TURN) {
            yield_now().await;
        }
        progress.show(number);
        let value = payload.value(number);
        let bytes = value.len() as u64;
        let begun = Instant::now();
        let record = ProducerRecord::new(Arc::clone(&topic), value);
        let delivery = producer.send(record).await?;
        arrivals.expect(Sent {
            delivery,
            begun,
            bytes,
            is_warmup: number < options.warmup_records,
        });
    }
    Ok(())
}

/// A record on its way.
#[derive(Debug)]
struct Sent {
    delivery: Delivery,
    begun: Instant,
    bytes: u64,
    is_warmup: bool,
}

/// Waits for the records of each partition by itself: they are acknowledged in order, those of
/// another partition are not waited for.
///
/// What waits here is bounded by the producer's `buffer.memory`.
#[derive(Debug)]
struct Arrivals {
    results: Arc<Results>,
    by_partition: HashMap<i32, mpsc::UnboundedSender<Sent>>,
    tasks: JoinSet<()>,
}

impl Arrivals {
    fn new(results: Arc<Results>) -> Self {
        Self {
            results,
            by_partition: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what waits is bounded by buffer.memory of the producer"
    )]
    fn expect(&mut self, sent: Sent) {
        let partition = sent.delivery.partition();
        let queue = self.by_partition.entry(partition).or_insert_with(|| {
            let (queue, waiting) = mpsc::unbounded_channel();
            self.tasks.spawn(tell(Arc::clone(&self.results), waiting));
            queue
        });
        // It is there for as long as the sender is.
        let _ = queue.send(sent);
    }

    async fn all_told(mut self) {
        self.by_partition.clear();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn tell(results: Arc<Results>, mut waiting: mpsc::UnboundedReceiver<Sent>) {
    while let Some(sent) = waiting.recv().await {
        let outcome = sent.delivery.wait().await;
        let now = Instant::now();
        match outcome {
            Ok(_) => results.add(now, now - sent.begun, sent.bytes, sent.is_warmup),
            Err(error) => results.add_failure(&error),
        }
    }
}

/// What all partitions add to.
#[derive(Debug)]
struct Results {
    begun: Instant,
    interval: Duration,
    steady_records: Option<u64>,
    counted: Mutex<Counted>,
}

#[derive(Debug)]
struct Counted {
    all: Statistics,
    /// Without the warmup; from its end on.
    steady: Option<Statistics>,
    failed: u64,
}

impl Results {
    fn begin(options: &Options) -> Self {
        let has_warmup = 0 < options.warmup_records;
        Self {
            begun: Instant::now(),
            interval: Duration::from_millis(options.reporting_interval),
            steady_records: has_warmup.then(|| options.num_records - options.warmup_records),
            counted: Mutex::new(Counted {
                all: Statistics::begin("records", options.num_records, Duration::ZERO),
                steady: None,
                failed: 0,
            }),
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // What a panic left are numbers.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, now: Instant, latency: Duration, bytes: u64, is_warmup: bool) {
        let now = now - self.begun;
        let mut counted = self.counted();
        let Counted { all, steady, .. } = &mut *counted;
        all.add(latency, bytes);
        if let (Some(records), None, false) = (self.steady_records, &steady, is_warmup) {
            output::line("In steady state.");
            *steady = Some(Statistics::begin("steady state records", records, now));
        }
        let shown = match steady {
            Some(steady) => {
                if !is_warmup {
                    steady.add(latency, bytes);
                }
                steady
            }
            None => all,
        };
        if shown.window_ends(self.interval) <= now {
            output::line(&shown.window_line(now));
            output::flush();
        }
    }

    fn add_failure(&self, error: &Error) {
        let mut counted = self.counted();
        counted.failed += 1;
        if counted.failed == 1 {
            output::error(&format!("ERROR {error}"));
        }
    }

    /// How many records failed.
    fn print_summary(&self) -> u64 {
        let now = self.begun.elapsed();
        let mut counted = self.counted();
        output::line(&counted.all.summary_line(now));
        if let Some(steady) = &mut counted.steady {
            output::line(&steady.summary_line(now));
        }
        counted.failed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        let always = ["tool", "--topic", "t", "--num-records", "9", "--throughput"];
        Options::try_parse_from(always.into_iter().chain(arguments.split_whitespace()))
    }

    #[test]
    fn the_cluster_may_be_named_among_the_properties() {
        let given = "-1 --record-size 1 --producer-props acks=1 bootstrap.servers=a:1";
        let config = config(&options(given).unwrap()).unwrap();
        assert_eq!(config.client.bootstrap_servers.len(), 1);
        let given = options("-1 --record-size 1").unwrap();
        assert!(super::config(&given).is_err());
    }

    #[test]
    fn a_rate_says_when_a_record_is_due() {
        assert_eq!(throughput("-1"), Ok(Throughput(None)));
        let rate = throughput("2.5").unwrap();
        assert_eq!(rate.due(5), Some(Duration::from_secs(2)));
        assert!(throughput("0").is_err());
        assert!(throughput("NaN").is_err());
    }

    #[test]
    fn options_that_make_no_test_are_refused() {
        for wrong in [
            "-1",
            "-1 --record-size 0",
            "-1 --record-size 1 --payload-monotonic",
            "-1 --record-size 1 --producer-props a=b --command-property c=d",
        ] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "-1 --record-size 1 --warmup-records 9",
            "-1 --record-size 1 --transactional-id x",
        ] {
            assert!(check(&options(wrong).unwrap()).is_err(), "{wrong}");
        }
    }
}
