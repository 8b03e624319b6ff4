//! Options that all tools share: where the cluster is, and what its clients are told.

use odradek_client::{Address, ClientConfig, Properties};

use crate::properties_file::{self, PropertiesFile};

/// How long a tool tries to reach a broker before it says so.
const API_TIMEOUT_MS: &str = "15000";

/// Where the cluster is, for tools that administer it.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectionOptions {
    /// Brokers to ask first: host:port, several separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_servers)]
    pub(crate) bootstrap_server: Servers,
    /// A file of the administration client's configuration, one key=value a line.
    #[arg(long, alias = "admin.config", value_name = "FILE", value_parser = read_admin_file)]
    command_config: Option<PropertiesFile>,
}

/// Where the cluster is, for tools that produce or consume. The file is checked with the rest of
/// their configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct ClientOptions {
    /// Brokers to ask first: host:port, several separated by commas.
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_servers)]
    pub(crate) bootstrap_server: Servers,
    /// A file of the client's configuration, one key=value a line.
    #[arg(long, value_name = "FILE", value_parser = properties_file::read)]
    #[arg(aliases = ["producer.config", "consumer.config"])]
    command_config: Option<PropertiesFile>,
}

/// One address or more.
#[derive(Debug, Clone)]
pub(crate) struct Servers(Vec<Address>);

fn parse_servers(text: &str) -> Result<Servers, String> {
    Address::parse_list(text)
        .map(Servers)
        .map_err(|error| error.to_string())
}

/// Reads a file and refuses what the administration client would refuse, while the option that
/// names the file can still be told.
fn read_admin_file(path: &str) -> Result<PropertiesFile, String> {
    let file = properties_file::read(path)?;
    match ClientConfig::from_properties(file.over(Properties::default())) {
        Ok(_) => Ok(file),
        Err(error) => Err(error.to_string()),
    }
}

impl ConnectionOptions {
    /// What a client that calls itself so is told, in Kafka's keys; later ones win.
    pub(crate) fn properties(&self, client_id: &str) -> Properties {
        properties(
            &self.bootstrap_server,
            self.command_config.as_ref(),
            client_id,
        )
    }

    /// The configuration of an administrator that calls itself so.
    pub(crate) fn config(&self, client_id: &str) -> ClientConfig {
        ClientConfig::from_properties(self.properties(client_id))
            .expect("addresses and a file that were read before, and keys of our own")
    }
}

impl ClientOptions {
    /// What a client that calls itself so is told, in Kafka's keys; later ones win.
    pub(crate) fn properties(&self, client_id: &str) -> Properties {
        properties(
            &self.bootstrap_server,
            self.command_config.as_ref(),
            client_id,
        )
    }
}

fn properties(servers: &Servers, file: Option<&PropertiesFile>, client_id: &str) -> Properties {
    let servers: Vec<_> = servers.0.iter().map(Address::to_string).collect();
    let properties = Properties::default()
        .with("client.id", client_id)
        .with("default.api.timeout.ms", API_TIMEOUT_MS);
    let properties = match file {
        Some(file) => file.over(properties),
        None => properties,
    };
    properties.with("bootstrap.servers", servers.join(","))
}
