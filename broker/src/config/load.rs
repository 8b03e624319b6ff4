//! Loading: the file and the flags in, a [`Config`] or every problem at once out.
//!
//! The only reads of the file system are the configuration file itself; nothing is created.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use odradek_protocol::records::Compression;

use super::{
    Cleaner, Config, Fetch, Groups, Loaded, Network, Offsets, Storage, Surroundings, Topics,
    check::{self, Problem, Problems, Settings},
    listeners::{self, Address, Listeners},
    raw,
    topic::TopicDefaults,
};

/// Reads and checks a configuration: the file if there is one, then the overrides over it.
pub fn load(
    file: Option<&Path>,
    overrides: &[String],
    surroundings: &Surroundings,
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut entries = Vec::new();
    if let Some(path) = file {
        let name = path.display().to_string();
        match fs::read_to_string(path).map(|text| raw::parse_properties(&name, &text)) {
            Ok(Ok(found)) => entries = found,
            Ok(Err(errors)) => problems.extend(errors.into_iter().map(Problem::from)),
            Err(error) => problems.push(unreadable(name, &error)),
        }
    }
    for text in overrides {
        match raw::parse_override(text) {
            Ok(entry) => entries.push(entry),
            Err(error) => problems.push(error.into()),
        }
    }
    build(entries, problems, surroundings)
}

fn unreadable(name: String, error: &io::Error) -> Problem {
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "check the path, or start without a file for the defaults",
        io::ErrorKind::InvalidData => "the file must be UTF-8 text",
        _ => "make it readable to the user the broker runs as",
    };
    let what = format!("cannot read the configuration ({error})");
    Problem {
        place: name,
        what,
        remedy: remedy.to_owned(),
    }
}

/// Checks entries that were read already.
pub(super) fn build(
    entries: Vec<raw::Entry>,
    mut problems: Vec<Problem>,
    surroundings: &Surroundings,
) -> Result<Loaded, Problems> {
    let checked = check::check(entries);
    let settings = checked.settings;
    problems.extend(checked.problems);

    let node_id = node_id(&settings, &mut problems);
    check_alone(&settings, &mut problems);
    check_session_timeouts(&settings, &mut problems);
    let listeners = listeners::resolve(&settings, &mut problems);
    let admin_listener = admin_listener(&settings, &mut problems);
    let directory = data_folder(&settings, surroundings, &mut problems);
    let (Some(listeners), Some(directory), true) = (listeners, directory, problems.is_empty())
    else {
        return Err(Problems(problems));
    };
    let config = Config::assemble(node_id, listeners, admin_listener, directory, settings);
    Ok(Loaded {
        config,
        warnings: checked.warnings,
    })
}

impl Config {
    /// All parts from the settings and what was resolved before.
    fn assemble(
        node_id: i32,
        listeners: Listeners,
        admin_listener: Option<Address>,
        directory: PathBuf,
        settings: Settings,
    ) -> Self {
        Self {
            node_id,
            rack: settings.text("broker.rack").map(str::to_owned),
            listeners,
            admin_listener,
            network: Network::new(&settings),
            topics: Topics::new(&settings),
            topic_defaults: TopicDefaults::new(&settings),
            storage: Storage::new(&settings, directory),
            fetch: Fetch::new(&settings),
            groups: Groups::new(&settings),
            offsets: Offsets::new(&settings),
            settings,
        }
    }

    /// This configuration with keys changed that may change while the broker runs.
    pub(super) fn with_settings(&self, settings: Settings) -> Self {
        Self::assemble(
            self.node_id,
            self.listeners.clone(),
            self.admin_listener.clone(),
            self.storage.directory.clone(),
            settings,
        )
    }
}

fn node_id(settings: &Settings, problems: &mut Vec<Problem>) -> i32 {
    let node_id = settings.number("node.id");
    let broker_id: i32 = settings.number("broker.id");
    if broker_id < 0 {
        return node_id;
    }
    if settings.is_written("node.id") && node_id != broker_id {
        problems.push(settings.problem(
            "broker.id",
            format!("it says {broker_id} and node.id says {node_id}"),
            "keep only node.id",
        ));
    }
    broker_id
}

/// With the shortest above the longest no member could join any group.
fn check_session_timeouts(settings: &Settings, problems: &mut Vec<Problem>) {
    let min: i32 = settings.number("group.min.session.timeout.ms");
    let max: i32 = settings.number("group.max.session.timeout.ms");
    if max < min {
        problems.push(settings.problem(
            "group.max.session.timeout.ms",
            format!("{max} is below the {min} of group.min.session.timeout.ms"),
            "raise it, or lower the other",
        ));
    }
}

/// Until there are clusters, a file that describes one must not start a lonely broker in its name.
fn check_alone(settings: &Settings, problems: &mut Vec<Problem>) {
    if settings.list("process.roles").count() != 2 {
        problems.push(settings.problem(
            "process.roles",
            "a process has both roles so far".to_owned(),
            "write process.roles=broker,controller or remove the line",
        ));
    }
    for key in [
        "controller.quorum.voters",
        "controller.quorum.bootstrap.servers",
    ] {
        if settings.list(key).count() > 1 {
            problems.push(settings.problem(
                key,
                "clusters of several nodes are not supported yet".to_owned(),
                "start a single node without this line",
            ));
        }
    }
    for key in [
        "default.replication.factor",
        "offsets.topic.replication.factor",
    ] {
        if settings.number::<i32>(key) > 1 {
            problems.push(settings.problem(
                key,
                "a single node cannot hold several replicas".to_owned(),
                "set it to 1",
            ));
        }
    }
}

fn admin_listener(settings: &Settings, problems: &mut Vec<Problem>) -> Option<Address> {
    let text = settings
        .text("admin.listener")
        .filter(|text| !text.is_empty())?;
    let address = Address::parse(text);
    if address.is_none() {
        problems.push(settings.problem(
            "admin.listener",
            format!("\"{text}\" is not an address"),
            "write it as host:port, or leave the value empty to switch the admin port off",
        ));
    }
    address
}

fn data_folder(
    settings: &Settings,
    surroundings: &Surroundings,
    problems: &mut Vec<Problem>,
) -> Option<PathBuf> {
    let key = if settings.text("log.dirs").is_some() {
        "log.dirs"
    } else {
        "log.dir"
    };
    let folders: Vec<_> = settings.list(key).collect();
    match folders[..] {
        [folder] => Some(PathBuf::from(folder)),
        [] => {
            let folder = surroundings.data_folder();
            if folder.is_none() {
                problems.push(settings.problem(
                    "log.dirs",
                    "there is no home folder to put the data into".to_owned(),
                    "set it to the folder for the data",
                ));
            }
            folder
        }
        [..] => {
            problems.push(settings.problem(
                key,
                format!(
                    "it names {} folders, and one is supported so far",
                    folders.len()
                ),
                "keep one; use RAID or LVM to join disks",
            ));
            None
        }
    }
}

impl Network {
    fn new(settings: &Settings) -> Self {
        let idle_ms: i64 = settings.number("connections.max.idle.ms");
        let buffer = |key| {
            u32::try_from(settings.number::<i32>(key))
                .ok()
                .filter(|n| *n > 0)
        };
        Self {
            worker_threads: settings.number("num.network.threads"),
            disk_threads: settings.number("num.io.threads"),
            request_bytes_max: settings.number("socket.request.max.bytes"),
            request_bytes_budget: settings.text("queued.max.request.bytes").and_then(|text| {
                // "-1" is the one legal value that is no usize.
                text.parse().ok()
            }),
            send_buffer_bytes: buffer("socket.send.buffer.bytes"),
            receive_buffer_bytes: buffer("socket.receive.buffer.bytes"),
            listen_backlog: settings.number("socket.listen.backlog.size"),
            connections_max: settings.number("max.connections"),
            connections_per_ip_max: settings.number("max.connections.per.ip"),
            idle_timeout: u64::try_from(idle_ms).ok().map(Duration::from_millis),
            stall_timeout: settings.milliseconds("socket.stall.timeout.ms"),
        }
    }
}

impl Topics {
    fn new(settings: &Settings) -> Self {
        Self {
            auto_create: settings.boolean("auto.create.topics.enable"),
            delete: settings.boolean("delete.topic.enable"),
            described_partitions_max: settings.number("max.request.partition.size.limit"),
            partitions: settings.number("num.partitions"),
            replication_factor: settings.number("default.replication.factor"),
        }
    }
}

impl Storage {
    fn new(settings: &Settings, directory: PathBuf) -> Self {
        Self {
            directory,
            min_free_bytes: settings
                .text("storage.min.free.bytes")
                .and_then(|text| text.parse().ok()),
            recovery_threads: settings.number("num.recovery.threads.per.data.dir"),
            retention_check_interval: settings.milliseconds("log.retention.check.interval.ms"),
            flush_interval: settings.milliseconds("log.recovery.flush.interval.ms"),
            flush_bytes: settings.number("log.recovery.flush.bytes"),
            log_start_checkpoint_interval: settings
                .milliseconds("log.flush.start.offset.checkpoint.interval.ms"),
            high_watermark_checkpoint_interval: settings
                .milliseconds("replica.high.watermark.checkpoint.interval.ms"),
            producer_expiration: settings.milliseconds("producer.id.expiration.ms"),
            cleaner: Cleaner::new(settings),
        }
    }
}

impl Cleaner {
    fn new(settings: &Settings) -> Self {
        Self {
            threads: if settings.boolean("log.cleaner.enable") {
                settings.number("log.cleaner.threads")
            } else {
                0
            },
            backoff: settings.milliseconds("log.cleaner.backoff.ms"),
            map_bytes: settings.number("log.cleaner.dedupe.buffer.size"),
            map_load_factor: settings.number("log.cleaner.io.buffer.load.factor"),
            bytes_per_second_max: settings.number("log.cleaner.io.max.bytes.per.second"),
        }
    }
}

impl Fetch {
    fn new(settings: &Settings) -> Self {
        Self {
            response_bytes_max: settings.number("fetch.max.bytes"),
            sessions_max: settings.number("max.incremental.fetch.session.cache.slots"),
        }
    }
}

impl Groups {
    fn new(settings: &Settings) -> Self {
        Self {
            session_timeout_min: settings.milliseconds("group.min.session.timeout.ms"),
            session_timeout_max: settings.milliseconds("group.max.session.timeout.ms"),
            initial_rebalance_delay: settings.milliseconds("group.initial.rebalance.delay.ms"),
            members_max: settings.number("group.max.size"),
        }
    }
}

impl Offsets {
    fn new(settings: &Settings) -> Self {
        let minutes: u32 = settings.number("offsets.retention.minutes");
        Self {
            topic_partitions: settings.number("offsets.topic.num.partitions"),
            topic_replication_factor: settings.number("offsets.topic.replication.factor"),
            topic_segment_bytes: settings.number("offsets.topic.segment.bytes"),
            compression: Compression::from_code(settings.number("offsets.topic.compression.codec"))
                .unwrap_or(Compression::None),
            metadata_len_max: settings.number("offset.metadata.max.bytes"),
            commit_timeout: settings.milliseconds("offsets.commit.timeout.ms"),
            load_bytes: settings.number("offsets.load.buffer.size"),
            retention: Duration::from_secs(60 * u64::from(minutes)),
            retention_check_interval: settings.milliseconds("offsets.retention.check.interval.ms"),
        }
    }
}
