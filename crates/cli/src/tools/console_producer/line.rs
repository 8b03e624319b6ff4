//! How a line of input becomes a record: headers, key and value, with separators between. Pure.
//!
//! The names of properties and the sentences about what is wrong are Kafka's: scripts know them.
//! Lines are bytes, whatever they hold; only the keys of headers have to be text.

use std::sync::Arc;

use bytes::Bytes;
use odradek_client::producer::record::ProducerRecord;

/// The form of the lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineFormat {
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: String,
    headers_key_separator: String,
    parse_key: bool,
    key_separator: String,
    /// Take what has not this form for a value.
    ignore_error: bool,
    /// A field that reads so is null.
    null_marker: Option<String>,
}

impl Default for LineFormat {
    fn default() -> Self {
        Self {
            parse_headers: false,
            headers_delimiter: "\t".to_owned(),
            headers_separator: ",".to_owned(),
            headers_key_separator: ":".to_owned(),
            parse_key: false,
            key_separator: "\t".to_owned(),
            ignore_error: false,
            null_marker: None,
        }
    }
}

/// Two fields of a form would look the same.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} and {1} may not be equal")]
pub(crate) struct AmbiguousFormat(&'static str, &'static str);

/// A line that has not the form that was promised.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LineError {
    #[error("No {part} found on line number {number}: '{line}'")]
    NoSeparator {
        part: &'static str,
        number: u64,
        line: String,
    },
    #[error("No header key separator found in pair '{pair}' on line number {number}")]
    NoHeaderKey { pair: String, number: u64 },
    #[error("Header keys should not be equal to the null marker '{marker}' as they can't be null")]
    NullHeaderKey { marker: String },
}

/// A header on its way into a record.
type Header = (String, Option<Bytes>);

impl LineFormat {
    /// From the properties of Kafka's line reader; also gives the names of those that it ignores.
    pub(crate) fn from_properties(
        properties: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, Vec<String>), AmbiguousFormat> {
        let mut format = Self::default();
        let mut unknown = Vec::new();
        for (name, value) in properties {
            match name.as_str() {
                "parse.headers" => format.parse_headers = is_true(&value),
                "headers.delimiter" => format.headers_delimiter = value,
                "headers.separator" => format.headers_separator = value,
                "headers.key.separator" => format.headers_key_separator = value,
                "parse.key" => format.parse_key = is_true(&value),
                "key.separator" => format.key_separator = value,
                "ignore.error" => format.ignore_error = is_true(&value),
                "null.marker" => format.null_marker = Some(value),
                _ => unknown.push(name),
            }
        }
        format.check()?;
        Ok((format, unknown))
    }

    /// Kafka checks these also where they are not used.
    fn check(&self) -> Result<(), AmbiguousFormat> {
        let delimiter = ("headers.delimiter", &self.headers_delimiter);
        let separator = ("headers.separator", &self.headers_separator);
        let key_separator = ("headers.key.separator", &self.headers_key_separator);
        let mut pairs = vec![
            (delimiter, separator),
            (delimiter, key_separator),
            (separator, key_separator),
        ];
        if let Some(marker) = &self.null_marker {
            let between_fields = [
                ("key.separator", &self.key_separator),
                delimiter,
                separator,
                key_separator,
            ];
            pairs.extend(between_fields.map(|field| (("null.marker", marker), field)));
        }
        match pairs.into_iter().find(|(a, b)| a.1 == b.1) {
            Some((a, b)) => Err(AmbiguousFormat(a.0, b.0)),
            None => Ok(()),
        }
    }

    /// Makes a record of a line, which is the `number`th and comes without its end.
    pub(crate) fn record(
        &self,
        topic: &Arc<str>,
        line: &Bytes,
        number: u64,
    ) -> Result<ProducerRecord, LineError> {
        let mut rest = line.clone();
        let mut split = |is_there: bool, separator: &str, part: &'static str| {
            if !is_there {
                return Ok(None);
            }
            match split_once(&rest, separator) {
                Some((field, after)) => {
                    rest = after;
                    Ok(Some(field))
                }
                None if self.ignore_error => Ok(None),
                None => Err(LineError::NoSeparator {
                    part,
                    number,
                    line: text(line),
                }),
            }
        };
        let headers = split(
            self.parse_headers,
            &self.headers_delimiter,
            "headers delimiter",
        )?;
        let key = split(self.parse_key, &self.key_separator, "key separator")?;
        let headers = match headers.and_then(|headers| self.unless_null(headers)) {
            Some(headers) => self.headers(&headers, number)?,
            None => Vec::new(),
        };
        Ok(ProducerRecord {
            topic: Arc::clone(topic),
            key: key.and_then(|key| self.unless_null(key)),
            value: self.unless_null(rest),
            headers,
            ..ProducerRecord::default()
        })
    }

    fn headers(&self, headers: &Bytes, number: u64) -> Result<Vec<Header>, LineError> {
        let mut pairs = Vec::new();
        let mut rest = headers.clone();
        while let Some((pair, after)) = split_once(&rest, &self.headers_separator) {
            pairs.push(pair);
            rest = after;
        }
        pairs.push(rest);
        // As Java splits: what is empty at the end does not count, unless there is nothing else.
        while 1 < pairs.len() && pairs.last().is_some_and(Bytes::is_empty) {
            pairs.pop();
        }
        let each = pairs.into_iter().map(|pair| self.header(&pair, number));
        each.collect()
    }

    fn header(&self, pair: &Bytes, number: u64) -> Result<Header, LineError> {
        let (key, value) = match split_once(pair, &self.headers_key_separator) {
            Some((key, value)) => (text(&key), self.unless_null(value)),
            None if self.ignore_error => (text(pair), None),
            None => {
                return Err(LineError::NoHeaderKey {
                    pair: text(pair),
                    number,
                });
            }
        };
        match &self.null_marker {
            Some(marker) if *marker == key => Err(LineError::NullHeaderKey {
                marker: marker.clone(),
            }),
            _ => Ok((key, value)),
        }
    }

    fn unless_null(&self, field: Bytes) -> Option<Bytes> {
        let marker = self.null_marker.as_ref();
        let is_null = marker.is_some_and(|marker| marker.as_bytes() == field);
        (!is_null).then_some(field)
    }
}

/// What Java takes for `true`.
fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What is before and after the first separator. An empty one is before the first byte.
fn split_once(bytes: &Bytes, separator: &str) -> Option<(Bytes, Bytes)> {
    let separator = separator.as_bytes();
    let at = match separator {
        [] => 0,
        [byte] => bytes.iter().position(|it| it == byte)?,
        _ => bytes
            .windows(separator.len())
            .position(|window| window == separator)?,
    };
    Some((bytes.slice(..at), bytes.slice(at + separator.len()..)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn format(properties: &[&str]) -> LineFormat {
        let each = properties.iter().map(|it| it.split_once('=').unwrap());
        let each = each.map(|(name, value)| (name.to_owned(), value.to_owned()));
        LineFormat::from_properties(each).unwrap().0
    }

    /// Headers, key and value of a line, as a reader would write them.
    fn parts(format: &LineFormat, line: &'static str) -> Result<String, LineError> {
        let record = format.record(&Arc::from("t"), &Bytes::from(line), 3)?;
        let shown = |field: Option<Bytes>| field.map_or_else(|| "null".to_owned(), |it| text(&it));
        let headers = record.headers.into_iter();
        let headers: Vec<_> = headers
            .map(|(key, value)| format!("{key}:{}", shown(value)))
            .collect();
        let (key, value) = (shown(record.key), shown(record.value));
        Ok(format!("[{}] {key} {value}", headers.join(",")))
    }

    #[test]
    fn a_line_is_a_value_unless_it_is_said_to_hold_more() {
        let check = |properties: &[&str], line, expected: &str| {
            assert_eq!(parts(&format(properties), line).unwrap(), expected);
        };
        let key = "parse.key=true";
        let headers = "parse.headers=TRUE";
        check(&[], "a\tb", "[] null a\tb");
        check(&[key], "a\tb\tc", "[] a b\tc");
        check(&[key, "key.separator=--"], "k--v--w", "[] k v--w");
        check(&[key, "key.separator="], "ab", "[]  ab");
        check(&[headers], "h1:a,h2:b\tv", "[h1:a,h2:b] null v");
        check(&[headers, key], "h1:a:b,\tk\tv", "[h1:a:b] k v");
        let other = ["headers.delimiter=|", "headers.separator=;"];
        let other = [&[headers, "headers.key.separator=="], &other[..]].concat();
        check(&other, "h=a;i=b|v", "[h:a,i:b] null v");
    }

    #[test]
    fn a_field_that_is_the_null_marker_is_null() {
        let with = ["parse.headers=true", "parse.key=true", "null.marker=NULL"];
        let with = format(&with);
        assert_eq!(parts(&with, "NULL\tNULL\tNULL").unwrap(), "[] null null");
        assert_eq!(parts(&with, "h:NULL\tk\tv").unwrap(), "[h:null] k v");
        let error = parts(&with, "NULL:h\tk\tv").unwrap_err();
        let expected =
            "Header keys should not be equal to the null marker 'NULL' as they can't be null";
        assert_eq!(error.to_string(), expected);
        assert_eq!(
            parts(&format(&["null.marker="]), "").unwrap(),
            "[] null null"
        );
    }

    #[test]
    fn a_line_of_another_form_is_told_with_its_number() {
        let check = |properties: &[&str], line, expected: &str| {
            let error = parts(&format(properties), line).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        let none = "found on line number 3: 'plain'";
        check(
            &["parse.key=true"],
            "plain",
            &format!("No key separator {none}"),
        );
        let headers = "parse.headers=true";
        check(&[headers], "plain", &format!("No headers delimiter {none}"));
        let no_pair = "No header key separator found in pair '' on line number 3";
        check(&[headers], "\tv", no_pair);
    }

    #[test]
    fn what_has_another_form_is_a_value_where_errors_are_ignored() {
        let with = ["parse.headers=true", "parse.key=true", "ignore.error=true"];
        let with = format(&with);
        assert_eq!(parts(&with, "plain").unwrap(), "[] null plain");
        assert_eq!(parts(&with, "h1:a,h2\tv").unwrap(), "[h1:a,h2:null] null v");
    }

    #[test]
    fn separators_that_could_not_be_told_apart_are_refused() {
        let check = |property: (&str, &str), expected: &str| {
            let property = (property.0.to_owned(), property.1.to_owned());
            let error = LineFormat::from_properties([property]).unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(
            ("headers.delimiter", ","),
            "headers.delimiter and headers.separator may not be equal",
        );
        check(
            ("null.marker", "\t"),
            "null.marker and key.separator may not be equal",
        );
    }

    #[test]
    fn properties_that_mean_nothing_are_named() {
        let property = ("parse.keys".to_owned(), "true".to_owned());
        let (format, unknown) = LineFormat::from_properties([property]).unwrap();
        assert_eq!(format, LineFormat::default());
        assert_eq!(unknown, ["parse.keys"]);
    }
}
