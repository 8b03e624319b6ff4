//! How a record becomes a line. Pure.
//!
//! The names of properties, the order of the fields and what stands for an absent one are those of
//! Kafka's default formatter. Nothing is allocated for a record that is only bytes.

use std::io::Write;

use odradek_client::consumer::record::{ConsumerRecord, TimestampType};

use super::deserializer::{DeserializeError, Deserializer};

/// What is shown of a record, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Formatter {
    /// Shows nothing at all: records are only counted.
    is_silent: bool,
    shows: [bool; Field::ALL.len()],
    key_separator: String,
    line_separator: String,
    headers_separator: String,
    null_literal: String,
    key: Deserializer,
    value: Deserializer,
    header: Deserializer,
}

/// A part of a record, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Timestamp,
    Partition,
    Offset,
    Delivery,
    Epoch,
    Headers,
    Key,
    Value,
}

impl Field {
    const ALL: [Self; 8] = [
        Self::Timestamp,
        Self::Partition,
        Self::Offset,
        Self::Delivery,
        Self::Epoch,
        Self::Headers,
        Self::Key,
        Self::Value,
    ];

    /// The property that shows or hides it.
    fn find(property: &str) -> Option<Self> {
        match property {
            "print.timestamp" => Some(Self::Timestamp),
            "print.partition" => Some(Self::Partition),
            "print.offset" => Some(Self::Offset),
            "print.delivery" => Some(Self::Delivery),
            "print.epoch" => Some(Self::Epoch),
            "print.headers" => Some(Self::Headers),
            "print.key" => Some(Self::Key),
            "print.value" => Some(Self::Value),
            _ => None,
        }
    }
}

/// The formatter that Kafka's tool has when none is named, by its name now and its old one.
pub(crate) const DEFAULT_FORMATTERS: [&str; 2] = [
    "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
    "kafka.tools.DefaultMessageFormatter",
];

/// The one that shows nothing.
pub(crate) const SILENT_FORMATTERS: [&str; 2] = [
    "org.apache.kafka.tools.consumer.NoOpMessageFormatter",
    "kafka.tools.NoOpMessageFormatter",
];

impl Default for Formatter {
    fn default() -> Self {
        Self {
            is_silent: false,
            shows: Field::ALL.map(|field| field == Field::Value),
            key_separator: "\t".to_owned(),
            line_separator: "\n".to_owned(),
            headers_separator: ",".to_owned(),
            null_literal: "null".to_owned(),
            key: Deserializer::Bytes,
            value: Deserializer::Bytes,
            header: Deserializer::Bytes,
        }
    }
}

impl Formatter {
    /// By the name of Kafka's class.
    pub(crate) fn find(class: &str) -> Result<Self, String> {
        let is_silent = SILENT_FORMATTERS.contains(&class);
        if !is_silent && !DEFAULT_FORMATTERS.contains(&class) {
            let [default, _] = DEFAULT_FORMATTERS;
            let [silent, _] = SILENT_FORMATTERS;
            return Err(format!(
                "no Java class can be loaded; there are {default} and {silent}"
            ));
        }
        Ok(Self {
            is_silent,
            ..Self::default()
        })
    }

    /// Sets a property. One that means nothing is refused with `None`.
    pub(crate) fn set(&mut self, property: &str, value: &str) -> Option<Result<(), String>> {
        if let Some(field) = Field::find(property) {
            self.shows[field as usize] = value.trim().eq_ignore_ascii_case("true");
            return Some(Ok(()));
        }
        let (text, deserializer) = match property {
            "key.separator" => (Some(&mut self.key_separator), None),
            "line.separator" => (Some(&mut self.line_separator), None),
            "headers.separator" => (Some(&mut self.headers_separator), None),
            "null.literal" => (Some(&mut self.null_literal), None),
            "key.deserializer" => (None, Some(&mut self.key)),
            "value.deserializer" => (None, Some(&mut self.value)),
            "headers.deserializer" => (None, Some(&mut self.header)),
            _ => return None,
        };
        if let Some(text) = text {
            value.clone_into(text);
        }
        if let Some(deserializer) = deserializer {
            match Deserializer::find(value) {
                Ok(found) => *deserializer = found,
                Err(problem) => return Some(Err(format!("{property}: {problem}"))),
            }
        }
        Some(Ok(()))
    }

    /// Sets what keys and values are, where that is said.
    pub(crate) fn deserialize_with(
        &mut self,
        key: Option<Deserializer>,
        value: Option<Deserializer>,
    ) {
        self.key = key.unwrap_or(self.key);
        self.value = value.unwrap_or(self.value);
    }

    /// Appends the line of a record, or nothing.
    pub(crate) fn write(
        &self,
        record: &ConsumerRecord,
        out: &mut Vec<u8>,
    ) -> Result<(), DeserializeError> {
        if self.is_silent {
            return Ok(());
        }
        let begin = out.len();
        let written = self.write_fields(record, out);
        match written {
            Ok(()) => out.extend_from_slice(self.line_separator.as_bytes()),
            Err(_) => out.truncate(begin),
        }
        written
    }

    fn write_fields(
        &self,
        record: &ConsumerRecord,
        out: &mut Vec<u8>,
    ) -> Result<(), DeserializeError> {
        let mut is_first = true;
        for field in Field::ALL {
            if !self.shows[field as usize] {
                continue;
            }
            if !is_first {
                out.extend_from_slice(self.key_separator.as_bytes());
            }
            is_first = false;
            self.write_field(field, record, out)?;
        }
        Ok(())
    }

    fn write_field(
        &self,
        field: Field,
        record: &ConsumerRecord,
        out: &mut Vec<u8>,
    ) -> Result<(), DeserializeError> {
        match field {
            Field::Timestamp if record.timestamp_ms < 0 => out.extend_from_slice(b"NO_TIMESTAMP"),
            Field::Timestamp => {
                let clock = match record.timestamp_type {
                    TimestampType::CreateTime => "CreateTime:",
                    TimestampType::LogAppendTime => "LogAppendTime:",
                };
                write_number(clock, record.timestamp_ms, out);
            }
            Field::Partition => write_number("Partition:", record.partition.into(), out),
            Field::Offset => write_number("Offset:", record.offset, out),
            // Only share groups count deliveries.
            Field::Delivery => out.extend_from_slice(b"Delivery:NOT_PRESENT"),
            Field::Epoch if record.leader_epoch < 0 => out.extend_from_slice(b"Epoch:NOT_PRESENT"),
            Field::Epoch => write_number("Epoch:", record.leader_epoch.into(), out),
            Field::Headers if record.headers.is_empty() => out.extend_from_slice(b"NO_HEADERS"),
            Field::Headers => self.write_headers(record, out)?,
            Field::Key => self.write_bytes(self.key, record.key.as_deref(), out)?,
            Field::Value => self.write_bytes(self.value, record.value.as_deref(), out)?,
        }
        Ok(())
    }

    fn write_headers(
        &self,
        record: &ConsumerRecord,
        out: &mut Vec<u8>,
    ) -> Result<(), DeserializeError> {
        for (index, (key, value)) in record.headers.iter().enumerate() {
            if 0 < index {
                out.extend_from_slice(self.headers_separator.as_bytes());
            }
            out.extend_from_slice(key);
            out.push(b':');
            self.write_bytes(self.header, value.as_deref(), out)?;
        }
        Ok(())
    }

    fn write_bytes(
        &self,
        deserializer: Deserializer,
        bytes: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), DeserializeError> {
        if let Some(bytes) = bytes {
            return deserializer.write(bytes, out);
        }
        out.extend_from_slice(self.null_literal.as_bytes());
        Ok(())
    }
}

fn write_number(name: &str, number: i64, out: &mut Vec<u8>) {
    write!(out, "{name}{number}").expect("memory takes everything");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    fn record() -> ConsumerRecord {
        ConsumerRecord {
            topic: Arc::from("t"),
            partition: 3,
            offset: 42,
            leader_epoch: 5,
            timestamp_ms: 1_795_323_748_008,
            timestamp_type: TimestampType::CreateTime,
            key: Some(Bytes::from("k")),
            value: Some(Bytes::from("v")),
            headers: vec![
                (Bytes::from("h1"), Some(Bytes::from("a"))),
                (Bytes::from("h2"), None),
            ],
        }
    }

    fn shown(record: &ConsumerRecord, properties: &[&str]) -> String {
        let mut formatter = Formatter::default();
        for property in properties {
            let (name, value) = property.split_once('=').unwrap();
            formatter.set(name, value).unwrap().unwrap();
        }
        let mut out = Vec::new();
        formatter.write(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const EVERYTHING: [&str; 7] = [
        "print.key=true",
        "print.headers=TRUE",
        "print.epoch=true",
        "print.delivery=true",
        "print.offset=true",
        "print.partition=true",
        "print.timestamp=true",
    ];

    #[test]
    fn fields_are_shown_in_kafkas_order() {
        let expected = "CreateTime:1795323748008\tPartition:3\tOffset:42\tDelivery:NOT_PRESENT\t\
                        Epoch:5\th1:a,h2:null\tk\tv\n";
        assert_eq!(shown(&record(), &EVERYTHING), expected);
        assert_eq!(shown(&record(), &[]), "v\n");
        assert_eq!(shown(&record(), &["print.value=no"]), "\n");
    }

    #[test]
    fn what_is_absent_has_a_word() {
        let empty = ConsumerRecord {
            leader_epoch: -1,
            timestamp_ms: -1,
            key: None,
            value: None,
            headers: Vec::new(),
            ..record()
        };
        let expected = "NO_TIMESTAMP\tPartition:3\tOffset:42\tDelivery:NOT_PRESENT\t\
                        Epoch:NOT_PRESENT\tNO_HEADERS\tnull\tnull\n";
        assert_eq!(shown(&empty, &EVERYTHING), expected);
        assert_eq!(shown(&empty, &["null.literal=-"]), "-\n");
    }

    #[test]
    fn separators_are_any_text() {
        let properties = [
            "print.key=true",
            "print.headers=true",
            "key.separator= = ",
            "line.separator=|",
            "headers.separator=;",
        ];
        assert_eq!(shown(&record(), &properties), "h1:a;h2:null = k = v|");
    }

    #[test]
    fn a_record_that_cannot_be_shown_leaves_no_half_line() {
        let mut formatter = Formatter::default();
        formatter.set("print.key", "true").unwrap().unwrap();
        let long = "org.apache.kafka.common.serialization.LongDeserializer";
        formatter.set("value.deserializer", long).unwrap().unwrap();
        let mut out = b"before\n".to_vec();
        assert!(formatter.write(&record(), &mut out).is_err());
        assert_eq!(out, b"before\n");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert_eq!(Formatter::default().set("print.keys", "true"), None);
        let unknown = Formatter::default().set("key.deserializer", "x.Y");
        assert!(unknown.is_some_and(|result| result.is_err()));
        assert!(Formatter::find("x.Y").is_err());
        let mut out = Vec::new();
        let silent = Formatter::find(SILENT_FORMATTERS[0]).unwrap();
        silent.write(&record(), &mut out).unwrap();
        assert!(out.is_empty());
    }
}
