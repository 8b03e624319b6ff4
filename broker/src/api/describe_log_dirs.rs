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

use super::context::RequestContext;
use crate::{error_chain::ErrorChain, replica::Partition};

/// Describes what the request names and the directory has; the rest is left out.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let dir = Arc::clone(ctx.services.replicas.log_dir());
    let log_dir = absolute(dir.path());
    if dir.health().offline().is_some() {
        let failed = DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError,
            log_dir,
            ..Default::default()
        };
        return respond(failed);
    }
    let wanted = request.topics.map(wanted);
    let topics = topics(&ctx.services.replicas.online(), wanted.as_ref());
    let measure = move || dir.disk().space(dir.path());
    let space = match ctx.services.disk.run(measure).await {
        Ok(space) => space
            .inspect_err(|error| tracing::error!(error = %ErrorChain(error), "ask for free space"))
            .ok(),
        // The broker is stopping, and nobody hears the answer.
        Err(_) => None,
    };
    let known = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    respond(DescribeLogDirsResult {
        log_dir,
        topics,
        total_bytes: space.map_or(-1, |space| known(space.total_bytes)),
        usable_bytes: space.map_or(-1, |space| known(space.free_bytes)),
        ..Default::default()
    })
}

fn respond(directory: DescribeLogDirsResult) -> DescribeLogDirsResponse {
    DescribeLogDirsResponse {
        results: vec![directory],
        ..Default::default()
    }
}

/// The path as a person finds it from anywhere; Kafka shows it so, too.
fn absolute(path: &Path) -> String {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.display().to_string()
}

/// Partitions by topic, each once, however often they are named.
fn wanted(topics: Vec<DescribableLogDirTopic>) -> BTreeMap<String, BTreeSet<i32>> {
    let mut wanted = BTreeMap::<_, BTreeSet<_>>::new();
    for topic in topics {
        wanted
            .entry(topic.topic)
            .or_default()
            .extend(topic.partitions);
    }
    wanted
}

/// Those of the open partitions that are wanted, or all, sorted.
fn topics(
    open: &[Arc<Partition>],
    wanted: Option<&BTreeMap<String, BTreeSet<i32>>>,
) -> Vec<DescribeLogDirsTopic> {
    let mut topics = BTreeMap::<_, BTreeMap<_, _>>::new();
    for partition in open {
        let (topic, index) = (partition.topic(), partition.index());
        let is_wanted = |wanted: &BTreeMap<String, BTreeSet<i32>>| {
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
