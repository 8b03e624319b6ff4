//! A host and a port, as people write them and as brokers advertise them.

use std::{fmt, str::FromStr};

/// Where a broker listens. The name is resolved at each dial, so that it may move.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// A name or an IP address, the latter without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing after a colon.
    #[error("\"{0}\" has no port: write host:port")]
    NoPort(String),
    /// Something that is no port after the colon.
    #[error("the port of \"{0}\" is not a number from 1 to 65535")]
    BadPort(String),
    /// Nothing before the colon.
    #[error("\"{0}\" has no host: write host:port")]
    NoHost(String),
    /// A list without an entry.
    #[error("no address is given: write host:port, several separated by commas")]
    Empty,
}

impl Address {
    /// That host and port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// The addresses of a list such as `bootstrap.servers`, separated by commas, at least one.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, AddressError> {
        let entries = text.split(',').map(str::trim);
        let addresses = entries
            .filter(|entry| !entry.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(AddressError::Empty);
        }
        Ok(addresses)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `host:port`, or `[host]:port` where the host has colons itself.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |kind: fn(String) -> AddressError| kind(text.to_owned());
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| error(AddressError::NoPort))?;
        let in_brackets = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if in_brackets.is_none() && host.contains(':') {
            // `::1` without a port, most likely.
            return Err(error(AddressError::NoPort));
        }
        let host = in_brackets.unwrap_or(host);
        if host.is_empty() {
            return Err(error(AddressError::NoHost));
        }
        match port.parse() {
            Ok(0) | Err(_) => Err(error(AddressError::BadPort)),
            Ok(port) => Ok(Self::new(host, port)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_both_kinds_of_ip_addresses_are_read_and_written_alike() {
        for text in ["broker-1.kafka:9092", "127.0.0.1:1", "[::1]:65535"] {
            assert_eq!(
                text.parse().map(|it: Address| it.to_string()),
                Ok(text.into())
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let parse = |text: &str| text.parse::<Address>().map_err(|error| error.to_string());
        let of = |text: &str| parse(text).err().unwrap_or_default();
        assert!(of("broker").contains("no port"));
        assert!(of("::1").contains("no port"));
        assert!(of("broker:").contains("not a number"));
        assert!(of("broker:0").contains("not a number"));
        assert!(of("broker:65536").contains("not a number"));
        assert!(of(":9092").contains("no host"));
    }

    #[test]
    fn a_list_ignores_blanks_and_needs_one_entry() {
        let list = Address::parse_list("a:1, b:2,").map(|list| list.len());
        assert_eq!(list, Ok(2));
        assert_eq!(Address::parse_list(" , "), Err(AddressError::Empty));
    }
}
