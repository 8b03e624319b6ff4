//! `kafka-broker-api-versions`: which APIs and versions each broker serves.

use odradek_client::{
    Admin, Error, VersionRange,
    admin::cluster::{BrokerDescription, BrokerVersions},
};

use crate::{Outcome, connection::ConnectionOptions, output};

/// Prints which APIs and versions each broker serves, and which version this client would use.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-broker-api-versions")]
pub(crate) struct Options {
    #[command(flatten)]
    connection: ConnectionOptions,
}

/// The APIs that brokers serve clients, by number. Those that a broker does not serve are printed,
/// too.
const APIS: &[(i16, &str)] = &[
    (0, "Produce"),
    (1, "Fetch"),
    (2, "ListOffsets"),
    (3, "Metadata"),
    (8, "OffsetCommit"),
    (9, "OffsetFetch"),
    (10, "FindCoordinator"),
    (11, "JoinGroup"),
    (12, "Heartbeat"),
    (13, "LeaveGroup"),
    (14, "SyncGroup"),
    (15, "DescribeGroups"),
    (16, "ListGroups"),
    (17, "SaslHandshake"),
    (18, "ApiVersions"),
    (19, "CreateTopics"),
    (20, "DeleteTopics"),
    (21, "DeleteRecords"),
    (22, "InitProducerId"),
    (23, "OffsetForLeaderEpoch"),
    (24, "AddPartitionsToTxn"),
    (25, "AddOffsetsToTxn"),
    (26, "EndTxn"),
    (27, "WriteTxnMarkers"),
    (28, "TxnOffsetCommit"),
    (29, "DescribeAcls"),
    (30, "CreateAcls"),
    (31, "DeleteAcls"),
    (32, "DescribeConfigs"),
    (33, "AlterConfigs"),
    (34, "AlterReplicaLogDirs"),
    (35, "DescribeLogDirs"),
    (36, "SaslAuthenticate"),
    (37, "CreatePartitions"),
    (38, "CreateDelegationToken"),
    (39, "RenewDelegationToken"),
    (40, "ExpireDelegationToken"),
    (41, "DescribeDelegationToken"),
    (42, "DeleteGroups"),
    (43, "ElectLeaders"),
    (44, "IncrementalAlterConfigs"),
    (45, "AlterPartitionReassignments"),
    (46, "ListPartitionReassignments"),
    (47, "OffsetDelete"),
    (48, "DescribeClientQuotas"),
    (49, "AlterClientQuotas"),
    (50, "DescribeUserScramCredentials"),
    (51, "AlterUserScramCredentials"),
    (55, "DescribeQuorum"),
    (57, "UpdateFeatures"),
    (60, "DescribeCluster"),
    (61, "DescribeProducers"),
    (64, "UnregisterBroker"),
    (65, "DescribeTransactions"),
    (66, "ListTransactions"),
    (68, "ConsumerGroupHeartbeat"),
    (69, "ConsumerGroupDescribe"),
    (71, "GetTelemetrySubscriptions"),
    (72, "PushTelemetry"),
    (74, "ListConfigResources"),
    (75, "DescribeTopicPartitions"),
    (76, "ShareGroupHeartbeat"),
    (77, "ShareGroupDescribe"),
    (78, "ShareFetch"),
    (79, "ShareAcknowledge"),
    (80, "AddRaftVoter"),
    (81, "RemoveRaftVoter"),
    (83, "InitializeShareGroupState"),
    (84, "ReadShareGroupState"),
    (85, "WriteShareGroupState"),
    (86, "DeleteShareGroupState"),
    (87, "ReadShareGroupStateSummary"),
    (88, "StreamsGroupHeartbeat"),
    (89, "StreamsGroupDescribe"),
    (90, "DescribeShareGroupOffsets"),
    (91, "AlterShareGroupOffsets"),
    (92, "DeleteShareGroupOffsets"),
];

pub(crate) async fn run(options: Options) -> Outcome {
    let admin = Admin::new(options.connection.config("kafka-broker-api-versions"));
    match describe(&admin).await {
        Ok(outcome) => outcome,
        Err(error) => {
            output::error(&error.to_string());
            Outcome::Failed
        }
    }
}

async fn describe(admin: &Admin) -> Result<Outcome, Error> {
    let mut outcome = Outcome::Done;
    for broker in admin.describe_cluster().await?.brokers.values() {
        let name = name(broker);
        match admin.describe_versions(broker.id).await {
            Ok(versions) => {
                output::line(&format!("{name} -> ("));
                output::line(&lines(&versions).join(",\n"));
                output::line(")");
            }
            Err(error) => {
                outcome = Outcome::Failed;
                output::line(&format!("{name} -> ERROR: {error}"));
            }
        }
    }
    Ok(outcome)
}

fn name(broker: &BrokerDescription) -> String {
    format!(
        "{} (id: {} rack: {} isFenced: {})",
        broker.address,
        broker.id,
        broker.rack.as_deref().unwrap_or("null"),
        broker.is_fenced
    )
}

/// One line for each API that the broker serves, or that it might serve.
fn lines(versions: &BrokerVersions) -> Vec<String> {
    let known = APIS.iter().map(|(api, _)| *api);
    let mut apis: Vec<i16> = known.chain(versions.apis.keys().copied()).collect();
    apis.sort_unstable();
    apis.dedup();
    let each = apis.into_iter().map(|api| {
        let named = APIS.iter().find(|(number, _)| *number == api);
        let name = named.map_or("UNKNOWN", |(_, name)| *name);
        match versions.apis.get(&api) {
            Some(served) => {
                let usable = match versions.usable(api) {
                    Some(version) => format!("usable: {version}"),
                    None => "unusable: not spoken by this client".to_owned(),
                };
                format!("\t{name}({api}): {} [{usable}]", range(*served))
            }
            None => format!("\t{name}({api}): UNSUPPORTED"),
        }
    });
    each.collect()
}

fn range(served: VersionRange) -> String {
    if served.min == served.max {
        served.min.to_string()
    } else {
        format!("{} to {}", served.min, served.max)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_api_has_its_line_in_the_order_of_their_numbers() {
        let range = |min, max| VersionRange { min, max };
        let versions = BrokerVersions {
            apis: [
                (18, range(0, 4)),
                (47, range(0, 0)),
                (48, range(0, 1)),
                (999, range(2, 3)),
            ]
            .into(),
            ..Default::default()
        };
        let lines = lines(&versions);
        assert_eq!(lines.first().unwrap(), "\tProduce(0): UNSUPPORTED");
        for expected in [
            "\tApiVersions(18): 0 to 4 [usable: 4]",
            "\tOffsetDelete(47): 0 [usable: 0]",
            "\tDescribeClientQuotas(48): 0 to 1 [unusable: not spoken by this client]",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}");
        }
        let unknown = "\tUNKNOWN(999): 2 to 3 [unusable: not spoken by this client]";
        assert_eq!(lines.last().unwrap(), unknown);
        assert!(APIS.is_sorted());
    }
}
