//! File descriptors: how many the process may have, and who may have how many of them.
//!
//! Connections come from strangers and log files from us, so the two must not compete: a flood of
//! connections that left no descriptor for a log would take partitions offline.

use rustix::process::{Resource, getrlimit, setrlimit};

/// For everything that is neither a log file nor a client: listeners, epoll, the metadata log, the
/// admin port.
const OTHERS: u64 = 128;

/// The fewest connections to allow, however low the limit.
const CONNECTIONS_MIN: usize = 64;

/// Raises the soft limit on descriptors to the hard limit and returns it.
pub(crate) fn raise_limit() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: before.maximum,
        ..before
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => before.maximum.unwrap_or(u64::MAX),
        Err(error) => {
            tracing::warn!("raise the limit on open files: {error}");
            before.current.unwrap_or(u64::MAX)
        }
    }
}

/// For how many connections there are descriptors: what `limit` leaves when log files have their
/// `files_max`.
pub(crate) fn connections_max(limit: u64, files_max: usize) -> usize {
    let left = limit
        .saturating_sub(files_max as u64)
        .saturating_sub(OTHERS);
    usize::try_from(left)
        .unwrap_or(usize::MAX)
        .max(CONNECTIONS_MIN)
}

#[cfg(test)]
mod tests {
    use super::connections_max;

    #[test]
    fn connections_leave_descriptors_for_log_files_and_the_rest() {
        for (limit, files, expected) in [
            (1024, 512, 384),
            (256, 256, 64),
            (u64::MAX, 0, usize::MAX - 128),
        ] {
            assert_eq!(connections_max(limit, files), expected);
        }
    }
}
