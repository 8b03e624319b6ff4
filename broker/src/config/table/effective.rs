//! The keys the broker obeys, in the order a reader of `server.properties` meets them.
//!
//! A default that differs from Kafka's says so in its text.

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
    ("The log", LOG),
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
         `/v1/broker`). Port `0` takes any free port; an empty value switches it off.",
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
        COUNT,
        Some("2147483647"),
        "Connections at once over all listeners. Further ones are closed when they arrive.",
    )
    .while_running(),
    key(
        "max.connections.per.ip",
        COUNT,
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

const LOG: &[Key] = &[
    key(
        "log.dirs",
        Kind::List,
        None,
        "The data folder. Exactly one is supported. Unset: `log.dir`, and without that \
         `$XDG_DATA_HOME/odradek`, or `~/.local/share/odradek` where that variable is unset: the \
         same folder from wherever the broker is started, and one that survives a restart of the \
         machine. Kafka: `/tmp/kafka-logs`, which does not.",
    ),
    key(
        "log.dir",
        Kind::List,
        None,
        "The older name of `log.dirs`, used when that is unset.",
    ),
    key(
        "storage.min.free.bytes",
        Kind::Long(0, i64::MAX),
        None,
        "Odradek's own: the reserve in bytes on the disk of the data folder. Below it, produces \
         are refused with the retriable error `NOT_ENOUGH_REPLICAS`, while fetches, deletes, \
         retention and metadata go on; internal topics, and so the commits of groups, go on down \
         to a quarter of it. An eighth above it, produces are accepted again. `0`: no reserve. \
         Unset: 268435456, but no more than a tenth of the disk.",
    ),
    key(
        "log.segment.bytes",
        SEGMENT_BYTES,
        Some("1073741824"),
        "The size in bytes at which a partition starts a new segment file. Topic key: \
         `segment.bytes`.",
    )
    .while_running(),
    key(
        "log.roll.ms",
        Kind::Long(1, i64::MAX),
        None,
        "The age in milliseconds at which a partition starts a new segment file. Wins over \
         `log.roll.hours`. Topic key: `segment.ms`.",
    )
    .while_running(),
    key(
        "log.roll.hours",
        POSITIVE,
        Some("168"),
        "The same in hours, used when `log.roll.ms` is unset.",
    ),
    key(
        "log.roll.jitter.ms",
        DURATION_MS,
        None,
        "At most this many milliseconds are taken off that age at random, so that partitions do \
         not all roll at once. Wins over the hours. Topic key: `segment.jitter.ms`.",
    )
    .while_running(),
    key(
        "log.roll.jitter.hours",
        COUNT,
        Some("0"),
        "The same in hours, used when `log.roll.jitter.ms` is unset.",
    ),
    key(
        "log.retention.ms",
        Kind::Long(-1, i64::MAX),
        None,
        "How long records are kept at least, in milliseconds; `-1`: for ever. Wins over the \
         minutes and hours. Topic key: `retention.ms`.",
    )
    .while_running(),
    key(
        "log.retention.minutes",
        Kind::Int(-1, i32::MAX),
        None,
        "The same in minutes; wins over the hours.",
    ),
    key(
        "log.retention.hours",
        Kind::Int(-1, i32::MAX),
        Some("168"),
        "The same in hours, used when neither of the others is set.",
    ),
    key(
        "log.retention.bytes",
        LONG,
        Some("-1"),
        "The bytes each partition keeps at least before its oldest segments are deleted; `-1`: \
         no bound. Topic key: `retention.bytes`.",
    )
    .while_running(),
    key(
        "log.retention.check.interval.ms",
        PERIOD_MS,
        Some("300000"),
        "How often segments past their retention are looked for, in milliseconds.",
    ),
    key(
        "log.segment.delete.delay.ms",
        DURATION_MS,
        Some("60000"),
        "How long a deleted segment's files stay on disk for reads that began earlier, in \
         milliseconds. Topic key: `file.delete.delay.ms`.",
    )
    .while_running(),
    key(
        "log.cleanup.policy",
        Kind::ChoiceList(&["delete", "compact"]),
        Some("delete"),
        "What is done with old records: `delete` removes segments past their retention, `compact` \
         keeps the last record of each key; both can be written. Topic key: `cleanup.policy`.",
    ),
    key(
        "log.cleaner.enable",
        Kind::Boolean,
        Some("true"),
        "Whether logs are compacted at all. Without compaction the topic of committed offsets \
         grows without bound.",
    ),
    key(
        "log.cleaner.threads",
        COUNT,
        Some("1"),
        "Threads that compact logs, each one log at a time; `0`: none is compacted.",
    ),
    key(
        "log.cleaner.backoff.ms",
        DURATION_MS,
        Some("15000"),
        "How often logs that have to be compacted are looked for while there are none, in \
         milliseconds. After a failure a log waits as long, then twice as long, and so on up to \
         64 times.",
    ),
    key(
        "log.cleaner.dedupe.buffer.size",
        Kind::Long(1024 * 1024, i64::MAX),
        Some("134217728"),
        "Memory for the keys of the logs being compacted, in bytes, over all threads; 24 bytes \
         per key. No more is taken than the keys need. A log with more keys than fit is compacted \
         in several passes.",
    ),
    key(
        "log.cleaner.io.buffer.load.factor",
        Kind::Double(0.0, 1.0),
        Some("0.9"),
        "How full the memory for keys gets, at least 0.1 and at most 0.95. More keys fit if it is \
         higher, and are found slower.",
    ),
    key(
        "log.cleaner.io.max.bytes.per.second",
        Kind::Double(1.0, f64::MAX),
        Some("1.7976931348623157E308"),
        "How many bytes each compaction thread reads and writes per second at most.",
    ),
    key(
        "log.cleaner.min.cleanable.ratio",
        Kind::Double(0.0, 1.0),
        Some("0.5"),
        "A log is compacted when a larger part of it than this was not compacted yet. Topic key: \
         `min.cleanable.dirty.ratio`.",
    ),
    key(
        "log.cleaner.min.compaction.lag.ms",
        DURATION_MS,
        Some("0"),
        "How long a record stays at least before it is compacted, in milliseconds. Topic key: \
         `min.compaction.lag.ms`.",
    ),
    key(
        "log.cleaner.max.compaction.lag.ms",
        PERIOD_MS,
        Some("9223372036854775807"),
        "How long a record waits at most before it is compacted, in milliseconds, whatever the \
         ratio; also the longest time between rolls of a compacted topic's segments. Topic key: \
         `max.compaction.lag.ms`.",
    ),
    key(
        "log.cleaner.delete.retention.ms",
        DURATION_MS,
        Some("86400000"),
        "How long a tombstone stays once compaction has come across it, in milliseconds: so much \
         time has a consumer to read to the end of what it began. Topic key: \
         `delete.retention.ms`.",
    ),
    key(
        "log.recovery.flush.interval.ms",
        PERIOD_MS,
        Some("30000"),
        "Odradek's own: under load, every partition is flushed in the background at least this \
         often, in milliseconds. A restart after a crash scans only what came later.",
    ),
    key(
        "log.recovery.flush.bytes",
        Kind::Long(1, i64::MAX),
        Some("1073741824"),
        "Odradek's own: unflushed bytes over all partitions that start that flush earlier. When \
         there are twice as many, appends wait for the flush.",
    ),
    key(
        "log.flush.start.offset.checkpoint.interval.ms",
        POSITIVE,
        Some("60000"),
        "How often the log start offsets are written to their checkpoint file, in milliseconds.",
    ),
    key(
        "replica.high.watermark.checkpoint.interval.ms",
        PERIOD_MS,
        Some("5000"),
        "How often the high watermarks are written to their checkpoint file, in milliseconds.",
    ),
    key(
        "num.recovery.threads.per.data.dir",
        POSITIVE,
        Some("2"),
        "Threads that open and recover partitions at the start.",
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
        "offset.metadata.max.bytes",
        COUNT,
        Some("4096"),
        "The longest metadata that a client may keep with a committed offset, in characters as \
         Kafka counts them.",
    ),
    key(
        "offsets.commit.timeout.ms",
        PERIOD_MS,
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
