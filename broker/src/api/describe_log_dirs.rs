//! DescribeLogDirs: the log directory, the room on its file system, and how large each partition
//! in it is (KIP-113, KIP-827). A broker has one directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{self, Path},
    sync::Arc,
};

use odradek_protocol::{
    ErrorCode,
    messages::describe_log_dirs::{
        DescribableLogDirTopic, DescribeLogDirsPartition, DescribeLogDirsRequest,
        DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
    },
};
use odradek_storage::log_dir::LogDir;

use super::context::RequestContext;
use crate::{error_chain::ErrorChain, replica::Partition};

/// Describes what the request names and the directory has; the rest is left out.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let replicas = Arc::clone(&ctx.services.replicas);
    let wanted = request.topics.map(wanted);
    let describe = move || directory(replicas.log_dir(), &replicas.online(), wanted.as_ref());
    // The pool loses a job only when the broker stops, and then nobody hears the answer.
    let described = ctx.services.disk.run(describe).await;
    DescribeLogDirsResponse {
        results: described.into_iter().collect(),
        ..Default::default()
    }
}

/// Partitions by topic.
type Wanted = BTreeMap<String, BTreeSet<i32>>;

/// Describes the directory with those of its open partitions that are wanted, or all. Blocks.
fn directory(
    dir: &LogDir,
    open: &[Arc<Partition>],
    wanted: Option<&Wanted>,
) -> DescribeLogDirsResult {
    let log_dir = absolute(dir.path());
    if dir.health().offline().is_some() {
        return DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError,
            log_dir,
            ..Default::default()
        };
    }
    let space = dir.disk().space(dir.path());
    let space = space
        .inspect_err(|error| tracing::error!(error = %ErrorChain(error), "ask for free space"))
        .ok();
    let known = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    DescribeLogDirsResult {
        log_dir,
        topics: topics(open, wanted),
        total_bytes: space.map_or(-1, |space| known(space.total_bytes)),
        usable_bytes: space.map_or(-1, |space| known(space.free_bytes)),
        ..Default::default()
    }
}

/// The path as a person finds it from anywhere; Kafka shows it so, too.
fn absolute(path: &Path) -> String {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.display().to_string()
}

/// Each partition once, however often it is named.
fn wanted(topics: Vec<DescribableLogDirTopic>) -> Wanted {
    let mut wanted = Wanted::new();
    for topic in topics {
        wanted
            .entry(topic.topic)
            .or_default()
            .extend(topic.partitions);
    }
    wanted
}

/// Sorted by name and number.
fn topics(open: &[Arc<Partition>], wanted: Option<&Wanted>) -> Vec<DescribeLogDirsTopic> {
    let mut topics = BTreeMap::<_, BTreeMap<_, _>>::new();
    for partition in open {
        let (topic, index) = (partition.topic(), partition.index());
        let is_wanted = |wanted: &Wanted| {
            wanted
                .get(&**topic)
                .is_some_and(|indexes| indexes.contains(&index))
        };
        if wanted.is_none_or(is_wanted) {
            let topic = topics.entry(Arc::clone(topic)).or_default();
            topic.insert(index, describe(partition));
        }
    }
    topics
        .into_iter()
        .map(|(name, partitions)| DescribeLogDirsTopic {
            name: name.to_string(),
            partitions: partitions.into_values().collect(),
        })
        .collect()
}

fn describe(partition: &Partition) -> DescribeLogDirsPartition {
    let view = partition.view();
    DescribeLogDirsPartition {
        partition_index: partition.index(),
        partition_size: i64::try_from(view.size_bytes()).unwrap_or(i64::MAX),
        // The end second: it only grows, and is never below a high watermark seen before.
        offset_lag: (partition.high_watermark() - view.log_end_offset()).max(0),
        is_future_key: false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::replica::test_support::{TestBroker, enqueue, records};

    #[tokio::test]
    async fn a_directory_that_failed_says_so_and_nothing_else() {
        let mut broker = TestBroker::new().await;
        broker.create("t", 1, &[("flush.messages", "1")]).await;
        let describe = |broker: &TestBroker| {
            let manager = &broker.manager;
            directory(manager.log_dir(), &manager.online(), None)
        };
        let healthy = describe(&broker);
        assert_eq!(
            (healthy.error_code, healthy.topics.len()),
            (ErrorCode::None, 1)
        );
        broker.disk.fail_syncs();
        let refused = enqueue(&broker.partition("t", 0), records(&["x"])).await;
        assert!(refused.unwrap().is_err());
        let failed = DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError,
            log_dir: "/data".to_owned(),
            ..Default::default()
        };
        assert_eq!(describe(&broker), failed);
        assert_eq!((failed.total_bytes, failed.usable_bytes), (-1, -1));
    }
}
