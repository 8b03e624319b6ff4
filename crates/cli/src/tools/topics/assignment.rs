//! `--replica-assignment`: 1:2,2:3 puts partition 0 on brokers 1 and 2, partition 1 on 2 and 3.

/// The brokers of each partition, preferred leader first.
pub(super) type Assignment = Vec<Vec<i32>>;

/// Why an assignment makes no sense, in Kafka's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAssignment {
    #[error("For input string: \"{0}\"")]
    NoNumber(String),
    #[error("Partition replica lists may not contain duplicate entries: {0}")]
    Twice(i32),
    #[error("Partition {partition} has different replication factor: {brokers:?}")]
    Uneven { partition: usize, brokers: Vec<i32> },
}

/// Reads an assignment. All partitions have as many replicas.
pub(super) fn parse(text: &str) -> Result<Assignment, BadAssignment> {
    let mut assignment = Assignment::new();
    for (partition, brokers) in text.split(',').enumerate() {
        let brokers = brokers_of(brokers)?;
        let factor = assignment.first().map_or(brokers.len(), Vec::len);
        if brokers.len() != factor {
            return Err(BadAssignment::Uneven { partition, brokers });
        }
        assignment.push(brokers);
    }
    Ok(assignment)
}

fn brokers_of(text: &str) -> Result<Vec<i32>, BadAssignment> {
    let mut brokers = Vec::new();
    for broker in text.split(':').map(str::trim) {
        let id = broker
            .parse()
            .map_err(|_| BadAssignment::NoNumber(broker.to_owned()))?;
        if brokers.contains(&id) {
            return Err(BadAssignment::Twice(id));
        }
        brokers.push(id);
    }
    Ok(brokers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_brokers_and_mistakes_are_named() {
        assert_eq!(parse("1:2,2:3"), Ok(vec![vec![1, 2], vec![2, 3]]));
        assert_eq!(parse("1"), Ok(vec![vec![1]]));
        for (text, expected) in [
            ("a", "For input string: \"a\""),
            ("1,", "For input string: \"\""),
            (
                "1:1",
                "Partition replica lists may not contain duplicate entries: 1",
            ),
            (
                "1,1:2",
                "Partition 1 has different replication factor: [1, 2]",
            ),
        ] {
            let error = parse(text).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), Some(expected));
        }
    }
}
