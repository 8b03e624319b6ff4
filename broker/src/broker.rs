//! The composition root: builds every part, starts them in order, stops them in order.
//!
//! Start: raise the descriptor limit, bind every port and look at the directory (all problems at
//! once, nothing changed yet), lock the directory, open the metadata, answer on the admin port,
//! open the logs, accept clients. Stop: refuse new clients, answer what is under way, close the
//! logs, mark the directory clean, close the metadata.
//!
//! **Invariant:** a client that connects before the logs are open waits in the kernel's queue; it
//! never meets half a broker.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

use odradek_quorum::ReplicaKey;
use odradek_storage::{
    disk::RealDisk,
    file_cache::{self, FileCache},
    log::LogContext,
    log_dir::{DirExpectation, LogDir, LogDirError},
    positions::PositionBudget,
    producer_state::ProducerLimits,
    uuid_text,
};
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    api::{self, context::Services},
    clock::Clock,
    config::{Config, check::Problems},
    coordinator::Coordinator,
    descriptors,
    disk::DiskPool,
    fetch::SessionCache,
    metadata::{Metadata, registration},
    network::{
        Network,
        listener::{ConnectionLimits, Listener},
    },
    observation::{ListenerAddress, Observed},
    preflight::{self, Ports},
    replica::{self, Logs},
    shutdown::StopSignals,
    telemetry::{admin_http::AdminServer, health::Readiness, metrics::Metrics},
};

/// Memory for batch positions: enough to know where the batches of the newest 32 GiB lie.
const POSITIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a stop waits for answers on their way to clients.
const STOP_CONNECTIONS_MAX: Duration = Duration::from_secs(5);

/// How long the runtime may take to end once nothing of ours runs on it.
const STOP_RUNTIME_MAX: Duration = Duration::from_secs(1);

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    runtime: Runtime,
    signals: StopSignals,
    services: Arc<Services>,
    metadata: Metadata,
    readiness: Arc<Readiness>,
    addresses: Vec<ListenerAddress>,
    connections: Tasks,
    background: Tasks,
    /// Stops when it is dropped, last of all.
    admin: Option<AdminServer>,
}

/// Tasks that end together.
#[derive(Debug, Default)]
struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The ports or the directory.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The system refuses threads or descriptors.
    #[error("{action}")]
    System {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The directory is not ours, or cannot be used.
    #[error(transparent)]
    Directory(#[from] LogDirError),
    /// The metadata cannot be used, the logs cannot be opened, or this broker does not belong here.
    #[error("{action}")]
    State {
        /// What was attempted.
        action: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StartError {
    fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    fn state<E>(action: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::State {
            action,
            source: Box::new(source),
        }
    }
}

impl Broker {
    /// Starts a broker and returns when it serves. `began` is when the process did, for the log.
    pub fn start(config: Config, began: Instant) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let descriptors = descriptors::raise_limit();
        let files_max = file_cache::capacity_for(descriptors);
        let runtime = start_runtime(&config)?;
        let in_runtime = runtime.enter();
        let signals = StopSignals::listen().map_err(StartError::system("listen for signals"))?;
        let Ports { listeners, admin } = preflight::check(&config)?;
        let addresses = addresses(&config, &listeners)?;

        let dir = Arc::new(open_directory(&config)?);
        let metadata = start_metadata(&config, &dir)?;
        let mut registry = Registry::default();
        let services = start_services(&config, &dir, &metadata, files_max, &mut registry)?;
        let (connections, background) = (Tasks::default(), Tasks::default());
        let stop = connections.stop.clone();
        let network = Network::new(&config.network, Arc::clone(&services), stop);
        let readiness = Arc::new(Readiness::default());
        let observed = Observed {
            services: Arc::clone(&services),
            dir: Arc::clone(&dir),
            quorum: metadata.health().clone(),
            network: Arc::clone(&network),
            readiness: Arc::clone(&readiness),
            addresses: addresses.clone(),
            began,
        };
        let admin = admin.map(|port| observed.serve(port, registry, runtime.handle()));
        let admin = admin
            .transpose()
            .map_err(StartError::system("start the admin port"))?;

        readiness.starting("opening the logs");
        runtime.block_on(open_logs(&services, &dir, &addresses))?;
        let following =
            Arc::clone(&services.replicas).run(services.metadata.watch(), background.stop.clone());
        background.tracker.spawn(following);
        services.coordinator.follow(&services.metadata.image());
        let coordinating = Arc::clone(&services.coordinator).run(background.stop.clone());
        background.tracker.spawn(coordinating);
        let limits = ConnectionLimits::new(
            Arc::clone(services.replicas.live_config()),
            descriptors::connections_max(descriptors, files_max),
            Arc::clone(&services.metrics),
        );
        connections.accept(listeners, &network, &limits);
        drop(in_runtime);
        readiness.ready();
        announce(&dir, &addresses, began);
        Ok(Self {
            runtime,
            signals,
            services,
            metadata,
            readiness,
            addresses,
            connections,
            background,
            admin,
        })
    }

    /// Where its listeners listen, in the order of the configuration.
    pub fn listening_on(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().map(|address| address.bound)
    }

    /// Waits for SIGTERM or SIGINT.
    pub fn wait_for_signal(&mut self) {
        let signal = self.runtime.block_on(self.signals.next());
        tracing::info!("stopping because of {signal}");
    }

    /// Stops in order, so that the next start has nothing to recover. A second signal ends the
    /// process at once.
    pub fn stop(self) {
        let Self {
            runtime,
            mut signals,
            services,
            metadata,
            readiness,
            ..
        } = self;
        let (connections, background) = (self.connections, self.background);
        let began = Instant::now();
        runtime.spawn(async move {
            let signal = signals.next().await;
            tracing::warn!("ended by a second {signal}; the next start will recover");
            #[expect(
                clippy::disallowed_methods,
                reason = "to end without the rest is the point"
            )]
            std::process::exit(1);
        });
        readiness.stopping();
        runtime.block_on(async {
            if tokio::time::timeout(STOP_CONNECTIONS_MAX, connections.stop())
                .await
                .is_err()
            {
                tracing::info!("some clients did not take their answers in time");
            }
            background.stop().await;
            services.coordinator.stop().await;
            services.replicas.stop().await;
        });
        metadata.stop();
        services.disk.stop();
        runtime.shutdown_timeout(STOP_RUNTIME_MAX);
        drop(self.admin);
        tracing::info!("stopped in {} ms", began.elapsed().as_millis());
    }
}

impl Tasks {
    /// Lets clients in.
    fn accept(
        &self,
        listeners: Vec<Listener>,
        network: &Arc<Network>,
        limits: &Arc<ConnectionLimits>,
    ) {
        for listener in listeners {
            let (network, limits) = (Arc::clone(network), Arc::clone(limits));
            self.tracker
                .spawn(listener.accept(network, limits, self.tracker.clone()));
        }
        let network = Arc::clone(network);
        self.tracker
            .spawn(async move { network.trim_memory().await });
    }

    /// Asks the tasks to end and waits until they have.
    async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn start_runtime(config: &Config) -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.network.worker_threads)
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(StartError::system("start the network threads"))
}

/// Locks the directory, and gives it an identity if it is new.
fn open_directory(config: &Config) -> Result<LogDir, LogDirError> {
    let expected = DirExpectation {
        node_id: config.node_id,
        cluster_id: None,
        new_cluster_id: uuid_text::encode(Uuid::new_v4()),
        new_directory_id: Uuid::new_v4(),
    };
    LogDir::open(Arc::new(RealDisk), &config.storage.directory, &expected)
}

fn start_metadata(config: &Config, dir: &LogDir) -> Result<Metadata, StartError> {
    let voter = ReplicaKey {
        node_id: config.node_id,
        directory_id: dir.identity().directory_id,
    };
    Metadata::start(dir.path(), voter).map_err(StartError::state("open the metadata"))
}

fn start_services(
    config: &Arc<Config>,
    dir: &Arc<LogDir>,
    metadata: &Metadata,
    files_max: usize,
    registry: &mut Registry,
) -> Result<Arc<Services>, StartError> {
    let threads = NonZeroUsize::new(config.network.disk_threads).unwrap_or(NonZeroUsize::MIN);
    let disk = DiskPool::start(threads).map_err(StartError::system("start the disk threads"))?;
    disk.start_cleaning(config.storage.cleaner.threads)
        .map_err(StartError::system("start the threads for compaction"))?;
    let context = LogContext {
        files: FileCache::new(Arc::clone(dir.disk()), files_max),
        positions: Arc::new(PositionBudget::new(POSITIONS_BYTES_MAX)),
        producers: ProducerLimits {
            expiration_ms: config.storage.producer_expiration.as_millis() as i64,
            ..ProducerLimits::default()
        },
        health: Arc::clone(dir.health()),
    };
    let metadata = metadata.handle().clone();
    let metrics = Arc::new(Metrics::new(registry, api::SERVED.iter().copied()));
    let replicas = replica::Manager::new(
        Arc::clone(config),
        Logs {
            dir: Arc::clone(dir),
            context,
        },
        Arc::clone(&disk),
        Clock::System,
        Arc::clone(&metrics),
        metadata.acted().clone(),
    );
    let coordinator = Coordinator::new(
        Arc::clone(config),
        metadata.clone(),
        Arc::clone(&replicas),
        Arc::clone(&disk),
        Clock::System,
        Arc::clone(&metrics),
    );
    Ok(Arc::new(Services {
        config: Arc::clone(config),
        replicas,
        coordinator,
        metadata,
        fetch_sessions: SessionCache::new(config.fetch.sessions_max),
        disk,
        metrics,
        clock: Clock::System,
    }))
}

/// Makes this broker known, and opens what the metadata says is here.
async fn open_logs(
    services: &Services,
    dir: &LogDir,
    addresses: &[ListenerAddress],
) -> Result<(), StartError> {
    let identity = dir.identity();
    let registration = registration::of_this_broker(
        &services.config,
        addresses
            .iter()
            .map(|address| (address.name.as_str(), address.advertised.clone())),
        identity.directory_id,
        Uuid::new_v4(),
    );
    let registered = services
        .metadata
        .register_broker(identity.cluster_id.clone(), registration);
    registered
        .await
        .map_err(StartError::state("register with the cluster"))?;
    let image = services.metadata.image();
    services
        .replicas
        .load(&image)
        .await
        .map_err(StartError::state("open the logs"))
}

/// Where each listener is, and where clients are told it is.
fn addresses(config: &Config, listeners: &[Listener]) -> Result<Vec<ListenerAddress>, StartError> {
    let each = config
        .listeners
        .open
        .iter()
        .zip(listeners)
        .map(|(configured, listener)| {
            let bound = listener.local_address()?;
            let advertised = configured.advertised_on(bound.port());
            Ok(ListenerAddress {
                name: configured.name.clone(),
                bound,
                advertised,
            })
        });
    each.collect::<io::Result<_>>()
        .map_err(StartError::system("ask for a listener's address"))
}

/// The one line that says it worked.
fn announce(dir: &LogDir, addresses: &[ListenerAddress], began: Instant) {
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    tracing::info!(
        "ready after {} ms: {}, data in {}",
        began.elapsed().as_millis(),
        shown.join(", "),
        dir.path().display()
    );
}
