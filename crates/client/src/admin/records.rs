//! Deleting the oldest records of partitions (KIP-107).

use odradek_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
    TO_HIGH_WATERMARK,
};

use super::{
    Admin,
    leaders::Question,
    offsets::{ByPartition, TopicPartition},
};
use crate::{by_topic::by_topic, error::Error};

/// Which records of a partition go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteBefore {
    /// Those below this offset.
    Offset(i64),
    /// All that consumers can read.
    HighWatermark,
}

impl Admin {
    /// Deletes the records of each partition below an offset, for good, on every replica. The
    /// result is the lowest offset that any replica still has.
    ///
    /// An offset below the first record deletes nothing; one above the high watermark is
    /// [`OffsetOutOfRange`](odradek_protocol::ErrorCode::OffsetOutOfRange).
    pub async fn delete_records(
        &self,
        wanted: &ByPartition<DeleteBefore>,
    ) -> ByPartition<Result<i64, Error>> {
        let timeout_ms = self.timeout_ms();
        let question = Question {
            what: "delete records",
            wanted,
            ask: |partitions: &[(&TopicPartition, &DeleteBefore)]| request(partitions, timeout_ms),
            read,
        };
        question.put(&self.cluster).await
    }
}

fn request(
    partitions: &[(&TopicPartition, &DeleteBefore)],
    timeout_ms: i32,
) -> DeleteRecordsRequest {
    let each = partitions.iter().map(|((topic, index), before)| {
        let partition = DeleteRecordsPartition {
            partition_index: *index,
            offset: match before {
                DeleteBefore::Offset(offset) => *offset,
                DeleteBefore::HighWatermark => TO_HIGH_WATERMARK,
            },
        };
        (topic.as_str(), partition)
    });
    let topics = by_topic(each).map(|(name, partitions)| DeleteRecordsTopic {
        name: name.to_owned(),
        partitions,
    });
    DeleteRecordsRequest {
        topics: topics.collect(),
        timeout_ms,
    }
}

fn read(answer: DeleteRecordsResponse) -> ByPartition<Result<i64, Error>> {
    let topics = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        topic.partitions.into_iter().map(move |partition| {
            let index = partition.partition_index;
            let outcome = Error::check(format!("{name}-{index}"), partition.error_code, None);
            (
                (name.clone(), index),
                outcome.map(|()| partition.low_watermark),
            )
        })
    });
    topics.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_watermark_is_asked_for_in_kafkas_way() {
        let (first, second) = (("t".to_owned(), 0), ("t".to_owned(), 3));
        let wanted = [
            (&first, &DeleteBefore::Offset(7)),
            (&second, &DeleteBefore::HighWatermark),
        ];
        let request = request(&wanted, 5);
        assert_eq!(request.topics.len(), 1);
        let asked = request.topics.iter().flat_map(|topic| &topic.partitions);
        let asked = asked.map(|partition| (partition.partition_index, partition.offset));
        assert_eq!(asked.collect::<Vec<_>>(), [(0, 7), (3, -1)]);
    }
}
