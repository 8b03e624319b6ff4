//! The administrator's tools as a script runs them: configs, delete-records, log-dirs,
//! broker-api-versions, cluster.

use std::fs;

use odradek_tests::{broker::Broker, port, wait};
use serde_json::Value;

use crate::cli::{said, said_by};

/// What a tool prints that does what was asked.
fn ok(broker: &Broker, arguments: &str) -> String {
    let (code, out, error) = said(broker, arguments, "");
    assert_eq!((code, error.as_str()), (0, ""), "{arguments}: {out}");
    out
}

/// What a tool prints to both streams when it refuses.
fn refused(broker: &Broker, arguments: &str) -> (String, String) {
    let (code, out, error) = said(broker, arguments, "");
    assert_eq!(code, 1, "{arguments}: {out}{error}");
    (out, error)
}

#[test]
fn configs_of_a_topic_are_described_and_changed() {
    let broker = Broker::start();
    ok(&broker, "topics --create --topic t --partitions 1");
    let describe = "configs --describe --topic t";
    assert_eq!(
        ok(&broker, describe),
        "Dynamic configs for topic t are:\n",
        "nothing was set yet"
    );
    let done = "Completed updating config for topic t.\n";
    let add = "retention.ms=1000,cleanup.policy=[compact,delete]";
    let alter = format!("configs --alter --topic t --add-config {add}");
    assert_eq!(ok(&broker, &alter), done);
    let described = ok(&broker, describe);
    let lines: Vec<_> = described.lines().collect();
    assert_eq!(lines.len(), 3, "{described}");
    assert_eq!(
        lines[1],
        "  cleanup.policy=compact,delete sensitive=false synonyms={\
         DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, \
         DEFAULT_CONFIG:log.cleanup.policy=delete}"
    );
    assert!(lines[2].starts_with("  retention.ms=1000 sensitive=false synonyms={"));

    let delete = "configs --alter --entity-type topics --entity-name t --delete-config";
    assert_eq!(ok(&broker, &format!("{delete} retention.ms")), done);
    assert_eq!(ok(&broker, describe).lines().count(), 2);
    let all = ok(&broker, &format!("{describe} --all"));
    assert!(all.starts_with("All configs for topic t are:\n"));
    assert!(all.lines().count() > 20, "{all}");
    let every = ok(&broker, "configs --describe --entity-type topics");
    assert!(every.contains("Dynamic configs for topic t are:\n  cleanup.policy"));
    assert_eq!(
        ok(&broker, "configs --describe --topic nope"),
        "The topic 'nope' doesn't exist and doesn't have dynamic config.\n"
    );
    // Of groups and client metrics this broker keeps no configuration.
    assert_eq!(
        ok(&broker, "configs --describe --group g"),
        "The group 'g' doesn't exist and doesn't have dynamic config.\n"
    );
    assert_eq!(
        ok(&broker, "configs --describe --entity-type client-metrics"),
        ""
    );
    assert_eq!(ok(&broker, "configs --describe --entity-type groups"), "");
}

#[test]
fn configs_of_brokers_are_described_and_changed_from_a_file_too() {
    let broker = Broker::start();
    let id = ok(&broker, "cluster list-endpoints");
    let id = id.lines().nth(1).unwrap().split(' ').next().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("added.properties");
    fs::write(&file, "# kept for an hour\nlog.retention.ms = 3600000\n").unwrap();
    let alter = "configs --alter --broker-defaults --add-config-file";
    assert_eq!(
        ok(&broker, &format!("{alter} {}", file.display())),
        "Completed updating default config for brokers in the cluster.\n"
    );
    let alter = format!("configs --alter --broker {id} --add-config log.retention.ms=7200000");
    assert_eq!(
        ok(&broker, &alter),
        format!("Completed updating config for broker {id}.\n")
    );
    let described = ok(&broker, "configs --describe --entity-type brokers");
    let lines: Vec<_> = described.lines().collect();
    assert_eq!(lines[0], format!("Dynamic configs for broker {id} are:"));
    assert!(
        lines[1].starts_with(
            "  log.retention.ms=7200000 sensitive=false synonyms={\
             DYNAMIC_BROKER_CONFIG:log.retention.ms=7200000, \
             DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=3600000, "
        ),
        "{described}"
    );
    assert_eq!(lines[2], "Default configs for brokers in the cluster are:");
    assert!(lines[3].starts_with("  log.retention.ms=3600000 "));
}

#[test]
fn configs_that_cannot_be_are_refused_with_the_reason() {
    let broker = Broker::start();
    ok(&broker, "topics --create --topic t --partitions 1");
    for (arguments, reason) in [
        ("", "Command must include exactly one action"),
        (
            "--describe --alter",
            "Command must include exactly one action",
        ),
        ("--describe", "At least one entity type must be specified"),
        ("--alter --topic t", "At least one of --add-config"),
        (
            "--alter --topic t --add-config x",
            "must be in the format \"key=val\"",
        ),
        (
            "--alter --topic t --add-config nope=1",
            "Unknown topic config name: nope",
        ),
        (
            "--alter --topic t --add-config retention.ms=x",
            "retention.ms",
        ),
        ("--alter --topic nope --add-config retention.ms=1", "nope"),
        (
            "--alter --broker 4711 --add-config log.retention.ms=1",
            "'4711' doesn't exist",
        ),
        ("--describe --broker x", "must be a valid integer broker id"),
        ("--describe --user u", "entity type users is not supported"),
        (
            "--describe --entity-type nonsense",
            "Invalid entity type nonsense",
        ),
        ("--alter --topic t --add-config-file /no/such", "/no/such"),
    ] {
        let (out, error) = refused(&broker, &format!("configs {arguments}"));
        assert!(error.contains(reason), "{arguments}: {error}");
        assert_eq!(out, "", "{arguments}");
    }
}

#[test]
fn records_are_deleted_as_a_file_says() {
    let broker = Broker::start();
    ok(&broker, "topics --create --topic t --partitions 2");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("offsets.json");
    let delete = format!("delete-records --offset-json-file {}", file.display());
    let partitions = |text: &str| {
        fs::write(
            &file,
            format!("{{\"partitions\": [{text}], \"version\": 1}}"),
        )
        .unwrap();
    };
    // One record in each partition at least, whichever the producer chooses.
    let records: Vec<_> = (0..100).map(|key| format!("{key}:v")).collect();
    let records = records.join("\n");
    let produce = "console-producer --topic t --reader-property parse.key=true \
                   --reader-property key.separator=:";
    assert_eq!(said(&broker, produce, &records).0, 0);
    let ends = ok(&broker, "get-offsets --topic t");
    let end = ends.lines().next().unwrap().rsplit(':').next().unwrap();

    partitions(
        "{\"topic\": \"t\", \"partition\": 0, \"offset\": -1}, \
         {\"topic\": \"t\", \"partition\": 1, \"offset\": 1}",
    );
    let expected = format!(
        "Executing records delete operation\nRecords delete operation completed:\n\
         partition: t-0\tlow_watermark: {end}\npartition: t-1\tlow_watermark: 1\n"
    );
    assert_eq!(ok(&broker, &delete), expected);
    assert_eq!(
        ok(&broker, "get-offsets --topic t --time earliest"),
        format!("t:0:{end}\nt:1:1\n")
    );

    partitions(
        "{\"topic\": \"t\", \"partition\": 1, \"offset\": 99999}, \
         {\"topic\": \"nope\", \"partition\": 0, \"offset\": 1}",
    );
    let (out, _) = refused(&broker, &delete);
    assert!(out.contains("partition: t-1\terror: "), "{out}");
    assert!(out.contains("partition: nope-0\terror: "), "{out}");
    fs::write(&file, "nonsense").unwrap();
    let (_, error) = refused(&broker, &delete);
    assert!(
        error.starts_with("The input string is not a valid JSON"),
        "{error}"
    );
}

#[test]
fn log_directories_are_told_as_one_line_of_json() {
    let broker = Broker::start();
    ok(&broker, "topics --create --topic t --partitions 2");
    ok(&broker, "topics --create --topic other --partitions 1");
    let described = || ok(&broker, "log-dirs --describe --topic-list t");
    // A log is made a moment after its topic.
    wait::until("both logs are there", || {
        (described().matches("\"t-").count() == 2).then_some(())
    });
    let out = described();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], "Querying brokers for log directories information");
    assert!(lines[1].starts_with("Received log directory information from brokers "));
    let report: Value = serde_json::from_str(lines[2]).unwrap();
    let directory = &report["brokers"][0]["logDirs"][0];
    assert_eq!(directory["error"], Value::Null);
    assert_eq!(directory["partitions"].as_array().unwrap().len(), 2);
    assert_eq!(directory["partitions"][1]["partition"], "t-1");
    assert_eq!(directory["partitions"][1]["isFuture"], false);
    assert_eq!(report["version"], 1);

    let (out, error) = refused(&broker, "log-dirs --describe --broker-list 4711");
    assert_eq!(out, "");
    assert!(
        error.starts_with("ERROR: The given brokers do not exist from --broker-list: 4711. "),
        "{error}"
    );
}

#[test]
fn the_cluster_is_told_with_its_brokers_and_what_they_serve() {
    let broker = Broker::start();
    let id = ok(&broker, "cluster cluster-id");
    assert!(id.starts_with("Cluster ID: ") && id.len() == 35, "{id}");
    let port = broker.bootstrap().rsplit(':').next().unwrap().to_owned();
    let endpoints = ok(&broker, "cluster list-endpoints");
    assert!(endpoints.starts_with("ID         HOST      PORT       RACK       STATE  "));
    let broker_line = endpoints.lines().nth(1).unwrap();
    assert!(
        broker_line.contains(&format!(" 127.0.0.1 {port} ")),
        "{endpoints}"
    );
    assert_eq!(
        ok(&broker, "cluster list-endpoints --include-fenced-brokers"),
        endpoints
    );

    let versions = ok(&broker, "kafka-broker-api-versions.sh");
    let first = versions.lines().next().unwrap();
    assert!(
        first.starts_with(&format!("127.0.0.1:{port} (id: "))
            && first.ends_with(" rack: null isFenced: false) -> ("),
        "{first}"
    );
    assert!(versions.contains("\n\tApiVersions(18): 0 to 4 [usable: 4],\n"));
    assert!(versions.contains("\n\tPushTelemetry(72): UNSUPPORTED,\n"));
    assert!(versions.ends_with("\n)\n"), "{versions}");
}

#[test]
fn a_broker_that_is_not_there_is_told_by_every_tool() {
    let nobody = format!("127.0.0.1:{}", port::unused());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("offsets.json");
    fs::write(
        &file,
        "{\"partitions\": [{\"topic\": \"t\", \"partition\": 0, \"offset\": 1}]}",
    )
    .unwrap();
    let hasty = directory.path().join("hasty.properties");
    fs::write(&hasty, "default.api.timeout.ms=500\n").unwrap();
    for arguments in [
        "configs --describe --topic t",
        "configs --alter --topic t --add-config retention.ms=1",
        &format!("delete-records --offset-json-file {}", file.display()),
        "log-dirs --describe",
        "cluster cluster-id",
        "cluster list-endpoints",
        "broker-api-versions",
    ] {
        let arguments = format!("{arguments} --command-config {}", hasty.display());
        let (code, out, error) = said_by(&nobody, &arguments, "");
        assert_eq!(code, 1, "{arguments}: {out}{error}");
        assert!(
            error.contains(&format!("connect to {nobody}")),
            "{arguments}: {error}"
        );
    }
}
