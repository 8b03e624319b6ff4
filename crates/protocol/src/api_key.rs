//! The APIs this codec speaks: their numbers, versions, and where each becomes flexible.
//!
//! The table says what can be read and written. What a broker *advertises* is its own decision: an
//! API listed in an ApiVersions response is a promise to serve it.

use crate::primitives::VersionRange;

/// The lowest Produce version to advertise, although nothing below 3 is accepted.
///
/// Older librdkafka takes "Produce starts at 3" for "knows no gzip, snappy or lz4" and refuses to
/// compress (KAFKA-18659), so Kafka advertises from 0, and so must we.
pub const PRODUCE_ADVERTISED_VERSION_MIN: i16 = 0;

macro_rules! api_keys {
    ($(
        $(#[$meta:meta])*
        $name:ident = $key:literal,
        versions $min:literal..=$max:literal $(, flexible $flexible:literal..)?;
    )*) => {
        /// The number in a request header that says what is being asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        pub enum ApiKey {
            $( $(#[$meta])* $name = $key, )*
        }

        impl ApiKey {
            /// All APIs in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The versions that this codec reads and writes.
            pub const fn supported(self) -> VersionRange {
                match self {
                    $( Self::$name => VersionRange { min: $min, max: $max }, )*
                }
            }

            /// The first version with compact lengths and tagged fields (KIP-482).
            pub const fn first_flexible_version(self) -> Option<i16> {
                match self {
                    $( Self::$name => api_keys!(@flexible $($flexible)?), )*
                }
            }

            /// The API's name as Kafka spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$name => stringify!($name), )*
                }
            }
        }

        impl TryFrom<i16> for ApiKey {
            type Error = UnknownApiKey;

            fn try_from(key: i16) -> Result<Self, UnknownApiKey> {
                match key {
                    $( $key => Ok(Self::$name), )*
                    _ => Err(UnknownApiKey(key)),
                }
            }
        }
    };
    (@flexible) => { None };
    (@flexible $flexible:literal) => { Some($flexible) };
}

api_keys! {
    /// Appends record sets to partitions.
    Produce = 0, versions 3..=13, flexible 9..;
    /// Reads record sets from partitions.
    Fetch = 1, versions 4..=17, flexible 12..;
    /// Finds offsets by timestamp, and the first and last of a partition.
    ListOffsets = 2, versions 1..=10, flexible 6..;
    /// Brokers, topics, partitions and their leaders.
    Metadata = 3, versions 0..=13, flexible 9..;
    /// Stores a group's positions.
    OffsetCommit = 8, versions 2..=9, flexible 8..;
    /// Reads a group's positions.
    OffsetFetch = 9, versions 1..=9, flexible 6..;
    /// Which broker coordinates a group or a transactional id.
    FindCoordinator = 10, versions 0..=6, flexible 3..;
    /// Joins a group and waits for the next generation.
    JoinGroup = 11, versions 0..=9, flexible 6..;
    /// Says that a group member is alive.
    Heartbeat = 12, versions 0..=4, flexible 4..;
    /// Leaves a group.
    LeaveGroup = 13, versions 0..=5, flexible 4..;
    /// Hands out, or waits for, the assignment of a generation.
    SyncGroup = 14, versions 0..=5, flexible 4..;
    /// State and members of groups.
    DescribeGroups = 15, versions 0..=6, flexible 5..;
    /// The groups a broker coordinates.
    ListGroups = 16, versions 0..=5, flexible 3..;
    /// Which APIs and versions the broker serves.
    ApiVersions = 18, versions 0..=4, flexible 3..;
    /// Creates topics.
    CreateTopics = 19, versions 2..=7, flexible 5..;
    /// Deletes topics.
    DeleteTopics = 20, versions 1..=6, flexible 4..;
    /// Deletes the records of partitions below an offset.
    DeleteRecords = 21, versions 0..=2, flexible 2..;
    /// Gives a producer its id and epoch.
    InitProducerId = 22, versions 0..=5, flexible 2..;
    /// Where a leader epoch ends, for finding a truncation.
    OffsetForLeaderEpoch = 23, versions 2..=4, flexible 4..;
    /// Effective configuration of topics and brokers.
    DescribeConfigs = 32, versions 1..=4, flexible 4..;
    /// Replaces the configuration of topics and brokers.
    AlterConfigs = 33, versions 0..=2, flexible 2..;
    /// Log directories, their space, and the partitions in them.
    DescribeLogDirs = 35, versions 1..=4, flexible 2..;
    /// Adds partitions to topics.
    CreatePartitions = 37, versions 0..=3, flexible 2..;
    /// Deletes empty groups.
    DeleteGroups = 42, versions 0..=2, flexible 2..;
    /// Chooses the leaders of partitions anew.
    ElectLeaders = 43, versions 0..=2, flexible 2..;
    /// Changes single keys of the configuration of topics and brokers.
    IncrementalAlterConfigs = 44, versions 0..=1, flexible 1..;
    /// Moves partitions to other brokers.
    AlterPartitionReassignments = 45, versions 0..=1, flexible 0..;
    /// Which partitions are moving.
    ListPartitionReassignments = 46, versions 0..=0, flexible 0..;
    /// Deletes single positions of a group.
    OffsetDelete = 47, versions 0..=0;
    /// The voters of the metadata log and how far each has come.
    DescribeQuorum = 55, versions 0..=2, flexible 0..;
    /// The brokers of the cluster, its controller and id.
    DescribeCluster = 60, versions 0..=2, flexible 0..;
    /// What partitions remember of their producers.
    DescribeProducers = 61, versions 0..=0, flexible 0..;
    /// State and members of groups whose coordinator assigns.
    ConsumerGroupDescribe = 69, versions 0..=1, flexible 0..;
    /// What has a configuration.
    ListConfigResources = 74, versions 0..=1, flexible 0..;
    /// Topics and their partitions, in pages.
    DescribeTopicPartitions = 75, versions 0..=0, flexible 0..;
}

/// A number that names no API this codec speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown API key {0}")]
pub struct UnknownApiKey(pub i16);

impl ApiKey {
    /// The number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The version of the request header that precedes a request of this API and version.
    ///
    /// Defined for any version, also an unsupported one: to answer that, the header must be read.
    pub const fn request_header_version(self, api_version: i16) -> i16 {
        if self.is_flexible(api_version) { 2 } else { 1 }
    }

    /// The version of the response header that precedes a response of this API and version.
    ///
    /// For ApiVersions it is always 0: a client that asked for a version the broker does not know
    /// must be able to read the answer (KIP-511).
    pub const fn response_header_version(self, api_version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(api_version) => 1,
            _ => 0,
        }
    }

    /// Whether `api_version` uses compact lengths and tagged fields.
    pub const fn is_flexible(self, api_version: i16) -> bool {
        match self.first_flexible_version() {
            Some(first) => first <= api_version,
            None => false,
        }
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_key() {
        for &key in ApiKey::ALL {
            assert_eq!(ApiKey::try_from(key.number()), Ok(key));
        }
        assert_eq!(ApiKey::try_from(7), Err(UnknownApiKey(7)));
        assert_eq!(ApiKey::try_from(-1), Err(UnknownApiKey(-1)));
    }

    #[test]
    fn flexible_versions_have_the_longer_headers() {
        assert_eq!(ApiKey::Produce.request_header_version(8), 1);
        assert_eq!(ApiKey::Produce.response_header_version(8), 0);
        assert_eq!(ApiKey::Produce.request_header_version(9), 2);
        assert_eq!(ApiKey::Produce.response_header_version(9), 1);
        assert_eq!(ApiKey::OffsetDelete.request_header_version(0), 1);
    }

    #[test]
    fn an_api_versions_response_always_has_the_first_header() {
        for version in [0, 3, 4, 99] {
            assert_eq!(ApiKey::ApiVersions.response_header_version(version), 0);
        }
        assert_eq!(ApiKey::ApiVersions.request_header_version(2), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(99), 2);
    }
}
