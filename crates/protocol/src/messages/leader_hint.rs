//! Where the leader went: the hints in Produce and Fetch errors that save the client a Metadata
//! request (KIP-951).

use crate::message::message;

message! {
    /// The leader of a partition, as the answering broker knows it.
    pub struct LeaderIdAndEpoch {
        /// The leader's broker id, or -1 if there is none or it is not known.
        pub leader_id: i32 = -1;
        /// The leader epoch, or -1 if it is not known.
        pub leader_epoch: i32 = -1;
    }

    /// How to reach a broker named in a [`LeaderIdAndEpoch`] of the same response.
    pub struct NodeEndpoint {
        /// The broker id.
        pub node_id: i32;
        /// The host name of the listener on which the client asked.
        pub host: String;
        /// The port of that listener.
        pub port: i32;
        /// The broker's rack, or null if it has none.
        pub rack: Option<String>;
    }
}
