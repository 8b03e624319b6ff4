//! `kafka-consumer-perf-test`: reads records in a group, and tells how fast.
//!
//! - `statistics`: the columns about it
//! - `date`: the columns before them

mod date;
mod statistics;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use odradek_client::{
    Admin, Consumer, Error,
    admin::offsets::TopicPartition,
    consumer::{
        config::ConsumerConfig,
        group::listener::{Call, RebalanceListener},
        record::ConsumerRecord,
    },
};
use tokio::time::Instant;

use self::{
    date::DateFormat,
    statistics::{INTERVAL_HEADER, Progress, SUMMARY_HEADER},
};
use crate::{
    Outcome, arguments::key_value, connection::ClientOptions, output, progress::ProgressBar,
    signals::EndSignals,
};

/// How long one poll waits.
const POLL: Duration = Duration::from_millis(100);

/// Groups that nobody named have a number below this.
const NAMELESS_GROUPS: u32 = 100_000;

/// Measures how fast records are read.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-consumer-perf-test")]
#[command(group(clap::ArgGroup::new("source").required(true).args(["topic", "include"])))]
#[command(group(clap::ArgGroup::new("count").required(true).args(["num_records", "messages"])))]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ClientOptions,
    /// The topic.
    #[arg(long)]
    topic: Option<String>,
    /// A regular expression: all topics whose whole names match.
    #[arg(long, value_name = "REGEX")]
    include: Option<String>,
    /// How many records to read.
    #[arg(long, value_name = "COUNT")]
    num_records: Option<u64>,
    /// The old name of --num-records.
    #[arg(long, hide = true)]
    messages: Option<u64>,
    /// The group to read in; one with a random number if absent.
    #[arg(long)]
    group: Option<String>,
    /// Begin after the last record, not at the first, where nothing was committed.
    #[arg(long)]
    from_latest: bool,
    /// Bytes of a partition in one answer (max.partition.fetch.bytes).
    #[arg(long, value_name = "BYTES")]
    fetch_size: Option<u32>,
    /// End when no record came for so long.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    timeout: u64,
    /// How often to tell how it goes, with --show-detailed-stats.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    reporting_interval: u64,
    /// Tell of each interval instead of the whole.
    #[arg(long)]
    show_detailed_stats: bool,
    /// Leave out the names of the columns.
    #[arg(long)]
    hide_header: bool,
    /// How times are written, in letters of Java's SimpleDateFormat; they are in UTC.
    #[arg(long, value_name = "FORM", default_value = "yyyy-MM-dd HH:mm:ss:SSS")]
    #[arg(value_parser = DateFormat::parse)]
    date_format: DateFormat,
    /// A key of the consumer's configuration, as key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    command_property: Vec<(String, String)>,
    /// Taken for the sake of scripts: this client keeps no metrics.
    #[arg(long, hide = true)]
    print_metrics: bool,
    /// Taken and not used: the system sizes the buffers of its sockets.
    #[arg(long, hide = true)]
    socket_buffer_size: Option<u32>,
}

pub(crate) async fn run(options: Options) -> Outcome {
    if options.messages.is_some() {
        output::error("Warning: --messages is deprecated. Use --num-records instead.");
    }
    if options.print_metrics {
        output::error("Warning: there are no metrics to print");
    }
    let config = match config(&options) {
        Ok(config) => config,
        Err(problem) => {
            output::error(&problem);
            return Outcome::Failed;
        }
    };
    let mut signals = EndSignals::listen();
    let admin = Admin::new(config.client.clone());
    let mut consumer = Consumer::new(config);
    let result = tokio::select! {
        result = measure(&options, &admin, &mut consumer) => result.map(|()| Outcome::Done),
        signal = signals.next() => Ok(signal),
    };
    let closed = tokio::select! {
        closed = consumer.close() => closed,
        // Twice is an order.
        _ = signals.next() => Ok(()),
    };
    match result.and_then(|outcome| closed.map(|()| outcome)) {
        Ok(outcome) => outcome,
        Err(error) => {
            output::error(&format!("ERROR {error}"));
            Outcome::Failed
        }
    }
}

fn config(options: &Options) -> Result<ConsumerConfig, String> {
    let mut properties = options.connection.properties("perf-consumer-client");
    if !properties.has("check.crcs") {
        properties = properties.with("check.crcs", "false");
    }
    for (key, value) in &options.command_property {
        properties = properties.with(key, value);
    }
    let reset = if options.from_latest {
        "latest"
    } else {
        "earliest"
    };
    properties = properties.with("auto.offset.reset", reset);
    if let Some(bytes) = options.fetch_size {
        properties = properties.with("max.partition.fetch.bytes", bytes.to_string());
    }
    if let Some(group) = &options.group {
        properties = properties.with("group.id", group);
    } else if !properties.has("group.id") {
        let number = fastrand::u32(..NAMELESS_GROUPS);
        properties = properties.with("group.id", format!("perf-consumer-{number}"));
    }
    ConsumerConfig::from_properties(properties).map_err(|error| error.to_string())
}

async fn measure(options: &Options, admin: &Admin, consumer: &mut Consumer) -> Result<(), Error> {
    subscribe(options, admin, consumer).await?;
    let header = if options.show_detailed_stats {
        INTERVAL_HEADER
    } else {
        SUMMARY_HEADER
    };
    if !options.hide_header {
        output::line(header);
        output::flush();
    }
    let wanted = options.num_records.or(options.messages).unwrap_or_default();
    let patience = Duration::from_millis(options.timeout);
    let interval = Duration::from_millis(options.reporting_interval);
    let begun_ms = now_ms();
    let begun = Instant::now();
    let joining = Arc::new(Mutex::new(Joining::begin(begun)));
    consumer.set_rebalance_listener(Box::new(Watch(Arc::clone(&joining))));
    let mut bar = ProgressBar::begin(wanted);
    let mut all = Progress::default();
    let mut reported = all;
    let mut last_record_at = begun;
    while all.records < wanted {
        let records = consumer.poll(POLL).await?;
        let now = Instant::now();
        all.at = now - begun;
        all.joining = locked(&joining).until(now);
        all.records += records.len() as u64;
        all.bytes += records.iter().map(bytes).sum::<u64>();
        bar.show(all.records);
        if !records.is_empty() {
            last_record_at = now;
        } else if patience < now - last_record_at {
            output::line(&format!(
                "WARNING: Exiting before consuming the expected number of records: timeout ({} \
                 ms) exceeded. You can use the --timeout option to increase the timeout.",
                options.timeout
            ));
            break;
        }
        if options.show_detailed_stats && reported.at + interval <= all.at {
            let date = options.date_format.show(now_ms());
            output::line(&format!("{date}, {}", all.interval(&reported)));
            output::flush();
            reported = all;
        }
    }
    if !options.show_detailed_stats {
        let [begin, end] = [begun_ms, now_ms()].map(|it| options.date_format.show(it));
        output::line(&format!("{begin}, {end}, {}", all.summary()));
    }
    Ok(())
}

async fn subscribe(options: &Options, admin: &Admin, consumer: &Consumer) -> Result<(), Error> {
    if let Some(pattern) = &options.include {
        // Nothing else would tell that no broker is there.
        admin.list_topics().await?;
        return consumer.subscribe_pattern(pattern);
    }
    let topics = options.topic.as_slice();
    for (_, described) in admin.describe_topics(topics).await? {
        described?;
    }
    consumer.subscribe(topics)
}

fn bytes(record: &ConsumerRecord) -> u64 {
    let fields = [&record.key, &record.value].into_iter().flatten();
    fields.map(|field| field.len() as u64).sum()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the dates that are printed are those of the wall clock"
)]
fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.map_or(0, |it| it.as_millis() as i64)
}

/// The time without partitions.
#[derive(Debug)]
struct Joining {
    /// While there are none.
    since: Option<Instant>,
    before: Duration,
}

impl Joining {
    fn begin(now: Instant) -> Self {
        Self {
            since: Some(now),
            before: Duration::ZERO,
        }
    }

    fn until(&self, now: Instant) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| now - since)
    }
}

/// Tells when partitions come and go.
#[derive(Debug)]
struct Watch(Arc<Mutex<Joining>>);

fn locked(joining: &Mutex<Joining>) -> MutexGuard<'_, Joining> {
    // What a panic left are times.
    joining.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RebalanceListener for Watch {
    fn assigned<'a>(&'a mut self, _: &'a Consumer, _: &'a [TopicPartition]) -> Call<'a> {
        Box::pin(async move {
            let mut joining = locked(&self.0);
            joining.before = joining.until(Instant::now());
            joining.since = None;
        })
    }

    fn revoked<'a>(&'a mut self, _: &'a Consumer, _: &'a [TopicPartition]) -> Call<'a> {
        Box::pin(async move {
            let mut joining = locked(&self.0);
            joining.since.get_or_insert_with(Instant::now);
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;
    use odradek_client::consumer::config::OffsetReset;

    use super::*;

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        let always = ["tool", "--bootstrap-server", "a:1"];
        Options::try_parse_from(always.into_iter().chain(arguments.split_whitespace()))
    }

    #[test]
    fn it_reads_from_the_first_record_in_a_group_of_its_own() {
        let usual = config(&options("--topic t --messages 5").unwrap()).unwrap();
        assert_eq!(usual.offset_reset, OffsetReset::Earliest);
        assert!(
            usual
                .group_id
                .is_some_and(|it| it.starts_with("perf-consumer-"))
        );
        let given = "--topic t --num-records 5 --from-latest --group g --fetch-size 7";
        let given = config(&options(given).unwrap()).unwrap();
        assert_eq!(given.offset_reset, OffsetReset::Latest);
        assert_eq!(
            (given.group_id.as_deref(), given.partition_max_bytes),
            (Some("g"), 7)
        );
    }

    #[test]
    fn options_that_make_no_test_are_refused() {
        for wrong in [
            "--topic t",
            "--num-records 5",
            "--topic t --num-records 5 --messages 5",
            "--topic t --include u --num-records 5",
            "--topic t --num-records 5 --date-format Q",
        ] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_time_without_partitions_is_joining() {
        let begun = Instant::now();
        let second = Duration::from_secs(1);
        let mut joining = Joining::begin(begun);
        assert_eq!(joining.until(begun + second), second);
        joining.before = joining.until(begun + second);
        joining.since = None;
        assert_eq!(joining.until(begun + 5 * second), second);
    }
}
