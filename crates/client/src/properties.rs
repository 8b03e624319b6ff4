//! Configuration as Kafka's users write it: names and texts, each name known or refused.
//!
//! A configuration takes its keys one by one; what nobody took is unknown, and everything that is
//! wrong is reported at once.

use std::{collections::BTreeMap, time::Duration};

/// Names and texts, on their way into a typed configuration.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    given: BTreeMap<String, String>,
    taken: Vec<&'static str>,
    problems: Vec<String>,
}

/// All that is wrong with a configuration, one problem a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// How unlike a key may be to be suggested: one wrong letter in five.
const LIKENESS_MIN: f64 = 0.8;

impl Properties {
    /// Sets a key, over what it was.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.given.insert(key.into(), value.into());
        self
    }

    /// Whether a key is given and not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Reports something wrong that no single key shows.
    pub fn add_problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Takes a key; `read` makes a value of its text, or says what the text must be.
    pub fn take<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.taken.push(key);
        let Some(text) = self.given.remove(key) else {
            return default;
        };
        match read(text.trim()) {
            Ok(value) => value,
            Err(expected) => {
                let problem = format!("{key}=\"{text}\": it must be {expected}");
                self.problems.push(problem);
                default
            }
        }
    }

    /// Takes a key whose value is any text.
    pub fn take_text(&mut self, key: &'static str, default: &str) -> String {
        self.take(key, default.to_owned(), |text| Ok(text.to_owned()))
    }

    /// Takes a key whose value is a number of milliseconds.
    pub fn take_ms(&mut self, key: &'static str, default: Duration) -> Duration {
        self.take(key, default, |text| match text.parse() {
            Ok(ms) => Ok(Duration::from_millis(ms)),
            Err(_) => Err("a number of milliseconds, 0 or more".to_owned()),
        })
    }

    /// Takes a key whose value is a whole number in that range.
    pub fn take_number<T>(
        &mut self,
        key: &'static str,
        default: T,
        range: std::ops::RangeInclusive<T>,
    ) -> T
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
    {
        self.take(key, default, |text| match text.parse() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        })
    }

    /// Takes a key whose value is `true` or `false`.
    pub fn take_boolean(&mut self, key: &'static str, default: bool) -> bool {
        self.take(key, default, |text| {
            text.to_ascii_lowercase()
                .parse()
                .map_err(|_| "true or false".to_owned())
        })
    }

    /// Ends the taking: an error if a value was wrong or a key is left over.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Self {
            given,
            taken,
            mut problems,
        } = self;
        problems.extend(given.keys().map(|key| unknown(key, &taken)));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError(problems))
        }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        entries
            .into_iter()
            .fold(Self::default(), |properties, (key, value)| {
                properties.with(key, value)
            })
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(key, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((likeness, nearest)) if LIKENESS_MIN <= likeness => {
            format!("unknown configuration key {key}; did you mean {nearest}?")
        }
        _ => format!("unknown configuration key {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_absent_keys_have_their_defaults() {
        let mut given: Properties = [("linger.ms", " 5 "), ("acks", "all")]
            .into_iter()
            .collect();
        assert_eq!(given.take_ms("linger.ms", Duration::ZERO).as_millis(), 5);
        assert_eq!(given.take_text("acks", "1"), "all");
        assert_eq!(given.take_number("retries", 3, 0..=9), 3);
        assert!(given.take_boolean("enable.idempotence", true));
        assert_eq!(given.finish(), Ok(()));
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let mut given: Properties = [("linger.sm", "5"), ("retries", "many"), ("xyz", "1")]
            .into_iter()
            .collect();
        given.take_ms("linger.ms", Duration::ZERO);
        given.take_number("retries", 3, 0..=9);
        let problems = given.finish().err().map(|error| error.0);
        let expected = [
            "retries=\"many\": it must be a whole number from 0 to 9",
            "unknown configuration key linger.sm; did you mean linger.ms?",
            "unknown configuration key xyz",
        ];
        assert_eq!(problems, Some(expected.map(str::to_owned).to_vec()));
    }
}
