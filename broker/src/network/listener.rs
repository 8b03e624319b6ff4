//! Listening sockets: bound before anything else is opened, accepting once everything is.
//!
//! Between the two, clients wait in the kernel's queue; none is refused because it came early.
//!
//! **Invariant:** whatever the number of clients, accepting neither spins nor ends: out of
//! descriptors it pauses; above the limits on connections it closes the newcomer.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::task::TaskTracker;

use crate::{
    api::context::{ConnectionInfo, Principal},
    config::{self, dynamic::LiveConfig},
    network::{Network, connection::Connection, log_limiter::LogLimiter},
    telemetry::metrics::{Metrics, Refusal},
};

/// How long accepting pauses when the process or the machine is out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(200);

/// A bound socket on which nobody is accepted yet.
#[derive(Debug)]
pub(crate) struct Listener {
    name: Arc<str>,
    socket: TcpListener,
    send_buffer_bytes: Option<u32>,
    receive_buffer_bytes: Option<u32>,
}

/// Counts connections, over all listeners and by address.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    /// `max.connections` and `max.connections.per.ip`, which may change.
    config: Arc<LiveConfig>,
    /// Connections that the process has descriptors for.
    descriptors: usize,
    open: Mutex<Open>,
    next_id: AtomicU64,
    metrics: Arc<Metrics>,
    /// Lines about connections that are refused, and about running out of descriptors.
    complaints: LogLimiter,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_ip: HashMap<IpAddr, usize>,
}

/// A connection's place among those that are allowed; dropping it frees the place.
#[derive(Debug)]
struct Slot {
    limits: Arc<ConnectionLimits>,
    ip: IpAddr,
}

impl Listener {
    /// Binds `address` for the listener called `name`.
    pub(crate) fn bind(
        name: &str,
        address: SocketAddr,
        config: &config::Network,
    ) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restart must not wait for the previous process's connections to be forgotten.
        socket.set_reuseaddr(true)?;
        if let Some(bytes) = config.receive_buffer_bytes {
            // Accepted sockets inherit it, and it must be known before the first handshake.
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        Ok(Self {
            name: name.into(),
            socket: socket.listen(config.listen_backlog)?,
            send_buffer_bytes: config.send_buffer_bytes,
            receive_buffer_bytes: config.receive_buffer_bytes,
        })
    }

    /// The address it is bound to, with the real port where 0 was asked for.
    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts connections until the broker stops. Each is served by a task in `tasks`.
    pub(crate) async fn accept(
        self,
        network: Arc<Network>,
        limits: Arc<ConnectionLimits>,
        tasks: TaskTracker,
    ) {
        loop {
            let accepted = tokio::select! {
                biased; // First of all, stop.
                () = network.stopping.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.admit(socket, peer, &network, &limits, &tasks),
                Err(error) => limits.survive(&error).await,
            }
        }
    }

    fn admit(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        network: &Arc<Network>,
        limits: &Arc<ConnectionLimits>,
        tasks: &TaskTracker,
    ) {
        let Some(slot) = limits.admit(peer.ip().to_canonical()) else {
            return;
        };
        if let Err(error) = self.set_options(&socket) {
            tracing::debug!(%peer, "set socket options: {error}");
        }
        let info = ConnectionInfo {
            id: limits.next_id.fetch_add(1, Ordering::Relaxed),
            peer,
            listener: Arc::clone(&self.name),
            principal: Principal::Anonymous,
        };
        let open = limits.metrics.connections(&self.name);
        open.inc();
        let connection = Connection::new(Arc::clone(network), info, socket);
        tasks.spawn(async move {
            connection.serve().await;
            open.dec();
            drop(slot);
        });
    }

    fn set_options(&self, socket: &TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        if let Some(bytes) = self.send_buffer_bytes {
            rustix::net::sockopt::set_socket_send_buffer_size(socket, bytes as usize)?;
        }
        if let Some(bytes) = self.receive_buffer_bytes {
            rustix::net::sockopt::set_socket_recv_buffer_size(socket, bytes as usize)?;
        }
        Ok(())
    }
}

impl ConnectionLimits {
    /// Nobody connected yet. `descriptors` is for how many connections the process has descriptors.
    pub(crate) fn new(
        config: Arc<LiveConfig>,
        descriptors: usize,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            descriptors,
            open: Mutex::default(),
            next_id: AtomicU64::new(0),
            metrics,
            complaints: LogLimiter::default(),
        })
    }

    fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Slot> {
        let config = self.config.now();
        let mut open = self.open.lock();
        let from_ip = open.by_ip.get(&ip).copied().unwrap_or_default();
        let connections_max = config.network.connections_max.min(self.descriptors);
        let (limit, refusal) = if connections_max <= open.total {
            (
                "max.connections, or the limit on open files,",
                Refusal::TooMany,
            )
        } else if config.network.connections_per_ip_max <= from_ip {
            ("max.connections.per.ip", Refusal::TooManyFromOneAddress)
        } else {
            open.total += 1;
            open.by_ip.insert(ip, from_ip + 1);
            return Some(Slot {
                limits: Arc::clone(self),
                ip,
            });
        };
        let total = open.total;
        drop(open);
        self.metrics.connection_refused(refusal);
        if let Some(left_out) = self.complaints.permit() {
            tracing::warn!(%ip, open = total, left_out, "refused a connection: {limit} is reached");
        }
        None
    }

    /// Deals with an error of `accept`. Those of a single connection need nothing; the others would
    /// come again at once, so they get a pause.
    async fn survive(&self, error: &io::Error) {
        const EXHAUSTED: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if !Errno::from_io_error(error).is_some_and(|errno| EXHAUSTED.contains(&errno)) {
            tracing::debug!("accept a connection: {error}");
            return;
        }
        self.metrics.connection_refused(Refusal::NoDescriptor);
        if let Some(left_out) = self.complaints.permit() {
            tracing::error!(
                left_out,
                "cannot accept connections: {error}; raise the limit on open files"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.limits.open.lock();
        open.total -= 1;
        if let Some(from_ip) = open.by_ip.get_mut(&self.ip) {
            *from_ip -= 1;
            if *from_ip == 0 {
                open.by_ip.remove(&self.ip);
            }
        }
    }
}
