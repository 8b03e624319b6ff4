//! Partitions in the form that requests want: topic by topic.

use std::collections::BTreeMap;

/// Groups parts of a request by their topics, or by whatever names a topic, in its order.
pub(crate) fn by_topic<K: Ord, T>(
    parts: impl IntoIterator<Item = (K, T)>,
) -> impl Iterator<Item = (K, Vec<T>)> {
    let mut topics: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (topic, part) in parts {
        topics.entry(topic).or_default().push(part);
    }
    topics.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_topic_come_together_in_their_order() {
        let grouped = by_topic([("b", 1), ("a", 2), ("b", 0)]);
        assert_eq!(
            grouped.collect::<Vec<_>>(),
            [("a", vec![2]), ("b", vec![1, 0])]
        );
    }
}
