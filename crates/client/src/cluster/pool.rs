//! One connection to each broker and for each purpose, made when it is first needed.
//!
//! **Invariant:** a broker that does not take connections is not dialled again before its pause is
//! over, however many ask.

use std::{collections::HashMap, sync::Arc};

use odradek_connection::{Address, ConnectError, Connection, ConnectionOptions};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;

/// What a connection is for. A request that waits at the broker holds up all those behind it, so
/// those that may wait long have connections of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Requests that are answered at once.
    Requests,
    /// Fetches, which wait for records.
    Fetches,
    /// Joins of a group, which wait for its other members.
    Membership,
}

/// How soon a connection can be had; the soonest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readiness {
    /// It is open.
    Open,
    /// It has to be dialled, or is being dialled.
    Dialled,
    /// The last dial has failed, and the pause after it is not over.
    Paused,
}

/// All connections of one client.
#[derive(Debug)]
pub(crate) struct Pool {
    options: ConnectionOptions,
    backoff: Backoff,
    places: Mutex<HashMap<(Address, Purpose), Arc<Place>>>,
}

/// Where the connection to one broker is, or will be.
#[derive(Debug, Default)]
struct Place {
    /// Held over a dial, so that those who come meanwhile share its outcome.
    state: tokio::sync::Mutex<PlaceState>,
}

#[derive(Debug, Default)]
struct PlaceState {
    connection: Option<Connection>,
    /// Dials that failed since the last that did not.
    failures: u32,
    not_before: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(options: ConnectionOptions, backoff: Backoff) -> Self {
        Self {
            options,
            backoff,
            places: Mutex::default(),
        }
    }

    /// The connection to a broker, dialled if there is none. After a failure it waits out the
    /// pause first.
    pub(crate) async fn get(
        &self,
        address: &Address,
        purpose: Purpose,
    ) -> Result<Connection, ConnectError> {
        let place = self.place(address, purpose);
        let mut state = place.state.lock().await;
        if let Some(connection) = &state.connection
            && connection.lost().is_none()
        {
            return Ok(connection.clone());
        }
        if let Some(not_before) = state.not_before {
            sleep_until(not_before).await;
        }
        match Connection::open(address, &self.options).await {
            Ok(connection) => {
                *state = PlaceState {
                    connection: Some(connection.clone()),
                    ..PlaceState::default()
                };
                Ok(connection)
            }
            Err(error) => {
                state.connection = None;
                state.failures += 1;
                let pause = self.backoff.after(state.failures, fastrand::f64());
                state.not_before = Some(Instant::now() + pause);
                Err(error)
            }
        }
    }

    /// How soon a connection can be had.
    pub(crate) fn readiness(&self, address: &Address, purpose: Purpose) -> Readiness {
        let place = self.place(address, purpose);
        let Ok(state) = place.state.try_lock() else {
            return Readiness::Dialled;
        };
        let open = state.connection.as_ref();
        match state.not_before {
            _ if open.is_some_and(|connection| connection.lost().is_none()) => Readiness::Open,
            Some(not_before) if Instant::now() < not_before => Readiness::Paused,
            _ => Readiness::Dialled,
        }
    }

    fn place(&self, address: &Address, purpose: Purpose) -> Arc<Place> {
        let mut places = self.places.lock();
        Arc::clone(places.entry((address.clone(), purpose)).or_default())
    }
}
