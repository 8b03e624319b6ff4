//! Which partitions are meant. Pure.

use crate::topic_filter::TopicFilter;

/// Partitions of any cluster.
#[derive(Debug)]
pub(crate) struct Selection {
    /// One of them has to match.
    rules: Vec<Rule>,
}

/// Some partitions of some topics.
#[derive(Debug)]
struct Rule {
    /// All topics if absent.
    topics: Option<TopicFilter>,
    partitions: Partitions,
}

#[derive(Debug, PartialEq, Eq)]
enum Partitions {
    These(Vec<i32>),
    /// From the first, up to but without the second.
    Range(Option<i32>, Option<i32>),
}

impl Selection {
    /// `--topic` and `--partitions`.
    pub(crate) fn of_topics(topic: Option<&str>, indexes: Option<&str>) -> Result<Self, String> {
        let partitions = match indexes {
            None => Partitions::Range(None, None),
            Some(text) => Partitions::These(list(text)?),
        };
        let rule = Rule {
            topics: topic.map(filter).transpose()?,
            partitions,
        };
        Ok(Self { rules: vec![rule] })
    }

    /// `--topic-partitions`: rules such as `orders:0`, `orders:1-3`, `.*:-2`, `:5-`.
    pub(crate) fn of_rules(text: &str) -> Result<Self, String> {
        let rules = text.split(',').map(|rule| {
            let invalid = || format!("Invalid rule specification: {rule}");
            let (topics, partitions) = match rule.split_once(':') {
                Some((topics, partitions)) => (topics, range(partitions).ok_or_else(invalid)?),
                None => (rule, Partitions::Range(None, None)),
            };
            let topics = (!topics.is_empty()).then(|| filter(topics));
            Ok(Rule {
                topics: topics.transpose()?,
                partitions,
            })
        });
        let rules = rules.collect::<Result<_, String>>()?;
        Ok(Self { rules })
    }

    /// Whether that partition is meant.
    pub(crate) fn contains(&self, topic: &str, partition: i32) -> bool {
        self.rules.iter().any(|rule| {
            let is_meant = match &rule.partitions {
                Partitions::These(indexes) => indexes.contains(&partition),
                Partitions::Range(from, to) => {
                    from.is_none_or(|from| from <= partition) && to.is_none_or(|to| partition < to)
                }
            };
            is_meant && rule.topics.as_ref().is_none_or(|it| it.matches(topic))
        })
    }
}

fn filter(topics: &str) -> Result<TopicFilter, String> {
    TopicFilter::parse(topics).map_err(|error| error.to_string())
}

fn list(text: &str) -> Result<Vec<i32>, String> {
    let indexes = text.split(',').map(|index| index.trim().parse());
    indexes.collect::<Result<_, _>>().map_err(|_| {
        format!(
            "--partitions expects a comma separated list of numeric partition ids, but received: \
             {text}"
        )
    })
}

fn range(text: &str) -> Option<Partitions> {
    let bound = |text: &str| match text {
        "" => Some(None),
        digits if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse().ok().map(Some),
        _ => None,
    };
    match text.split_once('-') {
        Some((from, to)) => Some(Partitions::Range(bound(from)?, bound(to)?)),
        None => Some(match bound(text)? {
            Some(index) => Partitions::These(vec![index]),
            None => Partitions::Range(None, None),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_name_topics_and_ranges_of_partitions() {
        let check = |rules: &str, yes: &[(&str, i32)], no: &[(&str, i32)]| {
            let selection = Selection::of_rules(rules).unwrap();
            for (topic, partition) in yes {
                assert!(
                    selection.contains(topic, *partition),
                    "{rules} {topic} {partition}"
                );
            }
            for (topic, partition) in no {
                assert!(
                    !selection.contains(topic, *partition),
                    "{rules} {topic} {partition}"
                );
            }
        };
        check("t:1", &[("t", 1)], &[("t", 0), ("u", 1)]);
        check("t:1-3", &[("t", 1), ("t", 2)], &[("t", 0), ("t", 3)]);
        check("t:1-", &[("t", 1), ("t", 9)], &[("t", 0)]);
        check("t:-2", &[("t", 0), ("t", 1)], &[("t", 2)]);
        check("t", &[("t", 5)], &[("tt", 5)]);
        check("t:", &[("t", 5)], &[("u", 5)]);
        check(":0", &[("t", 0), ("u", 0)], &[("t", 1)]);
        check("t.*:0,u", &[("t7", 0), ("u", 3)], &[("t7", 1)]);
    }

    #[test]
    fn what_is_no_rule_is_told() {
        let error = |rules| Selection::of_rules(rules).unwrap_err();
        assert_eq!(error("t:x"), "Invalid rule specification: t:x");
        assert_eq!(error("t:1-2-3"), "Invalid rule specification: t:1-2-3");
        assert_eq!(
            error("t:99999999999"),
            "Invalid rule specification: t:99999999999"
        );
        assert_eq!(error("["), "[ is an invalid regex.");
    }

    #[test]
    fn topics_and_lists_of_partitions_narrow_each_other() {
        let selection = Selection::of_topics(Some("t.*"), Some("0,2")).unwrap();
        assert!(selection.contains("t1", 2) && !selection.contains("t1", 1));
        assert!(!selection.contains("u", 2));
        assert!(Selection::of_topics(None, None).unwrap().contains("u", 7));
        let error = Selection::of_topics(None, Some("0-2")).unwrap_err();
        assert!(error.ends_with("but received: 0-2"), "{error}");
    }
}
