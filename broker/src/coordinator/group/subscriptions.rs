//! What topics the members of a consumer group subscribe to, as far as their metadata tells.
//!
//! The metadata is otherwise opaque to the broker. It is looked into for one purpose: offsets of
//! topics that somebody is subscribed to are neither expired nor deleted.

use std::collections::BTreeSet;

use bytes::Bytes;
use odradek_protocol::{DecodeError, Decoder, Format, Wire};

/// The protocol type of consumers.
pub(crate) const CONSUMER: &str = "consumer";

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subscriptions {
    /// Any topic may be subscribed to.
    Unknown,
    /// These.
    Topics(BTreeSet<String>),
}

impl Subscriptions {
    /// Nothing.
    pub(super) fn none() -> Self {
        Self::Topics(BTreeSet::new())
    }

    /// What the members' metadata says. If one cannot be read, nothing is known.
    pub(super) fn of(metadata: impl Iterator<Item = Bytes>) -> Self {
        let mut all = BTreeSet::new();
        for metadata in metadata {
            match topics(&metadata) {
                Ok(topics) => all.extend(topics),
                Err(_) => return Self::Unknown,
            }
        }
        Self::Topics(all)
    }

    /// Whether somebody may be subscribed to the topic.
    pub(super) fn may_contain(&self, topic: &str) -> bool {
        match self {
            Self::Unknown => true,
            Self::Topics(topics) => topics.contains(topic),
        }
    }
}

/// A subscription begins with its version and the topics; what newer versions append is not needed.
fn topics(metadata: &Bytes) -> Result<Vec<String>, DecodeError> {
    let format = Format {
        version: 0,
        flexible: false,
    };
    let mut decoder = Decoder::new(metadata);
    let _version = decoder.read_i16()?;
    Vec::<String>::decode(&mut decoder, format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metadata: &[&'static [u8]], topic: &str, expected: bool) {
        let metadata = metadata.iter().map(|bytes| Bytes::from_static(bytes));
        let subscriptions = Subscriptions::of(metadata);
        assert_eq!(
            subscriptions.may_contain(topic),
            expected,
            "{subscriptions:?}"
        );
    }

    #[test]
    fn topics_are_read_and_everything_behind_them_is_not() {
        let a = b"\0\x01\0\0\0\x01\0\x01a\xff\xff\xff\xff";
        let b = b"\0\0\0\0\0\x01\0\x01b";
        check(&[a, b], "a", true);
        check(&[a, b], "b", true);
        check(&[a, b], "c", false);
        check(&[], "a", false);
    }

    #[test]
    fn metadata_that_is_no_subscription_may_mean_any_topic() {
        let a = b"\0\x01\0\0\0\x01\0\x01a";
        check(&[a, b""], "c", true);
        check(&[a, b"\0\0\x7f\xff\xff\xff"], "c", true);
        check(&[b"\0\0\0\0\0\x01\xff\xffa"], "c", true);
    }
}
