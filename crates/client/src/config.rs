//! What every kind of client has to know: where the cluster is, and how patient to be.

use std::time::Duration;

use odradek_connection::Address;

use crate::properties::{ConfigError, Properties};

/// Configuration that producers, consumers and administrators share. The names are Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// `bootstrap.servers`: brokers to ask first; one that answers is enough.
    pub bootstrap_servers: Vec<Address>,
    /// `client.id`: how the client is named in the brokers' logs.
    pub client_id: String,
    /// `request.timeout.ms`: how long a broker may take to answer.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long a call may take with all its attempts.
    pub api_timeout: Duration,
    /// `retry.backoff.ms`: the pause before the first repetition; it doubles with each.
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: where the pause stops growing.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`: the pause before a broker is dialled again; it doubles with each
    /// failure.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: where that pause stops growing.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: for one dial.
    pub connect_timeout: Duration,
    /// `metadata.max.age.ms`: metadata is asked for again after this, even without an error.
    pub metadata_max_age: Duration,
}

impl ClientConfig {
    /// The defaults, with these brokers to ask first.
    pub fn new(bootstrap_servers: Vec<Address>) -> Self {
        Self {
            bootstrap_servers,
            client_id: String::new(),
            request_timeout: Duration::from_secs(30),
            api_timeout: Duration::from_mins(1),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(10),
            metadata_max_age: Duration::from_mins(5),
        }
    }

    /// The same from Kafka's keys alone: an unknown one is an error.
    pub fn from_properties(mut properties: Properties) -> Result<Self, ConfigError> {
        let config = Self::take(&mut properties);
        properties.finish()?;
        Ok(config)
    }

    /// Takes the keys that belong here; what is left belongs to somebody else.
    pub(crate) fn take(properties: &mut Properties) -> Self {
        let bootstrap_servers = properties.take("bootstrap.servers", Vec::new(), |text| {
            Address::parse_list(text).map_err(|error| format!("a list of addresses: {error}"))
        });
        let defaults = Self::new(bootstrap_servers);
        // Security is another protocol than this one, not a detail that may be left out.
        properties.take("security.protocol", (), |text| match text {
            "PLAINTEXT" => Ok(()),
            _ => Err("PLAINTEXT: this client speaks neither TLS nor SASL yet".to_owned()),
        });
        let mut ms = |key, default| properties.take_ms(key, default);
        Self {
            request_timeout: ms("request.timeout.ms", defaults.request_timeout),
            api_timeout: ms("default.api.timeout.ms", defaults.api_timeout),
            retry_backoff: ms("retry.backoff.ms", defaults.retry_backoff),
            retry_backoff_max: ms("retry.backoff.max.ms", defaults.retry_backoff_max),
            reconnect_backoff: ms("reconnect.backoff.ms", defaults.reconnect_backoff),
            reconnect_backoff_max: ms("reconnect.backoff.max.ms", defaults.reconnect_backoff_max),
            connect_timeout: ms(
                "socket.connection.setup.timeout.ms",
                defaults.connect_timeout,
            ),
            metadata_max_age: ms("metadata.max.age.ms", defaults.metadata_max_age),
            client_id: properties.take_text("client.id", &defaults.client_id),
            bootstrap_servers: defaults.bootstrap_servers,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_kafkas_own() {
        let properties = [
            ("bootstrap.servers", "a:1,b:2"),
            ("client.id", "me"),
            ("request.timeout.ms", "7"),
        ];
        let config = ClientConfig::from_properties(properties.into_iter().collect()).unwrap();
        assert_eq!(config.bootstrap_servers.len(), 2);
        assert_eq!(
            (
                config.client_id.as_str(),
                config.request_timeout.as_millis()
            ),
            ("me", 7)
        );
    }

    #[test]
    fn security_that_is_not_there_is_refused() {
        let properties = [("security.protocol", "SSL"), ("bootstrap.servers", "a")];
        let error = ClientConfig::from_properties(properties.into_iter().collect()).unwrap_err();
        assert_eq!(error.0.len(), 2, "{error}");
    }
}
