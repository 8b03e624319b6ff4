//! Options that all tools share: where the cluster is.

use odradek_client::{Address, ClientConfig, Properties};

/// How long a tool tries to reach a broker before it says so.
const API_TIMEOUT_MS: &str = "15000";

/// Where the cluster is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionOptions {
    /// Brokers to ask first: host:port, several separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_servers)]
    pub(crate) bootstrap_server: Servers,
}

/// One address or more.
#[derive(Debug, Clone)]
pub(crate) struct Servers(Vec<Address>);

fn parse_servers(text: &str) -> Result<Servers, String> {
    Address::parse_list(text)
        .map(Servers)
        .map_err(|error| error.to_string())
}

impl ConnectionOptions {
    /// What a client that calls itself so is told, in Kafka's keys; later ones win.
    pub(crate) fn properties(&self, client_id: &str) -> Properties {
        let servers: Vec<_> = self
            .bootstrap_server
            .0
            .iter()
            .map(Address::to_string)
            .collect();
        Properties::default()
            .with("bootstrap.servers", servers.join(","))
            .with("client.id", client_id)
            .with("default.api.timeout.ms", API_TIMEOUT_MS)
    }

    /// The configuration of an administrator that calls itself so.
    pub(crate) fn config(&self, client_id: &str) -> ClientConfig {
        ClientConfig::from_properties(self.properties(client_id))
            .expect("addresses that were read before, and keys of our own")
    }
}
