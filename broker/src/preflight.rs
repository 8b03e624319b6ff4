//! What outside the configuration can keep the broker from starting: its ports and its directory.
//!
//! **Invariant:** nothing on disk is created or changed here, and all problems are found at once,
//! so that nobody repairs one start after the other. The ports that this binds are kept: nobody can
//! take them until the broker listens.

use std::{
    io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    path::Path,
};

use odradek_storage::{
    disk::{Disk, RealDisk},
    log_dir::LOCK_FILE,
};
use rustix::fs::Access;

use crate::{
    config::{
        Config,
        check::{Problem, Problems},
        listeners::Address,
    },
    network::listener::Listener,
};

/// The ports of one broker, bound.
#[derive(Debug)]
pub(crate) struct Ports {
    /// In the order of the configuration. Nobody is accepted yet.
    pub(crate) listeners: Vec<Listener>,
    /// `None` when it is switched off.
    pub(crate) admin: Option<TcpListener>,
}

/// Binds all ports and looks at the directory. Call it inside a tokio runtime.
pub(crate) fn check(config: &Config) -> Result<Ports, Problems> {
    let mut problems = Vec::new();
    let mut listeners = Vec::new();
    for listener in &config.listeners.open {
        let bind = |address| Listener::bind(&listener.name, address, &config.network);
        match bind_any(&listener.bind, bind) {
            Ok(bound) => listeners.push(bound),
            Err(error) => problems.push(port_problem(config, "listeners", &listener.bind, &error)),
        }
    }
    let admin = config.admin_listener.as_ref().and_then(|address| {
        let bound = bind_any(address, TcpListener::bind);
        bound
            .map_err(|e| problems.push(port_problem(config, "admin.listener", address, &e)))
            .ok()
    });
    problems.extend(directory_problem(config));
    if problems.is_empty() {
        Ok(Ports { listeners, admin })
    } else {
        Err(Problems(problems))
    }
}

/// Binds the first address that `address` stands for and that can be bound: a host name may have
/// several, of which some belong to a protocol that this machine does not speak.
fn bind_any<T>(address: &Address, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    let every_interface = ["::", "0.0.0.0"];
    let hosts = if address.host.is_empty() {
        &every_interface[..]
    } else {
        &[address.host.as_str()][..]
    };
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for host in hosts {
        let mut found = match (*host, address.port).to_socket_addrs() {
            Ok(found) => found.collect::<Vec<_>>(),
            Err(error) => {
                failure = error;
                continue;
            }
        };
        // Who dials `localhost` mostly tries IPv4 first or only.
        found.sort_by_key(SocketAddr::is_ipv6);
        for candidate in found {
            match bind(candidate) {
                Ok(bound) => return Ok(bound),
                // Worth more to the user than whatever the other addresses fail with.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => failure = error,
            }
        }
    }
    Err(failure)
}

fn port_problem(config: &Config, key: &str, address: &Address, error: &io::Error) -> Problem {
    let (what, remedy) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("{address} is in use by another process"),
            "stop that process or choose another port",
        ),
        io::ErrorKind::PermissionDenied => (
            format!("{address} may not be bound by this user"),
            "choose a port above 1023",
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("{address} is no address of this machine"),
            "name one of its addresses, or leave the host empty to listen on all of them",
        ),
        _ => (
            format!("cannot listen on {address} ({error})"),
            "check the host and the port",
        ),
    };
    config.settings.problem(key, what, remedy)
}

/// Whether the data directory, or the place where it would be created, can be used.
fn directory_problem(config: &Config) -> Option<Problem> {
    let directory = &config.storage.directory;
    let problem = |what, remedy| Some(config.settings.problem("log.dirs", what, remedy));
    let shown = directory.display();
    let Some(existing) = directory.ancestors().find(|path| path.exists()) else {
        return problem(
            format!("{shown} cannot be created"),
            "name a directory that can be",
        );
    };
    if !existing.is_dir() {
        return problem(
            format!("{} is not a directory", existing.display()),
            "name another one",
        );
    }
    if rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return problem(
            format!("{} may not be written by this user", existing.display()),
            "change its owner or its mode, or name another directory",
        );
    }
    if is_locked(directory) {
        return problem(
            format!("{shown} is in use by another broker"),
            "stop that one or name another directory",
        );
    }
    None
}

/// Whether another process holds the directory's lock. Does not create the lock's file.
fn is_locked(directory: &Path) -> bool {
    let lock = directory.join(LOCK_FILE);
    lock.exists() && matches!(RealDisk.lock(&lock), Ok(None))
}
