//! The cases: what every client is asked to do, in the order of the table.
//!
//! The names are the agreement with the programs under `tests/compat`; what a case means is written
//! here once and becomes part of docs/compatibility.md.

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What passing it shows.
    pub(super) meaning: &'static str,
}

const fn case(name: &'static str, meaning: &'static str) -> Case {
    Case { name, meaning }
}

/// Every case.
pub(super) const CASES: &[Case] = &[
    case(
        "produce-none",
        "1 000 records into 3 partitions with acks=all, read back and compared",
    ),
    case("produce-gzip", "the same with gzip"),
    case("produce-snappy", "the same with snappy"),
    case("produce-lz4", "the same with lz4"),
    case("produce-zstd", "the same with zstd"),
    case("acks-0", "records sent without acknowledgement arrive"),
    case("acks-1", "records acknowledged by the leader alone arrive"),
    case(
        "idempotent",
        "an idempotent producer's records arrive once and in order",
    ),
    case(
        "consume-from-beginning",
        "a consumer without offsets reads all that is there",
    ),
    case(
        "consume-from-timestamp",
        "a timestamp finds the first record at or after it",
    ),
    case("seek", "a consumer goes back and forth"),
    case(
        "large-message",
        "a record of 900 KB, below the broker's limit of 1 MiB",
    ),
    case("group-one-member", "one member gets all partitions"),
    case(
        "group-join-leave",
        "a second member joins and both have work; one leaves, the other has all",
    ),
    case(
        "group-member-death",
        "a member vanishes; after its session timeout the other has all",
    ),
    case(
        "group-cooperative",
        "incremental rebalancing: partitions move one by one",
    ),
    case(
        "group-static-member",
        "a member with an instance id returns to its partitions",
    ),
    case(
        "group-spare-member",
        "more members than partitions: the spare one waits, and takes over",
    ),
    case(
        "commit-and-resume",
        "a second consumer continues at the first one's commit",
    ),
    case("commit-metadata", "a commit's text comes back"),
    case(
        "reset-earliest",
        "without a commit, earliest begins at the first record",
    ),
    case("reset-latest", "without a commit, latest begins at the end"),
    case(
        "offsets-admin",
        "groups are listed and described, offsets changed and deleted, a group deleted",
    ),
    case("create-topic", "a topic with partitions and settings"),
    case(
        "create-partitions",
        "a topic grows, and its new partitions take records",
    ),
    case("delete-topic", "a deleted topic is gone"),
    case(
        "delete-records",
        "records below an offset are gone, and the log begins there",
    ),
    case(
        "describe-configs",
        "a topic's and a broker's settings, with their sources",
    ),
    case(
        "alter-configs",
        "all settings of a topic replaced (the old API)",
    ),
    case(
        "incremental-alter-configs",
        "settings of a topic set and unset one by one",
    ),
    case(
        "list-offsets",
        "first and last offset, and the offset of a timestamp",
    ),
    case(
        "describe-cluster",
        "the cluster's id, its nodes, its controller",
    ),
    case(
        "error-unknown-topic",
        "a topic that is not there is told as that",
    ),
    case(
        "error-too-large-record",
        "a record above the topic's limit is told as that",
    ),
    case(
        "error-invalid-topic-name",
        "a name with a blank is told as that",
    ),
    case(
        "error-duplicate-topic",
        "a second topic of one name is told as that",
    ),
    case(
        "error-bad-partition-count",
        "fewer partitions than there are is told as that",
    ),
    case(
        "error-unknown-group",
        "deleting a group that is not there is told as that",
    ),
];

/// The cases of these names, in the order of the table; all of them without a name.
///
/// # Errors
///
/// The first name that is no case.
pub(super) fn named(names: &[String]) -> anyhow::Result<Vec<&'static Case>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| CASES.iter().all(|case| case.name != **name))
    {
        anyhow::bail!("{unknown} is no case; they are in xtask/src/compat/cases.rs");
    }
    let wanted = |case: &&Case| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(CASES.iter().filter(wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_come_in_the_order_of_the_table() {
        let names = ["seek".to_owned(), "acks-0".to_owned()];
        let found: Vec<_> = named(&names)
            .unwrap_or_default()
            .iter()
            .map(|case| case.name)
            .collect();
        assert_eq!(found, ["acks-0", "seek"]);
        assert!(named(&["sek".to_owned()]).is_err());
        assert_eq!(named(&[]).unwrap_or_default().len(), CASES.len());
    }
}
