//! Who leads a partition and which of its replicas are down, as one client can tell.
//!
//! The image says who should lead. A client can go there only if that broker is not fenced and has
//! the listener by which the client came. And a broker whose log of the partition cannot be opened
//! serves nobody, so here it does not count as leader either: the client is told to ask again, as
//! by an Apache Kafka whose log directory failed, and not sent around in a circle.

use odradek_metadata::{MetadataImage, PartitionImage, TopicImage};
use odradek_protocol::ErrorCode;

/// The cluster from where one client looks at it.
pub(super) struct Reachability<'a> {
    pub(super) image: &'a MetadataImage,
    /// The listener by which the client came.
    pub(super) listener: &'a str,
    /// This broker.
    pub(super) node_id: i32,
    /// The partitions of a topic whose log is offline on this broker.
    pub(super) offline_here: &'a dyn Fn(&str) -> Vec<i32>,
}

/// One partition as the client sees it.
pub(super) struct SeenPartition<'a> {
    pub(super) index: i32,
    pub(super) image: &'a PartitionImage,
    /// Why it cannot be reached.
    pub(super) error_code: ErrorCode,
    /// -1 if there is none that the client can reach.
    pub(super) leader_id: i32,
    pub(super) offline_replicas: Vec<i32>,
}

impl<'a> Reachability<'a> {
    /// At most `count` partitions of `topic`, those from number `first` on.
    pub(super) fn partitions(
        &self,
        topic: &'a TopicImage,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = SeenPartition<'a>> {
        let offline_here = (self.offline_here)(&topic.name);
        let numbered = (0..).zip(&topic.partitions).skip(first).take(count);
        numbered.map(move |(index, image)| self.see(index, image, offline_here.contains(&index)))
    }

    fn see(
        &self,
        index: i32,
        image: &'a PartitionImage,
        is_offline_here: bool,
    ) -> SeenPartition<'a> {
        let serves = |id: i32| !(is_offline_here && id == self.node_id);
        let unfenced = |id: i32| self.image.brokers.get(&id).filter(|broker| !broker.fenced);
        let reachable = |id: i32| {
            serves(id)
                && unfenced(id).is_some_and(|broker| broker.endpoint(self.listener).is_some())
        };
        let error_code = match unfenced(image.leader) {
            Some(_) if reachable(image.leader) => ErrorCode::None,
            Some(_) if serves(image.leader) => ErrorCode::ListenerNotFound,
            _ => ErrorCode::LeaderNotAvailable,
        };
        let offline = image.replicas.iter().filter(|id| !reachable(**id));
        SeenPartition {
            index,
            image,
            error_code,
            leader_id: if error_code == ErrorCode::None {
                image.leader
            } else {
                -1
            },
            offline_replicas: offline.copied().collect(),
        }
    }
}
