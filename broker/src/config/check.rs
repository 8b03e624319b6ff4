//! From what was written to what it means, key by key: unknown keys, bad values, duplicates, and
//! the value of every key that was not written.
//!
//! Rules that tie several keys together stand in [`listeners`](super::listeners) and in
//! [`Config`](super::Config). All of them add to one list of problems, so that a user repairs a
//! file once and not line by line.

use std::{borrow::Cow, collections::BTreeMap, fmt, mem, str::FromStr, time::Duration};

use super::{
    raw::{Entry, Origin, SyntaxError},
    table::{Key, Kind, Status, Update, parse_boolean, split_list},
};

/// What is shown in place of a secret.
const HIDDEN: &str = "[hidden]";

/// Something the broker cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}; {remedy}")]
pub struct Problem {
    /// Where it is: file and line, flag, or the key when nobody wrote it.
    pub place: String,
    /// What is wrong, without a full stop.
    pub what: String,
    /// What to do about it, without a full stop.
    pub remedy: String,
}

impl From<SyntaxError> for Problem {
    fn from(error: SyntaxError) -> Self {
        let (place, what, remedy) = match error {
            SyntaxError::Unicode { origin } => (
                origin.to_string(),
                "a \\u is not followed by the four hexadecimal digits of a character",
                "write \\\\ for a backslash",
            ),
            SyntaxError::Override { text } => (
                format!("--override {text}"),
                "there is no key",
                "write it as key=value",
            ),
        };
        Self {
            place,
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

/// Every problem of a configuration. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(
            f,
            "cannot start: {count} problem{}",
            if count == 1 { "" } else { "s" }
        )?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for Problems {}

/// Something a user should know that does not stop the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where it was written.
    pub place: String,
    /// What has no effect and why.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// The value one key has, and where it came from.
#[derive(Clone)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Where the value came from.
    pub origin: Origin,
    value: Option<Cow<'static, str>>,
    /// What counts without it: origin and value, the next one first. The table's default is left
    /// out.
    beneath: Vec<(Origin, Option<Cow<'static, str>>)>,
}

impl Setting {
    /// The value as text; `None` when unset, and for secrets.
    pub fn shown_value(&self) -> Option<&str> {
        if self.key.kind == Kind::Password {
            None
        } else {
            self.value.as_deref()
        }
    }

    /// Who gave the key a value, the one that counts first. The table's default is left out.
    pub fn written(&self) -> impl Iterator<Item = (&Origin, Option<&str>)> {
        let shown = |value| {
            if self.key.kind == Kind::Password {
                None
            } else {
                value
            }
        };
        let first = (&self.origin, self.value.as_deref());
        let beneath = self.beneath.iter();
        std::iter::once(first)
            .chain(beneath.map(|(origin, value)| (origin, value.as_deref())))
            .filter(|(origin, _)| **origin != Origin::Default)
            .map(move |(origin, value)| (origin, shown(value)))
    }
}

impl fmt::Debug for Setting {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.key.kind == Kind::Password && self.value.is_some();
        let value = if secret {
            Some(HIDDEN)
        } else {
            self.value.as_deref()
        };
        write!(f, "{}={value:?} ({})", self.key.name, self.origin)
    }
}

/// The value of every key of the table.
#[derive(Debug, Clone)]
pub struct Settings {
    by_name: BTreeMap<&'static str, Setting>,
}

/// What came of checking the written entries one by one.
#[derive(Debug)]
pub struct Checked {
    /// Every key with its value; the default stands in for a bad one.
    pub settings: Settings,
    /// What stops the start.
    pub problems: Vec<Problem>,
    /// What does not.
    pub warnings: Vec<Warning>,
}

/// Checks entries in the order of their authority: later ones win.
pub fn check(entries: Vec<Entry>) -> Checked {
    let mut checked = Checked {
        settings: Settings::defaults(),
        problems: Vec::new(),
        warnings: Vec::new(),
    };
    for entry in entries {
        checked.apply(entry);
    }
    checked
}

impl Checked {
    fn apply(&mut self, entry: Entry) {
        let place = place(&entry.origin, &entry.key);
        let Some(key) = Key::find(&entry.key) else {
            self.unknown(&entry, place);
            return;
        };
        let unset = entry.value.is_empty() && key.default.is_none();
        if !unset && let Err(expected) = key.kind.check(&entry.value) {
            self.problems.push(Problem {
                what: format!("{} is not a legal value", quoted(key, &entry.value)),
                remedy: format!("it must be {expected}"),
                place,
            });
            return;
        }
        if let Origin::File { line, .. } = self.settings.origin(key.name)
            && matches!(entry.origin, Origin::File { .. })
        {
            let what = format!("written on line {line} already; this later line wins");
            self.warnings.push(Warning {
                place: place.clone(),
                what,
            });
        }
        let changed = key.default.unwrap_or_default() != entry.value;
        match key.status {
            Status::Accepted(reason) if changed => {
                self.warnings.push(Warning {
                    place,
                    what: format!("no effect. {reason}"),
                });
            }
            Status::Refused(reason) if changed => {
                let what = format!("{} cannot be honoured", quoted(key, &entry.value));
                self.problems.push(Problem {
                    place,
                    what,
                    remedy: reason.to_owned(),
                });
            }
            _ => {}
        }
        self.settings.set(key, entry);
    }

    fn unknown(&mut self, entry: &Entry, place: String) {
        if entry.key.starts_with("listener.name.") {
            let what = "no effect. Settings of a single listener are not supported yet.".to_owned();
            self.warnings.push(Warning { place, what });
            return;
        }
        let remedy = match Key::nearest(&entry.key) {
            Some(name) => format!("did you mean {name}?"),
            None => "remove it, or look it up in docs/configuration.md".to_owned(),
        };
        self.problems.push(Problem {
            place,
            what: "there is no such key".to_owned(),
            remedy,
        });
    }
}

/// `server.properties:12: num.partitions`, or only the key when nobody wrote it.
fn place(origin: &Origin, key: &str) -> String {
    match origin {
        Origin::Default => key.to_owned(),
        written => format!("{written}: {key}"),
    }
}

fn quoted<'a>(key: &Key, value: &'a str) -> Cow<'a, str> {
    match key.kind {
        Kind::Password => HIDDEN.into(),
        _ => format!("\"{}\"", value.escape_debug()).into(),
    }
}

impl Settings {
    fn defaults() -> Self {
        let by_name = Key::all()
            .map(|key| {
                let value = key.default.map(Cow::Borrowed);
                (
                    key.name,
                    Setting {
                        key,
                        value,
                        origin: Origin::Default,
                        beneath: Vec::new(),
                    },
                )
            })
            .collect();
        Self { by_name }
    }

    /// An empty value of a key without a default means "unset", as in Kafka's own files.
    fn set(&mut self, key: &'static Key, entry: Entry) {
        let unset = entry.value.is_empty() && key.default.is_none();
        let value = (!unset).then_some(Cow::Owned(entry.value));
        self.by_name.insert(
            key.name,
            Setting {
                key,
                value,
                origin: entry.origin,
                beneath: Vec::new(),
            },
        );
    }

    /// Puts a value over those there are. One that the key cannot take while the broker runs, or
    /// that is out of its range, counts as absent: another version may have let it in.
    pub(super) fn overlay(&mut self, name: &str, value: &str, origin: Origin) {
        let Some(setting) = self.by_name.get_mut(name) else {
            return;
        };
        let Ok(value) = setting.key.kind.canonical(value) else {
            return;
        };
        if setting.key.update != Update::WhileRunning {
            return;
        }
        let origin = mem::replace(&mut setting.origin, origin);
        let value = setting.value.replace(Cow::Owned(value));
        setting.beneath.insert(0, (origin, value));
    }

    /// Every setting, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.by_name.values()
    }

    /// The setting of a key, by a name that may not exist.
    pub fn find(&self, name: &str) -> Option<&Setting> {
        self.by_name.get(name)
    }

    fn named(&self, name: &str) -> &Setting {
        self.by_name
            .get(name)
            .expect("the code only asks for keys of its own table")
    }

    /// The text of a key.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.named(name).value.as_deref()
    }

    /// Where a key's value was written.
    pub(super) fn origin(&self, name: &str) -> &Origin {
        &self.named(name).origin
    }

    /// Whether somebody wrote the key.
    pub(super) fn is_written(&self, name: &str) -> bool {
        *self.origin(name) != Origin::Default
    }

    /// A problem with the value of a key, at the place it was written.
    pub(crate) fn problem(&self, name: &str, what: String, remedy: &str) -> Problem {
        Problem {
            place: place(self.origin(name), name),
            what,
            remedy: remedy.to_owned(),
        }
    }

    /// The number of a key; `None` when unset.
    pub(super) fn optional_number<T: FromStr>(&self, name: &str) -> Option<T> {
        let parse = |text: &str| text.parse().ok().expect("the table's range was checked");
        self.text(name).map(parse)
    }

    /// The number of a key that has a default.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> T {
        self.optional_number(name).expect("the key has a default")
    }

    /// The time of a key in milliseconds that has a default and cannot be negative.
    pub(super) fn milliseconds(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// The switch of a key that has a default.
    pub(super) fn boolean(&self, name: &str) -> bool {
        self.text(name)
            .and_then(parse_boolean)
            .expect("the key has a default")
    }

    /// The words of a list, none when unset.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        split_list(self.text(name).unwrap_or_default())
    }
}
