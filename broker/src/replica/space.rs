//! The room on the disk: who may still append when little is left.
//!
//! ```text
//! free bytes      0 ......... reserve/4 ......... reserve/2 ......... reserve .........
//! produces           refused                         may still end here   accepted
//! internal topics    refused   accepted: groups go on committing
//! all else           accepted: checkpoints, metadata, deletes, retention, compaction, restarts
//! ```
//!
//! A disk that is full to the last byte is a trap: what would free space needs some first. So
//! produces end while `storage.min.free.bytes` are left, and the broker lives on the rest. They
//! begin again, without anybody's help, when an eighth more than that is free.
//!
//! The file system is asked rarely: the answer allows for some MiB of appends, fewer as the limit
//! comes near, and for a second. A write that finds no space all the same (a quota, another
//! process, no inodes) ends produces at once, whatever the file system says of itself.
//!
//! It frees nothing itself: [`housekeeping`](super::housekeeping) does, when it hears of it here.

use std::{path::PathBuf, sync::Arc, time::Duration};

use odradek_storage::{
    disk::Disk,
    log_dir::{DirHealth, LogDir},
};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::manager::Manager;

/// The reserve where none is configured, on a disk that is large enough.
const RESERVE_DEFAULT: u64 = 256 << 20;
/// The default takes no more than this part of the file system: a tenth.
const RESERVE_DEFAULT_PART: u64 = 10;
/// A produce is accepted if it leaves this part of the reserve: half.
const PRODUCE_FLOOR_PART: u64 = 2;
/// Internal topics leave this part of the reserve to all else: a quarter.
const INTERNAL_FLOOR_PART: u64 = 4;
/// Produces begin again when this part of the reserve is free beyond it: an eighth.
const HYSTERESIS_PART: u64 = 8;

/// The most that is appended before the file system is asked again.
const LOOK_BYTES_MAX: u64 = 16 << 20;
/// The longest time for which an answer is believed while appends come.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often somebody looks whether there is room again.
const LOW_LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Produces are refused at least so long, so that the log is not filled with beginnings and ends.
const LOW_MIN: Duration = Duration::from_secs(1);
/// The same after a write found no space although the file system claims to have some.
const LOW_MIN_AFTER_FAILED_WRITE: Duration = Duration::from_secs(5);

/// The room on the disk of one log directory. See the module's documentation.
#[derive(Debug)]
pub(crate) struct DiskSpace {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    health: Arc<DirHealth>,
    reserve_bytes: u64,
    state: Mutex<State>,
    /// Whether produces are refused. Changed only under `state`.
    low: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    /// As the file system said, less what was admitted since.
    free_bytes: u64,
    /// So much may be admitted before it is asked again.
    credit_bytes: u64,
    looked_at: Instant,
    /// Since when produces are refused, and until when at least.
    low: Option<(Instant, Instant)>,
}

/// What an append is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AppendFor {
    /// A topic of the clients.
    Clients,
    /// A topic of the broker itself, such as `__consumer_offsets`.
    TheBroker,
}

/// The disk has too little room for an append. Nothing was appended; a retry may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk is nearly full: {free_bytes} bytes are free, and {reserve_bytes} are kept in reserve"
)]
pub(crate) struct DiskNearlyFull {
    /// Bytes free when last looked at.
    pub(crate) free_bytes: u64,
    /// `storage.min.free.bytes`.
    pub(crate) reserve_bytes: u64,
}

/// What there is to tell about the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpaceReport {
    /// Bytes that may still be written, as the file system says.
    pub(crate) free_bytes: u64,
    /// Below so many free bytes produces are refused.
    pub(crate) reserve_bytes: u64,
    /// Whether they are.
    pub(crate) produces_refused: bool,
}

impl DiskSpace {
    /// The room around a log directory. `reserve_bytes` is `storage.min.free.bytes`, if written.
    pub(super) fn new(dir: &LogDir, reserve_bytes: Option<u64>) -> Self {
        let (disk, directory) = (Arc::clone(dir.disk()), dir.path().to_owned());
        let reserve_bytes = reserve_bytes.unwrap_or_else(|| match disk.space(&directory) {
            Ok(space) => RESERVE_DEFAULT.min(space.total_bytes / RESERVE_DEFAULT_PART),
            // Whoever cannot tell how large it is, is not small.
            Err(_) => RESERVE_DEFAULT,
        });
        let now = Instant::now();
        let space = Self {
            disk,
            directory,
            health: Arc::clone(dir.health()),
            reserve_bytes,
            state: Mutex::new(State {
                free_bytes: u64::MAX,
                credit_bytes: 0,
                looked_at: now,
                low: None,
            }),
            low: watch::Sender::new(false),
        };
        {
            let mut state = space.state.lock();
            space.look(&mut state, now);
            // Nobody knows whether the process before this one had to refuse produces: between the
            // two limits, it had.
            if state.low.is_none() && !space.has_room_again(&state) {
                space.begin_refusing(&mut state, now, LOW_MIN);
            }
        }
        space
    }

    /// Lets `bytes` be appended, or not. Blocks no longer than the file system needs to say how
    /// full it is, which it mostly is not asked.
    pub(super) fn admit(&self, what: AppendFor, bytes: u64) -> Result<(), DiskNearlyFull> {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.credit_bytes < bytes || LOOK_INTERVAL <= now - state.looked_at {
            self.look(&mut state, now);
        }
        let leaves =
            |part: u64| bytes.saturating_add(self.reserve_bytes / part) <= state.free_bytes;
        let has_room = match what {
            AppendFor::Clients => state.low.is_none() && leaves(PRODUCE_FLOOR_PART),
            AppendFor::TheBroker => leaves(INTERNAL_FLOOR_PART),
        };
        if has_room {
            state.free_bytes -= bytes;
            state.credit_bytes = state.credit_bytes.saturating_sub(bytes);
            return Ok(());
        }
        let free_bytes = state.free_bytes;
        if state.low.is_none() {
            self.begin_refusing(&mut state, now, LOW_MIN);
        }
        Err(DiskNearlyFull {
            free_bytes,
            reserve_bytes: self.reserve_bytes,
        })
    }

    /// A write found no space.
    pub(super) fn write_found_none(&self) {
        let now = Instant::now();
        let mut state = self.state.lock();
        self.look(&mut state, now);
        match &mut state.low {
            Some((_, until)) => *until = (*until).max(now + LOW_MIN_AFTER_FAILED_WRITE),
            None => self.begin_refusing(&mut state, now, LOW_MIN_AFTER_FAILED_WRITE),
        }
    }

    /// Asks the file system, and says what it said.
    pub(crate) fn report(&self) -> SpaceReport {
        let mut state = self.state.lock();
        self.look(&mut state, Instant::now());
        SpaceReport {
            free_bytes: state.free_bytes,
            reserve_bytes: self.reserve_bytes,
            produces_refused: state.low.is_some(),
        }
    }

    /// Whether produces are refused, and when that changes.
    pub(super) fn watch_low(&self) -> watch::Receiver<bool> {
        self.low.subscribe()
    }

    /// Whether produces are refused.
    pub(super) fn is_low(&self) -> bool {
        *self.low.borrow()
    }

    /// A test need not wait for what follows a failed write.
    #[cfg(test)]
    pub(super) fn forget_failed_write(&self) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some((_, until)) = &mut state.low {
            *until = now;
        }
        self.look(&mut state, now);
    }

    fn look(&self, state: &mut State, now: Instant) {
        state.looked_at = now;
        match self.disk.space(&self.directory) {
            Ok(space) => state.free_bytes = space.free_bytes,
            Err(error) => {
                // A guess would only harm: should there be no room, a write will say so.
                tracing::debug!(%error, "the file system does not say how full it is");
                state.credit_bytes = LOOK_BYTES_MAX;
                return;
            }
        }
        let spare_bytes = state.free_bytes.saturating_sub(self.reserve_bytes);
        state.credit_bytes = (spare_bytes / 2).min(LOOK_BYTES_MAX);
        self.health.set_spare_bytes(spare_bytes);
        match state.low {
            None if state.free_bytes < self.reserve_bytes => {
                self.begin_refusing(state, now, LOW_MIN);
            }
            Some((since, until)) if until <= now && self.has_room_again(state) => {
                self.end_refusing(state, now - since);
            }
            _ => {}
        }
    }

    fn has_room_again(&self, state: &State) -> bool {
        let enough = self.reserve_bytes + self.reserve_bytes / HYSTERESIS_PART;
        enough <= state.free_bytes
    }

    fn begin_refusing(&self, state: &mut State, now: Instant, at_least: Duration) {
        state.low = Some((now, now + at_least));
        tracing::error!(
            directory = %self.directory.display(),
            free_bytes = state.free_bytes,
            reserve_bytes = self.reserve_bytes,
            "the disk is nearly full: produces are refused until there is room again"
        );
        self.low.send_replace(true);
    }

    fn end_refusing(&self, state: &mut State, lasted: Duration) {
        state.low = None;
        tracing::info!(
            directory = %self.directory.display(),
            free_bytes = state.free_bytes,
            reserve_bytes = self.reserve_bytes,
            lasted_ms = lasted.as_millis() as u64,
            "the disk has room again: produces are accepted"
        );
        self.low.send_replace(false);
    }
}

/// Looks for room while there is little, until `shutdown`. Sleeps while there is enough.
pub(super) async fn run(manager: &Arc<Manager>, shutdown: &CancellationToken) {
    let mut low = manager.space().watch_low();
    let watching = async {
        // Never fails: the manager has the sender.
        while low.wait_for(|low| *low).await.is_ok() {
            sleep(LOW_LOOK_INTERVAL).await;
            manager.look_at_space().await;
        }
    };
    tokio::select! {
        // Shutdown first: a stop does not care.
        biased;
        () = shutdown.cancelled() => {}
        () = watching => {}
    }
}

#[cfg(test)]
#[path = "space_tests.rs"]
mod tests;
