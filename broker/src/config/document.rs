//! Writes `docs/configuration.md` from the table of keys, so that the two cannot disagree.
//!
//! `cargo xtask docs` rewrites the file; a test fails while it is out of date.

use std::fmt::{self, Write};

use super::{
    table::{Key, Kind, Update, accepted, effective, refused},
    topic::{Fallback, TOPIC_KEYS, TopicKey},
};

const HEAD: &str = "\
# Configuration

<!-- Written by `cargo xtask docs` from broker/src/config/table. Do not edit by hand. -->

The broker runs without any configuration. To change something, give it a file and single keys over
it:

    odradek-broker config/server.properties --override num.partitions=6

The file has the form of Kafka's `server.properties`: `key=value` lines, `#` comments, a `\\` at the
end of a line to continue it; it is UTF-8. The keys are Kafka's, with Kafka's meaning. Sizes are in
bytes and times in the unit their name ends in.

- A key that does not exist, or a value out of range, stops the start. All problems are reported at
  once, each with what to do.
- A key of Kafka's that has no effect here is accepted with one warning.
- A key whose silent neglect would be dangerous is refused.

## Changing it while the broker runs

Keys with *running* after their default can also be set by clients, with `IncrementalAlterConfigs`
or Kafka's own tool, for one broker or for all of them, and are in force when the answer comes:

    kafka-configs.sh --bootstrap-server 127.0.0.1:9092 --alter --entity-type brokers \\
        --entity-name 1 --add-config log.retention.ms=86400000
    kafka-configs.sh --bootstrap-server 127.0.0.1:9092 --alter --entity-type brokers \\
        --entity-default --add-config log.retention.ms=86400000

What is set so is kept with the cluster's metadata, not in the file, and survives restarts. The
first of these counts that has a value: the topic's own configuration, the key set for this broker,
the key set for all brokers, the file with its `--override` flags, the default. `kafka-configs.sh
--describe --all` shows each value with all its sources, and lists the keys that Apache Kafka 4.3
lists, with Odradek's own beside them.

What differs from Kafka:

- Fewer keys of a broker can be changed while it runs: those that it really obeys from then on. The
  others are shown as read-only, and changing one is refused with the reason; so is a key that does
  not exist, which Kafka stores and ignores.
- `min.insync.replicas` may be set for a single broker, and a new cluster does not begin with a
  value for all brokers. (Kafka's eligible leader replicas ask for both.)
- `retention.ms`, `segment.ms`, `segment.jitter.ms` and `flush.ms` of a topic show the broker's key
  of a coarser unit as their source when that is where the value comes from; Kafka then shows no
  source.
- The levels of loggers cannot be changed or listed, nor can client metrics and the configuration of
  groups.
";

const TOPICS: &str = "
## Topic configuration

A topic may override these keys, when it is created or later; they are in force at once. Without
an override it gets the value of the broker's key. Those whose broker key has no effect have none
either: their values are checked as Kafka checks them, stored and shown.

| Key | Without it |
|---|---|
";

const REFUSED: &str = "
## Keys that are refused

Writing their default is allowed.

| Key | Why |
|---|---|
";

const ACCEPTED: &str = "
## Keys without effect

Their values are checked, and one warning names each that differs from its default.
";

/// The whole document.
pub fn document() -> String {
    let mut out = HEAD.to_owned();
    write(&mut out).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String) -> fmt::Result {
    for (title, keys) in effective::SECTIONS {
        write!(
            out,
            "\n## {title}\n\n| Key | Type, range | Default | Meaning |\n|---|---|---|---|\n"
        )?;
        keys.iter().try_for_each(|key| effective_row(out, key))?;
    }
    out.push_str(TOPICS);
    TOPIC_KEYS.iter().try_for_each(|key| topic_row(out, key))?;
    out.push_str(REFUSED);
    for key in refused::KEYS {
        if let super::table::Status::Refused(reason) = key.status {
            writeln!(out, "| `{}` | {reason} |", key.name)?;
        }
    }
    out.push_str(ACCEPTED);
    for group in accepted::GROUPS {
        write!(out, "\n**{}**\n\n", group.reason)?;
        let names: Vec<_> = group
            .keys
            .iter()
            .map(|(name, ..)| format!("`{name}`"))
            .collect();
        writeln!(out, "{}", names.join(", "))?;
    }
    Ok(())
}

fn effective_row(out: &mut String, key: &Key) -> fmt::Result {
    let range = match key.kind {
        Kind::Choice(words) | Kind::ChoiceList(words) => words.join(" \\| "),
        kind => kind.range(),
    };
    let separator = if range.is_empty() { "" } else { ", " };
    let default = match key.default {
        None => "unset".to_owned(),
        Some("") => "empty".to_owned(),
        Some(value) => format!("`{value}`"),
    };
    let kind = key.kind.name();
    let running = match key.update {
        Update::WhileRunning => "; *running*",
        Update::AtStart => "",
    };
    writeln!(
        out,
        "| `{}` | {kind}{separator}{range} | {default}{running} | {} |",
        key.name, key.doc
    )
}

fn topic_row(out: &mut String, key: &TopicKey) -> fmt::Result {
    match key.fallback {
        Fallback::Broker(name) => writeln!(out, "| `{}` | `{name}` |", key.name),
        Fallback::Own(_, "") => writeln!(out, "| `{}` | empty; no effect |", key.name),
        Fallback::Own(_, value) => writeln!(out, "| `{}` | `{value}`; no effect |", key.name),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{env, fs};

    use super::*;

    /// Where `cargo xtask docs` asks for the file to be written anew.
    const UPDATE: &str = "ODRADEK_UPDATE_DOCS";

    #[test]
    fn the_configuration_document_tells_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if env::var_os(UPDATE).is_some() {
            fs::write(path, document()).unwrap();
        }
        let written = fs::read_to_string(path).unwrap_or_default();
        assert!(written == document(), "out of date: run cargo xtask docs");
    }
}
