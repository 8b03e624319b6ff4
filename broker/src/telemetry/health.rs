//! Alive and ready: two questions that must not be confused.
//!
//! *Alive* means that the runtimes still turn. It stays true while the broker recovers, while the
//! disk is full and while the quorum is lost, because a restart cures none of these. It is found
//! out only when somebody asks: a small task is handed to each watched runtime and has to come
//! back. Nothing beats in between, so an idle broker does not wake up for it.
//!
//! *Ready* means that clients may come. It becomes true once the broker has opened its partitions
//! and its listeners, stays true through everything that passes (a full disk does), and becomes
//! false for good when the broker stops. It is also false once the log directory or the metadata
//! log has failed, because that does not pass by itself; docs/adr/0007-failed-disk.md says why the
//! broker goes on to answer reads then.

use std::{fmt, time::Duration};

use parking_lot::RwLock;
use tokio::{runtime::Handle, time::timeout};

/// How long a runtime may take to run a task that has nothing to do.
const PULSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The runtimes that must turn for the broker to be alive.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    runtimes: Vec<(&'static str, Handle)>,
}

/// A runtime did not run a task in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {runtime} runtime has not run a task for {} s", PULSE_TIMEOUT.as_secs())]
pub(crate) struct Stuck {
    /// Which.
    pub(crate) runtime: &'static str,
}

impl Watchdog {
    /// Watches one more runtime.
    pub(crate) fn watch(&mut self, name: &'static str, runtime: Handle) {
        self.runtimes.push((name, runtime));
    }

    /// Asks every runtime for a sign of life. Must be called on a runtime that is not watched.
    pub(crate) async fn pulse(&self) -> Result<(), Stuck> {
        for (name, runtime) in &self.runtimes {
            let sign = runtime.spawn(async {});
            // A runtime that has shut down drops the task: the broker is stopping, not stuck.
            if timeout(PULSE_TIMEOUT, sign).await.is_err() {
                return Err(Stuck { runtime: name });
            }
        }
        Ok(())
    }
}

/// How far the broker has come, for `/readyz`.
#[derive(Debug)]
pub(crate) struct Readiness {
    stage: RwLock<Stage>,
}

/// The stages of a broker's life, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Opening the data folder; holds what it is doing, for people.
    Starting(String),
    /// Serving.
    Ready,
    /// On its way down.
    Stopping,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting(what) => write!(f, "starting: {what}"),
            Self::Ready => f.write_str("ready"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

impl Default for Readiness {
    fn default() -> Self {
        let stage = Stage::Starting("reading the configuration".to_owned());
        Self {
            stage: RwLock::new(stage),
        }
    }
}

impl Readiness {
    /// The stage now.
    pub(crate) fn stage(&self) -> Stage {
        self.stage.read().clone()
    }

    /// Says what the start is doing. Without effect once the broker was ready: readiness latches.
    pub(crate) fn starting(&self, what: impl Into<String>) {
        let mut stage = self.stage.write();
        if let Stage::Starting(shown) = &mut *stage {
            *shown = what.into();
        }
    }

    /// Clients may come.
    pub(crate) fn ready(&self) {
        let mut stage = self.stage.write();
        if matches!(*stage, Stage::Starting(_)) {
            *stage = Stage::Ready;
        }
    }

    /// The broker stops; there is no way back.
    pub(crate) fn stopping(&self) {
        *self.stage.write() = Stage::Stopping;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn readiness_latches_until_the_broker_stops() {
        let readiness = Readiness::default();
        readiness.starting("opened 3 of 10 partitions");
        assert_eq!(
            readiness.stage().to_string(),
            "starting: opened 3 of 10 partitions"
        );
        readiness.ready();
        readiness.starting("again");
        assert_eq!(readiness.stage(), Stage::Ready);
        readiness.stopping();
        readiness.ready();
        assert_eq!(readiness.stage(), Stage::Stopping);
    }

    #[test]
    fn a_runtime_whose_only_thread_is_blocked_is_stuck_and_recovers() {
        let watched = Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let mut watchdog = Watchdog::default();
        watchdog.watch("data", watched.handle().clone());
        let asking = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (unblock, blocked) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();

        watched.spawn(async move {
            started.send(()).unwrap();
            let _ = blocked.recv();
        });
        running.recv().unwrap();
        assert_eq!(
            asking.block_on(watchdog.pulse()),
            Err(Stuck { runtime: "data" })
        );
        unblock.send(()).unwrap();
        let patient = Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(patient.block_on(watchdog.pulse()), Ok(()));
    }
}
