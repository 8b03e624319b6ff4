//! From a name to a connected socket.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout_at},
};

use crate::{address::Address, error::ConnectError};

/// Resolves the name and connects to the first of its addresses that takes the connection. All of
/// it together takes no longer than `timeout`; each address gets an equal share of what is left,
/// so that one that swallows packets does not hide the next.
pub(crate) async fn dial(address: &Address, timeout: Duration) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + timeout;
    let timed_out = || ConnectError::TimedOut {
        address: address.clone(),
        after: timeout,
    };
    let resolve_error = |source| ConnectError::Resolve {
        address: address.clone(),
        source,
    };
    let found: Vec<SocketAddr> =
        timeout_at(deadline, lookup_host((address.host.as_str(), address.port)))
            .await
            .map_err(|_| timed_out())?
            .map_err(resolve_error)?
            .collect();
    let mut last = None;
    for (index, candidate) in found.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(found.len() - index).unwrap_or(u32::MAX);
        match timeout_at(Instant::now() + share, TcpStream::connect(candidate)).await {
            Ok(Ok(stream)) => {
                // Requests are whole when they are written: waiting for more only costs time.
                stream
                    .set_nodelay(true)
                    .map_err(|source| ConnectError::Dial {
                        address: address.clone(),
                        source,
                    })?;
                return Ok(stream);
            }
            Ok(Err(source)) => {
                last = Some(ConnectError::Dial {
                    address: address.clone(),
                    source,
                });
            }
            Err(_) => last = Some(timed_out()),
        }
    }
    Err(last.unwrap_or_else(|| {
        let message = "the name has no address";
        resolve_error(io::Error::new(io::ErrorKind::NotFound, message))
    }))
}
