//! What the admin port shows, gathered from the parts that know it.
//!
//! Everything is read when somebody asks; nothing here is kept up to date in between.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Instant,
};

use odradek_quorum::QuorumHealth;
use odradek_storage::{log_dir::LogDir, uuid_text};
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

use crate::{
    api::context::Services,
    config::listeners::Address,
    coordinator::{group::error::GroupError, lag::LagMetrics},
    network::Network,
    replica::SpaceReport,
    telemetry::{
        admin_http::{Admin, AdminServer, GroupDocument},
        health::{Readiness, Watchdog},
        metrics::Sources,
        process::Process,
        status::{
            BrokerStatus, ListenerStatus, OfflinePartition, RecoveryReport, StorageStatus,
            UncleanablePartition,
        },
    },
};

/// A listener as it turned out.
#[derive(Debug, Clone)]
pub(crate) struct ListenerAddress {
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) bound: SocketAddr,
    /// What clients are told to dial.
    pub(crate) advertised: Address,
}

/// The parts that are looked at.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) services: Arc<Services>,
    pub(crate) dir: Arc<LogDir>,
    pub(crate) quorum: QuorumHealth,
    pub(crate) network: Arc<Network>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) addresses: Vec<ListenerAddress>,
    /// When the process began.
    pub(crate) began: Instant,
}

impl Observed {
    /// Starts the admin port. `runtime` is the one that must turn for the broker to be alive.
    pub(crate) fn serve(
        self,
        port: TcpListener,
        mut registry: Registry,
        runtime: &Handle,
    ) -> io::Result<AdminServer> {
        registry.register_collector(Box::new(Process));
        registry.register_collector(Box::new(self.sources()));
        let coordinator = Arc::clone(&self.services.coordinator);
        registry.register_collector(Box::new(LagMetrics(coordinator)));
        let mut watchdog = Watchdog::default();
        watchdog.watch("network", runtime.clone());
        let readiness = Arc::clone(&self.readiness);
        let (dir, quorum) = (Arc::clone(&self.dir), self.quorum.clone());
        let failure = Box::new(move || failure(&dir, &quorum));
        let services = Arc::clone(&self.services);
        let group = Box::new(move |id: &str| match services.coordinator.report(id) {
            Ok(report) => {
                serde_json::to_value(report).map_or(GroupDocument::Unknown, GroupDocument::Known)
            }
            Err(GroupError::Loading) => GroupDocument::Loading,
            Err(_) => GroupDocument::Unknown,
        });
        let status = Box::new(move || self.status());
        AdminServer::start(
            port,
            Admin {
                watchdog,
                readiness,
                failure,
                registry,
                status,
                group,
            },
        )
    }

    fn sources(&self) -> Sources {
        let services = || Arc::clone(&self.services);
        let (online, offline, queued) = (services(), services(), services());
        let (sessions, waiting, groups) = (services(), services(), services());
        let loading = services();
        let (dirty, percent, look) = (services(), services(), services());
        let uncleanable = services();
        let network = Arc::clone(&self.network);
        let (free, refused, unflushed) = (services(), services(), services());
        let (dir, quorum) = (Arc::clone(&self.dir), self.quorum.clone());
        Sources {
            dirty_bytes: Box::new(move || dirty.replicas.backlog().dirty_bytes),
            dirty_percent_max: Box::new(move || percent.replicas.backlog().dirty_percent_max),
            since_last_clean_look_ms: Box::new(move || look.replicas.backlog().since_last_look_ms),
            uncleanable_partitions: Box::new(move || {
                uncleanable.replicas.uncleanable().len() as u64
            }),
            free_bytes: Box::new(move || free.replicas.space().report().free_bytes),
            produces_refused: Box::new(move || {
                u64::from(refused.replicas.space().report().produces_refused)
            }),
            offline_directories: Box::new(move || u64::from(dir.health().offline().is_some())),
            metadata_log_failed: Box::new(move || u64::from(quorum.failure().is_some())),
            unflushed_bytes: Box::new(move || unflushed.replicas.unflushed_bytes()),
            partitions: Box::new(move || partitions(&online) as u64),
            offline_partitions: Box::new(move || offline.replicas.offline().len() as u64),
            disk_jobs_queued: Box::new(move || queued.disk.queued() as u64),
            request_memory_bytes: Box::new(move || network.memory_bytes() as u64),
            fetch_sessions: Box::new(move || sessions.fetch_sessions.len() as u64),
            groups: Box::new(move || groups.coordinator.group_count() as u64),
            fetches_waiting: Box::new(move || waiting.fetch_sessions.waiting() as u64),
            offsets_partitions_loading: Box::new(move || {
                loading.coordinator.partitions_loading() as u64
            }),
        }
    }

    fn recovery(&self) -> Option<RecoveryReport> {
        let report = self.services.replicas.start_report()?;
        Some(RecoveryReport {
            previous_stop: self.dir.previous_stop().to_string(),
            partitions: report.partitions,
            bytes_scanned: report.recovery.bytes_scanned,
            bytes_truncated: report.recovery.bytes_truncated,
            duration_ms: report.took.as_millis() as u64,
        })
    }

    fn storage(&self) -> StorageStatus {
        let SpaceReport {
            free_bytes,
            reserve_bytes,
            produces_refused,
        } = self.services.replicas.space().report();
        StorageStatus {
            free_bytes,
            reserve_bytes,
            produces_refused,
            failure: self.dir.health().offline().map(str::to_owned),
        }
    }

    fn uncleanable(&self) -> Vec<UncleanablePartition> {
        let uncleanable = self.services.replicas.uncleanable().into_iter();
        uncleanable
            .map(|(partition, failure)| UncleanablePartition {
                topic: partition.topic,
                partition: partition.partition,
                reason: failure.reason,
                attempts: failure.attempts,
            })
            .collect()
    }

    fn status(&self) -> BrokerStatus {
        let identity = self.dir.identity();
        let listeners = self.addresses.iter().map(|address| ListenerStatus {
            name: address.name.clone(),
            bound: address.bound.to_string(),
            advertised: address.advertised.to_string(),
        });
        let offline = self.services.replicas.offline().into_iter();
        let offline = offline.map(|(partition, offline)| OfflinePartition {
            topic: partition.topic,
            partition: partition.partition,
            reason: offline.reason.clone(),
        });
        BrokerStatus {
            version: env!("CARGO_PKG_VERSION"),
            node_id: identity.node_id,
            cluster_id: identity.cluster_id.clone(),
            directory_id: uuid_text::encode(identity.directory_id),
            directory: self.dir.path().display().to_string(),
            stage: self.readiness.stage().to_string(),
            uptime_ms: self.began.elapsed().as_millis() as u64,
            listeners: listeners.collect(),
            partitions: partitions(&self.services),
            offline_partitions: offline.collect(),
            uncleanable_partitions: self.uncleanable(),
            recovery: self.recovery(),
            storage: self.storage(),
            metadata_log_failure: self.quorum.failure().map(str::to_owned),
        }
    }
}

impl fmt::Display for ListenerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, self.bound)?;
        if self.advertised.to_string() != self.bound.to_string() {
            write!(f, " (advertised as {})", self.advertised)?;
        }
        Ok(())
    }
}

/// What has failed for as long as this process lives.
fn failure(dir: &LogDir, quorum: &QuorumHealth) -> Option<String> {
    let of_logs = dir
        .health()
        .offline()
        .map(|reason| format!("the log directory has failed: {reason}"));
    let of_metadata = || {
        let reason = quorum.failure()?;
        Some(format!("the metadata log has failed: {reason}"))
    };
    of_logs.or_else(of_metadata)
}

fn partitions(services: &Services) -> usize {
    services.replicas.online().len() + services.replicas.offline().len()
}
