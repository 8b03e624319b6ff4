//! `kafka-metadata-quorum`: who keeps the cluster's metadata, and how far each of them has come.
//!
//! Only described: to add and remove controllers is not among its commands yet, and neither is to
//! ask a controller instead of a broker.

use std::time::{SystemTime, UNIX_EPOCH};

use odradek_client::{
    Admin, Error, Uuid,
    admin::quorum::{QuorumDescription, QuorumReplica},
    uuid_text,
};

use crate::{Outcome, connection::ConnectionOptions, output};

/// What the tool prints for what nobody knows.
const UNKNOWN: i64 = -1;

/// Describes the quorum that keeps the cluster's metadata.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-metadata-quorum")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print who leads the quorum, or how far every member has come.
    Describe {
        /// A summary: the leader, the epoch, the members.
        #[arg(long)]
        status: bool,
        /// One row for each member.
        #[arg(long)]
        replication: bool,
        /// With --replication: how long ago, instead of when.
        #[arg(long)]
        human_readable: bool,
    },
    /// Add a controller to the quorum: not possible yet.
    AddController,
    /// Remove a controller from the quorum: not possible yet.
    #[command(allow_hyphen_values = true)]
    RemoveController {
        #[arg(hide = true, trailing_var_arg = true)]
        _ignored: Vec<String>,
    },
}

pub(crate) async fn run(options: Options) -> Outcome {
    let printed = match options.command {
        Command::Describe {
            status,
            replication,
            human_readable,
        } => {
            if let Err(problem) = check(status, replication, human_readable) {
                output::error(problem);
                return Outcome::Failed;
            }
            let admin = Admin::new(options.connection.config("kafka-metadata-quorum"));
            if status {
                print_status(&admin).await
            } else {
                print_replication(&admin, human_readable).await
            }
        }
        Command::AddController | Command::RemoveController { .. } => {
            output::error("The members of the quorum cannot be changed with this tool yet.");
            return Outcome::Failed;
        }
    };
    match printed {
        Ok(()) => Outcome::Done,
        Err(error) => {
            output::error(&error.to_string());
            Outcome::Failed
        }
    }
}

const fn check(status: bool, replication: bool, human_readable: bool) -> Result<(), &'static str> {
    match (status, replication) {
        (true, true) => Err(
            "Only one of --status or --replication should be specified with describe sub-command",
        ),
        (false, false) => {
            Err("One of --status or --replication must be specified with describe sub-command")
        }
        (true, false) if human_readable => {
            Err("The option --human-readable is only supported along with --replication")
        }
        _ => Ok(()),
    }
}

async fn print_status(admin: &Admin) -> Result<(), Error> {
    let cluster = admin.describe_cluster().await?;
    let quorum = admin.describe_quorum().await?;
    let cluster_id = cluster.cluster_id.unwrap_or_default();
    for line in status(&cluster_id, &quorum) {
        output::line(&line);
    }
    Ok(())
}

async fn print_replication(admin: &Admin, human_readable: bool) -> Result<(), Error> {
    let quorum = admin.describe_quorum().await?;
    let now_ms = human_readable.then(now_ms);
    for line in replication(&quorum, now_ms) {
        output::line(&line);
    }
    Ok(())
}

fn status(cluster_id: &str, quorum: &QuorumDescription) -> [String; 8] {
    let (lag, lag_ms) = follower_lag(quorum);
    let voters = quorum.voters.iter().map(|voter| member(quorum, voter));
    let observers = quorum.observers.iter().map(|it| member(quorum, it));
    let leader_id = quorum.leader_id.map_or(UNKNOWN, i64::from);
    [
        ("ClusterId:", cluster_id.to_owned()),
        ("LeaderId:", leader_id.to_string()),
        ("LeaderEpoch:", quorum.leader_epoch.to_string()),
        ("HighWatermark:", quorum.high_watermark.to_string()),
        ("MaxFollowerLag:", lag.to_string()),
        ("MaxFollowerLagTimeMs:", lag_ms.to_string()),
        ("CurrentVoters:", bracketed(voters)),
        ("CurrentObservers:", bracketed(observers)),
    ]
    .map(|(name, value)| format!("{name:<24}{value}"))
}

/// How many entries, and how long, the voter that has the fewest is behind the leader.
fn follower_lag(quorum: &QuorumDescription) -> (i64, i64) {
    let leader = leader(quorum);
    let last = quorum.voters.iter().min_by_key(|voter| log_end(voter));
    let (Some(leader), Some(last)) = (leader, last) else {
        return (UNKNOWN, UNKNOWN);
    };
    let lag = log_end(leader) - log_end(last);
    if leader.node_id == last.node_id {
        return (lag, 0);
    }
    let caught_up = leader
        .last_caught_up_timestamp
        .zip(last.last_caught_up_timestamp);
    let lag_ms = caught_up.map(|(leader, last)| leader - last);
    (lag, lag_ms.unwrap_or(UNKNOWN))
}

fn member(quorum: &QuorumDescription, replica: &QuorumReplica) -> String {
    let directory = match replica.directory_id {
        id if id == Uuid::nil() => "null".to_owned(),
        id => format!("\"{}\"", uuid_text(id)),
    };
    let endpoints = quorum.listeners.get(&replica.node_id);
    let endpoints: Vec<_> = endpoints
        .into_iter()
        .flatten()
        .map(|(name, address)| format!("\"{name}://{address}\""))
        .collect();
    let endpoints = if endpoints.is_empty() {
        String::new()
    } else {
        format!(", \"endpoints\": [{}]", endpoints.join(", "))
    };
    format!(
        "{{\"id\": {}, \"directoryId\": {directory}{endpoints}}}",
        replica.node_id
    )
}

fn bracketed(members: impl Iterator<Item = String>) -> String {
    format!("[{}]", members.collect::<Vec<_>>().join(", "))
}

/// A table with tabs between its padded columns; times as they are, or as how long before now.
fn replication(quorum: &QuorumDescription, now_ms: Option<i64>) -> Vec<String> {
    let leader_end = leader(quorum).map_or(UNKNOWN, log_end);
    let followers = quorum.voters.iter();
    let followers = followers.filter(|voter| Some(voter.node_id) != quorum.leader_id);
    let members = leader(quorum).into_iter().map(|it| (it, "Leader"));
    let members = members
        .chain(followers.map(|it| (it, "Follower")))
        .chain(quorum.observers.iter().map(|it| (it, "Observer")));
    let titles = [
        "NodeId",
        "DirectoryId",
        "LogEndOffset",
        "Lag",
        "LastFetchTimestamp",
        "LastCaughtUpTimestamp",
        "Status",
    ];
    let time = |time: Option<i64>| match (time, now_ms) {
        (Some(time), Some(now)) => format!("{} ms ago", now.saturating_sub(time).max(0)),
        (time, _) => time.unwrap_or(UNKNOWN).to_string(),
    };
    let rows = members.map(|(replica, status)| {
        [
            replica.node_id.to_string(),
            uuid_text(replica.directory_id),
            log_end(replica).to_string(),
            (leader_end - log_end(replica)).to_string(),
            time(replica.last_fetch_timestamp),
            time(replica.last_caught_up_timestamp),
            status.to_owned(),
        ]
    });
    let rows: Vec<_> = std::iter::once(titles.map(str::to_owned))
        .chain(rows)
        .collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(String::len).max().unwrap_or(0)
    });
    // Behind the last column there is a tab too.
    let line = |row: [String; 7]| {
        let cells = row.into_iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}\t"));
        cells.collect::<Vec<_>>().concat()
    };
    rows.into_iter().map(line).collect()
}

fn leader(quorum: &QuorumDescription) -> Option<&QuorumReplica> {
    let mut voters = quorum.voters.iter();
    voters.find(|voter| Some(voter.node_id) == quorum.leader_id)
}

fn log_end(replica: &QuorumReplica) -> i64 {
    replica.log_end_offset.unwrap_or(UNKNOWN)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long ago is as seen from this machine's clock"
)]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn replica(node_id: i32, log_end: Option<i64>, time: Option<i64>) -> QuorumReplica {
        QuorumReplica {
            node_id,
            directory_id: Uuid::from_u128(node_id.unsigned_abs().into()),
            log_end_offset: log_end,
            last_fetch_timestamp: time,
            last_caught_up_timestamp: time,
        }
    }

    fn quorum() -> QuorumDescription {
        QuorumDescription {
            leader_id: Some(2),
            leader_epoch: 4,
            high_watermark: 90,
            voters: vec![
                replica(1, Some(90), Some(950)),
                replica(2, Some(100), Some(1_000)),
            ],
            observers: vec![replica(3, None, None)],
            listeners: [(2, vec![("C".to_owned(), "h:1".parse().unwrap())])].into(),
        }
    }

    #[test]
    fn the_summary_is_that_of_kafkas_tool() {
        let expected = [
            "ClusterId:              c",
            "LeaderId:               2",
            "LeaderEpoch:            4",
            "HighWatermark:          90",
            "MaxFollowerLag:         10",
            "MaxFollowerLagTimeMs:   50",
            "CurrentVoters:          [{\"id\": 1, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAQ\"}, \
             {\"id\": 2, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAg\", \
             \"endpoints\": [\"C://h:1\"]}]",
            "CurrentObservers:       [{\"id\": 3, \"directoryId\": \"AAAAAAAAAAAAAAAAAAAAAw\"}]",
        ];
        assert_eq!(status("c", &quorum()), expected);
    }

    #[test]
    fn the_leader_stands_first_and_what_nobody_knows_is_minus_one() {
        let lines = replication(&quorum(), None);
        let first = "2     \tAAAAAAAAAAAAAAAAAAAAAg\t100         \t0  \t1000              \t\
                     1000                 \tLeader  \t";
        assert_eq!(lines[1], first);
        assert!(
            lines[3].contains("\t-1          \t101\t-1 "),
            "{}",
            lines[3]
        );
        let lines = replication(&quorum(), Some(1_200));
        assert!(lines[2].contains("\t250 ms ago"), "{}", lines[2]);
        assert!(lines[3].contains("\t-1 "), "{}", lines[3]);
    }

    #[test]
    fn exactly_one_report_is_asked_for() {
        assert!(check(true, true, false).is_err());
        assert!(check(false, false, false).is_err());
        assert!(check(true, false, true).is_err());
        assert!(check(false, true, true).is_ok());
    }
}
