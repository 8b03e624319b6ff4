//! `kafka-console-consumer`: prints the records of topics.
//!
//! - [`reading`]: from the first contact with the cluster to the last record
//! - [`formatter`]: how a record becomes a line
//! - [`deserializer`]: how bytes become text
//!
//! **Invariant:** standard output holds records and nothing else; however it ends, it leaves its
//! group.

mod deserializer;
mod formatter;
mod reading;

use std::{io::ErrorKind, time::Duration};

use odradek_client::{
    Admin, Consumer,
    admin::offsets::OffsetSpec,
    consumer::config::{ConsumerConfig, OffsetReset},
};

use self::{
    deserializer::Deserializer,
    formatter::{DEFAULT_FORMATTERS, Formatter},
    reading::{Failure, Reading, Source, Start},
};
use crate::{
    Outcome,
    arguments::key_value,
    connection::ClientOptions,
    output,
    properties_file::{self, PropertiesFile},
    signals::EndSignals,
};

/// Groups that nobody named have a number below this.
const NAMELESS_GROUPS: u32 = 100_000;

/// Prints the records of topics.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-console-consumer")]
#[command(group(clap::ArgGroup::new("source").required(true).args(["topic", "include"])))]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ClientOptions,
    /// The topic.
    #[arg(long)]
    topic: Option<String>,
    /// A regular expression: all topics whose whole names match, new ones too.
    #[arg(long, value_name = "REGEX", alias = "whitelist")]
    include: Option<String>,
    /// The group to read in and to commit for; without it nothing is committed.
    #[arg(long)]
    group: Option<String>,
    /// Only this partition, without a group.
    #[arg(long, requires = "topic", conflicts_with_all = ["include", "group"])]
    partition: Option<i32>,
    /// Where to begin: an offset, earliest or latest. Needs --partition.
    #[arg(long, requires = "partition", conflicts_with = "from_beginning")]
    #[arg(allow_hyphen_values = true, value_parser = start)]
    offset: Option<Start>,
    /// Begin at the first record, not after the last, where nothing was committed.
    #[arg(long)]
    from_beginning: bool,
    /// End after so many records.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true)]
    max_messages: Option<i64>,
    /// End when no record came for so long.
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    timeout_ms: Option<i64>,
    /// Pass over a record that cannot be shown instead of ending there.
    #[arg(long)]
    skip_message_on_error: bool,
    /// read_committed leaves out what was aborted; read_uncommitted if absent.
    #[arg(long, value_name = "LEVEL")]
    isolation_level: Option<String>,
    /// A key of the consumer's configuration, as key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    command_property: Vec<(String, String)>,
    /// The old name of --command-property.
    #[arg(long, hide = true, value_parser = key_value, conflicts_with = "command_property")]
    consumer_property: Vec<(String, String)>,
    #[command(flatten)]
    form: Form,
}

/// How records are shown.
#[derive(Debug, clap::Args)]
struct Form {
    /// The form of the lines: that of Kafka's DefaultMessageFormatter, or its
    /// NoOpMessageFormatter, which shows nothing.
    #[arg(long, value_name = "CLASS", default_value = DEFAULT_FORMATTERS[0])]
    #[arg(value_parser = Formatter::find, hide_default_value = true)]
    formatter: Formatter,
    /// A property of the form: print.timestamp, print.partition, print.offset, print.epoch,
    /// print.headers, print.key, print.value =true|false; key.separator, line.separator,
    /// headers.separator, null.literal =TEXT; key.deserializer, value.deserializer,
    /// headers.deserializer =CLASS; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    formatter_property: Vec<(String, String)>,
    /// The old name of --formatter-property.
    #[arg(long, hide = true, value_parser = key_value, conflicts_with = "formatter_property")]
    property: Vec<(String, String)>,
    /// A file of such properties; --formatter-property goes before it.
    #[arg(long, value_name = "FILE", value_parser = properties_file::read)]
    formatter_config: Option<PropertiesFile>,
    /// What keys are: StringDeserializer, LongDeserializer and so on, of
    /// org.apache.kafka.common.serialization.
    #[arg(long, value_name = "CLASS", value_parser = Deserializer::find)]
    key_deserializer: Option<Deserializer>,
    /// The same for values.
    #[arg(long, value_name = "CLASS", value_parser = Deserializer::find)]
    value_deserializer: Option<Deserializer>,
}

pub(crate) async fn run(options: Options) -> Outcome {
    warn_of_old_names(&options);
    let read = config(&options).and_then(|config| Ok((config, reading(options)?)));
    let (config, mut reading) = match read {
        Ok(read) => read,
        Err(problem) => {
            output::error(&problem);
            return Outcome::Failed;
        }
    };
    let mut signals = EndSignals::listen();
    let admin = Admin::new(config.client.clone());
    let mut consumer = Consumer::new(config);
    let result = reading.run(&admin, &mut consumer, &mut signals).await;
    let closed = tokio::select! {
        closed = consumer.close() => closed,
        // Twice is an order.
        _ = signals.next() => Ok(()),
    };
    if let Err(error) = closed {
        output::error(&format!("WARN {error}"));
    }
    let outcome = match result {
        Ok(outcome) => outcome,
        // Nobody reads any more: nobody is to be told.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
            return Outcome::Done;
        }
        Err(failure) => {
            output::error(&format!("ERROR {failure}"));
            Outcome::Failed
        }
    };
    output::error(&format!("Processed a total of {} messages", reading.count));
    outcome
}

fn warn_of_old_names(options: &Options) {
    let old = [
        (
            !options.consumer_property.is_empty(),
            "--consumer-property",
            "--command-property",
        ),
        (
            !options.form.property.is_empty(),
            "--property",
            "--formatter-property",
        ),
    ];
    for (_, old, new) in old.into_iter().filter(|(is_used, ..)| *is_used) {
        output::error(&format!(
            "Option {old} is deprecated and will be removed in a future version. Use {new} \
             instead."
        ));
    }
}

fn config(options: &Options) -> Result<ConsumerConfig, String> {
    let mut properties = options.connection.properties("console-consumer");
    let given = options.command_property.iter();
    for (key, value) in given.chain(&options.consumer_property) {
        properties = properties.with(key, value);
    }
    if let Some(level) = &options.isolation_level {
        properties = properties.with("isolation.level", level);
    }
    let is_reset_given = properties.has("auto.offset.reset");
    if options.from_beginning && !is_reset_given {
        properties = properties.with("auto.offset.reset", "earliest");
    }
    let is_group_given = properties.has("group.id");
    match &options.group {
        Some(group) if !is_group_given => properties = properties.with("group.id", group),
        None if !is_group_given && options.partition.is_none() => {
            let number = fastrand::u32(..NAMELESS_GROUPS);
            properties = properties.with("group.id", format!("console-consumer-{number}"));
            if !properties.has("enable.auto.commit") {
                properties = properties.with("enable.auto.commit", "false");
            }
        }
        _ => {}
    }
    let config = ConsumerConfig::from_properties(properties).map_err(|it| it.to_string())?;
    if options.from_beginning && config.offset_reset != OffsetReset::Earliest {
        let reset = match config.offset_reset {
            OffsetReset::None => "none",
            _ => "latest",
        };
        return Err(format!(
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', \
             please remove one option"
        ));
    }
    match (&options.group, &config.group_id) {
        (Some(option), Some(property)) if option != property => Err(format!(
            "The group ids provided in different places (directly using '--group', via \
             '--consumer-property', or via '--consumer.config') do not match. Detected group \
             ids: '{option}', '{property}'"
        )),
        _ => Ok(config),
    }
}

fn reading(options: Options) -> Result<Reading, String> {
    let source = match (options.topic, options.include, options.partition) {
        (Some(topic), _, Some(partition)) => {
            let start = match options.offset {
                Some(start) => start,
                None if options.from_beginning => Start::Spec(OffsetSpec::Earliest),
                None => Start::Spec(OffsetSpec::Latest),
            };
            Source::Partition(topic, partition, start)
        }
        (Some(topic), ..) => Source::Topic(topic),
        (None, include, _) => Source::Pattern(include.unwrap_or_default()),
    };
    // Kafka's tools take what is negative for no limit.
    let unless_negative = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
    Ok(Reading {
        source,
        formatter: formatter(options.form)?,
        records_max: unless_negative(options.max_messages),
        patience: unless_negative(options.timeout_ms).map(Duration::from_millis),
        skips_errors: options.skip_message_on_error,
        count: 0,
    })
}

fn start(text: &str) -> Result<Start, String> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(Start::Spec(OffsetSpec::Earliest)),
        "latest" => Ok(Start::Spec(OffsetSpec::Latest)),
        other => match other.parse() {
            Ok(offset) if 0 <= offset => Ok(Start::At(offset)),
            _ => Err(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', \
                 'latest', or a non-negative long."
            )),
        },
    }
}

fn formatter(form: Form) -> Result<Formatter, String> {
    let mut formatter = form.formatter;
    let file = form.formatter_config.unwrap_or_default().0;
    let given = form.formatter_property.into_iter().chain(form.property);
    for (key, value) in file.into_iter().chain(given) {
        match formatter.set(&key, &value) {
            Some(set) => set?,
            None => output::error(&format!("Warning: the formatter has no property {key}")),
        }
    }
    formatter.deserialize_with(form.key_deserializer, form.value_deserializer);
    Ok(formatter)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::Parser;

    use super::*;

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        let always = ["tool", "--bootstrap-server", "a:1"];
        Options::try_parse_from(always.into_iter().chain(arguments.split_whitespace()))
    }

    #[test]
    fn a_group_that_nobody_named_has_a_number_and_commits_nothing() {
        let nameless = config(&options("--topic t").unwrap()).unwrap();
        let name = nameless.group_id.unwrap();
        let number = name.strip_prefix("console-consumer-").unwrap();
        assert!(number.parse::<u32>().unwrap() < NAMELESS_GROUPS);
        assert!(!nameless.auto_commit);
        let named = config(&options("--topic t --group g").unwrap()).unwrap();
        assert_eq!(
            (named.group_id.as_deref(), named.auto_commit),
            (Some("g"), true)
        );
        let alone = config(&options("--topic t --partition 0").unwrap()).unwrap();
        assert_eq!(alone.group_id, None);
    }

    #[test]
    fn contradictions_are_told_in_kafkas_words() {
        let check = |arguments: &str, expected: &str| {
            let error = config(&options(arguments).unwrap()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(
            "--topic t --group a --command-property group.id=b",
            "do not match. Detected group ids: 'a', 'b'",
        );
        check(
            "--topic t --from-beginning --command-property auto.offset.reset=latest",
            "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest'",
        );
    }

    #[test]
    fn options_that_do_not_go_together_are_refused() {
        for arguments in [
            "",
            "--topic t --include u",
            "--topic t --offset 5",
            "--include t --partition 0",
            "--topic t --partition 0 --offset 1 --from-beginning",
            "--topic t --partition 0 --offset -5",
            "--topic t --formatter x.Y",
            "--topic t --key-deserializer x.Y",
        ] {
            assert!(options(arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn a_partition_is_read_from_where_it_is_said() {
        let source = |arguments| reading(options(arguments).unwrap()).unwrap().source;
        let expected = |start| Source::Partition("t".to_owned(), 2, start);
        let latest = Start::Spec(OffsetSpec::Latest);
        assert_eq!(source("--topic t --partition 2"), expected(latest));
        let given = "--topic t --partition 2 --offset 7";
        assert_eq!(source(given), expected(Start::At(7)));
        let given = "--topic t --partition 2 --from-beginning";
        let earliest = Start::Spec(OffsetSpec::Earliest);
        assert_eq!(source(given), expected(earliest));
        let given = "--topic t --partition 2 --offset Earliest";
        assert_eq!(source(given), expected(earliest));
    }

    #[test]
    fn a_negative_limit_is_none() {
        let given = options("--topic t --max-messages -1 --timeout-ms -1").unwrap();
        let reading = reading(given).unwrap();
        assert_eq!((reading.records_max, reading.patience), (None, None));
    }
}
