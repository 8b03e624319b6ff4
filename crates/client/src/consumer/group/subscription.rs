//! Which topics a consumer subscribes to: by their names, or by what their names are like. Pure.

use std::collections::BTreeSet;

use regex::Regex;

use crate::{cluster::image::ClusterImage, error::Error};

/// What is subscribed to.
#[derive(Debug, Clone)]
pub(crate) enum Subscription {
    Names(BTreeSet<String>),
    /// Every topic whose whole name matches.
    Pattern(Regex),
}

impl Subscription {
    /// By a regular expression that the whole name must match.
    pub(crate) fn by_pattern(pattern: &str) -> Result<Self, Error> {
        let bad = |error: regex::Error| Error::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        // Read by itself first: "a)(b" is no pattern, though it would be one within brackets.
        Regex::new(pattern).map_err(bad)?;
        let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(bad)?;
        Ok(Self::Pattern(whole))
    }

    /// The topics, of all those that the cluster has told.
    pub(crate) fn topics(&self, image: &ClusterImage, exclude_internal: bool) -> BTreeSet<String> {
        match self {
            Self::Names(names) => names.clone(),
            Self::Pattern(pattern) => {
                let topics = image.topics.values();
                let matching = topics
                    .filter(|topic| !(exclude_internal && topic.internal))
                    .filter(|topic| pattern.is_match(&topic.name));
                matching.map(|topic| topic.name.to_string()).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use odradek_protocol::Uuid;

    use super::*;
    use crate::cluster::image::Topic;

    fn image(names: &[(&str, bool)]) -> ClusterImage {
        let topics = names.iter().map(|(name, internal)| {
            let topic = Topic {
                name: Arc::from(*name),
                id: Uuid::default(),
                internal: *internal,
                partitions: [].into(),
            };
            (Arc::from(*name), topic)
        });
        ClusterImage {
            topics: topics.collect(),
            ..ClusterImage::default()
        }
    }

    #[test]
    fn a_pattern_matches_whole_names() {
        let image = image(&[
            ("a1", false),
            ("a12", false),
            ("ba1", false),
            ("a1x", false),
        ]);
        let matching = |pattern: &str| {
            let subscription = Subscription::by_pattern(pattern).unwrap();
            subscription
                .topics(&image, true)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(matching("a1"), ["a1"]);
        assert_eq!(matching(r"a\d+"), ["a1", "a12"]);
        assert_eq!(matching("a1|ba1"), ["a1", "ba1"]);
        assert_eq!(matching("none"), Vec::<String>::new());
    }

    #[test]
    fn internal_topics_are_matched_only_if_that_is_wanted() {
        let image = image(&[("__consumer_offsets", true), ("mine", false)]);
        let all = Subscription::by_pattern(".*").unwrap();
        assert_eq!(all.topics(&image, true).len(), 1);
        assert_eq!(all.topics(&image, false).len(), 2);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(", "a)(b", "[z-a]"] {
            let refused = Subscription::by_pattern(pattern);
            assert!(
                matches!(refused, Err(Error::BadPattern { .. })),
                "{pattern}"
            );
        }
    }
}
