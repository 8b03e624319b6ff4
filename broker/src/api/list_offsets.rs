//! ListOffsets: offsets by timestamp, and the ends of partitions.
//!
//! All lookups of a request are one job on the disk pool. What is found is bounded by what the
//! asker may see: the high watermark, or the last stable offset under `read_committed` (KIP-98).

use std::sync::Arc;

use hashbrown::HashSet;
use odradek_protocol::{
    ErrorCode,
    messages::list_offsets::{
        EARLIEST_LOCAL_TIMESTAMP, EARLIEST_TIMESTAMP, LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP,
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListOffsetsTopicResponse, MAX_TIMESTAMP,
    },
};
use odradek_storage::timestamps::{TimestampOffset, TimestampQuery};

use super::{context::RequestContext, error_code};
use crate::{error_chain::ErrorChain, fetch::reading::stale_epoch, replica::Partition};

/// Where what the asker may see of a partition ends.
type VisibleEnd = fn(&Partition) -> i64;

/// Answers every partition of the request, in its order.
pub(super) async fn handle(
    ctx: &RequestContext,
    request: ListOffsetsRequest,
) -> ListOffsetsResponse {
    let visible_end: VisibleEnd = if request.isolation_level == 1 {
        Partition::last_stable
    } else {
        Partition::high_watermark
    };
    let mut seen = HashSet::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let mut lookups = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let first = seen.insert((topic.name.clone(), asked.partition_index));
            let prepared = if first {
                prepare(ctx, &topic.name, &asked, visible_end)
            } else {
                Err(ErrorCode::InvalidRequest)
            };
            lookups.push((asked.partition_index, prepared));
        }
        topics.push((topic.name, lookups));
    }
    let find_all = move || {
        topics
            .into_iter()
            .map(|(name, lookups)| find(name, lookups))
            .collect()
    };
    // The pool loses a job only when the broker stops, and then nobody hears the answer.
    let topics = ctx.services.disk.run(find_all).await.unwrap_or_default();
    ListOffsetsResponse {
        throttle_time_ms: 0,
        topics,
    }
}

/// A question about one partition that may be asked.
struct Lookup {
    partition: Arc<Partition>,
    /// `None`: of what tiered storage has, which is nothing.
    query: Option<TimestampQuery>,
    visible_end: VisibleEnd,
}

fn prepare(
    ctx: &RequestContext,
    topic: &str,
    asked: &ListOffsetsPartition,
    visible_end: VisibleEnd,
) -> Result<Lookup, ErrorCode> {
    let query = query(asked.timestamp, ctx.api_version)?;
    let partition = ctx
        .services
        .replicas
        .partition(topic, asked.partition_index)
        .map_err(error_code::of_partition)?;
    match stale_epoch(&partition, asked.current_leader_epoch) {
        Some(code) => Err(code),
        None => Ok(Lookup {
            partition,
            query,
            visible_end,
        }),
    }
}

/// What a timestamp of the request means; the special ones came with later versions.
fn query(timestamp: i64, api_version: i16) -> Result<Option<TimestampQuery>, ErrorCode> {
    match timestamp {
        0.. => Ok(Some(TimestampQuery::AtOrAfter(timestamp))),
        LATEST_TIMESTAMP => Ok(Some(TimestampQuery::Latest)),
        EARLIEST_TIMESTAMP => Ok(Some(TimestampQuery::Earliest)),
        MAX_TIMESTAMP if 7 <= api_version => Ok(Some(TimestampQuery::MaxTimestamp)),
        EARLIEST_LOCAL_TIMESTAMP if 8 <= api_version => Ok(Some(TimestampQuery::EarliestLocal)),
        LATEST_TIERED_TIMESTAMP if 9 <= api_version => Ok(None),
        _ => Err(ErrorCode::UnsupportedVersion),
    }
}

/// Does the lookups of one topic. Blocks.
fn find(name: String, lookups: Vec<(i32, Result<Lookup, ErrorCode>)>) -> ListOffsetsTopicResponse {
    let partitions = lookups.into_iter().map(|(partition_index, prepared)| {
        let found = prepared.and_then(|lookup| lookup.find());
        let (error_code, found) = match found {
            Ok(found) => (ErrorCode::None, found),
            Err(code) => (code, None),
        };
        ListOffsetsPartitionResponse {
            partition_index,
            error_code,
            timestamp: found.map_or(-1, |found| found.timestamp),
            offset: found.map_or(-1, |found| found.offset),
            leader_epoch: found.and_then(|found| found.leader_epoch).unwrap_or(-1),
        }
    });
    ListOffsetsTopicResponse {
        partitions: partitions.collect(),
        name,
    }
}

impl Lookup {
    /// Blocks.
    fn find(&self) -> Result<Option<TimestampOffset>, ErrorCode> {
        let Some(query) = self.query else {
            return Ok(None);
        };
        let end = (self.visible_end)(&self.partition);
        if query == TimestampQuery::Latest {
            return Ok(Some(TimestampOffset {
                offset: end,
                timestamp: -1,
                leader_epoch: Some(self.partition.leader_epoch()),
            }));
        }
        let found = self.partition.view().offset_for_timestamp(query).map_err(|error| {
            let partition = self.partition.identity();
            tracing::error!(%partition, error = %ErrorChain(&error), "find offset by timestamp");
            error_code::of_read(&error)
        })?;
        // The start of a log may be seen even when it is empty; a record only once committed.
        let is_start = matches!(
            query,
            TimestampQuery::Earliest | TimestampQuery::EarliestLocal
        );
        Ok(found.filter(|found| is_start || found.offset < end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_are_understood_from_their_version_on() {
        for (timestamp, version, expected) in [
            (0, 1, Ok(Some(TimestampQuery::AtOrAfter(0)))),
            (-1, 1, Ok(Some(TimestampQuery::Latest))),
            (-2, 1, Ok(Some(TimestampQuery::Earliest))),
            (-3, 6, Err(ErrorCode::UnsupportedVersion)),
            (-3, 7, Ok(Some(TimestampQuery::MaxTimestamp))),
            (-4, 7, Err(ErrorCode::UnsupportedVersion)),
            (-4, 8, Ok(Some(TimestampQuery::EarliestLocal))),
            (-5, 8, Err(ErrorCode::UnsupportedVersion)),
            (-5, 9, Ok(None)),
            (-6, 10, Err(ErrorCode::UnsupportedVersion)),
        ] {
            assert_eq!(
                query(timestamp, version),
                expected,
                "{timestamp} in version {version}"
            );
        }
    }
}
