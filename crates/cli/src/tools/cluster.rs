//! `kafka-cluster`: the cluster's id and the addresses of its brokers.
//!
//! To unregister a broker is not among its commands yet.

use odradek_client::{Admin, Error, admin::cluster::BrokerDescription};

use crate::{
    Outcome,
    connection::ConnectionOptions,
    output,
    table::{Column, Table},
};

/// The width of the RACK column where no broker has one.
const RACK_WIDTH: usize = 10;

/// Prints the cluster's id, or where its brokers listen.
#[derive(Debug, clap::Parser)]
#[command(name = "kafka-cluster")]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the id of the cluster.
    #[command(mut_arg("bootstrap_server", |server| server.short('b')))]
    #[command(mut_arg("command_config", |file| file.alias("config")))]
    ClusterId {
        #[command(flatten)]
        connection: ConnectionOptions,
    },
    /// Print where the brokers listen.
    #[command(mut_arg("bootstrap_server", |server| server.short('b')))]
    #[command(mut_arg("command_config", |file| file.alias("config")))]
    ListEndpoints {
        #[command(flatten)]
        connection: ConnectionOptions,
        /// Also the brokers that are registered, but not serving.
        #[arg(long)]
        include_fenced_brokers: bool,
    },
}

pub(crate) async fn run(options: Options) -> Outcome {
    let result = match options.command {
        Command::ClusterId { connection } => {
            let admin = Admin::new(connection.config("kafka-cluster"));
            print_id(&admin).await
        }
        Command::ListEndpoints {
            connection,
            include_fenced_brokers,
        } => {
            let admin = Admin::new(connection.config("kafka-cluster"));
            print_endpoints(&admin, include_fenced_brokers).await
        }
    };
    match result {
        Ok(()) => Outcome::Done,
        Err(error) => {
            output::error(&error.to_string());
            Outcome::Failed
        }
    }
}

async fn print_id(admin: &Admin) -> Result<(), Error> {
    match admin.describe_cluster().await?.cluster_id {
        Some(id) => output::line(&format!("Cluster ID: {id}")),
        None => output::line("No cluster ID found. The Kafka version is probably too old."),
    }
    Ok(())
}

async fn print_endpoints(admin: &Admin, include_fenced: bool) -> Result<(), Error> {
    let cluster = if include_fenced {
        admin.describe_cluster_with_fenced().await?
    } else {
        admin.describe_cluster().await?
    };
    let brokers: Vec<_> = cluster.brokers.into_values().collect();
    for line in table(&brokers).lines(output::is_terminal()) {
        output::line(&line);
    }
    Ok(())
}

fn table(brokers: &[BrokerDescription]) -> Table {
    let racks = brokers.iter().filter_map(|broker| broker.rack.as_deref());
    let rack_width = racks.map(|rack| rack.chars().count()).max();
    let mut table = Table::new(vec![
        Column::fixed("ID", 10),
        Column::growing("HOST", 0),
        Column::fixed("PORT", 10),
        Column::fixed("RACK", rack_width.unwrap_or(RACK_WIDTH)),
        Column::fixed("STATE", 10),
        Column::fixed("ENDPOINT_TYPE", 15),
    ]);
    for broker in brokers {
        let state = if broker.is_fenced {
            "fenced"
        } else {
            "unfenced"
        };
        table.push(vec![
            broker.id.to_string(),
            broker.address.host.clone(),
            broker.address.port.to_string(),
            broker.rack.clone().unwrap_or_else(|| "null".to_owned()),
            state.to_owned(),
            "broker".to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn endpoints_stand_in_kafkas_columns() {
        let broker = |id, is_fenced, rack: Option<&str>| BrokerDescription {
            id,
            address: "127.0.0.1:23092".parse().unwrap(),
            rack: rack.map(str::to_owned),
            is_fenced,
        };
        assert_eq!(
            table(&[broker(1, false, None)]).lines(false),
            [
                "ID         HOST      PORT       RACK       STATE      ENDPOINT_TYPE  ",
                "1          127.0.0.1 23092      null       unfenced   broker         ",
            ]
        );
        let lines = table(&[broker(2, true, Some("rack-a"))]).lines(false);
        let expected = "2          127.0.0.1 23092      rack-a fenced     broker         ";
        assert_eq!(lines.last().unwrap(), expected);
    }
}
