//! The log directories of brokers: what lies in them, and how much space there is (KIP-113).

use std::collections::BTreeMap;

use odradek_protocol::{
    ErrorCode,
    messages::describe_log_dirs::{
        DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
        DescribeLogDirsResult,
    },
};

use super::{Admin, offsets::TopicPartition};
use crate::{cluster::Target, error::Error};

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    /// Its path on the broker's machine.
    pub path: String,
    /// Why it is out of use, if it is.
    pub failed: Option<ErrorCode>,
    /// The size in bytes of the file system it is on, where the broker tells (KIP-827).
    pub total_bytes: Option<i64>,
    /// How many bytes of it are free, where the broker tells (KIP-827).
    pub usable_bytes: Option<i64>,
    /// The replicas in it.
    pub replicas: BTreeMap<TopicPartition, LogDirReplica>,
}

/// A replica in a log directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The size of its segments in bytes.
    pub bytes: i64,
    /// How many records it is behind: behind the high watermark, or, while it is a copy on its
    /// way, behind the replica that it will replace.
    pub offset_lag: i64,
    /// Whether it is a copy on its way to another directory of the broker.
    pub is_future: bool,
}

impl Admin {
    /// The log directories of these brokers, each asked itself.
    pub async fn describe_log_dirs(
        &self,
        brokers: &[i32],
    ) -> BTreeMap<i32, Result<Vec<LogDir>, Error>> {
        let mut described = BTreeMap::new();
        for broker in brokers {
            let answer = self.ask(
                "describe log directories",
                Target::Broker(*broker),
                |_| Ok(DescribeLogDirsRequest { topics: None }),
                |answer| read(*broker, answer),
            );
            described.insert(*broker, answer.await);
        }
        described
    }
}

fn read(broker: i32, answer: DescribeLogDirsResponse) -> Result<Vec<LogDir>, Error> {
    Error::check(format!("broker {broker}"), answer.error_code, None)?;
    Ok(answer.results.into_iter().map(directory).collect())
}

fn directory(result: DescribeLogDirsResult) -> LogDir {
    let replicas = result.topics.into_iter().flat_map(|topic| {
        let name = topic.name;
        let each = topic.partitions.into_iter();
        each.map(move |it| ((name.clone(), it.partition_index), replica(&it)))
    });
    let known = |bytes: i64| (0 <= bytes).then_some(bytes);
    LogDir {
        path: result.log_dir,
        failed: result.error_code.is_error().then_some(result.error_code),
        total_bytes: known(result.total_bytes),
        usable_bytes: known(result.usable_bytes),
        replicas: replicas.collect(),
    }
}

const fn replica(partition: &DescribeLogDirsPartition) -> LogDirReplica {
    LogDirReplica {
        bytes: partition.partition_size,
        offset_lag: partition.offset_lag,
        is_future: partition.is_future_key,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_failed_directory_is_described_beside_the_others() {
        let result = |log_dir: &str, error_code| DescribeLogDirsResult {
            error_code,
            log_dir: log_dir.to_owned(),
            total_bytes: -1,
            usable_bytes: 7,
            ..Default::default()
        };
        let answer = DescribeLogDirsResponse {
            results: vec![
                result("/a", ErrorCode::None),
                result("/b", ErrorCode::KafkaStorageError),
            ],
            ..Default::default()
        };
        let directories = read(1, answer).unwrap();
        let failed: Vec<_> = directories.iter().map(|it| it.failed).collect();
        assert_eq!(failed, [None, Some(ErrorCode::KafkaStorageError)]);
        assert_eq!(
            (directories[0].total_bytes, directories[0].usable_bytes),
            (None, Some(7))
        );
    }

    #[test]
    fn an_error_of_the_whole_answer_is_an_error() {
        let answer = DescribeLogDirsResponse {
            error_code: ErrorCode::ClusterAuthorizationFailed,
            ..Default::default()
        };
        assert!(read(1, answer).is_err());
    }
}
