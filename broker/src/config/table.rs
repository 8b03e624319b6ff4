//! The one table of configuration keys: name, type, default, range, meaning, and whether the key
//! does anything here.
//!
//! Everything else is derived from it: the check of what a user wrote, `DescribeConfigs`,
//! `docs/configuration.md` and the tests. A key is in the table when Apache Kafka 4.3 knows it,
//! when Kafka knew it until 4.0, or when it is Odradek's own. Any other key is refused.
//!
//! - [`effective`]: keys the broker obeys.
//! - [`accepted`]: keys of Kafka that are understood and change nothing here, each with the reason.
//! - [`refused`]: keys whose silent neglect would be dangerous, above all security.

pub mod accepted;
pub mod effective;
pub mod refused;

use std::{collections::BTreeMap, fmt, sync::LazyLock};

/// One configuration key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The name as written in `server.properties`.
    pub name: &'static str,
    /// Type and range of the value.
    pub kind: Kind,
    /// The value when the key is not written; `None` means "unset".
    pub default: Option<&'static str>,
    /// Whether the key does anything.
    pub status: Status,
    /// When a new value takes effect.
    pub update: Update,
    /// What the value means, with units.
    pub doc: &'static str,
}

/// Type and range of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A 16-bit number within these bounds, both inclusive.
    Short(i16, i16),
    /// A 32-bit number within these bounds, both inclusive.
    Int(i32, i32),
    /// `-1`, or a 32-bit number within these bounds, both inclusive.
    UnsetOrInt(i32, i32),
    /// A 64-bit number within these bounds, both inclusive.
    Long(i64, i64),
    /// A decimal number within these bounds, both inclusive.
    Double(f64, f64),
    /// Any text.
    Text,
    /// The name of a Java class.
    Class,
    /// Exactly one of these words.
    Choice(&'static [&'static str]),
    /// Words separated by commas.
    List,
    /// Words separated by commas, each one of these.
    ChoiceList(&'static [&'static str]),
    /// A secret: accepted, never shown.
    Password,
}

/// Whether a key does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The broker obeys it.
    Effective,
    /// Understood, checked, and without effect for this reason. Writing it costs one warning.
    Accepted(&'static str),
    /// Writing anything but the default stops the start, for this reason.
    Refused(&'static str),
}

/// When a new value of a key takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// When the broker is started; it is written into the file.
    AtStart,
    /// At once, when a client changes it for this broker or for all of them.
    WhileRunning,
}

impl Key {
    /// An effective key.
    const fn effective(
        name: &'static str,
        kind: Kind,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            status: Status::Effective,
            update: Update::AtStart,
            doc,
        }
    }

    /// The same key, taken over while the broker runs.
    const fn while_running(self) -> Self {
        Self {
            update: Update::WhileRunning,
            ..self
        }
    }

    /// What the key means, or why it has no effect.
    pub fn meaning(&self) -> &'static str {
        match self.status {
            Status::Effective => self.doc,
            Status::Accepted(reason) | Status::Refused(reason) => reason,
        }
    }

    /// Finds a key by its exact name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BY_NAME.get(name)
    }

    /// Every key, in the order of their names.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        BY_NAME.values()
    }

    /// The known name nearest to a mistyped one, when it is near enough to be what was meant.
    pub fn nearest(name: &str) -> Option<&'static str> {
        if let Some(topic_key) = super::topic::TopicKey::find(name) {
            return topic_key.broker_key().map(|key| key.name);
        }
        let limit = (name.len() / 4).max(2);
        Self::all()
            .map(|key| (strsim::damerau_levenshtein(name, key.name), key))
            .filter(|(distance, _)| *distance <= limit)
            .min_by_key(|(distance, key)| (*distance, key.status != Status::Effective))
            .map(|(_, key)| key.name)
    }
}

static BY_NAME: LazyLock<BTreeMap<&'static str, Key>> = LazyLock::new(|| {
    let effective = effective::SECTIONS.iter().flat_map(|(_, keys)| *keys);
    let written = effective.chain(refused::KEYS).copied();
    let accepted = accepted::GROUPS.iter().flat_map(|group| {
        group.keys.iter().map(|&(name, kind, default)| Key {
            name,
            kind,
            default,
            status: Status::Accepted(group.reason),
            update: Update::AtStart,
            doc: "",
        })
    });
    written.chain(accepted).map(|key| (key.name, key)).collect()
});

impl Kind {
    /// Checks one value. The error says what would have been right.
    pub fn check(self, text: &str) -> Result<(), String> {
        let ok = match self {
            Self::Boolean => parse_boolean(text).is_some(),
            Self::Short(low, high) => text.parse().is_ok_and(|n: i16| low <= n && n <= high),
            Self::Int(low, high) => text.parse().is_ok_and(|n: i32| low <= n && n <= high),
            Self::UnsetOrInt(low, high) => text
                .parse()
                .is_ok_and(|n: i32| n == -1 || (low <= n && n <= high)),
            Self::Long(low, high) => text.parse().is_ok_and(|n: i64| low <= n && n <= high),
            Self::Double(low, high) => text.parse().is_ok_and(|n: f64| low <= n && n <= high),
            Self::Text | Self::Class | Self::List | Self::Password => true,
            Self::Choice(words) => words.contains(&text),
            Self::ChoiceList(words) => split_list(text).all(|word| words.contains(&word)),
        };
        if ok { Ok(()) } else { Err(self.to_string()) }
    }

    /// Checks one value and puts it into the form in which it is stored and shown: without white
    /// space around it, signs nobody needs, and elements of a list named twice.
    pub fn canonical(self, text: &str) -> Result<String, String> {
        let text = text.trim();
        self.check(text)?;
        Ok(match self {
            Self::Boolean => text.to_ascii_lowercase(),
            Self::Short(..) | Self::Int(..) | Self::UnsetOrInt(..) | Self::Long(..) => {
                let number: i64 = text.parse().expect("it was checked");
                number.to_string()
            }
            Self::List | Self::ChoiceList(_) => {
                let mut words: Vec<&str> = Vec::new();
                for word in split_list(text) {
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
                words.join(",")
            }
            Self::Double(..) | Self::Text | Self::Class | Self::Choice(_) | Self::Password => {
                text.to_owned()
            }
        })
    }

    /// The range in the short form of the documentation; empty when anything goes.
    pub fn range(self) -> String {
        match self {
            Self::Short(i16::MIN, i16::MAX)
            | Self::Int(i32::MIN, i32::MAX)
            | Self::Long(i64::MIN, i64::MAX)
            | Self::Boolean
            | Self::Text
            | Self::Class
            | Self::List
            | Self::Password => String::new(),
            Self::Short(low, i16::MAX) => format!("{low} or more"),
            Self::Int(low, i32::MAX) => format!("{low} or more"),
            Self::Long(low, i64::MAX) => format!("{low} or more"),
            Self::Short(low, high) => format!("{low} to {high}"),
            Self::Int(low, high) => format!("{low} to {high}"),
            Self::UnsetOrInt(low, high) => format!("-1, or {low} to {high}"),
            Self::Long(low, high) => format!("{low} to {high}"),
            Self::Double(low, f64::MAX) => format!("{low} or more"),
            Self::Double(low, high) => format!("{low} to {high}"),
            Self::Choice(words) | Self::ChoiceList(words) => words.join(", "),
        }
    }

    /// The name of the type, as `DescribeConfigs` and the documentation call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Short(..) => "short",
            Self::Int(..) | Self::UnsetOrInt(..) => "int",
            Self::Long(..) => "long",
            Self::Double(..) => "double",
            Self::Text | Self::Choice(_) => "string",
            Self::Class => "class",
            Self::List | Self::ChoiceList(_) => "list",
            Self::Password => "password",
        }
    }
}

impl fmt::Display for Kind {
    /// What a value must be, as the end of the sentence "it must be …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Short(i16::MIN, i16::MAX)
            | Self::Int(i32::MIN, i32::MAX)
            | Self::Long(i64::MIN, i64::MAX) => f.write_str("a whole number"),
            Self::Short(..) | Self::Int(..) | Self::UnsetOrInt(..) | Self::Long(..) => {
                write!(f, "a whole number, {}", self.range())
            }
            Self::Double(..) => write!(f, "a number, {}", self.range()),
            Self::Text | Self::Password => f.write_str("text"),
            Self::Class => f.write_str("the name of a class"),
            Self::List => f.write_str("a list separated by commas"),
            Self::Choice(_) => write!(f, "one of: {}", self.range()),
            Self::ChoiceList(_) => {
                write!(f, "a list separated by commas, made of: {}", self.range())
            }
        }
    }
}

/// `true` and `false` in any case, as Kafka reads them; nothing else.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The words of a comma-separated list, trimmed, without empty ones.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_legal_value_of_its_key() {
        for key in Key::all() {
            if let Some(default) = key.default {
                assert_eq!(key.kind.check(default), Ok(()), "{}", key.name);
            }
        }
    }

    #[test]
    fn no_key_stands_in_two_tables() {
        let groups: usize = accepted::GROUPS.iter().map(|group| group.keys.len()).sum();
        let sections: usize = effective::SECTIONS.iter().map(|(_, keys)| keys.len()).sum();
        assert_eq!(Key::all().count(), sections + refused::KEYS.len() + groups);
    }

    #[test]
    fn a_mistyped_key_finds_its_neighbour() {
        for (written, meant) in [
            ("num.partition", Some("num.partitions")),
            ("log.retention.hour", Some("log.retention.hours")),
            ("listners", Some("listeners")),
            (
                "auto.create.topic.enable",
                Some("auto.create.topics.enable"),
            ),
            ("retention.ms", Some("log.retention.ms")),
            ("max.message.bytes", Some("message.max.bytes")),
            ("entirely.something.else", None),
        ] {
            assert_eq!(Key::nearest(written), meant, "{written}");
        }
    }

    #[test]
    fn every_key_is_documented_in_whole_sentences() {
        for key in Key::all().filter(|key| key.status == Status::Effective) {
            assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
        }
    }
}
