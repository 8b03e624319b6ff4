//! The broker's metrics, for Prometheus.
//!
//! Where Kafka has a metric of the same meaning the name is the one that dashboards know from
//! Kafka's JMX exporter rules, such as `kafka_server_brokertopicmetrics_bytesin_total`; the others
//! begin with `odradek_`. Labels come from closed sets (APIs, error codes, listeners), never from
//! what a client sends, so that no client can grow the broker's memory or the scrape.
//!
//! Two kinds. *Counters and histograms* are created at the start, one per API, and the hot path
//! only adds to them: no lookup, no allocation. *Values* that some part of the broker knows anyway
//! (a queue's length, the memory in use) are read when a scrape asks; see [`Sources`].

use std::{fmt, time::Duration};

use odradek_protocol::{api_key::ApiKey, error_code::ErrorCode};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
        info::Info,
    },
    registry::Registry,
};

/// Upper bounds of the duration histograms, in seconds: dense where an answer from the page cache
/// falls, and reaching to the longest wait of a fetch or a flush.
const DURATION_BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// Everything that is counted as it happens. One per broker, shared by all threads.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By the number of the API; see [`Metrics::request`].
    requests: Box<[RequestMetrics]>,
    /// For APIs that are not advertised: counted, never shown.
    unlisted: RequestMetrics,
    errors: Family<ErrorLabels, Counter>,
    connections: Family<ListenerLabels, Gauge>,
    connections_refused: Family<RefusalLabels, Counter>,
    /// Bytes of record batches appended.
    pub(crate) bytes_in: Counter,
    /// Bytes of record batches sent to clients.
    pub(crate) bytes_out: Counter,
    /// Records appended.
    pub(crate) messages_in: Counter,
    /// Produce requests of which at least one partition failed.
    pub(crate) produce_requests_failed: Counter,
    /// Fetch requests of which at least one partition failed.
    pub(crate) fetch_requests_failed: Counter,
    log_flush_duration: Histogram,
    cleaner_runs: Counter,
    cleaner_bytes_before: Counter,
    cleaner_bytes_after: Counter,
    cleaner_last_run_ms: Gauge,
    /// Passes of compaction that failed.
    pub(crate) cleaner_failures: Counter,
    /// Rebalances of consumer groups that have ended, in whatever way.
    pub(crate) group_rebalances: Counter,
}

/// What is counted for one API.
#[derive(Debug, Clone)]
pub(crate) struct RequestMetrics {
    count: Counter,
    duration: Histogram,
}

/// Why a connection was closed before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `max.connections` was reached.
    TooMany,
    /// `max.connections.per.ip` was reached.
    TooManyFromOneAddress,
    /// The process has no file descriptor left.
    NoDescriptor,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    request: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    request: &'static str,
    /// Kafka's number of the error.
    error: i16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

#[derive(Clone)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(DURATION_BUCKETS)
    }
}

impl Metrics {
    /// Creates the metrics and enters them into `registry`. `advertised` are the APIs that clients
    /// can call.
    pub(crate) fn new(
        registry: &mut Registry,
        advertised: impl IntoIterator<Item = ApiKey>,
    ) -> Self {
        register_build(registry);
        let mut add = Adder(registry);
        let metrics = Self {
            unlisted: RequestMetrics {
                count: Counter::default(),
                duration: Durations.new_metric(),
            },
            requests: Box::default(),
            errors: add.metric(
                "kafka_network_requestmetrics_errors",
                "Answers by API and Kafka error code, counted per partition where an answer has \
                 several",
            ),
            connections: add.metric("odradek_connections", "Open connections"),
            connections_refused: add.metric(
                "odradek_connections_refused",
                "Connections closed on arrival",
            ),
            bytes_in: add.metric(
                "kafka_server_brokertopicmetrics_bytesin",
                "Bytes of record batches appended",
            ),
            bytes_out: add.metric(
                "kafka_server_brokertopicmetrics_bytesout",
                "Bytes of record batches sent to clients",
            ),
            messages_in: add.metric(
                "kafka_server_brokertopicmetrics_messagesin",
                "Records appended",
            ),
            produce_requests_failed: add.metric(
                "kafka_server_brokertopicmetrics_failedproducerequests",
                "Produce requests of which a partition failed",
            ),
            fetch_requests_failed: add.metric(
                "kafka_server_brokertopicmetrics_failedfetchrequests",
                "Fetch requests of which a partition failed",
            ),
            log_flush_duration: add.histogram(
                "odradek_log_flush_duration_seconds",
                "Time of one flush of a partition's log to the disk",
            ),
            cleaner_runs: add.metric(
                "odradek_log_cleaner_runs",
                "Passes of compaction over a log that succeeded",
            ),
            cleaner_bytes_before: add.metric(
                "odradek_log_cleaner_before_bytes",
                "Bytes of the segments that compaction went through",
            ),
            cleaner_bytes_after: add.metric(
                "odradek_log_cleaner_after_bytes",
                "Bytes of what compaction left of them",
            ),
            cleaner_last_run_ms: add.metric(
                "odradek_log_cleaner_last_run_ms",
                "How long the last pass of compaction took",
            ),
            cleaner_failures: add.metric(
                "odradek_log_cleaner_failures",
                "Passes of compaction over a log that failed",
            ),
            group_rebalances: add
                .metric("odradek_group_rebalances", "Rebalances of consumer groups"),
        };
        metrics.with_requests(registry, advertised)
    }

    fn with_requests(
        self,
        registry: &mut Registry,
        advertised: impl IntoIterator<Item = ApiKey>,
    ) -> Self {
        let counts: Family<RequestLabels, Counter> =
            Adder(registry).metric("kafka_network_requestmetrics_requests", "Requests received");
        let durations = Family::<RequestLabels, Histogram, _>::new_with_constructor(Durations);
        registry.register(
            "odradek_request_duration_seconds",
            "Time from the last byte of a request to the first byte of its answer",
            durations.clone(),
        );
        let highest = ApiKey::ALL
            .iter()
            .map(|key| *key as usize)
            .max()
            .unwrap_or_default();
        let mut requests = vec![self.unlisted.clone(); highest + 1];
        for key in advertised {
            let labels = RequestLabels {
                request: key.name(),
            };
            if let Some(slot) = requests.get_mut(key as usize) {
                slot.count = counts.get_or_create_owned(&labels);
                slot.duration = durations.get_or_create_owned(&labels);
            }
        }
        Self {
            requests: requests.into(),
            ..self
        }
    }

    /// The counters of one API.
    pub(crate) fn request(&self, api: ApiKey) -> &RequestMetrics {
        self.requests.get(api as usize).unwrap_or(&self.unlisted)
    }

    /// Counts one error that was answered. Not for the hot path: it looks the pair up.
    pub(crate) fn error(&self, api: ApiKey, error: ErrorCode) {
        let labels = ErrorLabels {
            request: api.name(),
            error: error.number(),
        };
        self.errors.get_or_create(&labels).inc();
    }

    /// The gauge of a listener's open connections, to be kept by the listener.
    pub(crate) fn connections(&self, listener: &str) -> Gauge {
        self.connections.get_or_create_owned(&ListenerLabels {
            listener: listener.to_owned(),
        })
    }

    /// Counts a connection that was closed on arrival.
    pub(crate) fn connection_refused(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::TooMany => "max_connections",
            Refusal::TooManyFromOneAddress => "max_connections_per_ip",
            Refusal::NoDescriptor => "no_descriptor",
        };
        self.connections_refused
            .get_or_create(&RefusalLabels { reason })
            .inc();
    }

    /// Notes a pass of compaction over a log.
    pub(crate) fn log_cleaned(&self, bytes_before: u64, bytes_after: u64, took: Duration) {
        self.cleaner_runs.inc();
        self.cleaner_bytes_before.inc_by(bytes_before);
        self.cleaner_bytes_after.inc_by(bytes_after);
        self.cleaner_last_run_ms.set(took.as_millis() as i64);
    }

    /// Notes how long one flush of a log took.
    pub(crate) fn log_flushed(&self, took: Duration) {
        self.log_flush_duration.observe(took.as_secs_f64());
    }
}

impl RequestMetrics {
    /// Counts a request when it has arrived.
    pub(crate) fn received(&self) {
        self.count.inc();
    }

    /// Notes how long its answer took.
    pub(crate) fn answered(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }
}

/// Registers a metric and hands it back.
struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric<M>(&mut self, name: &str, help: &str) -> M
    where
        M: prometheus_client::registry::Metric + Default + Clone,
    {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    fn histogram(&mut self, name: &str, help: &str) -> Histogram {
        let metric = Durations.new_metric();
        self.0.register(name, help, metric.clone());
        metric
    }
}

fn register_build(registry: &mut Registry) {
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("odradek_build", "The running version", version);
}

/// Reads one value now. Must not block.
pub(crate) type Read = Box<dyn Fn() -> u64 + Send + Sync>;

/// Values that other parts know and that are read when a scrape asks for them.
pub(crate) struct Sources {
    /// Partitions with a replica here.
    pub(crate) partitions: Read,
    /// Those of them that cannot serve.
    pub(crate) offline_partitions: Read,
    /// Jobs that wait for a thread of the disk pool.
    pub(crate) disk_jobs_queued: Read,
    /// Bytes of requests and answers in memory.
    pub(crate) request_memory_bytes: Read,
    /// Fetch sessions remembered.
    pub(crate) fetch_sessions: Read,
    /// Fetches that wait for records.
    pub(crate) fetches_waiting: Read,
    /// Partitions of `__consumer_offsets` that are still being loaded.
    pub(crate) offsets_partitions_loading: Read,
    /// Consumer groups, with members or without.
    pub(crate) groups: Read,
    /// Bytes of log that could be compacted and are not.
    pub(crate) dirty_bytes: Read,
    /// The largest part of a log that could be compacted and is not, in percent.
    pub(crate) dirty_percent_max: Read,
    /// Milliseconds since logs were last looked at for compaction.
    pub(crate) since_last_clean_look_ms: Read,
    /// Partitions that cannot be compacted.
    pub(crate) uncleanable_partitions: Read,
    /// Bytes free on the disk of the data folder.
    pub(crate) free_bytes: Read,
    /// 1 while produces are refused because the disk is nearly full.
    pub(crate) produces_refused: Read,
    /// 1 once the log directory has failed.
    pub(crate) offline_directories: Read,
    /// 1 once the metadata log has failed.
    pub(crate) metadata_log_failed: Read,
    /// Bytes appended and not flushed.
    pub(crate) unflushed_bytes: Read,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, read) in [
            (
                "kafka_server_replicamanager_partitioncount",
                "Partitions with a replica on this broker",
                &self.partitions,
            ),
            (
                "kafka_server_replicamanager_offlinereplicacount",
                "Replicas on this broker that cannot serve",
                &self.offline_partitions,
            ),
            (
                "odradek_disk_jobs_queued",
                "Jobs that wait for a thread of the disk pool",
                &self.disk_jobs_queued,
            ),
            (
                "odradek_request_memory_bytes",
                "Bytes of requests and answers in memory",
                &self.request_memory_bytes,
            ),
            (
                "kafka_server_fetchsessioncache_numincrementalfetchsessions",
                "Fetch sessions remembered",
                &self.fetch_sessions,
            ),
            (
                "odradek_offsets_partitions_loading",
                "Partitions of __consumer_offsets that are still being loaded",
                &self.offsets_partitions_loading,
            ),
            (
                "odradek_fetches_waiting",
                "Fetches that wait for records",
                &self.fetches_waiting,
            ),
            ("odradek_groups", "Consumer groups", &self.groups),
            (
                "odradek_log_cleaner_dirty_bytes",
                "Bytes of log that could be compacted and are not",
                &self.dirty_bytes,
            ),
            (
                "kafka_log_logcleanermanager_max_dirty_percent",
                "The largest part of a log that could be compacted and is not",
                &self.dirty_percent_max,
            ),
            (
                "kafka_log_logcleanermanager_time_since_last_run_ms",
                "Time since logs were last looked at for compaction",
                &self.since_last_clean_look_ms,
            ),
            (
                "kafka_log_logcleanermanager_uncleanable_partitions_count",
                "Partitions whose compaction failed when it was last tried",
                &self.uncleanable_partitions,
            ),
            (
                "odradek_storage_free_bytes",
                "Bytes free on the disk of the data folder",
                &self.free_bytes,
            ),
            (
                "odradek_storage_produces_refused",
                "1 while produces are refused because the disk is nearly full",
                &self.produces_refused,
            ),
            (
                "kafka_log_logmanager_offlinelogdirectorycount",
                "Log directories that have failed",
                &self.offline_directories,
            ),
            (
                "odradek_metadata_log_failed",
                "1 once the metadata log has failed",
                &self.metadata_log_failed,
            ),
            (
                "odradek_storage_unflushed_bytes",
                "Bytes of records appended and not flushed to the disk",
                &self.unflushed_bytes,
            ),
        ] {
            let gauge = ConstGauge::new(read());
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn scrape(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn requests_are_counted_by_api_under_kafkas_names() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry, [ApiKey::Produce, ApiKey::Fetch]);
        metrics.request(ApiKey::Produce).received();
        metrics
            .request(ApiKey::Produce)
            .answered(Duration::from_micros(700));
        metrics.request(ApiKey::JoinGroup).received();
        metrics.bytes_in.inc_by(1000);
        metrics.error(ApiKey::Fetch, ErrorCode::UnknownTopicOrPartition);
        metrics.connections("PLAINTEXT").inc();
        metrics.connection_refused(Refusal::TooMany);
        metrics.log_flushed(Duration::from_millis(2));

        let text = scrape(&registry);
        for line in [
            "kafka_network_requestmetrics_requests_total{request=\"Produce\"} 1",
            "kafka_network_requestmetrics_requests_total{request=\"Fetch\"} 0",
            "kafka_network_requestmetrics_errors_total{request=\"Fetch\",error=\"3\"} 1",
            "odradek_request_duration_seconds_bucket{le=\"0.0005\",request=\"Produce\"} 0",
            "odradek_request_duration_seconds_bucket{le=\"0.001\",request=\"Produce\"} 1",
            "kafka_server_brokertopicmetrics_bytesin_total 1000",
            "odradek_connections{listener=\"PLAINTEXT\"} 1",
            "odradek_connections_refused_total{reason=\"max_connections\"} 1",
            "odradek_log_flush_duration_seconds_count 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(!text.contains("JoinGroup"), "{text}");
    }

    #[test]
    fn values_are_read_when_a_scrape_asks() {
        let mut registry = Registry::default();
        let zero = || -> Read { Box::new(|| 0) };
        registry.register_collector(Box::new(Sources {
            partitions: Box::new(|| 7),
            offline_partitions: zero(),
            disk_jobs_queued: zero(),
            request_memory_bytes: zero(),
            fetch_sessions: zero(),
            fetches_waiting: zero(),
            offsets_partitions_loading: zero(),
            groups: zero(),
            dirty_bytes: zero(),
            dirty_percent_max: zero(),
            since_last_clean_look_ms: zero(),
            uncleanable_partitions: zero(),
            free_bytes: zero(),
            produces_refused: zero(),
            offline_directories: zero(),
            metadata_log_failed: zero(),
            unflushed_bytes: zero(),
        }));
        let text = scrape(&registry);
        assert!(
            text.contains("kafka_server_replicamanager_partitioncount 7"),
            "{text}"
        );
    }
}
