//! ElectLeaders: whether a partition has the leader that an operator wants.
//!
//! As long as a partition has one replica, that one leads whenever it is alive: no election changes
//! anything, so this decides on an answer and never on records.

use odradek_protocol::ErrorCode;

use super::Refusal;
use crate::image::{MetadataImage, PartitionImage};

/// Which leader is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Election {
    /// The first replica.
    Preferred,
    /// Any replica, even one that lacks records, if there is no leader.
    Unclean,
}

/// Why that partition gets no other leader.
pub fn elect_leader(
    image: &MetadataImage,
    topic: &str,
    partition: i32,
    election: Election,
) -> Refusal {
    let unknown = |message| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
    let Some(topic) = image.topic(topic) else {
        return unknown(format!("No such topic as {topic}"));
    };
    match topic.partition(partition) {
        Some(partition) => of_partition(partition, election),
        None => unknown(format!("No such partition as {}-{partition}", topic.name)),
    }
}

fn of_partition(partition: &PartitionImage, election: Election) -> Refusal {
    let has_wanted = match election {
        Election::Preferred => partition.replicas.first() == Some(&partition.leader),
        Election::Unclean => 0 <= partition.leader,
    };
    let code = match election {
        _ if has_wanted => ErrorCode::ElectionNotNeeded,
        Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
        Election::Unclean => ErrorCode::EligibleLeadersNotAvailable,
    };
    let message = match code {
        ErrorCode::ElectionNotNeeded => "Leader election not needed for topic partition.",
        ErrorCode::PreferredLeaderNotAvailable => "The preferred leader was not available.",
        _ => "Eligible topic partition leaders are not available.",
    };
    Refusal::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(leader: i32) -> PartitionImage {
        PartitionImage {
            replicas: vec![1, 2],
            directories: Vec::new(),
            isr: vec![1, 2],
            leader,
            leader_epoch: 0,
            partition_epoch: 0,
        }
    }

    #[test]
    fn no_election_is_needed_where_the_wanted_leader_leads() {
        for (leader, election, code) in [
            (1, Election::Preferred, ErrorCode::ElectionNotNeeded),
            (
                2,
                Election::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            (
                -1,
                Election::Preferred,
                ErrorCode::PreferredLeaderNotAvailable,
            ),
            (2, Election::Unclean, ErrorCode::ElectionNotNeeded),
            (
                -1,
                Election::Unclean,
                ErrorCode::EligibleLeadersNotAvailable,
            ),
        ] {
            assert_eq!(of_partition(&partition(leader), election).code, code);
        }
    }

    #[test]
    fn an_unknown_topic_is_named() {
        let refusal = elect_leader(&MetadataImage::default(), "nope", 0, Election::Preferred);
        assert_eq!(refusal.code, ErrorCode::UnknownTopicOrPartition);
        assert_eq!(refusal.message, "No such topic as nope");
    }
}
