//! Options that all tools share: where the cluster is.

use std::time::Duration;

use odradek_client::{Address, ClientConfig};

/// How long a tool tries to reach a broker before it says so.
const API_TIMEOUT: Duration = Duration::from_secs(15);

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
    /// The configuration of a client that calls itself so.
    pub(crate) fn config(&self, client_id: &str) -> ClientConfig {
        ClientConfig {
            client_id: client_id.to_owned(),
            api_timeout: API_TIMEOUT,
            ..ClientConfig::new(self.bootstrap_server.0.clone())
        }
    }
}
