//! Kafka's numbered errors, as they appear in responses.
//!
//! The table is complete up to Kafka 4.3. The numbers are the protocol; the texts are ours. Mapping
//! internal errors to these codes is the broker's business and done there.

use crate::primitives::{DecodeError, Decoder, EncodeError, Encoder, Format, Wire};

macro_rules! error_codes {
    ($( $code:literal $name:ident $(($retriable:ident))?: $text:literal; )*) => {
        /// The outcome of a request or of one part of it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = concat!($text, ".")]
                $(#[doc = concat!("\n\nA client may ", stringify!($retriable), " the request.")])?
                $name = $code,
            )*
        }

        impl ErrorCode {
            /// All codes in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Whether the same request may succeed later without a change by the caller.
            pub const fn retriable(self) -> bool {
                match self {
                    $( Self::$name => error_codes!(@retriable $($retriable)?), )*
                }
            }

            /// A short explanation for logs and error messages.
            pub const fn text(self) -> &'static str {
                match self {
                    $( Self::$name => $text, )*
                }
            }
        }

        impl From<i16> for ErrorCode {
            /// A number we do not know reads as [`ErrorCode::UnknownServerError`], as in Kafka's
            /// own clients.
            fn from(code: i16) -> Self {
                match code {
                    $( $code => Self::$name, )*
                    _ => Self::UnknownServerError,
                }
            }
        }
    };
    (@retriable) => { false };
    (@retriable retry) => { true };
}

error_codes! {
    -1 UnknownServerError: "the broker failed in a way it did not expect";
    0 None: "success";
    1 OffsetOutOfRange: "the offset is not within the partition's log";
    2 CorruptMessage (retry): "a record batch is damaged or malformed";
    3 UnknownTopicOrPartition (retry): "this broker does not host the topic or partition";
    4 InvalidFetchSize: "the fetch size is invalid";
    5 LeaderNotAvailable (retry): "the partition has no leader at the moment";
    6 NotLeaderOrFollower (retry): "this broker is neither leader nor follower of the partition";
    7 RequestTimedOut (retry): "the request was not completed in time";
    8 BrokerNotAvailable: "the broker is not available";
    9 ReplicaNotAvailable (retry): "the replica is not available";
    10 MessageTooLarge: "the record batch is larger than the topic allows";
    11 StaleControllerEpoch: "the controller has moved to another broker";
    12 OffsetMetadataTooLarge: "the metadata of the committed offset is too long";
    13 NetworkException (retry): "the connection broke before a response came";
    14 CoordinatorLoadInProgress (retry): "the coordinator is still loading its state";
    15 CoordinatorNotAvailable (retry): "there is no coordinator at the moment";
    16 NotCoordinator (retry): "this broker is not the coordinator";
    17 InvalidTopicException: "the topic name is invalid";
    18 RecordListTooLarge: "the record set is larger than the segment size";
    19 NotEnoughReplicas (retry): "fewer replicas are in sync than the topic requires";
    20 NotEnoughReplicasAfterAppend (retry): "written, but to fewer in-sync replicas than required";
    21 InvalidRequiredAcks: "acks must be 0, 1 or -1 (all)";
    22 IllegalGeneration: "the group has moved on to another generation";
    23 InconsistentGroupProtocol: "the member shares no protocol with the rest of the group";
    24 InvalidGroupId: "the group id is invalid";
    25 UnknownMemberId: "the group does not know this member";
    26 InvalidSessionTimeout: "the session timeout is outside the range the broker allows";
    27 RebalanceInProgress: "the group is rebalancing";
    28 InvalidCommitOffsetSize: "the committed offset does not fit into one record batch";
    29 TopicAuthorizationFailed: "not authorized for the topic";
    30 GroupAuthorizationFailed: "not authorized for the group";
    31 ClusterAuthorizationFailed: "not authorized for the cluster";
    32 InvalidTimestamp: "a record's timestamp is outside the range the topic allows";
    33 UnsupportedSaslMechanism: "the broker does not offer this SASL mechanism";
    34 IllegalSaslState: "not a valid request in this state of the SASL exchange";
    35 UnsupportedVersion: "this version of the API is not supported";
    36 TopicAlreadyExists: "a topic of that name exists already";
    37 InvalidPartitions: "the number of partitions is invalid";
    38 InvalidReplicationFactor: "the replication factor is invalid or above the number of brokers";
    39 InvalidReplicaAssignment: "the replica assignment is invalid";
    40 InvalidConfig: "a configuration key or value is invalid";
    41 NotController (retry): "this broker is not the controller";
    42 InvalidRequest: "the request contradicts itself or the protocol";
    43 UnsupportedForMessageFormat: "the log's message format does not support the request";
    44 PolicyViolation: "refused by a configured policy";
    45 OutOfOrderSequenceNumber: "the producer's sequence number leaves a gap";
    46 DuplicateSequenceNumber: "the producer's sequence number was used before";
    47 InvalidProducerEpoch: "the producer's epoch is older than the current one";
    48 InvalidTxnState: "not a valid operation in the transaction's state";
    49 InvalidProducerIdMapping: "the transactional id belongs to another producer id";
    50 InvalidTransactionTimeout: "the transaction timeout is above the broker's maximum";
    51 ConcurrentTransactions (retry): "the previous transaction is still being completed";
    52 TransactionCoordinatorFenced: "a newer transaction coordinator has taken over";
    53 TransactionalIdAuthorizationFailed: "not authorized for the transactional id";
    54 SecurityDisabled: "security features are disabled";
    55 OperationNotAttempted: "not attempted, because another part of the request failed";
    56 KafkaStorageError (retry): "the log directory failed";
    57 LogDirNotFound: "the log directory is not configured";
    58 SaslAuthenticationFailed: "authentication failed";
    59 UnknownProducerId: "the broker knows nothing of this producer id any more";
    60 ReassignmentInProgress: "a reassignment of the partition is in progress";
    61 DelegationTokenAuthDisabled: "delegation tokens are disabled";
    62 DelegationTokenNotFound: "the delegation token does not exist";
    63 DelegationTokenOwnerMismatch: "the delegation token belongs to another principal";
    64 DelegationTokenRequestNotAllowed: "delegation tokens need an authenticated connection";
    65 DelegationTokenAuthorizationFailed: "not authorized for the delegation token";
    66 DelegationTokenExpired: "the delegation token has expired";
    67 InvalidPrincipalType: "the principal type is not supported";
    68 NonEmptyGroup: "the group still has members";
    69 GroupIdNotFound: "the group does not exist";
    70 FetchSessionIdNotFound (retry): "the fetch session does not exist";
    71 InvalidFetchSessionEpoch (retry): "the fetch session is at another epoch";
    72 ListenerNotFound (retry): "the leader has no listener matching this one";
    73 TopicDeletionDisabled: "topic deletion is disabled";
    74 FencedLeaderEpoch (retry): "the leader epoch is older than the broker's";
    75 UnknownLeaderEpoch (retry): "the leader epoch is newer than the broker's";
    76 UnsupportedCompressionType: "the compression type is not supported in this version";
    77 StaleBrokerEpoch: "the broker has registered again since";
    78 OffsetNotAvailable (retry): "the new leader does not know its high watermark yet";
    79 MemberIdRequired: "join again with the member id in this response";
    80 PreferredLeaderNotAvailable (retry): "the preferred leader is not available";
    81 GroupMaxSizeReached: "the group has as many members as allowed";
    82 FencedInstanceId: "another member with the same group instance id has joined";
    83 EligibleLeadersNotAvailable (retry): "no replica can become leader";
    84 ElectionNotNeeded (retry): "the partition needs no leader election";
    85 NoReassignmentInProgress: "there is no reassignment in progress";
    86 GroupSubscribedToTopic: "the group is subscribed to the topic";
    87 InvalidRecord: "a record was rejected by validation";
    88 UnstableOffsetCommit (retry): "offsets are still part of an open transaction";
    89 ThrottlingQuotaExceeded (retry): "the request exceeds a quota";
    90 ProducerFenced: "a newer producer with the same transactional id has taken over";
    91 ResourceNotFound: "the resource does not exist";
    92 DuplicateResource: "the resource exists already";
    93 UnacceptableCredential: "the credential does not meet the requirements";
    94 InconsistentVoterSet: "the set of voters differs from the expected one";
    95 InvalidUpdateVersion: "the update is based on an outdated version";
    96 FeatureUpdateFailed: "the features could not be updated";
    97 PrincipalDeserializationFailure: "the forwarded principal could not be read";
    98 SnapshotNotFound: "the snapshot does not exist";
    99 PositionOutOfRange: "the position lies outside the snapshot";
    100 UnknownTopicId (retry): "this broker does not host a topic with that id";
    101 DuplicateBrokerRegistration: "a broker with the same id is registered and alive";
    102 BrokerIdNotRegistered: "the broker id is not registered";
    103 InconsistentTopicId (retry): "the topic id is not the one of the log";
    104 InconsistentClusterId: "the cluster id is not ours";
    105 TransactionalIdNotFound: "the transactional id does not exist";
    106 FetchSessionTopicIdError (retry): "the fetch session began without topic ids, or with them";
    107 IneligibleReplica: "the replica may not join the in-sync replicas";
    108 NewLeaderElected: "the update has elected a new leader";
    109 OffsetMovedToTieredStorage: "the offset has moved to tiered storage";
    110 FencedMemberEpoch: "the coordinator has fenced the member's epoch";
    111 UnreleasedInstanceId: "the group instance id is still in use";
    112 UnsupportedAssignor: "the group does not support this assignor";
    113 StaleMemberEpoch: "the member's epoch is outdated";
    114 MismatchedEndpointType: "the request was sent to the wrong kind of endpoint";
    115 UnsupportedEndpointType: "this kind of endpoint is not supported";
    116 UnknownControllerId: "the controller id is unknown";
    117 UnknownSubscriptionId: "the telemetry subscription is unknown";
    118 TelemetryTooLarge: "the pushed telemetry is too large";
    119 InvalidRegistration: "the registration is invalid";
    120 TransactionAbortable: "the transaction failed and must be aborted";
    121 InvalidRecordState: "the record is in another state of delivery";
    122 ShareSessionNotFound (retry): "the share session does not exist";
    123 InvalidShareSessionEpoch (retry): "the share session is at another epoch";
    124 FencedStateEpoch: "the share group's state epoch is outdated";
    125 InvalidVoterKey: "the voter key is not the one the receiver expects";
    126 DuplicateVoter: "the voter is in the set already";
    127 VoterNotFound: "the voter is not in the set";
    128 InvalidRegularExpression: "the regular expression is invalid";
    129 RebootstrapRequired: "the client must start again from its bootstrap servers";
    130 StreamsInvalidTopology: "the streams topology is invalid";
    131 StreamsInvalidTopologyEpoch: "the streams topology epoch is invalid";
    132 StreamsTopologyFenced: "the streams topology epoch is outdated";
    133 ShareSessionLimitReached (retry): "there are as many share sessions as allowed";
}

#[expect(
    clippy::derivable_impls,
    reason = "the derive cannot mark a variant made by the macro"
)]
impl Default for ErrorCode {
    fn default() -> Self {
        Self::None
    }
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Whether this is anything but [`ErrorCode::None`].
    pub const fn is_error(self) -> bool {
        !matches!(self, Self::None)
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.text())
    }
}

impl Wire for ErrorCode {
    fn decode(decoder: &mut Decoder<'_>, _: Format) -> Result<Self, DecodeError> {
        decoder.read_i16().map(Self::from)
    }

    fn encode(&self, encoder: &mut Encoder, _: Format) -> Result<(), EncodeError> {
        encoder.write_i16(self.number());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_dense_from_minus_one() {
        let numbers: Vec<i16> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(numbers, (-1..=133).collect::<Vec<i16>>());
    }

    #[test]
    fn every_number_leads_back_to_its_code() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from(code.number()), code);
        }
        assert_eq!(ErrorCode::from(i16::MAX), ErrorCode::UnknownServerError);
    }

    #[test]
    fn only_passing_troubles_are_retriable() {
        assert!(ErrorCode::NotLeaderOrFollower.retriable());
        assert!(!ErrorCode::None.retriable());
        assert!(!ErrorCode::OutOfOrderSequenceNumber.retriable());
    }
}
