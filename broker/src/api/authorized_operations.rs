//! What a client may do, as the bit field of KIP-430: bit N stands for the operation that Kafka
//! numbers N. Without an authoriser everybody may do everything.

const CREATE: i32 = 1 << 5;
const ALTER: i32 = 1 << 7;
const DESCRIBE: i32 = 1 << 8;
const DESCRIBE_CONFIGS: i32 = 1 << 10;
const ALTER_CONFIGS: i32 = 1 << 11;

/// Everything that can be done with a cluster.
pub(super) const OF_CLUSTER: i32 = {
    const CLUSTER_ACTION: i32 = 1 << 9;
    const IDEMPOTENT_WRITE: i32 = 1 << 12;
    CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE
};

/// Everything that can be done with a topic.
pub(super) const OF_TOPIC: i32 = {
    const READ: i32 = 1 << 3;
    const WRITE: i32 = 1 << 4;
    const DELETE: i32 = 1 << 6;
    READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS
};

/// Everything that can be done with a consumer group.
pub(super) const OF_GROUP: i32 = {
    const READ: i32 = 1 << 3;
    const DELETE: i32 = 1 << 6;
    READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS
};

/// In place of a bit field that nobody asked for.
pub(super) const NOT_ASKED: i32 = i32::MIN;
