//! The keys about logs: where they are, how long records stay, what is compacted and when, how soon
//! they are on the disk.

use super::super::{Key, Kind};
use super::{COUNT, DURATION_MS, LONG, PERIOD_MS, POSITIVE, SEGMENT_BYTES, key};

pub(super) const KEYS: &[Key] = &[
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
        Kind::ChoiceList(&["compact", "delete"]),
        Some("delete"),
        "What is done with old records: `delete` removes segments past their retention, `compact` \
         keeps the last record of each key; both can be written. Topic key: `cleanup.policy`.",
    )
    .while_running(),
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
    )
    .while_running(),
    key(
        "log.cleaner.dedupe.buffer.size",
        Kind::Long(1024 * 1024, i64::MAX),
        Some("134217728"),
        "Memory for the keys of the logs being compacted, in bytes, over all threads; 24 bytes \
         per key. No more is taken than the keys need. A log with more keys than fit is compacted \
         in several passes.",
    )
    .while_running(),
    key(
        "log.cleaner.io.buffer.load.factor",
        Kind::Double(0.0, 1.0),
        Some("0.9"),
        "How full the memory for keys gets, at least 0.1 and at most 0.95. More keys fit if it is \
         higher, and are found slower.",
    )
    .while_running(),
    key(
        "log.cleaner.io.max.bytes.per.second",
        Kind::Double(1.0, f64::MAX),
        Some("1.7976931348623157E308"),
        "How many bytes compaction reads and writes per second at most, over all threads.",
    )
    .while_running(),
    key(
        "log.cleaner.min.cleanable.ratio",
        Kind::Double(0.0, 1.0),
        Some("0.5"),
        "A log is compacted when a larger part of it than this was not compacted yet. Topic key: \
         `min.cleanable.dirty.ratio`.",
    )
    .while_running(),
    key(
        "log.cleaner.min.compaction.lag.ms",
        DURATION_MS,
        Some("0"),
        "How long a record stays at least before it is compacted, in milliseconds. Topic key: \
         `min.compaction.lag.ms`.",
    )
    .while_running(),
    key(
        "log.cleaner.max.compaction.lag.ms",
        PERIOD_MS,
        Some("9223372036854775807"),
        "How long a record waits at most before it is compacted, in milliseconds, whatever the \
         ratio; also the longest time between rolls of a compacted topic's segments. Topic key: \
         `max.compaction.lag.ms`.",
    )
    .while_running(),
    key(
        "log.cleaner.delete.retention.ms",
        DURATION_MS,
        Some("86400000"),
        "How long a tombstone stays once compaction has come across it, in milliseconds: so much \
         time has a consumer to read to the end of what it began. Topic key: \
         `delete.retention.ms`.",
    )
    .while_running(),
    key(
        "log.index.interval.bytes",
        COUNT,
        Some("4096"),
        "The bytes of records between two entries of an offset index. Topic key: \
         `index.interval.bytes`.",
    )
    .while_running(),
    key(
        "log.index.size.max.bytes",
        Kind::Int(4, i32::MAX),
        Some("10485760"),
        "The size in bytes of an index file at which a new segment starts. The files grow as \
         needed and are not preallocated. Topic key: `segment.index.bytes`.",
    )
    .while_running(),
    key(
        "log.message.timestamp.type",
        Kind::Choice(&["CreateTime", "LogAppendTime"]),
        Some("CreateTime"),
        "Whether records keep the time of the producer or get the time of their append. Topic \
         key: `message.timestamp.type`.",
    )
    .while_running(),
    key(
        "log.message.timestamp.before.max.ms",
        DURATION_MS,
        Some("9223372036854775807"),
        "How many milliseconds older than the broker's clock a producer's timestamp may be. \
         Topic key: `message.timestamp.before.max.ms`.",
    )
    .while_running(),
    key(
        "log.message.timestamp.after.max.ms",
        DURATION_MS,
        Some("3600000"),
        "How many milliseconds ahead of the broker's clock a producer's timestamp may be. Topic \
         key: `message.timestamp.after.max.ms`.",
    )
    .while_running(),
    key(
        "log.flush.interval.messages",
        Kind::Long(1, i64::MAX),
        Some("9223372036854775807"),
        "Records of a partition after which the disk is flushed before they are acknowledged; \
         `1` flushes every append. Appends that wait together share one flush. Topic key: \
         `flush.messages`.",
    )
    .while_running(),
    key(
        "log.flush.interval.ms",
        Kind::Long(0, i64::MAX),
        None,
        "The longest time in milliseconds that a record stays unflushed. Unset: \
         `log.flush.scheduler.interval.ms`. Topic key: `flush.ms`.",
    )
    .while_running(),
    key(
        "log.flush.scheduler.interval.ms",
        Kind::Long(0, i64::MAX),
        Some("9223372036854775807"),
        "Used for `log.flush.interval.ms` when that is unset.",
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
