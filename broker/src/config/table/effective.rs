//! The keys the broker obeys, in the order a reader of `server.properties` meets them.
//!
//! A default that differs from Kafka's says so in its text.

mod log;

use super::{Key, Kind};

const POSITIVE: Kind = Kind::Int(1, i32::MAX);
const COUNT: Kind = Kind::Int(0, i32::MAX);
const LONG: Kind = Kind::Long(i64::MIN, i64::MAX);
const DURATION_MS: Kind = Kind::Long(0, i64::MAX);
const PERIOD_MS: Kind = Kind::Long(1, i64::MAX);

/// The smallest segment Kafka 4 accepts (KIP-1030).
const SEGMENT_BYTES: Kind = Kind::Int(1024 * 1024, i32::MAX);

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key::effective(name, kind, default, doc)
}

/// The keys under the headings of the documentation.
pub const SECTIONS: &[(&str, &[Key])] = &[
    ("Who this node is", IDENTITY),
    ("Where clients reach it", LISTENERS),
    ("Sockets, threads and memory", RESOURCES),
    ("Topics", TOPICS),
    ("The log", log::KEYS),
    ("Producers and consumers", CLIENTS),
    ("Consumer groups", GROUPS),
    ("Committed offsets", OFFSETS),
];

const IDENTITY: &[Key] = &[
    key(
        "node.id",
        COUNT,
        Some("1"),
        "The number by which clients and peers know this node. It is written into the data \
         folder; a folder of another node is refused. Kafka has no default.",
    ),
    key(
        "broker.id",
        Kind::Int(-1, i32::MAX),
        Some("-1"),
        "The older name of `node.id`. When both are written they must agree. `-1` means unset.",
    ),
    key(
        "process.roles",
        Kind::ChoiceList(&["broker", "controller"]),
        Some("broker,controller"),
        "What this process does. Only the combination of both roles is supported. Kafka has no \
         default.",
    ),
    key(
        "broker.rack",
        Kind::Text,
        None,
        "The rack or zone this node stands in, handed to clients in Metadata.",
    ),
];

const LISTENERS: &[Key] = &[
    key(
        "listeners",
        Kind::List,
        Some("PLAINTEXT://127.0.0.1:9092"),
        "The addresses the broker listens on, as `NAME://host:port`. An empty host or `0.0.0.0` \
         listens on every interface and then needs `advertised.listeners`. Port `0` takes any \
         free port. Kafka listens on every interface.",
    ),
    key(
        "advertised.listeners",
        Kind::List,
        None,
        "The addresses clients are told to dial, as `NAME://host:port`, for the listeners of the \
         same names. Unset: the addresses of `listeners`; a listener on port `0` then advertises \
         the port it got.",
    ),
    key(
        "listener.security.protocol.map",
        Kind::Text,
        Some(
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        ),
        "The security protocol of each listener name, as `NAME:PROTOCOL`. Only `PLAINTEXT` can \
         be used so far.",
    ),
    key(
        "inter.broker.listener.name",
        Kind::Text,
        None,
        "The listener brokers use among themselves. Unset: the listener whose protocol is \
         `security.inter.broker.protocol`.",
    ),
    key(
        "security.inter.broker.protocol",
        Kind::Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
        Some("PLAINTEXT"),
        "The protocol by which the inter-broker listener is found when it is not named. It must \
         not be set together with `inter.broker.listener.name`.",
    ),
    key(
        "controller.listener.names",
        Kind::List,
        Some("CONTROLLER"),
        "The listeners reserved for the metadata quorum. A single node checks them and does not \
         open them. Kafka has no default.",
    ),
    key(
        "admin.listener",
        Kind::Text,
        Some("127.0.0.1:9644"),
        "Odradek's own: `host:port` of the HTTP admin port (`/livez`, `/readyz`, `/metrics`, \
         `/v1/broker`, `/v1/groups/{id}`). Port `0` takes any free port; an empty value switches \
         it off.",
    ),
];

const RESOURCES: &[Key] = &[
    key(
        "num.network.threads",
        Kind::Int(1, 256),
        Some("2"),
        "Threads that run the connections and requests. They never block on a disk. Kafka: 3.",
    ),
    key(
        "num.io.threads",
        Kind::Int(1, 256),
        Some("4"),
        "Threads that may block on the disk: appends, flushes, reads outside the page cache. \
         Kafka: 8.",
    ),
    key(
        "socket.request.max.bytes",
        POSITIVE,
        Some("104857600"),
        "The largest request in bytes. A longer one closes the connection before any of it is \
         read.",
    ),
    key(
        "queued.max.request.bytes",
        Kind::Long(-1, i64::MAX),
        Some("16777216"),
        "The budget in bytes for requests in memory, over all connections. When it is used up, \
         sockets are not read until some requests are answered, but for one request at a time, \
         so that one larger than the whole budget passes too. Requests and answers together stay \
         within twice the budget and one request of `socket.request.max.bytes`. `-1` removes the \
         bound. Kafka: `-1`.",
    ),
    key(
        "socket.send.buffer.bytes",
        Kind::Int(-1, i32::MAX),
        Some("-1"),
        "The send buffer of a connection in bytes. `-1` leaves it to the operating system. \
         Kafka: 102400, which also switches off the kernel's own tuning.",
    ),
    key(
        "socket.receive.buffer.bytes",
        Kind::Int(-1, i32::MAX),
        Some("-1"),
        "The receive buffer of a connection in bytes. `-1` leaves it to the operating system. \
         Kafka: 102400.",
    ),
    key(
        "socket.listen.backlog.size",
        POSITIVE,
        Some("1024"),
        "Connections the kernel may hold that are not accepted yet. Kafka: 50.",
    ),
    key(
        "max.connections",
        POSITIVE,
        Some("2147483647"),
        "Connections at once over all listeners. Further ones are closed when they arrive. Kafka \
         allows 0, which would keep out whoever could undo it.",
    )
    .while_running(),
    key(
        "max.connections.per.ip",
        POSITIVE,
        Some("2147483647"),
        "Connections at once from one address. Further ones are closed when they arrive.",
    )
    .while_running(),
    key(
        "connections.max.idle.ms",
        LONG,
        Some("600000"),
        "A connection without a request for this many milliseconds is closed. `-1` or less: \
         never.",
    ),
    key(
        "socket.stall.timeout.ms",
        PERIOD_MS,
        Some("30000"),
        "Odradek's own: a connection is closed when a request that has begun to arrive, or an \
         answer that has begun to leave, makes no progress for this many milliseconds.",
    ),
];

const TOPICS: &[Key] = &[
    key(
        "auto.create.topics.enable",
        Kind::Boolean,
        Some("true"),
        "Whether a topic that a client asks for by name is created when it does not exist.",
    ),
    key(
        "delete.topic.enable",
        Kind::Boolean,
        Some("true"),
        "Whether clients may delete topics.",
    ),
    key(
        "max.request.partition.size.limit",
        POSITIVE,
        Some("2000"),
        "Partitions in one page of DescribeTopicPartitions; clients ask for the next page.",
    ),
    key(
        "num.partitions",
        POSITIVE,
        Some("1"),
        "Partitions of a topic that is created without saying how many.",
    ),
    key(
        "default.replication.factor",
        POSITIVE,
        Some("1"),
        "Replicas of a topic that is created without saying how many.",
    ),
    key(
        "min.insync.replicas",
        POSITIVE,
        Some("1"),
        "In-sync replicas a produce with acks=all needs to be accepted. Topic key: \
         `min.insync.replicas`.",
    )
    .while_running(),
    key(
        "message.max.bytes",
        COUNT,
        Some("1048588"),
        "The largest record batch in bytes, as sent, compression included. Topic key: \
         `max.message.bytes`.",
    )
    .while_running(),
];

const CLIENTS: &[Key] = &[
    key(
        "producer.id.expiration.ms",
        Kind::Int(1, i32::MAX),
        Some("86400000"),
        "How long a partition remembers an idempotent producer after its last batch, in \
         milliseconds.",
    ),
    key(
        "fetch.max.bytes",
        Kind::Int(1024, i32::MAX),
        Some("57671680"),
        "The most bytes one fetch answers, whatever the client asks.",
    ),
    key(
        "max.incremental.fetch.session.cache.slots",
        COUNT,
        Some("1000"),
        "Fetch sessions remembered at once. A client without one sends its whole list of \
         partitions each time.",
    ),
];

const GROUPS: &[Key] = &[
    key(
        "group.min.session.timeout.ms",
        POSITIVE,
        Some("6000"),
        "The shortest session timeout that a group member may ask for, in milliseconds.",
    ),
    key(
        "group.max.session.timeout.ms",
        POSITIVE,
        Some("1800000"),
        "The longest session timeout that a group member may ask for, in milliseconds. A member \
         that dies is missed for as long as it asked for.",
    ),
    key(
        "group.initial.rebalance.delay.ms",
        COUNT,
        Some("3000"),
        "How long the first rebalance of an empty group waits for more members, in milliseconds. \
         It waits again for each that comes, up to the members' rebalance timeout. `0` suits \
         development; with many members it costs a rebalance for each.",
    ),
    key(
        "group.max.size",
        POSITIVE,
        Some("2147483647"),
        "Members that a group may have.",
    ),
];

const OFFSETS: &[Key] = &[
    key(
        "offsets.topic.num.partitions",
        POSITIVE,
        Some("50"),
        "Partitions of `__consumer_offsets`, which is created when the first group appears. Where \
         a group is kept depends on it, so it has no effect once the topic exists.",
    ),
    key(
        "offsets.topic.replication.factor",
        Kind::Short(1, i16::MAX),
        Some("1"),
        "Replicas of `__consumer_offsets`. Kafka's default is 3, which a single broker cannot \
         have; its sample configuration says 1 as well.",
    ),
    key(
        "offsets.topic.segment.bytes",
        SEGMENT_BYTES,
        Some("104857600"),
        "Segment size of `__consumer_offsets`. Small segments are compacted sooner, and so \
         replayed faster.",
    ),
    key(
        "offsets.topic.compression.codec",
        Kind::Int(0, 4),
        Some("0"),
        "How the broker compresses what it writes to `__consumer_offsets`: 0 not at all, 1 gzip, \
         2 snappy, 3 lz4, 4 zstd.",
    ),
    key(
        "offset.metadata.max.bytes",
        COUNT,
        Some("4096"),
        "The longest metadata that a client may keep with a committed offset, in characters as \
         Kafka counts them.",
    ),
    key(
        "offsets.commit.timeout.ms",
        POSITIVE,
        Some("5000"),
        "How long the answer to a commit waits for the log, in milliseconds.",
    ),
    key(
        "offsets.load.buffer.size",
        POSITIVE,
        Some("5242880"),
        "Bytes read at once while committed offsets are loaded.",
    ),
    key(
        "offsets.retention.minutes",
        POSITIVE,
        Some("10080"),
        "How long committed offsets outlive their use: counted from when their group lost its \
         last member, or from the commit where a consumer assigns partitions to itself.",
    ),
    key(
        "offsets.retention.check.interval.ms",
        PERIOD_MS,
        Some("600000"),
        "How often the broker looks for committed offsets that have expired, in milliseconds.",
    ),
];
